/* Long short-term memory. Per step, ⊙ elementwise; the engine sums the products W x + U h_{t-1}, biases
   included, into a:

       i = σ(a_i + p_i ⊙ c_{t-1})      f = σ(a_f + p_f ⊙ c_{t-1})      g = tanh(a_g)
       c = f ⊙ c_{t-1} + i ⊙ g
       o = σ(a_o + p_o ⊙ c)            h = o ⊙ tanh(m),  m = c, or with layer norm γ ⊙ N(c) + β

   Peephole: without it p is zero. Coupled: f = 1 - i, and the gates are i, g, o.

   Backward, t = tanh(m); gates and c_{t-1} are kept, c is computed again:

       da_o = dh t o (1 - o)                          dm = dh o (1 - t²)
       dc  += dm (through N where there is one) + da_o p_o
       da_i = dc g i (1 - i)      da_f = dc c_{t-1} f (1 - f)      da_g = dc i (1 - g²)
       dc_{t-1} = dc f + da_i p_i + da_f p_f
       Coupled: da_i = dc (g - c_{t-1}) i (1 - i)                                                      */
#pragma once

#include "math.h"
#include "norm.h"

namespace unrolled::UNROLLED_ISA {

template <class Real>
struct Gates {
  Vec<Real> i, f, g, o;
  Vec<Real> cell(Vec<Real> before) const { return fma(f, before, i * g); }
};

template <class Real>
inline Vec<Real> affine(const Parameters<const Real>& p, Vec<Real> hat, Index u, Index n) {
  return fma(load(p.gain_c + u, n), hat, p.shift_c ? load(p.shift_c + u, n) : Vec<Real>{});
}

/* Layer norm of c: h, for the output gate o(u, n). */
template <class Real, class Gate>
inline void normalised_output(const ForwardStep<Real>& s, const Gate& o) {
  Real* hat = s.after[0];
  __builtin_memcpy(hat, s.after[1], static_cast<std::size_t>(s.H) * sizeof(Real));
  normalise(hat, s.H);
  over_units<Real>(0, s.H, [&](Index u, Index n) {
    store(s.after[0] + u, o(u, n) * tanh<Real>(affine(s.p, load(hat + u, n), u, n)), n);
  });
}

/* Its way back: adds to dc what comes through N; put_do(u, n, the gradient of o), for the gates(u, n). */
template <class Real, class GatesOf, class Put>
inline void pull_normalised_output(const BackwardStep<Real>& s, const GatesOf& gates, const Put& put_do) {
  Real *hat = s.scratch, *d_hat = s.scratch + s.H;
  over_units<Real>(0, s.H,
                   [&](Index u, Index n) { store(hat + u, gates(u, n).cell(load(s.before[1] + u, n)), n); });
  const Real scale = normalise(hat, s.H);
  over_units<Real>(0, s.H, [&](Index u, Index n) {
    const Vec<Real> N = load(hat + u, n), o = gates(u, n).o, dh = load(s.dh + u, n);
    const Vec<Real> t = tanh<Real>(affine(s.p, N, u, n)), dm = pull_tanh<Real>(t, dh * o);
    put_do(u, n, dh * t);
    store(s.dp.gain_c + u, fma(dm, N, load(s.dp.gain_c + u, n)), n);
    store(s.dp.shift_c + u, load(s.dp.shift_c + u, n) + dm, n);
    store(d_hat + u, dm * load(s.p.gain_c + u, n), n);
  });
  pull_normalised(hat, scale, d_hat, s.H, d_hat);
  over_units<Real>(0, s.H,
                   [&](Index u, Index n) { store(s.d[1] + u, load(s.d[1] + u, n) + load(d_hat + u, n), n); });
}

/* Adds to the gradient of a peephole; d, and what reaches the state that it looked at. */
template <class Real>
inline Vec<Real> pull_peephole(const BackwardStep<Real>& s, Index row, Vec<Real> da, Vec<Real> state,
                               Vec<Real> d, Index u, Index n) {
  Real* dp = at(s.dp.peephole, row) + u;
  store(dp, fma(da, state, load(dp, n)), n);
  return fma(da, load(at(s.p.peephole, row) + u, n), d);
}

template <class R, bool Coupled, bool Peephole>
struct Lstm {
  using Real = R;
  static constexpr Form form = {.gates = Coupled ? 3 : 4,
                                .shift = 0,
                                .turned = 0,
                                .two_phase = false,
                                .has_c = true,
                                .passes_h = false,
                                .keeps_sums = true,
                                .norm_apart = false};
  static constexpr Index I = 0, F = 1, G = Coupled ? 1 : 2, O = G + 1; // blocks of the row z
  static constexpr Index PI = 0, PF = 1, PO = O - 1;                   // rows of the peepholes

