/* Layer norm along each row of N numbers, and its derivative:

       μ = Σ x / N,  v = Σ (x - μ)² / N,  s = 1 / √(v + ε)
       n = (x - μ) s                       y = n ⊙ gain + shift
       g = dy ⊙ gain                       dx = s (g - Σ g / N - n Σ (g ⊙ n) / N)
       d_gain = Σ dy ⊙ n,  d_shift = Σ dy  over the rows

   The derivative takes μ and s from x again: two sums over a row that it reads anyway. */
#pragma once

#include "heads.h"
#include "outer.h"
#include "rows.h"

namespace unrolled::UNROLLED_ISA {

inline float square_root(float x) {
  return __builtin_sqrtf(x);
}
inline double square_root(double x) {
  return __builtin_sqrt(x);
}

template <class Real>
struct Moments {
  Real mean, scale; // μ, s
};

template <class Real>
inline Moments<Real> moments(Index N, const Real* x, Real epsilon) {
  const Real mean = row_sum<Real>(N, [&](Index i, Index count) { return load(x + i, count); }) / Real(N);
  const Real squares = row_sum<Real>(N, [&](Index i, Index count) {
    const Vec<Real> d = load(x + i, count) - mean;
    return d * d;
  });
  return {mean, 1 / square_root(squares / Real(N) + epsilon)};
}

/* A row of gain or shift, or what stands for one that is not there. */
template <class Real>
inline Vec<Real> load_or(const Real* from, Index i, Index count, Real otherwise) {
  return from ? load(from + i, count) : broadcast(otherwise);
}

template <class Real>
void layer_norm(const LayerNorm<Real>& call, Index threads) {
  const Index N = call.columns;
  share_out(call.rows, 1, threads_worth(call.rows * N * 4, threads), [&](Index first, Index end) {
    for (Index r = first; r < end; ++r) {
      const Real *x = at(call.x, r), *gain = call.gain, *shift = call.shift;
      Real* y = at(call.y, r);
      const Moments<Real> m = moments(N, x, call.epsilon);
      over_units<Real>(0, N, [&](Index i, Index count) {
        const Vec<Real> n = (load(x + i, count) - m.mean) * m.scale;
        store(y + i, fma(n, load_or(gain, i, count, Real(1)), load_or(shift, i, count, Real(0))), count);
      });
    }
  });
}

/* dx of one row. */
template <class Real>
void pull_row(const LayerNormBackward<Real>& call, Index r, Moments<Real> m) {
  const Index N = call.columns;
  const Real *x = at(call.x, r), *dy = at(call.dy, r);
  Real* dx = at(call.dx, r);
  const auto n = [&](Index i, Index count) { return (load(x + i, count) - m.mean) * m.scale; };
  const auto g = [&](Index i, Index count) {
    return load(dy + i, count) * load_or(call.gain, i, count, Real(1));
  };
  const Real mean = row_sum<Real>(N, g) / Real(N);
  const Real slope =
      row_sum<Real>(N, [&](Index i, Index count) { return g(i, count) * n(i, count); }) / Real(N);
  over_units<Real>(0, N, [&](Index i, Index count) {
    store(dx + i, (g(i, count) - mean - n(i, count) * slope) * m.scale, count);
  });
}

/* The columns i … i + count - 1 of d_gain and d_shift. */
template <class Real>
void sum_rows(const LayerNormBackward<Real>& call, const Moments<Real>* m, Index i, Index count) {
  Vec<Real> gain{}, shift{};
  for (Index r = 0; r < call.rows;) {
    Vec<Real> block_gain{}, block_shift{};
    for (const Index end = minimum(r + block_tokens, call.rows); r < end; ++r) {
      const Vec<Real> dy = load(at(call.dy, r) + i, count);
      block_gain = fma(dy, (load(at(call.x, r) + i, count) - m[r].mean) * m[r].scale, block_gain);
      block_shift += dy;
    }
    gain += block_gain;
    shift += block_shift;
  }
  if (call.d_gain)
    store(call.d_gain + i, gain, count);
  if (call.d_shift)
    store(call.d_shift + i, shift, count);
}

template <class Real>
void layer_norm_backward(const LayerNormBackward<Real>& call, Index threads) {
  const Index N = call.columns, worth = threads_worth(call.rows * N * 8, threads);
  const Buffer<Moments<Real>> m(call.rows);
  share_out(call.rows, 1, worth, [&](Index first, Index end) {
    for (Index r = first; r < end; ++r) {
      m.data()[r] = moments(N, at(call.x, r), call.epsilon);
      pull_row(call, r, m.data()[r]);
    }
  });
  if (call.d_gain || call.d_shift)
    share_out(N, panel_columns<Real>, worth, [&](Index first, Index end) {
      for (Index i = first; i < end; i += lanes<Real>)
        sum_rows(call, m.data(), i, minimum(lanes<Real>, end - i));
    });
}

} // namespace unrolled::UNROLLED_ISA
