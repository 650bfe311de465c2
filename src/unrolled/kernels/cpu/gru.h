/* Gated recurrent unit. Per step, ⊙ elementwise; the engine sums the products:

       r = σ(W_r x + U_r h_{t-1})                reset
       z = σ(W_z x + U_z h_{t-1})                update          biases left out here
       n = tanh(W_n x + r ⊙ (U_n h_{t-1}))       candidate
       h = z ⊙ h_{t-1} + (1 - z) ⊙ n

   ResetBefore:  n = tanh(W_n x + U_n (r ⊙ h_{t-1})), two phases: r is known before the product.

   Backward, a_r … the sums, n' = U_n h_{t-1}:

       da_n = dh (1 - z) (1 - n²)      da_z = dh (h_{t-1} - n) z (1 - z)      dh_{t-1} = dh z + Uᵀ …
       da_r = da_n n' r (1 - r)        dn' = da_n r
   ResetBefore, with d = U_nᵀ da_n:   da_r = d h_{t-1} r (1 - r)              dh_{t-1} += d r             */
#pragma once

#include "math.h"
#include "step.h"

namespace unrolled::UNROLLED_ISA {

template <class R, bool ResetBefore>
struct Gru {
  using Real = R;
  static constexpr Form form = {.gates = 3,
                                .shift = 1,
                                .turned = 2,
                                .two_phase = ResetBefore,
                                .has_c = false,
                                .passes_h = true,
                                .keeps_sums = true,
                                .norm_apart = true};
  enum Block { N, R_, Z, N_ }; // in the row z

  static Vec<Real> next(Vec<Real> z, Vec<Real> h, Vec<Real> n) { return fma(z, h, (one<Real>() - z) * n); }

  static void forward(const ForwardStep<Real>& s) {
    over_units<Real>(s.first, s.end, [&](Index u, Index count) {
      const auto block = [&](Block b) { return s.z + b * s.H + u; };
      const Vec<Real> r = sigmoid<Real>(load(block(R_), count)), z = sigmoid<Real>(load(block(Z), count));
      store(block(R_), r, count);
      store(block(Z), z, count);
      if constexpr (ResetBefore) {
        store(s.inner + u, r * load(s.recurrent + u, count), count);
      } else {
        const Vec<Real> n = tanh<Real>(fma(r, load(block(N_), count), load(block(N), count)));
        store(block(N), n, count);
        store(s.after[0] + u, next(z, load(s.before[0] + u, count), n), count);
      }
    });
  }

  /* After U_n (r ⊙ h) has been added to the candidate's sum. */
  static void finish(const ForwardStep<Real>& s) {
    over_units<Real>(s.first, s.end, [&](Index u, Index count) {
      const Vec<Real> n = tanh<Real>(load(s.z + N * s.H + u, count)), z = load(s.z + Z * s.H + u, count);
      store(s.z + N * s.H + u, n, count);
      store(s.after[0] + u, next(z, load(s.before[0] + u, count), n), count);
    });
  }

  static void backward(const BackwardStep<Real>& s) {
    over_units<Real>(s.first, s.end, [&](Index u, Index count) {
      const auto gate = [&](Block b) { return load(s.z + b * s.H + u, count); };
      const auto put = [&](Block b, Vec<Real> d) { store(s.dz + b * s.H + u, d, count); };
      const Vec<Real> n = gate(N), z = gate(Z), dh = load(s.dh + u, count);
      const Vec<Real> da_n = pull_tanh<Real>(n, dh * (one<Real>() - z));
      put(N, da_n);
      put(Z, pull_sigmoid<Real>(z, dh * (load(s.before[0] + u, count) - n)));
      if constexpr (!ResetBefore) {
        const Vec<Real> r = gate(R_);
        put(R_, pull_sigmoid<Real>(r, da_n * gate(N_)));
        put(N_, da_n * r);
      }
      store(s.d[0] + u, dh * z, count);
    });
  }

  /* After d_inner = U_nᵀ da_n. */
  static void finish(const BackwardStep<Real>& s) {
    over_units<Real>(s.first, s.end, [&](Index u, Index count) {
      const Vec<Real> r = load(s.z + R_ * s.H + u, count), d = load(s.d_inner + u, count);
      store(s.dz + R_ * s.H + u, pull_sigmoid<Real>(r, d * load(s.recurrent + u, count)), count);
      store(s.d_inner + u, d * r, count);
    });
  }
};

} // namespace unrolled::UNROLLED_ISA
