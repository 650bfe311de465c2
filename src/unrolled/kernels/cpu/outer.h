/* Sums of outer products over many tokens: d[o][j] = Σ_n dz[n][o] rows[n][j], the gradient of a weight
   matrix.

   Tokens are taken in blocks of a fixed size: within a block one chain of fused multiply-adds from zero, then
   the blocks' sums are added in order. That is more exact than one long chain, and no sum depends on how the
   work was dealt out to threads. */
#pragma once

#include "gemm.h"
#include "pool.h"

namespace unrolled::UNROLLED_ISA {

inline constexpr Index block_tokens = 256;
inline constexpr Index block_sums = 256; // columns of dz that one task takes at most

template <class Real>
struct Gradient {
  const Real* const* rows; // (tokens) a row of `columns` numbers for each token
  Index columns;
  Matrix<Real> d; // (sums, columns), out
};

/* The sums first … first + sums - 1 of all gradients. What a block of tokens needs is copied together first:
   read in place, rows that lie a power of two apart would push one another out of the cache. */
template <class Real, int N>
void accumulate(Index tokens, const Real* const* dz, const Gradient<Real> (&gradients)[N], Index first,
                Index sums) {
  constexpr Index narrow = lanes<Real>, wide = panel_columns<Real>;
  const Buffer<Real> left(block_tokens * divide_up(sums, narrow) * narrow), right(block_tokens * wide);
  const Real* a[block_sums];
  Real* out[block_sums];
  Index n = 0;
  do {
    const Index depth = minimum(block_tokens, tokens - n);
    pack_rows<1>(dz + n, depth, first, sums, left.data());
    for (Index o = 0; o < sums; ++o)
      a[o] = left.data() + o / narrow * narrow * depth + o % narrow;
    for (const Gradient<Real>& g : gradients)
      for (Index column = 0; column < g.columns; column += wide) {
        const Index columns = minimum(wide, g.columns - column);
        pack_rows<panel_vectors>(g.rows + n, depth, column, columns, right.data());
        for (Index o = 0; o < sums; ++o)
          out[o] = at(g.d, first + o) + column;
        multiply<Real>({sums, a, narrow, {right.data(), depth, columns}, nullptr, out, n > 0});
      }
    n += block_tokens;
  } while (n < tokens);
}

/* dz: a row of `sums` numbers for each token. */
template <class Real, int N>
void accumulate(Index tokens, const Real* const* dz, Index sums, const Gradient<Real> (&gradients)[N],
                Index threads) {
  const Index tasks = maximum(minimum(threads, sums), divide_up(sums, block_sums));
  pool::run(tasks, threads, [&](Index task) {
    const Index first = sums * task / tasks, end = sums * (task + 1) / tasks;
    accumulate(tokens, dz, gradients, first, end - first);
  });
}

} // namespace unrolled::UNROLLED_ISA
