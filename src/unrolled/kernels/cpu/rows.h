/* Work over rows: how many threads it is worth, and sums along a row in one fixed order.

   A row's numbers are added in 32 chains (16 of doubles), number i to chain i mod 32, and the chains are then
   folded in halves: 16 to 16, 8 to 8, … A chain is one lane of a vector, whatever the vectors' width. */
#pragma once

#include "pool.h"
#include "step.h"

namespace unrolled::UNROLLED_ISA {

/* Waking a thread costs about as long as this many operations. */
inline constexpr Index work_per_thread = 500'000;

inline Index threads_worth(Index work, Index threads) {
  return maximum(1, minimum(threads, work / work_per_thread));
}

/* body(first, end) for stretches of 0 … count - 1, each a multiple of `unit` long but the last. */
template <class Body>
void share_out(Index count, Index unit, Index threads, const Body& body) {
  const Index units = divide_up(count, unit), tasks = minimum(threads == 1 ? 1 : 4 * threads, units);
  pool::run(tasks, threads, [&](Index task) {
    body(units * task / tasks * unit, minimum(count, units * (task + 1) / tasks * unit));
  });
}

/* `value` in the first `count` lanes, `other` in the rest. */
template <class Real>
inline Vec<Real> only_first(Vec<Real> value, Index count, Real other) {
  Vec<Real> lane;
  for (int i = 0; i < lanes<Real>; ++i)
    lane[i] = static_cast<Real>(i);
  return lane < static_cast<Real>(count) ? value : broadcast(other);
}

inline constexpr int chain_vectors = 128 / UNROLLED_VECTOR_BYTES;

/* The chains of Σ term(i, count), a vector of the terms i … i + count - 1, over all of 0 … columns - 1;
   folded until they are one vector. */
template <class Real, class Term>
inline Vec<Real> row_chains(Index columns, const Term& term) {
  constexpr Index width = lanes<Real>, chains = chain_vectors * width;
  Vec<Real> sums[chain_vectors] = {};
  Index i = 0;
  for (; i + chains <= columns; i += chains)
#pragma GCC unroll 8
    for (int v = 0; v < chain_vectors; ++v)
      sums[v] += term(i + v * width, width);
  for (int v = 0; i < columns; ++v, i += width) {
    const Index count = minimum(width, columns - i);
    sums[v] += only_first<Real>(term(i, count), count, 0);
  }
#pragma GCC unroll 8
  for (int half = chain_vectors / 2; half > 0; half /= 2)
    for (int v = 0; v < half; ++v)
      sums[v] += sums[v + half];
  return sums[0];
}

/* Their sum. */
template <class Real, class Term>
inline Real row_sum(Index columns, const Term& term) {
  const Vec<Real> chains = row_chains<Real>(columns, term);
  Real chain[lanes<Real>];
  __builtin_memcpy(chain, &chains, sizeof chain);
  for (Index half = lanes<Real> / 2; half > 0; half /= 2)
    for (Index c = 0; c < half; ++c)
      chain[c] += chain[c + half];
  return chain[0];
}

/* The sums of `count` rows, a vector of them at most, each as row_sum makes it of term(row, i, count). */
template <class Real, class Term>
inline Vec<Real> row_sums(Index count, Index columns, const Term& term) {
  constexpr int width = lanes<Real>;
  Vec<Real> square[width] = {};
  for (Index r = 0; r < count; ++r)
    square[r] = row_chains<Real>(columns, [&](Index i, Index some) { return term(r, i, some); });
  transpose<Real, width / 2>(square, std::make_integer_sequence<int, width>{});
#pragma GCC unroll 8
  for (int half = width / 2; half > 0; half /= 2)
    for (int lane = 0; lane < half; ++lane)
      square[lane] += square[lane + half];
  return square[0];
}

/* The largest of a row; NaN is passed over. */
template <class Real>
inline Real row_largest(Index columns, const Real* row) {
  constexpr Real lowest = -__builtin_huge_val();
  Vec<Real> best = broadcast(lowest);
  over_units<Real>(0, columns, [&](Index i, Index count) {
    const Vec<Real> x = only_first<Real>(load(row + i, count), count, lowest);
    best = x > best ? x : best;
  });
  Real most = lowest;
  for (int i = 0; i < lanes<Real>; ++i)
    most = best[i] > most ? best[i] : most;
  return most;
}

} // namespace unrolled::UNROLLED_ISA