  static Gates<Real> gates(const Real* z, Index H, Index u, Index n) {
    const auto gate = [&](Index b) { return load(z + b * H + u, n); };
    const Vec<Real> i = gate(I);
    if constexpr (Coupled)
      return {i, one<Real>() - i, gate(G), gate(O)};
    else
      return {i, gate(F), gate(G), gate(O)};
  }

  static void forward(const ForwardStep<Real>& s) {
    over_units<Real>(s.first, s.end, [&](Index u, Index n) {
      const auto sum = [&](Index b, Index row, Vec<Real> c) {
        const Vec<Real> a = load(s.z + b * s.H + u, n);
        return Peephole ? fma(load(at(s.p.peephole, row) + u, n), c, a) : a;
      };
      const auto keep = [&](Index b, Vec<Real> gate) { store(s.z + b * s.H + u, gate, n); };
      const Vec<Real> before = load(s.before[1] + u, n);
      Gates<Real> a;
      a.i = sigmoid<Real>(sum(I, PI, before));
      if constexpr (Coupled)
        a.f = one<Real>() - a.i;
      else
        keep(F, a.f = sigmoid<Real>(sum(F, PF, before)));
      a.g = tanh<Real>(load(s.z + G * s.H + u, n));
      const Vec<Real> c = a.cell(before);
      a.o = sigmoid<Real>(sum(O, PO, c));
      keep(I, a.i);
      keep(G, a.g);
      keep(O, a.o);
      store(s.after[1] + u, c, n);
      store(s.after[0] + u, a.o * tanh<Real>(c), n);
    });
    if (s.p.gain_c)
      normalised_output(s, [&](Index u, Index n) { return load(s.z + O * s.H + u, n); });
  }

  static void backward(const BackwardStep<Real>& s) {
    if (s.p.gain_c)
      pull_normalised_output(
          s, [&](Index u, Index n) { return gates(s.z, s.H, u, n); },
          [&](Index u, Index n, Vec<Real> d) {
            store(s.dz + O * s.H + u, pull_sigmoid<Real>(load(s.z + O * s.H + u, n), d), n);
          });
    over_units<Real>(s.first, s.end, [&](Index u, Index n) {
      const auto put = [&](Index b, Vec<Real> d) { store(s.dz + b * s.H + u, d, n); };
      const Gates<Real> a = gates(s.z, s.H, u, n);
      const Vec<Real> before = load(s.before[1] + u, n), c = a.cell(before);
      Vec<Real> dc = load(s.d[1] + u, n), da_o;
      if (s.p.gain_c) {
        da_o = load(s.dz + O * s.H + u, n);
      } else {
        const Vec<Real> t = tanh<Real>(c), dh = load(s.dh + u, n);
        da_o = pull_sigmoid<Real>(a.o, dh * t);
        dc += pull_tanh<Real>(t, dh * a.o);
      }
      if constexpr (Peephole)
        dc = pull_peephole(s, PO, da_o, c, dc, u, n);
      const Vec<Real> da_i = pull_sigmoid<Real>(a.i, dc * (Coupled ? a.g - before : a.g));
      Vec<Real> d_before = dc * a.f;
      if constexpr (!Coupled) {
        const Vec<Real> da_f = pull_sigmoid<Real>(a.f, dc * before);
        put(F, da_f);
        if constexpr (Peephole)
          d_before = pull_peephole(s, PF, da_f, before, d_before, u, n);
      }
      if constexpr (Peephole)
        d_before = pull_peephole(s, PI, da_i, before, d_before, u, n);
      put(I, da_i);
      put(G, pull_tanh<Real>(a.g, dc * a.i));
      put(O, da_o);
      store(s.d[1] + u, d_before, n);
    });
  }
};

} // namespace unrolled::UNROLLED_ISA
