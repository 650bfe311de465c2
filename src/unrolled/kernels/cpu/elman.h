/* The Elman cell. Per step, f one of tanh, max(0, ·), σ, and ⊙ elementwise:

       z = W x + b + U h_{t-1}          one gate, summed by the engine
       h = f(z)

   Backward, f' written through h, so that nothing but h is kept:

       dz = dh ⊙ f'(z)                  tanh: 1 - h²     relu: 1 where h > 0     σ: h (1 - h) */
#pragma once

#include "math.h"
#include "step.h"

namespace unrolled::UNROLLED_ISA {

template <class Real>
struct Tanh {
  static Vec<Real> value(Vec<Real> z) { return tanh<Real>(z); }
  static Vec<Real> pull(Vec<Real> h, Vec<Real> dh) { return pull_tanh<Real>(h, dh); }
};

template <class Real>
struct Relu {
  static Vec<Real> value(Vec<Real> z) { return z <= 0 ? Vec<Real>{} : z; } // NaN passes
  static Vec<Real> pull(Vec<Real> h, Vec<Real> dh) { return h <= 0 ? Vec<Real>{} : dh; }
};

template <class Real>
struct Sigmoid {
  static Vec<Real> value(Vec<Real> z) { return sigmoid<Real>(z); }
  static Vec<Real> pull(Vec<Real> h, Vec<Real> dh) { return pull_sigmoid<Real>(h, dh); }
};

template <class R, template <class> class Activation>
struct Elman {
  using Real = R;
  static constexpr Form form = {.gates = 1,
                                .shift = 0,
                                .turned = 0,
                                .two_phase = false,
                                .has_c = false,
                                .passes_h = false,
                                .keeps_sums = false,
                                .norm_apart = false};

  static void forward(const ForwardStep<Real>& s) {
    over_units<Real>(s.first, s.end, [&](Index u, Index n) {
      store(s.after[0] + u, Activation<Real>::value(load(s.z + u, n)), n);
    });
  }

  static void backward(const BackwardStep<Real>& s) {
    over_units<Real>(s.first, s.end, [&](Index u, Index n) {
      store(s.dz + u, Activation<Real>::pull(load(s.after + u, n), load(s.dh + u, n)), n);
    });
  }
};

} // namespace unrolled::UNROLLED_ISA
