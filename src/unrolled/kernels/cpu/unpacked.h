/* Products with weights as they stand, for calls that use each hardly more than once: to pack them would take
   as long as the product. Every element is summed in the order of gemm.h, so no bit depends on it.

   Few rows of a take b straight from its memory: where its columns are the parameter's rows, squares of it
   are transposed in registers. More rows have it packed, one chain of one panel at a time, which stays in the
   first cache. */
#pragma once

#include "step.h"

namespace unrolled::UNROLLED_ISA {

/* Row i of an unpacked b, or where it is transposed, column i. */
template <class Real>
inline const Real* line(const Packed<Real>& b, Index i) {
  const Index count = b.transposed ? b.columns : b.depth, turned = i + b.turned;
  return at(b.parameter, turned < count ? turned : turned - count);
}

/* One vector of columns of a transposed b. */
template <int Rows, class Real>
void multiply_transposed(const Product<Real>& p, Index row, Index column) {
  constexpr Index width = lanes<Real>;
  const Index columns = minimum(width, p.b.columns - column);
  const Real* lines[width];
  for (Index j = 0; j < width; ++j)
    lines[j] = line(p.b, column + minimum(j, columns - 1));

  const Real* const* start = p.start;
  Index k = 0;
  do {
    Vec<Real> sum[Rows] = {};
    const auto add = [&](Index count) {
      Vec<Real> square[width];
#pragma GCC unroll 16
      for (Index j = 0; j < width; ++j)
        square[j] = load(lines[j] + k, count);
      transpose<Real, width / 2>(square, std::make_integer_sequence<int, width>{});
#pragma GCC unroll 16
      for (Index j = 0; j < width; ++j)
        if (j < count)
#pragma GCC unroll 16
          for (int r = 0; r < Rows; ++r)
            sum[r] = fma(broadcast(p.a[row + r][k + j]), square[j], sum[r]);
      k += count;
    };
    const Index end = minimum(k + chain, p.b.depth);
    while (k + width <= end)
      add(width);
    if (k < end)
      add(end - k);
    for (int r = 0; r < Rows; ++r) {
      const Vec<Real> whole = start ? load(start[row + r] + column, columns) + sum[r] : sum[r];
      store(p.out[row + r] + column, whole, columns);
    }
    start = p.out;
  } while (k < p.b.depth);
}

/* Columns of a b whose rows are the parameter's, so many at most: the sums stay in the first cache, and rows
   are read as they lie in memory, some side by side. */
inline constexpr Index strip_columns = 1024;

template <int Rows, class Real>
void multiply_straight(const Product<Real>& p, Index row, Index column, Index columns) {
  constexpr int some = 4;
  alignas(64) Real sums[Rows * strip_columns];
  const auto sum = [&](int r, Index j) { return sums + r * strip_columns + j; };
  const auto add = [&]<int Links>(Index k, bool begins) {
    const Real* b[Links];
    Vec<Real> x[Rows][Links];
#pragma GCC unroll 16
    for (int i = 0; i < Links; ++i) {
      b[i] = line(p.b, k + i) + column;
#pragma GCC unroll 16
      for (int r = 0; r < Rows; ++r)
        x[r][i] = broadcast(p.a[row + r][k + i]);
    }
    over_units<Real>(0, columns, [&](Index j, Index count) {
#pragma GCC unroll 16
      for (int r = 0; r < Rows; ++r) {
        Vec<Real> links = begins ? Vec<Real>{} : load(sum(r, j));
#pragma GCC unroll 16
        for (int i = 0; i < Links; ++i)
          links = fma(x[r][i], load(b[i] + j, count), links);
        store(sum(r, j), links);
      }
    });
  };

  const Real* const* start = p.start;
  Index k = 0;
  do {
    const Index first = k, end = minimum(k + chain, p.b.depth);
    for (; k + some <= end; k += some)
      add.template operator()<some>(k, k == first);
    for (; k < end; ++k)
      add.template operator()<1>(k, k == first);
    for (int r = 0; r < Rows; ++r)
      over_units<Real>(0, columns, [&](Index j, Index count) {
        const Vec<Real> links = load(sum(r, j));
        const Vec<Real> whole = start ? load(start[row + r] + column + j, count) + links : links;
        store(p.out[row + r] + column + j, whole, count);
      });
    start = p.out;
  } while (k < p.b.depth);
}

/* body<n>(row) for rows dealt out evenly, at most `Most` at a time. */
template <int Most, class Body>
void by_rows(Index rows, const Body& body) {
  const auto call = [&]<int Rows>(const auto& self, Index row, Index count) {
    if (count == Rows)
      body.template operator()<Rows>(row);
    else if constexpr (Rows > 1)
      self.template operator()<Rows - 1>(self, row, count);
  };
  for (Index groups = divide_up(rows, Most), row = 0; groups > 0; --groups) {
    const Index count = divide_up(rows - row, groups);
    call.template operator()<Most>(call, row, count);
    row += count;
  }
}

/* Rows of a for which b is taken from its memory. */
inline constexpr Index few_rows = sum_registers / 2;

/* Few rows of a, and the columns column … end - 1. */
template <class Real>
void multiply_few(const Product<Real>& p, Index column, Index end) {
  constexpr int most_transposed = sum_registers / 3, most_straight = sum_registers / 6;
  const Index step = p.b.transposed ? Index{lanes<Real>} : strip_columns;
  for (; column < end; column += step)
    if (p.b.transposed)
      by_rows<most_transposed>(p.rows,
                               [&]<int Rows>(Index row) { multiply_transposed<Rows>(p, row, column); });
    else
      by_rows<most_straight>(p.rows, [&]<int Rows>(Index row) {
        multiply_straight<Rows>(p, row, column, minimum(strip_columns, end - column));
      });
}

/* One chain of one panel of b, from k on. */
template <class Real>
Packed<Real> pack_chain(const Packed<Real>& b, Index column, Index k, Real* to) {
  const Index depth = minimum(chain, b.depth - k), columns = minimum(panel_columns<Real>, b.columns - column);
  const Real* lines[maximum(chain, panel_columns<Real>)];
  if (b.transposed) {
    for (Index j = 0; j < columns; ++j)
      lines[j] = line(b, column + j) + k;
    return pack_transposed(lines, depth, columns, to);
  }
  for (Index i = 0; i < depth; ++i)
    lines[i] = line(b, k + i);
  pack_rows<panel_vectors>(lines, depth, column, columns, to);
  return {to, depth, columns};
}

/* One panel of columns, chain by chain. */
template <class Real>
void multiply_many(const Product<Real>& p, Index column) {
  constexpr Index strip = 16 * most_rows; // rows whose addresses are on the stack
  alignas(64) Real panel[chain * panel_columns<Real>];
  const Real *a[strip], *start[strip];
  Real* out[strip];
  Index k = 0;
  do {
    const Packed<Real> b = pack_chain(p.b, column, k, panel);
    for (Index row = 0; row < p.rows; row += strip) {
      const Index rows = minimum(strip, p.rows - row);
      for (Index r = 0; r < rows; ++r) {
        a[r] = p.a[row + r] + k;
        out[r] = p.out[row + r] + column;
        start[r] = k > 0 ? out[r] : p.start ? p.start[row + r] + column : nullptr;
      }
      multiply<Real>({rows, a, 1, b, k > 0 || p.start ? start : nullptr, out});
    }
    k += chain;
  } while (k < p.b.depth);
}

/* The columns of panels first … end - 1 of a product with weights; a_step is 1. */
template <class Real>
void multiply_weights(const Product<Real>& p, Index first, Index end) {
  if (p.b.data)
    return multiply(p, first, end);
  if (p.rows <= few_rows)
    return multiply_few(p, first * panel_columns<Real>, minimum(end * panel_columns<Real>, p.b.columns));
  for (Index panel = first; panel < end; ++panel)
    multiply_many(p, panel * panel_columns<Real>);
}

} // namespace unrolled::UNROLLED_ISA
