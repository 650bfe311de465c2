/* Sums of outer products over many tokens: d[o][j] = Σ_n dz[n][o] rows[n][j], the gradient of a weight
   matrix.

   Tokens are taken in blocks of a fixed size: within a block one chain of fused multiply-adds from zero, then
   the blocks' sums are added in order. That is more exact than one long chain, and no sum depends on how the
   work was dealt out to threads. */
#pragma once

#include "gemm.h"
#include "pool.h"

namespace unrolled::UNROLLED_ISA {

inline constexpr Index block_tokens = 128;
inline constexpr Index block_sums = 48; // rows o of one task: packing its panel is then 2 % of its work

template <class Real>
struct Tokens {
  Matrix<const Real> dz; // (count, sums)
  Index count, sums;
};

template <class Real>
struct Gradient {
  const Real* const* rows; // (count) pointers to `columns` numbers each
  Index columns;
  Matrix<Real> d; // (sums, columns), out
};

/* One panel of columns of one gradient, for the sums first … first + count - 1. */
template <class Real>
void accumulate(const Tokens<Real>& tokens, const Gradient<Real>& gradient, Index column, Index first) {
  const Index columns = minimum(panel_columns<Real>, gradient.columns - column);
  const Index sums = minimum(block_sums, tokens.sums - first);
  const Buffer<Real> panel(block_tokens * panel_columns<Real>);
  const Real* dz[block_sums];
  Real* out[block_sums];
  for (Index o = 0; o < sums; ++o) {
    out[o] = gradient.d.data + (first + o) * gradient.d.row + column;
    for (Index j = 0; j < columns; ++j)
      out[o][j] = 0;
  }
  for (Index n = 0; n < tokens.count; n += block_tokens) {
    const Index depth = minimum(block_tokens, tokens.count - n);
    pack_panel(gradient.rows + n, depth, column, columns, panel.data());
    for (Index o = 0; o < sums; ++o)
      dz[o] = tokens.dz.data + n * tokens.dz.row + first + o;
    multiply<Real>({sums, dz, tokens.dz.row, {panel.data(), depth, columns}, nullptr, out, true});
  }
}

template <class Real, int N>
void accumulate(const Tokens<Real>& tokens, const Gradient<Real> (&gradients)[N], Index threads) {
  const Index blocks = divide_up(tokens.sums, block_sums);
  Index tasks[N], all = 0;
  for (int g = 0; g < N; ++g)
    all += tasks[g] = blocks * divide_up(gradients[g].columns, panel_columns<Real>);
  pool::run(all, threads, [&](Index task) {
    int g = 0;
    for (; task >= tasks[g]; ++g)
      task -= tasks[g];
    accumulate(tokens, gradients[g], task / blocks * panel_columns<Real>, task % blocks * block_sums);
  });
}

} // namespace unrolled::UNROLLED_ISA
