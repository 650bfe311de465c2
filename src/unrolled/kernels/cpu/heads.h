/* What heads and embeddings are made of. As in contract.h: elements within a row of the last dimension are
   adjacent, the other stride is free; memory is the caller's and touched only during the call; outputs are
   overwritten in full, need not be initialised, and overlap nothing.

   R rows, N columns. No row of an output over rows depends on another row, nor any bit on R, threads or the
   instruction set. Sums over rows (the gradients of weights) depend on R, not on threads or the instruction
   set: rows are taken in order, in blocks of 256 (outer.h). */
#pragma once

#include "contract.h"

namespace unrolled {

/* y = x Wᵀ + b. x's columns are taken in stretches of 256: element (r, j) of y is a chain of fused
   multiply-adds over the first, beginning at b[j], and chains from zero over the others are added in order.
 */
template <class Real>
struct Linear {
  Index rows, in, out;
  Matrix<const Real> weight; // W (out, in)
  const Real* packed;        // as `pack` wrote it for this instruction set, or null: W is read as it stands
  const Real* bias;          // (out) or null: zero
  Matrix<const Real> x;      // (R, in)
  Matrix<Real> y;            // (R, out), out
};

/* dx = dy W, in stretches of dy's columns from zero; dW = dyᵀ x; db = dyᵀ 1. Null: not wanted. */
template <class Real>
struct LinearBackward {
  Index rows, in, out;
  Matrix<const Real> weight, x, dy; // (out, in), (R, in), (R, out)
  Matrix<Real> dx, d_weight;        // (R, in), (out, in), out or null
  Real* d_bias;                     // (out), out or null
};

/* One array made from others of the same shape, row by row. */
template <class Real, int Inputs>
struct RowMap {
  Index rows, columns;
  Matrix<const Real> from[Inputs]; // (R, N)
  Matrix<Real> to;                 // (R, N), out
};

/* y = (x - μ) / √(σ² + ε) ⊙ gain + shift, with the mean μ and the variance σ² = Σ (x - μ)² / N of each row.
 */
template <class Real>
struct LayerNorm {
  Index rows, columns;
  Real epsilon;
  const Real *gain, *shift; // (N) or null: one, zero
  Matrix<const Real> x;     // (R, N)
  Matrix<Real> y;           // (R, N), out
};

template <class Real>
struct LayerNormBackward {
  Index rows, columns;
  Real epsilon;
  const Real* gain;         // (N) or null: one
  Matrix<const Real> x, dy; // (R, N)
  Matrix<Real> dx;          // (R, N), out
  Real *d_gain, *d_shift;   // (N), out or null: not wanted
};

/* Row r of y is row index[r] of the table. The caller has checked that every index lies in the table. */
template <class Real>
struct Embedding {
  Index rows, columns;
  const Index* index;       // (R)
  Matrix<const Real> table; // (table's rows, N)
  Matrix<Real> y;           // (R, N), out
};

/* Row v of d_table is the sum of all rows r of dy with index[r] = v, in order; zero for `padding`. */
template <class Real>
struct EmbeddingBackward {
  Index rows, columns, table_rows;
  Index padding;         // -1: none
  const Index* index;    // (R)
  Matrix<const Real> dy; // (R, N)
  Matrix<Real> d_table;  // (table's rows, N), out
};

/* A linear chain over each row, see crf.h. All arrays are without gaps; nothing past a row's length is read.
 */
template <class Real>
struct Crf {
  Index rows, steps, tags;
  const Index* lengths;    // (B) 0 … T
  const Index* path;       // (B, T) or null. The caller has checked that every tag is 0 … K - 1
  const Real* x;           // (B, T, K)
  const Real* transitions; // A (K, K): from a tag to the next
  const Real *start, *end; // (K)
};

template <class Real>
struct CrfBackward {
  Crf<Real> call;
  const Real* tape;              // (B, T, 2 K) as `crf` left it
  const Real *d_log_z, *d_score; // (B); d_score where there is a path
  Real* dx;                      // (B, T, K) out, always; zero past a row's length
  Real* d_transitions;           // (K, K) out or null
  Real *d_start, *d_end;         // (K) out or null
};

enum class PoolingKind { mean, max, attention };

/* Steps of a row made one vector, see pooling.h, going on from what was carried: 2 + H doubles a row. */
template <class Real>
struct Pooling {
  PoolingKind kind;
  Index rows, steps, columns;
  const Index* lengths;        // (B) 0 … T or null: all T. Nothing past a row's length is read
  Sequence<const Real> y;      // (T, B, H)
  Sequence<const Real> scores; // (T, B, 1), for attention
  const double* before;        // (B, 2 + H) or null: nothing came before
  double* after;               // (B, 2 + H) out
  Matrix<Real> last;           // (B, H) out or null: after each row's last step
  Sequence<Real> every;        // (T, B, H) out or null: after each step, zero past a row's length
};

/* The gradients of `last` of a call before which nothing came. */
template <class Real>
struct PoolingBackward {
  PoolingKind kind;
  Index rows, steps, columns;
  const Index* lengths;        // (B)
  Sequence<const Real> y;      // (T, B, H)
  Sequence<const Real> scores; // (T, B, 1), for attention
  const double* after;         // (B, 2 + H) as forward left it
  Matrix<const Real> d_last;   // (B, H)
  Sequence<Real> dy;           // (T, B, H) out; zero past a row's length
  Sequence<Real> d_scores;     // (T, B, 1) out, for attention; zero past a row's length
};

enum class AttentionKind { dot, additive };

/* Queries over the rows of a memory, see attention.h. Nothing of k and v past a row's length is read. */
template <class Real>
struct Attention {
  AttentionKind kind;
  Index rows, queries, steps, depth, columns; // N, S, T, D, H
  const Index* index;                         // (N) which memory row a row reads, or null: its own
  const Index* lengths;                       // (B) 0 … T
  Sequence<const Real> q, k, v;               // (S, N, D), (T, B, D), (T, B, H)
  const Real* u;                              // (D), for additive
};

/* Of a call without index. Outputs are without gaps. */
template <class Real>
struct AttentionBackward {
  Attention<Real> call;
  const Real* w;           // (B, S, T) as forward left it
  Sequence<const Real> dc; // (S, B, H)
  Real *dq, *dk, *dv, *du; // (B, S, D), (B, T, D), (B, T, H) out, zero past a row's length; (D) for additive
};

/* One instruction set's kernels. `threads`: at most so many; fewer where the work is not worth them. */
template <class Real>
struct Heads {
  Index (*packed_size)(Index in, Index out);
  void (*pack)(Matrix<const Real> weight, Index in, Index out, Real* to, Index threads);
  void (*linear)(const Linear<Real>&, Index threads);
  void (*linear_backward)(const LinearBackward<Real>&, Index threads);
  void (*softmax)(const RowMap<Real, 1>&, Index threads);              // x
  void (*softmax_backward)(const RowMap<Real, 2>&, Index threads);     // dy, y
  void (*log_softmax)(const RowMap<Real, 1>&, Index threads);          // x
  void (*log_softmax_backward)(const RowMap<Real, 2>&, Index threads); // dy, y
  void (*logsumexp)(const RowMap<Real, 1>&, Index threads);            // x; out: (R, 1)
  void (*layer_norm)(const LayerNorm<Real>&, Index threads);
  void (*layer_norm_backward)(const LayerNormBackward<Real>&, Index threads);
  void (*embedding)(const Embedding<Real>&, Index threads);
  void (*embedding_backward)(const EmbeddingBackward<Real>&, Index threads);
  /* out: log Z (B); score of the path (B) or null; tape (B, T, 2 K) for backward. */
  void (*crf)(const Crf<Real>&, Real* log_z, Real* score, Real* tape, Index threads);
  void (*crf_backward)(const CrfBackward<Real>&, Index threads);
  void (*viterbi)(const Crf<Real>&, Index* path, Index threads); // out: (B, T), 0 past a row's length
  void (*pooling)(const Pooling<Real>&, Index threads);
  void (*pooling_backward)(const PoolingBackward<Real>&, Index threads);
  void (*attention)(const Attention<Real>&, Real* c, Real* w, Index threads); // out: (N, S, H), (N, S, T)
  void (*attention_backward)(const AttentionBackward<Real>&, Index threads);
};

} // namespace unrolled
