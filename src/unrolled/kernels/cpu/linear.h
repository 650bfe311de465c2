/* Linear layers of any width, forward and backward, over packed weights (gemm.h).

   Work is dealt out by strips of rows and, where rows are few, by columns too. Depth is done in stretches of
   whole chains, so that what is in use stays in the cache. */
#pragma once

#include "heads.h"
#include "outer.h"
#include "rows.h"

namespace unrolled::UNROLLED_ISA {

inline constexpr Index strip_rows = 240;          // whole tiles of 6 and of 3 rows
inline constexpr Index stretch_depth = 2 * chain; // a panel of 64 KiB
inline constexpr Index stretch_panels = 4;

/* body(row, rows, column, columns) over all of (rows, columns); columns are cut at multiples of `unit`. */
template <class Body>
void share_grid(Index rows, Index columns, Index unit, Index threads, const Body& body) {
  const Index wanted = threads == 1 ? 1 : 4 * threads;
  const Index units = divide_up(columns, unit), parts = minimum(units, wanted);
  if (rows == 0 || parts == 0)
    return;
  const Index strips =
      maximum(divide_up(rows, strip_rows), minimum(divide_up(rows, most_rows), divide_up(wanted, parts)));
  pool::run(strips * parts, threads, [&](Index task) {
    const Index strip = task / parts, part = task % parts;
    const Index row = rows * strip / strips, column = units * part / parts * unit;
    const Index column_end = minimum(columns, units * (part + 1) / parts * unit);
    body(row, rows * (strip + 1) / strips - row, column, column_end - column);
  });
}

/* Wᵀ for W (out, in), stretch by stretch, each in panels. */
template <class Real>
void pack_weight(Matrix<const Real> weight, Index in, Index out, Real* to, Index threads) {
  const Index width = packed_size<Real>(1, out);
  share_out(out, panel_columns<Real>, threads_worth(in * out, threads), [&](Index first, Index end) {
    const Buffer<const Real*> rows(end - first);
    for (Index k = 0; k < in; k += stretch_depth) {
      const Index depth = minimum(stretch_depth, in - k);
      for (Index j = first; j < end; ++j)
        rows.data()[j - first] = at(weight, j) + k;
      pack_transposed(rows.data(), depth, end - first, to + k * width + first * depth);
    }
  });
}

/* A stretch of Wᵀ, columns of it: from the packed weight, or packed into `panels` now. */
template <class Real>
Packed<Real> stretch_of(const Linear<Real>& call, Index k, Index depth, Index column, Index columns,
                        Real* panels) {
  if (call.packed)
    return {call.packed + k * packed_size<Real>(1, call.out) + column * depth, depth, columns};
  const Real* rows[stretch_panels * panel_columns<Real>];
  for (Index j = 0; j < columns; ++j)
    rows[j] = at(call.weight, column + j) + k;
  return pack_transposed(rows, depth, columns, panels);
}

/* Some rows and columns of y. */
template <class Real>
void linear_block(const Linear<Real>& call, Index row, Index rows, Index column, Index columns,
                  Real* panels) {
  const Real *x[strip_rows], *start[strip_rows];
  Real* y[strip_rows];
  for (Index r = 0; r < rows; ++r) {
    y[r] = at(call.y, row + r) + column;
    start[r] = call.bias ? call.bias + column : nullptr;
  }
  Index k = 0;
  do {
    const Index depth = minimum(stretch_depth, call.in - k);
    for (Index r = 0; r < rows; ++r)
      x[r] = at(call.x, row + r) + k;
    const Packed<Real> b = stretch_of(call, k, depth, column, columns, panels);
    multiply<Real>({rows, x, 1, b, k > 0 ? y : call.bias ? start : nullptr, y});
    k += stretch_depth;
  } while (k < call.in);
}

template <class Real>
void linear(const Linear<Real>& call, Index threads) {
  constexpr Index wide = stretch_panels * panel_columns<Real>;
  const Index worth = threads_worth(call.rows * call.in * call.out, threads);
  if (call.packed) {
    const int tile_rows = static_cast<int>(maximum(1, minimum(call.rows, most_rows)));
    share_grid(call.rows, call.out, widest(tile_rows) * lanes<Real>, worth,
               [&](Index row, Index rows, Index column, Index columns) {
                 linear_block<Real>(call, row, rows, column, columns, nullptr);
               });
    return;
  }
  share_grid(call.rows, call.out, panel_columns<Real>, worth,
             [&](Index row, Index rows, Index column, Index columns) {
               const Buffer<Real> panels(minimum(stretch_depth, call.in) * wide);
               for (const Index end = column + columns; column < end; column += wide)
                 linear_block(call, row, rows, column, minimum(wide, end - column), panels.data());
             });
}

/* Some rows and columns of dx; `panels` holds a stretch of W. */
template <class Real>
void linear_pull(const LinearBackward<Real>& call, Index row, Index rows, Index column, Index columns,
                 Real* panels) {
  const Real *dy[strip_rows], *weight[stretch_depth];
  Real* dx[strip_rows];
  Index k = 0;
  do {
    const Index depth = minimum(stretch_depth, call.out - k);
    for (Index i = 0; i < depth; ++i)
      weight[i] = at(call.weight, k + i);
    pack_rows<panel_vectors>(weight, depth, column, columns, panels);
    for (Index r = 0; r < rows; ++r) {
      dy[r] = at(call.dy, row + r) + k;
      dx[r] = at(call.dx, row + r) + column;
    }
    multiply<Real>({rows, dy, 1, {panels, depth, columns}, k > 0 ? dx : nullptr, dx});
    k += stretch_depth;
  } while (k < call.out);
}

/* dW and db. */
template <class Real>
void linear_sums(const LinearBackward<Real>& call, Index threads) {
  const Index rows = call.rows, out = call.out;
  const bool weight = call.d_weight.data, bias = call.d_bias;
  const Buffer<const Real*> dy(rows), x(rows);
  const Buffer<Real*> d_weight(weight ? out : 0);
  const Buffer<Real> spare(bias ? 0 : out);
  for (Index r = 0; r < rows; ++r) {
    dy.data()[r] = at(call.dy, r);
    x.data()[r] = at(call.x, r);
  }
  for (Index o = 0; weight && o < out; ++o)
    d_weight.data()[o] = at(call.d_weight, o);
  const Gradient<Real> gradient = {0, out, x.data(), call.in, d_weight.data()};
  accumulate<Real>(rows, dy.data(), out, &gradient, weight, bias ? call.d_bias : spare.data(), false,
                   threads);
}

template <class Real>
void linear_backward(const LinearBackward<Real>& call, Index threads) {
  const Index worth = threads_worth(call.rows * call.in * call.out, threads);
  constexpr Index wide = stretch_panels * panel_columns<Real>;
  if (call.dx.data)
    share_grid(call.rows, call.in, panel_columns<Real>, worth,
               [&](Index row, Index rows, Index column, Index columns) {
                 const Buffer<Real> panels(stretch_depth * wide);
                 for (const Index end = column + columns; column < end; column += wide)
                   linear_pull(call, row, rows, column, minimum(wide, end - column), panels.data());
               });
  if (call.d_weight.data || call.d_bias)
    linear_sums(call, worth);
}

} // namespace unrolled::UNROLLED_ISA
