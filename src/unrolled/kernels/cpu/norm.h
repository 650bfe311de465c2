/* Layer norm of rows inside a cell, forward and backward.

       N(a) = s (a - mean a),  s = 1 / sqrt(var a + 1e-5)
       da   = s (dN - mean dN - N ⊙ mean(dN ⊙ N))                                                      */
#pragma once

#include "rows.h"

namespace unrolled::UNROLLED_ISA {

/* a -> N(a) in place; the factor s. */
template <class Real>
inline Real normalise(Real* a, Index n) {
  const Real count = static_cast<Real>(n);
  const Real mean = row_sum<Real>(n, [&](Index u, Index some) { return load(a + u, some); }) / count;
  const Real variance = row_sum<Real>(n,
                                      [&](Index u, Index some) {
                                        const Vec<Real> distance = load(a + u, some) - mean;
                                        return distance * distance;
                                      }) /
                        count;
  const Real scale =
      1 / static_cast<Real>(__builtin_sqrt(variance + Real(1e-5))) + 0 * variance; // ∞ must not pass
  over_units<Real>(0, n,
                   [&](Index u, Index some) { store(a + u, (load(a + u, some) - mean) * scale, some); });
  return scale;
}

/* dN -> da; da may be dN. */
template <class Real>
inline void pull_normalised(const Real* hat, Real scale, const Real* d_hat, Index n, Real* da) {
  const Real count = static_cast<Real>(n);
  const Real mean = row_sum<Real>(n, [&](Index u, Index some) { return load(d_hat + u, some); }) / count;
  const Real along =
      row_sum<Real>(n, [&](Index u, Index some) { return load(d_hat + u, some) * load(hat + u, some); }) /
      count;
  over_units<Real>(0, n, [&](Index u, Index some) {
    const Vec<Real> rest = load(d_hat + u, some) - mean - load(hat + u, some) * along;
    store(da + u, rest * scale, some);
  });
}

/* Groups of neighbouring blocks that are normalised together: 0 … cut - 1 and cut … gates - 1. */
struct Groups {
  Index gates, cut;
  Index first(int g) const { return g == 0 ? 0 : cut; }
  Index end(int g) const { return g == 0 ? cut : gates; }
  bool none(int g) const { return first(g) == end(g); }
  Index first_row(int g, const Layout& at) const { return first(g) * at.H; }
  Index rows(int g, const Layout& at) const { return minimum(end(g) * at.H, at.rows) - first_row(g, at); }
};
inline Groups groups_of_x(const Form& form) {
  return {form.gates, form.norm_apart ? 1 : form.gates}; // the last gate stands first
}
inline Groups groups_of_h(const Form& form) {
  return {form.gates, form.norm_apart ? form.gates - 1 : form.gates};
}

/* W x of a row, as it stands at hat_ih, into the blocks of z. */
template <class Real>
void absorb_x(const Form& form, const Layout& at, const Parameters<const Real>& p, Real* z) {
  const Groups groups = groups_of_x(form);
  for (int g = 0; g < 2 && !groups.none(g); ++g)
    z[at.scale + g] = normalise(z + at.hat_ih + groups.first_row(g, at), groups.rows(g, at));
  for (Index b = 0; b < form.gates; ++b) {
    const Index row = form.gate(b) * at.H;
    over_units<Real>(0, at.rows_of(b), [&](Index u, Index n) {
      const Vec<Real> bias = p.bias_ih ? load(p.bias_ih + row + u, n) : Vec<Real>{};
      const Vec<Real> hat = load(z + at.hat_ih + b * at.H + u, n);
      store(z + b * at.H + u, fma(load(p.gain_ih + row + u, n), hat, bias), n);
    });
  }
}

/* U h of one group of gates of a row, as it stands at hat_hh. */
template <class Real>
void absorb_h(const Form& form, const Layout& at, const Parameters<const Real>& p, int g, Real* z) {
  const Groups groups = groups_of_h(form);
  if (groups.none(g))
    return;
  z[at.scale + 2 + g] = normalise(z + at.hat_hh + groups.first_row(g, at), groups.rows(g, at));
  for (Index q = groups.first(g); q < groups.end(g); ++q) {
    const Index block = form.block_of_h(q), row = q * at.H;
    const bool joined = block < form.gates;
    over_units<Real>(0, at.rows_of(q), [&](Index u, Index n) {
      const Vec<Real> bias = p.bias_hh ? load(p.bias_hh + row + u, n) : Vec<Real>{};
      const Vec<Real> hat = load(z + at.hat_hh + row + u, n);
      Real* sum = z + block * at.H + u;
      const Vec<Real> product = fma(load(p.gain_hh + row + u, n), hat, bias);
      store(sum, joined ? load(sum, n) + product : product, n);
    });
  }
}

/* Where the gradient of a product's gate stands: its block in dz, its row of the gain. */
struct Source {
  Index dz, gain;
};

/* One group's way back: from the gradients dz of the blocks to those of the product as it was before it was
   normalised; adds the gain's to d_gain. block(q) is the Source of the q-th gate. */
template <class Real, class Block>
void pull_group(const Groups& groups, int g, const Layout& at, const Real* dz, const Block& block,
                const Real* hat, Real scale, const Real* gain, Real* d_gain, Real* d_product) {
  const Index H = at.H;
  for (Index q = groups.first(g); q < groups.end(g); ++q) {
    const Index from = block(q).dz * H, row = block(q).gain * H;
    over_units<Real>(0, at.rows_of(q), [&](Index u, Index n) {
      const Vec<Real> d = load(dz + from + u, n);
      Real* sum = d_gain + row + u;
      store(sum, fma(d, load(hat + q * H + u, n), load(sum, n)), n);
      store(d_product + q * H + u, d * load(gain + row + u, n), n);
    });
  }
  const Index first = groups.first_row(g, at);
  pull_normalised(hat + first, scale, d_product + first, groups.rows(g, at), d_product + first);
}

} // namespace unrolled::UNROLLED_ISA
