/* Sums over many tokens: of outer products, d[o][j] = Σ_n left[n][o] right[n][j], the gradients of weights;
   and of `left` itself, those of biases.

   Tokens are taken in blocks of a fixed size: within a block one chain of fused multiply-adds from zero, then
   the blocks' sums are added in order. That is more exact than one long chain, and no sum depends on how the
   work was dealt out to threads. */
#pragma once

#include "gemm.h"
#include "pool.h"

namespace unrolled::UNROLLED_ISA {

inline constexpr Index block_tokens = 256;
inline constexpr Index block_sums = 256; // columns of `left` that one task takes at most

/* The gradient of one matrix, whose rows go with the columns first … end - 1 of `left`. */
template <class Real>
struct Gradient {
  Index first, end;
  const Real* const* right; // (tokens) a row of `columns` numbers for each token
  Index columns;
  Real* const* d; // (end - first) its rows, out
};

/* totals[o] = Σ_n left[n][o] over one packed block. */
template <class Real>
void add_up(const Real* packed, Index depth, Index sums, bool add, Real* totals) {
  for (Index o = 0; o < sums; o += lanes<Real>) {
    const Index count = minimum(lanes<Real>, sums - o);
    Vec<Real> total{};
    for (Index k = 0; k < depth; ++k)
      total += load(packed + o * depth + k * lanes<Real>);
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
        multiply<Real>({rows, a, narrow, {right.data(), depth, columns}, nullptr, out, add || n > 0});
      }
    }
    n += block_tokens;
  } while (n < tokens);
}

/* left: a row of `sums` numbers for each token. totals (sums), out. `add`: to what is there already. */
template <class Real>
void accumulate(Index tokens, const Real* const* left, Index sums, const Gradient<Real>* gradients,
                Index count, Real* totals, bool add, Index threads) {
  const Index tasks = maximum(minimum(threads, sums), divide_up(sums, block_sums));
  pool::run(tasks, threads, [&](Index task) {
    const Index first = sums * task / tasks, end = sums * (task + 1) / tasks;
    accumulate(tokens, left, gradients, count, totals, add, first, end - first);
  });
}

} // namespace unrolled::UNROLLED_ISA
