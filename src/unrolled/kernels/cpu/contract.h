/* What a caller hands to a kernel, and what the kernel may do with it.

   T time steps, B batch rows, I input features, H hidden units, P size of h (H unless projected), G gates, S
   rows of all gates: G H, or, where K units share all gates but one, (G - 1) H / K + H.
   Elements within a row of the last dimension are adjacent; the other strides are free and counted in
   elements (zero and negative included). All memory is the caller's and is touched only during the call;
   nothing is read or written outside the shapes below, not even by a vector's tail. Inputs are never written
   and may overlap one another. Outputs are overwritten in full, need not be initialised, and overlap nothing.
   A null pointer says that an input is absent or that an output is not wanted. */
#pragma once

#include <cstdint>

namespace unrolled {

using Index = std::int64_t;

/* (T, B, N): element t, b, n is data[t * time + b * row + n]. Packed, as torch's PackedSequence, where rows
   come longest first and a step has as many as still run, it is data[starts[t] * time + b * row + n]. */
template <class Real>
struct Sequence {
  Real* data;
  Index time;
  Index row;
  const Index* starts = nullptr; // (T), of a packed one
};

/* (M, N): element m, n is data[m * row + n]. */
template <class Real>
struct Matrix {
  Real* data;
  Index row;
};

struct Sizes {
  Index T, B, I, H, P;
  Index K = 1;
};

/* What a cell carries from step to step at most: h, which is also the layer's output, and c. */
inline constexpr int most_states = 2;

/* Weights and their like as torch.nn lays them out: the rows of gate g are g H … g H + H - 1, those of a gate
   that units share H / K. The same shapes hold the gradients. Layer norm where gain_ih is given, a projection
   where hr is. */
template <class Real>
struct Parameters {
  Matrix<Real> ih;       // (S, I)
  Matrix<Real> hh;       // (S, P)
  Real* bias_ih;         // (S)
  Real* bias_hh;         // (S)
  Matrix<Real> hr;       // (P, H)
  Matrix<Real> peephole; // (G - 1, H)
  Real* gain_ih;         // (S)
  Real* gain_hh;         // (S)
  Real* gain_c;          // (H)
  Real* shift_c;         // (H)
};

/* What a step does beside the cell's equations: h is multiplied by `recurrent` on its way into the products,
   and a share `zoneout` of each old state stays: 0 or 1, or a rate between. */
template <class Real>
struct Masks {
  Sequence<const Real> recurrent;            // (T, B, P)
  Sequence<const Real> zoneout[most_states]; // (T, B, P), (T, B, H)
};

/* A layer run over a whole sequence in one direction.

   x and `states` are packed or not, alike; so are their gradients. Masks are not. Steps past a row's length
   are not read in x and are written as zero in `states`, where they have a place there. A forward call that
   trains leaves what backward needs: either a `tape`, opaque, for every step, or, with every = k > 0, in
   `kept` the state c before every k-th step alone, from which backward computes the rest again. */
template <class Real>
struct Forward {
  Sizes sizes;
  Index every;
  Sequence<const Real> x;                  // (T, B, I)
  Matrix<const Real> initial[most_states]; // (B, P), (B, H)
  Masks<Real> masks;
  Sequence<Real> states[most_states]; // (T, B, P) out, always; (T, B, H) out
  Matrix<Real> last[most_states];     // (B, P), (B, H) out: after each row's last step
  Real* tape;                         // (T, B, width of the tape) out
  Real* kept;                         // (⌈T / k⌉, B, H) out
  bool last_first;                    // what the cache still holds of U's last columns is used first
};

/* The gradients of the same call. Steps past a row's length are read in none of the inputs and are written as
   zero in dx, where they have a place. The gradients of the parameters are wanted all or none. */
template <class Real>
struct Backward {
  Sizes sizes;
  Index every;
  Sequence<const Real> x;                  // (T, B, I)
  Matrix<const Real> initial[most_states]; // (B, P), (B, H)
  Masks<Real> masks;
  Sequence<const Real> y;                     // (T, B, P), as forward wrote it
  const Real* tape;                           // as forward left it
  const Real* kept;                           // as forward left it
  Sequence<const Real> d_states[most_states]; // (T, B, P), (T, B, H)
  Matrix<const Real> d_last[most_states];     // (B, P), (B, H)
  Sequence<Real> dx;                          // (T, B, I) out
  Matrix<Real> d_initial[most_states];        // (B, P), (B, H) out, always
  bool wants_dh0;                             // else what stands in d_initial[0] at the end is of no use
  Parameters<Real> d;                         // out
};

} // namespace unrolled
