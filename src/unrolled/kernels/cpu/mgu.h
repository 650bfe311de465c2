/* Minimal gated unit. Per step, ⊙ elementwise; the engine sums the products:

       f = σ(W_f x + U_f h_{t-1})                forget; biases left out here
       n = tanh(W_n x + U_n (f ⊙ h_{t-1}))       candidate, in a second phase: f is known before the product
       h = (1 - f) ⊙ h_{t-1} + f ⊙ n

   Backward, a_f and a_n the sums, d = U_nᵀ da_n:

       da_n = dh f (1 - n²)      da_f = (dh (n - h_{t-1}) + d h_{t-1}) f (1 - f)
       dh_{t-1} = dh (1 - f) + d f + U_fᵀ da_f

   h_{t-1} in the products and beside d is what a mask of dropout left of it. */
#pragma once

#include "math.h"
#include "step.h"

namespace unrolled::UNROLLED_ISA {

template <class R>
struct Mgu {
  using Real = R;
  static constexpr Form form = {.gates = 2,
                                .shift = 1,
                                .turned = 1,
                                .two_phase = true,
                                .has_c = false,
                                .passes_h = true,
                                .keeps_sums = true,
                                .norm_apart = true};
  enum Block { N, F }; // in the row z

  static void forward(const ForwardStep<Real>& s) {
    over_units<Real>(s.first, s.end, [&](Index u, Index count) {
      const Vec<Real> f = sigmoid<Real>(load(s.z + F * s.H + u, count));
      store(s.z + F * s.H + u, f, count);
      store(s.inner + u, f * load(s.recurrent + u, count), count);
    });
  }

  /* After U_n (f ⊙ h) has been added to the candidate's sum. */
  static void finish(const ForwardStep<Real>& s) {
    over_units<Real>(s.first, s.end, [&](Index u, Index count) {
      const Vec<Real> n = tanh<Real>(load(s.z + N * s.H + u, count)), f = load(s.z + F * s.H + u, count);
      store(s.z + N * s.H + u, n, count);
      store(s.after[0] + u, fma(one<Real>() - f, load(s.before[0] + u, count), f * n), count);
    });
  }

  static void backward(const BackwardStep<Real>& s) {
    over_units<Real>(s.first, s.end, [&](Index u, Index count) {
      const Vec<Real> n = load(s.z + N * s.H + u, count), f = load(s.z + F * s.H + u, count);
      const Vec<Real> dh = load(s.dh + u, count);
      store(s.dz + N * s.H + u, pull_tanh<Real>(n, dh * f), count);
      store(s.dz + F * s.H + u, dh * (n - load(s.before[0] + u, count)), count); // f's gradient without d
      store(s.d[0] + u, dh * (one<Real>() - f), count);
    });
  }

  /* After d = U_nᵀ da_n. */
  static void finish(const BackwardStep<Real>& s) {
    over_units<Real>(s.first, s.end, [&](Index u, Index count) {
      const Vec<Real> f = load(s.z + F * s.H + u, count), d = load(s.d_inner + u, count);
      const Vec<Real> df = fma(d, load(s.recurrent + u, count), load(s.dz + F * s.H + u, count));
      store(s.dz + F * s.H + u, pull_sigmoid<Real>(f, df), count);
      store(s.d_inner + u, d * f, count);
    });
  }
};

} // namespace unrolled::UNROLLED_ISA
