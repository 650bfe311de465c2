/* Sums over many tokens: of outer products, d[o][j] = Σ_n left[n][o] right[n][j], the gradients of weights;
   and of `left` itself, those of biases.

   Tokens are taken in blocks of whole chains (gemm.h), so no sum depends on how the work was dealt out to
   threads. */
#pragma once

#include "gemm.h"
#include "pool.h"

namespace unrolled::UNROLLED_ISA {

inline constexpr Index block_tokens = 2 * chain;
inline constexpr Index block_sums = 256; // columns of `left` that one task takes at most

/* The gradient of one matrix, whose rows go with the columns first … end - 1 of `left`. */
template <class Real>
struct Gradient {
  Index first, end;
  const Real* const* right; // (tokens) a row of `columns` numbers for each token
  Index columns;
  Real* const* d; // (end - first) its rows, out
};

/* totals[o] = Σ_n left[n][o] over one packed block: sums of sixteen tokens, and their sum. */
template <class Real>
void add_up(const Real* packed, Index depth, Index sums, bool add, Real* totals) {
  constexpr Index some = 16;
  for (Index o = 0; o < sums; o += lanes<Real>) {
    const Index count = minimum(lanes<Real>, sums - o);
    Vec<Real> total{};
    for (Index k = 0; k < depth;) {
      Vec<Real> part{};
      for (const Index end = minimum(k + some, depth); k < end; ++k)
        part += load(packed + o * depth + k * lanes<Real>);
      total += part;
    }
    store(totals + o, add ? load(totals + o, count) + total : total, count);
  }
}

/* The columns first … first + sums - 1 of `left`. What a block of tokens needs is copied together first: read
   in place, rows that lie a power of two apart would push one another out of the cache. */
template <class Real>
void accumulate(Index tokens, const Real* const* left, const Gradient<Real>* gradients, Index count,
                Real* totals, bool add, Index first, Index sums) {
  constexpr Index narrow = lanes<Real>, wide = panel_columns<Real>;
  const Buffer<Real> packed(block_tokens * divide_up(sums, narrow) * narrow), right(block_tokens * wide);
  const Real* a[block_sums];
  Real* out[block_sums];
  Index n = 0;
  do {
    const Index depth = minimum(block_tokens, tokens - n);
    pack_rows<1>(left + n, depth, first, sums, packed.data());
    add_up(packed.data(), depth, sums, add || n > 0, totals + first);
    for (const Gradient<Real>* g = gradients; g < gradients + count; ++g) {
      const Index from = maximum(first, g->first), rows = minimum(first + sums, g->end) - from;
      if (rows <= 0)
        continue;
      for (Index r = 0; r < rows; ++r) {
        const Index o = from - first + r;
        a[r] = packed.data() + o / narrow * narrow * depth + o % narrow;
      }
      for (Index column = 0; column < g->columns; column += wide) {
        const Index columns = minimum(wide, g->columns - column);
        pack_rows<panel_vectors>(g->right + n, depth, column, columns, right.data());
        for (Index r = 0; r < rows; ++r)
          out[r] = g->d[from - g->first + r] + column;
        multiply<Real>({rows, a, narrow, {right.data(), depth, columns}, add || n > 0 ? out : nullptr, out});
      }
    }
    n += block_tokens;
  } while (n < tokens);
}

/* left: a row of `sums` numbers for each token. totals (sums), out. `add`: to what is there already. */
template <class Real>
void accumulate(Index tokens, const Real* const* left, Index sums, const Gradient<Real>* gradients,
                Index count, Real* totals, bool add, Index threads) {
  const Index crowd = maximum(minimum(threads, sums), 1);
  const Index tasks = divide_up(divide_up(sums, block_sums), crowd) * crowd; // as many for each thread
  pool::run(tasks, threads, [&](Index task) {
    const Index first = sums * task / tasks, end = sums * (task + 1) / tasks;
    accumulate(tokens, left, gradients, count, totals, add, first, end - first);
  });
}

} // namespace unrolled::UNROLLED_ISA
