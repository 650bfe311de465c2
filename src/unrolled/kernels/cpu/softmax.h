/* Softmax and its logarithm along each row, with m the row's largest number and e = exp(x - m):

       y = e / Σ e                    dx = y ⊙ (dy - Σ dy ⊙ y)
       y = (x - m) - log Σ e          dx = dy - exp(y) Σ dy
       y = m + log Σ e                one number of each row; -∞ of nothing but -∞

   The largest number cannot overflow; a row that holds NaN or +∞, or nothing but -∞, is NaN throughout. */
#pragma once

#include "heads.h"
#include "math.h"
#include "rows.h"

namespace unrolled::UNROLLED_ISA {

/* body(row pointers…, to) for each row; an element is worth `cost` operations. */
template <class Real, int Inputs, class Body>
void over_rows(const RowMap<Real, Inputs>& map, Index cost, Index threads, const Body& body) {
  share_out(map.rows, 1, threads_worth(map.rows * map.columns * cost, threads), [&](Index first, Index end) {
    for (Index r = first; r < end; ++r)
      if constexpr (Inputs == 1)
        body(at(map.from[0], r), at(map.to, r));
      else
        body(at(map.from[0], r), at(map.from[1], r), at(map.to, r));
  });
}

template <class Real>
void softmax(const RowMap<Real, 1>& map, Index threads) {
  const Index N = map.columns;
  over_rows(map, 16, threads, [N](const Real* x, Real* y) {
    const Vec<Real> most = broadcast(row_largest(N, x));
    const Vec<Real> total = broadcast(row_sum<Real>(N, [&](Index i, Index count) {
      const Vec<Real> e = exp<Real>(load(x + i, count) - most);
      store(y + i, e, count);
      return e;
    }));
    over_units<Real>(0, N, [&](Index i, Index count) { store(y + i, load(y + i, count) / total, count); });
  });
}

template <class Real>
void softmax_backward(const RowMap<Real, 2>& map, Index threads) {
  const Index N = map.columns;
  over_rows(map, 4, threads, [N](const Real* dy, const Real* y, Real* dx) {
    const Vec<Real> total = broadcast(
        row_sum<Real>(N, [&](Index i, Index count) { return load(dy + i, count) * load(y + i, count); }));
    over_units<Real>(0, N, [&](Index i, Index count) {
      store(dx + i, load(y + i, count) * (load(dy + i, count) - total), count);
    });
  });
}

template <class Real>
void log_softmax(const RowMap<Real, 1>& map, Index threads) {
  const Index N = map.columns;
  over_rows(map, 16, threads, [N](const Real* x, Real* y) {
    const Vec<Real> most = broadcast(row_largest(N, x));
    const Real total =
        row_sum<Real>(N, [&](Index i, Index count) { return exp<Real>(load(x + i, count) - most); });
    const Vec<Real> log_total = log<Real>(broadcast(total));
    over_units<Real>(
        0, N, [&](Index i, Index count) { store(y + i, (load(x + i, count) - most) - log_total, count); });
  });
}

template <class Real>
void logsumexp(const RowMap<Real, 1>& map, Index threads) {
  const Index N = map.columns;
  over_rows(map, 16, threads, [N](const Real* x, Real* y) {
    constexpr Real lowest = -__builtin_huge_val();
    const Real most = row_largest(N, x), level = most > lowest ? most : 0;
    const Real total =
        row_sum<Real>(N, [&](Index i, Index count) { return exp<Real>(load(x + i, count) - level); });
    *y = level + log<Real>(broadcast(total))[0];
  });
}

template <class Real>
void log_softmax_backward(const RowMap<Real, 2>& map, Index threads) {
  const Index N = map.columns;
  over_rows(map, 16, threads, [N](const Real* dy, const Real* y, Real* dx) {
    const Vec<Real> total =
        broadcast(row_sum<Real>(N, [&](Index i, Index count) { return load(dy + i, count); }));
    over_units<Real>(0, N, [&](Index i, Index count) {
      store(dx + i, fma(-exp<Real>(load(y + i, count)), total, load(dy + i, count)), count);
    });
  });
}

} // namespace unrolled::UNROLLED_ISA
