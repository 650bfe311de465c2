/* What a caller hands to a kernel, and what the kernel may do with it.

   T time steps, B batch rows, I input features, H hidden units, G gates. Elements within a row of the last
   dimension are adjacent; the other strides are free and counted in elements (zero and negative included).
   All memory is the caller's and is touched only during the call; nothing is read or written outside the
   shapes below, not even by a vector's tail. Inputs are never written and may overlap one another. Outputs
   are overwritten in full, need not be initialised, and overlap nothing. */
#pragma once

#include <cstdint>

namespace unrolled {

using Index = std::int64_t;

/* (T, B, N): element t, b, n is data[t * time + b * row + n]. */
template <class Real>
struct Sequence {
  Real* data;
  Index time;
  Index row;
};

/* (M, N): element m, n is data[m * row + n]. */
template <class Real>
struct Matrix {
  Real* data;
  Index row;
};

struct Sizes {
  Index T, B, I, H;
};

/* Weights as torch.nn lays them out: the rows of gate g are g H … g H + H - 1. */
template <class Real>
struct Weights {
  Matrix<const Real> ih; // (G H, I)
  Matrix<const Real> hh; // (G H, H)
};

/* A layer run over a whole sequence. States is the number of arrays that a cell carries from step to step;
   state 0 is h, which is also the layer's output. Steps past a row's length are not read in x and are written
   as zero in `states`. */
template <class Real, int States>
struct Forward {
  Sizes sizes;
  Weights<Real> weights;
  const Real* bias_ih;                // (G H) or null
  const Real* bias_hh;                // (G H) or null
  Sequence<const Real> x;             // (T, B, I)
  Matrix<const Real> initial[States]; // (B, H)
  Sequence<Real> states[States];      // (T, B, H), out
  Matrix<Real> last[States];          // (B, H), out: after each row's last step
};

/* The gradients of the same call. Steps past a row's length are read in none of the inputs and are written as
   zero in dx. A null pointer in dx.data, or in d_hh.data, says that dx, or the three gradients of weights,
   are not wanted. */
template <class Real, int States>
struct Backward {
  Sizes sizes;
  Weights<Real> weights;
  Sequence<const Real> x;                // (T, B, I)
  Matrix<const Real> initial[States];    // (B, H)
  Sequence<const Real> states[States];   // (T, B, H), as Forward wrote them
  Sequence<const Real> d_states[States]; // (T, B, H)
  Matrix<const Real> d_last[States];     // (B, H)
  Sequence<Real> dx;                     // (T, B, I), out
  Matrix<Real> d_initial[States];        // (B, H), out
  Matrix<Real> d_ih;                     // (G H, I), out
  Matrix<Real> d_hh;                     // (G H, H), out
  Real* d_bias;                          // (G H), out: the gradient of either bias
};

} // namespace unrolled
