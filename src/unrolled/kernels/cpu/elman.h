/* The Elman cell. Per step, f one of tanh, max(0, ·), σ, and ⊙ elementwise:

       z = W x + b + U h_{t-1}          one gate, summed by the engine
       h = f(z)                         one state

   Backward, f' written through h, so that nothing but h is kept:

       dz = dh ⊙ f'(z)                  tanh: 1 - h²     relu: 1 where h > 0     σ: h (1 - h)

   and the engine adds Uᵀ dz to dh_{t-1}.

   A cell is what stands here: `gates` and `states`; forward, from the gates' sums z and the states before the
   step to the states after it; backward, from the states after and before and the gradients of those after to
   the gradients of the sums and what reaches the states before without passing the sums. State 0 is h. */
#pragma once

#include "math.h"

namespace unrolled::UNROLLED_ISA {

template <class Real>
struct Tanh {
  static Vec<Real> value(Vec<Real> z) { return tanh<Real>(z); }
  static Vec<Real> pull(Vec<Real> h, Vec<Real> dh) { return dh * fma(-h, h, broadcast(Real(1))); }
};

template <class Real>
struct Relu {
  static Vec<Real> value(Vec<Real> z) { return z <= 0 ? Vec<Real>{} : z; } // NaN passes
  static Vec<Real> pull(Vec<Real> h, Vec<Real> dh) { return h <= 0 ? Vec<Real>{} : dh; }
};

template <class Real>
struct Sigmoid {
  static Vec<Real> value(Vec<Real> z) { return sigmoid<Real>(z); }
  static Vec<Real> pull(Vec<Real> h, Vec<Real> dh) { return dh * fma(-h, h, h); }
};

template <class R, template <class> class Activation>
struct Elman {
  using Real = R;
  static constexpr int gates = 1, states = 1;
  using Gates = Vec<Real>[gates];
  using States = Vec<Real>[states];

  static void forward(const Gates& z, const States&, States& next) {
    next[0] = Activation<Real>::value(z[0]);
  }

  static void backward(const States& next, const States&, const States& d_next, Gates& dz,
                       States& d_previous) {
    dz[0] = Activation<Real>::pull(next[0], d_next[0]);
    d_previous[0] = Vec<Real>{};
  }
};

} // namespace unrolled::UNROLLED_ISA
