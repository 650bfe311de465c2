/* Numbers for pairs of rows, and rows weighed by such numbers, without a weight packed beforehand.

   A pair's number is a sum along its rows (rows.h); a sum over rows is made by the tiles of gemm.h, in its
   chains. So neither depends on which other pairs are made beside it. */
#pragma once

#include "gemm.h"
#include "rows.h"

namespace unrolled::UNROLLED_ISA {

/* to[s][t] = Σ_i term(i, q[s], k[t]). All queries pass by a few steps before the next few, which so stay in
   the first cache. */
template <class Real, class Term>
void compare(Index queries, Index steps, Index columns, Matrix<const Real> q, Matrix<const Real> k,
             Matrix<Real> to, const Term& term) {
  over_units<Real>(0, steps, [&](Index t, Index some) {
    for (Index s = 0; s < queries; ++s) {
      const Real* query = at(q, s);
      const auto of_step = [&](Index r, Index i, Index count) {
        return term(i, count, load(query + i, count), load(at(k, t + r) + i, count));
      };
      store(at(to, s) + t, row_sums<Real>(some, columns, of_step), some);
    }
  });
}

template <class Real>
void products(Index queries, Index steps, Index columns, Matrix<const Real> q, Matrix<const Real> k,
              Matrix<Real> to) {
  compare(queries, steps, columns, q, k, to, [](Index, Index, Vec<Real> x, Vec<Real> y) { return x * y; });
}

/* to[o][j] = Σ_n weights[o output_step + n step] rows[n][j], n = 0 … count - 1, j = first … end - 1. */
template <class Real>
struct Blend {
  Index outputs, count;
  const Real* weights;
  Index output_step, step;
  Matrix<const Real> rows;
  Matrix<Real> to;
  Index first, end;
};

/* Room for blends of so many outputs, rows and columns at most. */
template <class Real>
class Blender {
public:
  Blender(Index outputs, Index rows, Index columns)
      : weights_(outputs), rows_(rows), to_(outputs), packed_(packed_size<Real>(rows, columns)) {}

  void operator()(const Blend<Real>& sum) const {
    for (Index n = 0; n < sum.count; ++n)
      rows_.data()[n] = at(sum.rows, n) + sum.first;
    for (Index o = 0; o < sum.outputs; ++o) {
      weights_.data()[o] = sum.weights + o * sum.output_step;
      to_.data()[o] = at(sum.to, o) + sum.first;
    }
    const Packed<Real> b = pack(rows_.data(), sum.count, sum.end - sum.first, packed_.data());
    multiply<Real>({sum.outputs, weights_.data(), sum.step, b, nullptr, to_.data()});
  }

private:
  Buffer<const Real*> weights_, rows_;
  Buffer<Real*> to_;
  Buffer<Real> packed_;
};

} // namespace unrolled::UNROLLED_ISA
