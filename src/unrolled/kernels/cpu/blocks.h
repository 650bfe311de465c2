/* Memory blocks: long short-term memory (lstm.h) whose gates i, f and o are shared by the K cells of a block.
   Per step, m a block, u its cells, all Σ over these in order; the engine sums the products into a:

       i_m = σ(a_i,m + Σ p_i,u c_{t-1,u})      f_m likewise      g_u = tanh(a_g,u)
       c_u = f_m c_{t-1,u} + i_m g_u
       o_m = σ(a_o,m + Σ p_o,u c_u)            h_u = o_m tanh(m_u), m as there

   Peephole, coupled, layer norm: as there. Backward, t = tanh(m):

       da_o,m = (Σ dh_u t_u) o (1 - o)         dm_u = dh_u o (1 - t_u²)
       dc_u  += dm_u (through N where there is one) + da_o,m p_o,u
       da_i,m = (Σ dc_u g_u) i (1 - i)         da_f,m = (Σ dc_u c_{t-1,u}) f (1 - f)
       da_g,u = dc_u i (1 - g_u²)              dc_{t-1,u} = dc_u f + da_i,m p_i,u + da_f,m p_f,u
       Coupled: da_i,m = (Σ dc_u (g_u - c_{t-1,u})) i (1 - i)

   z holds i, f and o of the M = H / K blocks and g of the H cells. */
#pragma once

#include "lstm.h"

namespace unrolled::UNROLLED_ISA {

/* What the cells u … u + count - 1 have of their blocks' numbers. */
template <class Real>
inline Vec<Real> of_blocks(const Real* from, Index K, Index u, Index count) {
  Real lane[lanes<Real>] = {};
  Index m = u / K, next = (m + 1) * K - u;
  for (Index j = 0; j < count; ++j) {
    if (j == next) {
      ++m;
      next += K;
    }
    lane[j] = from[m];
  }
  return load(lane);
}

/* The k-th of the K cells of the blocks m … m + count - 1. */
template <class Real>
inline Vec<Real> of_cells(const Real* from, Index K, Index k, Index m, Index count) {
  Real lane[lanes<Real>] = {};
  for (Index j = 0; j < count; ++j)
    lane[j] = from[(m + j) * K + k];
  return load(lane);
}

template <class R, bool Coupled>
struct Blocks {
  using Real = R;
  using Plain = Lstm<R, Coupled, true>;
  static constexpr Form form = [] {
    Form own = Plain::form;
    own.by_unit = false;
    return own;
  }();

  /* Where the gates stand in z, and their gradients in dz. */
  template <class Number>
  struct Rows {
    Number *i, *f, *g, *o;
    Rows(Number* z, Index H, Index K)
        : i(z), f(Coupled ? nullptr : z + H / K), g(z + (form.gates - 2) * (H / K)), o(g + H) {}
    Gates<Real> at(Index K, Index u, Index n) const {
      const Vec<Real> in = of_blocks<Real>(i, K, u, n);
      return {in, Coupled ? one<Real>() - in : of_blocks<Real>(f, K, u, n), load(g + u, n),
              of_blocks<Real>(o, K, u, n)};
    }
  };

  static void forward(const ForwardStep<Real>& s) {
    const Index H = s.H, K = s.K;
    const Rows<Real> z(s.z, H, K);
    const auto open = [&](Real* gate, Index row, const Real* c) {
      over_units<Real>(0, H / K, [&](Index m, Index n) {
        Vec<Real> a = load(gate + m, n);
        for (Index k = 0; s.p.peephole.data && k < K; ++k)
          a = fma(of_cells(at(s.p.peephole, row), K, k, m, n), of_cells(c, K, k, m, n), a);
        store(gate + m, sigmoid<Real>(a), n);
      });
    };
    open(z.i, Plain::PI, s.before[1]);
    if constexpr (!Coupled)
      open(z.f, Plain::PF, s.before[1]);
    over_units<Real>(0, H, [&](Index u, Index n) {
      store(z.g + u, tanh<Real>(load(z.g + u, n)), n);
      store(s.after[1] + u, z.at(K, u, n).cell(load(s.before[1] + u, n)), n);
    });
    open(z.o, Plain::PO, s.after[1]);
    const auto o = [&](Index u, Index n) { return of_blocks<Real>(z.o, K, u, n); };
    if (s.p.gain_c)
      return normalised_output(s, o);
    over_units<Real>(0, H, [&](Index u, Index n) {
      store(s.after[0] + u, o(u, n) * tanh<Real>(load(s.after[1] + u, n)), n);
    });
  }

  static void backward(const BackwardStep<Real>& s) {
    const Index H = s.H, K = s.K;
    const Rows<const Real> z(s.z, H, K);
    const Rows<Real> dz(s.dz, H, K);
    Real *di = s.scratch, *df = di + H, *d_o = df + H; // the gates' gradients, from each cell
    const auto before = [&](Index u, Index n) { return load(s.before[1] + u, n); };
    const auto close = [&](const Real* gate, const Real* d, Real* da) {
      over_units<Real>(0, H / K, [&](Index m, Index n) {
        Vec<Real> sum{};
        for (Index k = 0; k < K; ++k)
          sum += of_cells(d, K, k, m, n);
        store(da + m, pull_sigmoid<Real>(load(gate + m, n), sum), n);
      });
    };
    pull_output(s, z, d_o);
    close(z.o, d_o, dz.o);
    over_units<Real>(0, H, [&](Index u, Index n) {
      const Gates<Real> a = z.at(K, u, n);
      Vec<Real> dc = load(s.d[1] + u, n);
      if (s.p.peephole.data)
        dc = pull_peephole(s, Plain::PO, of_blocks<Real>(dz.o, K, u, n), a.cell(before(u, n)), dc, u, n);
      store(di + u, dc * (Coupled ? a.g - before(u, n) : a.g), n);
      store(df + u, dc * before(u, n), n);
      store(dz.g + u, pull_tanh<Real>(a.g, dc * a.i), n);
      store(s.d[1] + u, dc * a.f, n);
    });
    close(z.i, di, dz.i);
    if constexpr (!Coupled)
      close(z.f, df, dz.f);
    if (s.p.peephole.data)
      over_units<Real>(0, H, [&](Index u, Index n) {
        const auto pull = [&](Index row, const Real* da, Vec<Real> d) {
          return pull_peephole(s, row, of_blocks(da, K, u, n), before(u, n), d, u, n);
        };
        const Vec<Real> d = pull(Plain::PI, dz.i, load(s.d[1] + u, n));
        store(s.d[1] + u, Coupled ? d : pull(Plain::PF, dz.f, d), n);
      });
  }

  /* From dh: the output gate's gradient from each cell, and dc. */
  static void pull_output(const BackwardStep<Real>& s, const Rows<const Real>& z, Real* d_o) {
    const auto gates = [&](Index u, Index n) { return z.at(s.K, u, n); };
    const auto put = [&](Index u, Index n, Vec<Real> d) { store(d_o + u, d, n); };
    if (s.p.gain_c)
      return pull_normalised_output(s, gates, put);
    over_units<Real>(0, s.H, [&](Index u, Index n) {
      const Gates<Real> a = gates(u, n);
      const Vec<Real> t = tanh<Real>(a.cell(load(s.before[1] + u, n))), dh = load(s.dh + u, n);
      put(u, n, dh * t);
      store(s.d[1] + u, load(s.d[1] + u, n) + pull_tanh<Real>(t, dh * a.o), n);
    });
  }
};

} // namespace unrolled::UNROLLED_ISA
