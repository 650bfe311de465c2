/* What the engine and a cell say to each other about one row at one step.

   A cell is a header such as lstm.h. Its `form` says how its sums stand; `forward` turns the sums z of a row
   into the states after the step, and z itself into what `backward` wants to find there; `backward` turns the
   gradients of the states after into those of the sums, and into what reaches the states before without
   passing the sums. Both do the units first … end - 1 alone, so that several threads can share a row.

   z is (gates + shift) blocks of H numbers. W x stands in the blocks 0 … gates - 1, where block b holds gate
   (b + turned) mod gates; U h stands in the blocks from `shift` on, in the order of the gates. Where the two
   fall on one block and belong to one gate they are one sum:

       LSTM   i  f  g  o        W x and U h alike             gates 4, shift 0, turned 0
       GRU    n  r  z  n'       W x: n r z, U h: r z n'       gates 3, shift 1, turned 2

   Memory blocks, whose K units share all gates but one, have the S rows of contract.h for the blocks. */
#pragma once

#include "gemm.h"

namespace unrolled::UNROLLED_ISA {

struct Form {
  Index gates, shift, turned;
  bool two_phase;  // the last gate's recurrent product is of `inner`, known after the others, and adds to W x
  bool has_c;      // a second state
  bool passes_h;   // part of h_t's gradient reaches h_{t-1} beside the sums
  bool keeps_sums; // backward wants z; if not, it wants h_t
  bool norm_apart; // layer norm takes the last gate by itself, not with the others
  bool by_unit = true; // no unit needs another's sums, so that threads can share a row

  constexpr Index rows(const Sizes& n) const { return (gates - 1) * (n.H / n.K) + n.H; }
  constexpr Index recurrent_rows(const Sizes& n) const { return two_phase ? rows(n) - n.H : rows(n); }
  constexpr Index gate(Index block) const { return (block + turned) % gates; }
  /* The row of W whose sum stands at place j of W x. */
  constexpr Index row_of_x(Index j, Index H) const { return gate(j / H) * H + j % H; }
  constexpr Index block_of_h(Index gate) const { return two_phase && gate == gates - 1 ? 0 : gate + shift; }
  /* Whether W x and U h of a gate are one sum, where W x stands in this block. */
  constexpr bool joined(Index block) const { return block_of_h(gate(block)) == block; }
};

/* What stands in z in the row of one token, and after it in the same row of the tape. */
struct Layout {
  Index H, rows;        // of all gates
  Index recurrent;      // U h: z + recurrent
  Index sums;           // rows + shift H
  Index inner;          // (H) what is multiplied a second time: r ⊙ h of the two-phase GRU, m of a projection
  Index hat_ih, hat_hh; // (rows) each: W x and U h normalised, before their gains
  Index scale;          // (4) the factors that normalised them, W x and U h by turns
  Index c;              // (H) the state c after the step
  Index width;
  bool normalises, projects;

  template <class Real>
  Layout(const Form& form, const Sizes& sizes, const Parameters<const Real>& p)
      : H(sizes.H), rows(form.rows(sizes)), recurrent(form.shift * H), normalises(p.gain_ih),
        projects(p.hr.data) {
    sums = rows + (form.two_phase ? 0 : form.shift * H);
    inner = sums;
    hat_ih = inner + (form.two_phase || projects ? H : 0);
    hat_hh = hat_ih + (normalises ? rows : 0);
    scale = hat_hh + (normalises ? rows : 0);
    c = scale + (normalises ? 4 : 0);
    width = c + (form.has_c ? H : 0);
  }
  /* Rows of a block; those of memory blocks end before the last block does. */
  Index rows_of(Index block) const { return minimum(H, rows - block * H); }
};

template <class Real>
struct ForwardStep {
  Index H, K, first, end;
  const Parameters<const Real>& p;
  Real* z;
  const Real* recurrent;           // h_{t-1} as it went into the products
  const Real* before[most_states]; // h_{t-1}, c_{t-1}
  Real* after[most_states];        // h_t (or m, where a projection makes h_t of it), c_t; may be `before`
  Real* inner;
};

template <class Real>
struct BackwardStep {
  Index H, K, first, end;
  const Parameters<const Real>& p;
  const Real* z; // as forward left it
  const Real* recurrent;
  const Real* before[most_states];
  const Real* after;    // h_t
  const Real* dh;       // of h_t (or m)
  Real* d[most_states]; // out: what reaches h_{t-1} and c_{t-1} beside the sums; d[1] holds c_t's at first
  Real* dz;             // out
  Real* d_inner;        // in: of `inner`; out: what reaches h_{t-1} through it
  Parameters<Real> dp;  // of peepholes, gain_c, shift_c: to be added to
  Real* scratch;        // (3 H)
};

/* body(u, count) for every vector of units u … u + count - 1 from first to end - 1. */
template <class Real, class Body>
inline void over_units(Index first, Index end, const Body& body) {
  Index u = first;
  for (; u + lanes<Real> <= end; u += lanes<Real>)
    body(u, Index{lanes<Real>});
  if (u < end)
    body(u, end - u);
}

template <class Real>
inline Vec<Real> one() {
  return broadcast(Real(1));
}

/* The derivatives of σ and tanh through their values. */
template <class Real>
inline Vec<Real> pull_sigmoid(Vec<Real> s, Vec<Real> d) {
  return d * s * (one<Real>() - s);
}
template <class Real>
inline Vec<Real> pull_tanh(Vec<Real> t, Vec<Real> d) {
  return d * fma(-t, t, one<Real>());
}

} // namespace unrolled::UNROLLED_ISA
