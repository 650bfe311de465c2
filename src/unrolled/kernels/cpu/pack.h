/* Lays a layer's parameters out for the products: forward transposed, backward as they stand. Or only says
   where they stand. */
#pragma once

#include "step.h"

namespace unrolled::UNROLLED_ISA {

/* Hands out memory piece by piece; without memory it only counts. */
template <class Real>
class Pieces {
public:
  explicit Pieces(Real* memory) : memory_(memory) {}
  Real* take(Index count) {
    Real* piece = memory_ ? memory_ + used_ : nullptr;
    used_ += divide_up(count, 16) * 16; // whole cache lines
    return piece;
  }
  bool counting() const { return !memory_; }
  Index used() const { return used_; }

private:
  Real* memory_;
  Index used_ = 0;
};

/* count rows of a matrix from `first` on. */
template <class Real>
void list_rows(const Matrix<const Real>& m, Index first, Index count, const Real** rows) {
  for (Index j = 0; j < count; ++j)
    rows[j] = at(m, first + j);
}

/* The biases that the sums begin with. */
template <class Real>
void add_biases(const Form& form, const Parameters<const Real>& p, Index H, Index sums, Real* start) {
  for (Index b = 0; b * H < sums; ++b) {
    const bool of_x = b < form.gates, of_h = !of_x || form.joined(b);
    const Index row = (of_x ? form.gate(b) : b - form.shift) * H;
    over_units<Real>(0, minimum(H, sums - b * H), [&](Index u, Index n) {
      const Vec<Real> x = of_x && p.bias_ih ? load(p.bias_ih + row + u, n) : Vec<Real>{};
      const Vec<Real> h = of_h && p.bias_hh ? load(p.bias_hh + row + u, n) : Vec<Real>{};
      store(start + b * H + u, of_x ? x + h : h, n);
    });
  }
}

template <class Real>
Real* pack_start(const Form& form, const Sizes& sizes, const Parameters<const Real>& p,
                 Pieces<Real>& pieces) {
  const Index sums = Layout(form, sizes, p).sums;
  Real* start = pieces.take(sums);
  if (!pieces.counting())
    add_biases(form, p, sizes.H, sums, start);
  return start;
}

/* Packs into `memory`, or with none only counts; the numbers that it takes. */
template <class Real>
Index pack_weights(const Form& form, const Sizes& sizes, const Parameters<const Real>& p, bool backward,
                   Real* memory, Weights<Real>& w) {
  const Index H = sizes.H, all = form.rows(sizes), recurrent = form.recurrent_rows(sizes);
  Pieces<Real> pieces(memory);
  const Buffer<const Real*> list(maximum(all, sizes.P));
  const Real** rows = list.data();

  const auto matrix = [&](Index count, Index columns) -> Packed<Real> {
    const Index depth = backward ? count : columns, width = backward ? columns : count;
    Real* to = pieces.take(packed_size<Real>(depth, width));
    if (pieces.counting())
      return {};
    return backward ? pack(rows, depth, width, to) : pack_transposed(rows, depth, width, to);
  };
  w = {};
  w.parameters = p;
  for (Index j = 0; j < all; ++j) // in the order of the blocks of W x
    rows[j] = at(p.ih, form.row_of_x(j, H));
  w.ih = matrix(all, sizes.I);
  list_rows(p.hh, 0, recurrent, rows);
  w.hh = matrix(recurrent, sizes.P);
  if (form.two_phase) {
    list_rows(p.hh, recurrent, H, rows);
    w.inner = matrix(H, H);
  }
  if (p.hr.data) {
    list_rows(p.hr, 0, sizes.P, rows);
    w.hr = matrix(sizes.P, H);
  }
  if (!backward)
    w.start = pack_start(form, sizes, p, pieces);
  return pieces.used();
}

/* The same without a copy of any matrix; `memory` is for the biases' sums alone. */
template <class Real>
Index point_at_weights(const Form& form, const Sizes& sizes, const Parameters<const Real>& p, bool backward,
                       Real* memory, Weights<Real>& w) {
  const Index H = sizes.H, all = form.rows(sizes), recurrent = form.recurrent_rows(sizes);
  const auto matrix = [&](const Matrix<const Real>& m, Index first, Index count, Index columns,
                          Index turned = 0) {
    const Index depth = backward ? count : columns, width = backward ? columns : count;
    return Packed<Real>{nullptr, depth, width, {at(m, first), m.row}, turned, !backward};
  };
  w = {};
  w.parameters = p;
  w.ih = matrix(p.ih, 0, all, sizes.I, form.turned * H);
  w.hh = matrix(p.hh, 0, recurrent, sizes.P);
  if (form.two_phase)
    w.inner = matrix(p.hh, recurrent, H, H);
  if (p.hr.data)
    w.hr = matrix(p.hr, 0, sizes.P, H);
  Pieces<Real> pieces(memory);
  if (!backward)
    w.start = pack_start(form, sizes, p, pieces);
  return pieces.used();
}

} // namespace unrolled::UNROLLED_ISA
