/* Matrix products in one fixed order. An element is cut into chains of 128 fused multiply-adds, k by k; each
   begins at zero, and what it ends with is added to the element, chain by chain. That is more exact than one
   long chain, and no sum depends on how many rows or columns stand beside it.

   b is packed: panels of four vectors of columns, each panel's rows k one after another, so that a tile reads
   it front to back. README.md draws it. */
#pragma once

#include <utility>

#include "buffer.h"
#include "vec.h"
#include "weights.h"

namespace unrolled::UNROLLED_ISA {

inline constexpr Index panel_vectors = 4;

template <class Real>
inline constexpr Index panel_columns = panel_vectors * lanes<Real>;

inline Index minimum(Index a, Index b) {
  return a < b ? a : b;
}
inline Index maximum(Index a, Index b) {
  return a > b ? a : b;
}
inline Index divide_up(Index a, Index b) {
  return (a + b - 1) / b;
}

template <class Real>
inline Real* at(const Sequence<Real>& s, Index t, Index b) {
  return s.data + (s.starts ? s.starts[t] : t) * s.time + b * s.row;
}

template <class Real>
inline Real* at(const Matrix<Real>& m, Index r) {
  return m.data + r * m.row;
}

template <class Real>
inline Index packed_size(Index depth, Index columns) {
  return divide_up(columns, panel_columns<Real>) * panel_columns<Real> * depth;
}

/* Links of a chain. Part of the order, so of every result's bits. */
inline constexpr Index chain = 128;

/* out[r][j] = start[r][j] + Σ_k a[r][k] b[k][j]. Pointers to rows, so that rows may lie anywhere. */
template <class Real>
struct Product {
  Index rows;
  const Real* const* a; // a[r][k * a_step]
  Index a_step;
  Packed<Real> b;
  const Real* const* start; // null: zero; may be out
  Real* const* out;
  bool last_first = false; // begins with the last columns; no bit depends on it
};

/* The sums of a tile, on their way into the cache while it is computed. */
template <class Real, int Rows, int Vectors>
inline void prefetch(const Product<Real>& p, Index row, Index column) {
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < Vectors; ++v)
      __builtin_prefetch(p.out[row + r] + column + v * lanes<Real>, 1);
  }
}

/* Rows × Vectors sums held in registers while k runs; every loop over them is unrolled to keep them there. */
template <class Real, int Rows, int Vectors>
void tile(const Product<Real>& p, Index row, Index column) {
  constexpr int width = lanes<Real>;
  const Index tail = minimum(width, p.b.columns - column - (Vectors - 1) * width);
  const auto count = [tail](int v) { return v < Vectors - 1 ? width : tail; };

  const Real* a[Rows];
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r)
    a[r] = p.a[row + r];
  const Real* b = p.b.data + column * p.b.depth;
  const Index panel_size = panel_columns<Real> * p.b.depth;
  const Real* const* start = p.start;
  prefetch<Real, Rows, Vectors>(p, row, column);

  Index k = 0, step = 0;
  do {
    Vec<Real> sum[Rows][Vectors] = {};
    for (const Index end = minimum(k + chain, p.b.depth); k < end;
         ++k, step += p.a_step, b += panel_columns<Real>) {
      Vec<Real> weights[Vectors];
#pragma GCC unroll 16
      for (int v = 0; v < Vectors; ++v)
        weights[v] = load(b + v / panel_vectors * panel_size + v % panel_vectors * width);
#pragma GCC unroll 16
      for (int r = 0; r < Rows; ++r) {
        const Vec<Real> x = broadcast(a[r][step]);
#pragma GCC unroll 16
        for (int v = 0; v < Vectors; ++v)
          sum[r][v] = fma(x, weights[v], sum[r][v]);
      }
    }
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) {
      Real* to = p.out[row + r] + column;
#pragma GCC unroll 16
      for (int v = 0; v < Vectors; ++v) {
        const Index at = v * width;
        const Vec<Real> whole = start ? load(start[row + r] + column + at, count(v)) + sum[r][v] : sum[r][v];
        store(to + at, whole, count(v));
      }
    }
    start = p.out;
  } while (k < p.b.depth);
}

/* Few rows take more columns at once, so that enough independent chains are under way. */
constexpr int widest(int rows) {
  const int vectors = sum_registers / rows;
  return vectors > 8 ? 8 : static_cast<int>(vectors / panel_vectors * panel_vectors);
}
inline constexpr int most_rows = sum_registers / panel_vectors;

template <class Real>
struct Tiles {
  void (*run[most_rows + 1][widest(1) + 1])(const Product<Real>&, Index, Index) = {};

  constexpr Tiles() { fill<1, 1>(); }

private:
  template <int Rows, int Vectors>
  constexpr void fill() {
    run[Rows][Vectors] = tile<Real, Rows, Vectors>;
    if constexpr (Vectors < widest(Rows))
      fill<Rows, Vectors + 1>();
    else if constexpr (Rows < most_rows)
      fill<Rows + 1, 1>();
  }
};

template <class Real>
inline constexpr Tiles<Real> tiles{};

/* The columns of panels first … end - 1. */
template <class Real>
void multiply(const Product<Real>& p, Index first, Index end) {
  if (p.rows == 0)
    return;
  const Index blocks = divide_up(p.rows, most_rows);
  const Index width = widest(static_cast<int>(divide_up(p.rows, blocks)));
  const Index vectors = minimum(end * panel_vectors, divide_up(p.b.columns, lanes<Real>));
  const Index begin = first * panel_vectors, count = divide_up(maximum(vectors - begin, 0), width);
  for (Index t = 0; t < count; ++t) {
    const Index v = begin + (p.last_first ? count - 1 - t : t) * width;
    for (Index block = blocks, row = 0; block > 0; --block) {
      const Index rows = divide_up(p.rows - row, block);
      tiles<Real>.run[rows][minimum(width, vectors - v)](p, row, v * lanes<Real>);
      row += rows;
    }
  }
}

template <class Real>
inline Index panels(const Packed<Real>& b) {
  return divide_up(b.columns, panel_columns<Real>);
}

template <class Real>
void multiply(const Product<Real>& p) {
  multiply(p, 0, panels(p.b));
}

/* Rows of memory laid out in panels of Vectors vectors: element (k, column + j) goes to panel j / width at
   [k][j % width], panels one after another, zero past `columns`. */
template <int Vectors, class Real>
void pack_rows(const Real* const* rows, Index depth, Index column, Index columns, Real* to) {
  constexpr Index width = lanes<Real>;
  const auto place = [&](Index k, Index v) {
    return to + v / Vectors * Vectors * width * depth + (k * Vectors + v % Vectors) * width;
  };
  const Index vectors = divide_up(columns, Vectors * width) * Vectors;
  Index v = 0;
  for (; (v + panel_vectors) * width <= columns; v += panel_vectors) // in the order in which the rows lie
    for (Index k = 0; k < depth; ++k)
#pragma GCC unroll 16
      for (int some = 0; some < panel_vectors; ++some)
        store(place(k, v + some), load(rows[k] + column + (v + some) * width));
  for (; v < vectors; ++v) {
    const Index rest = maximum(0, minimum(width, columns - v * width));
    for (Index k = 0; k < depth; ++k)
      store(place(k, v), load(rows[k] + column + v * width, rest));
  }
}

/* The whole of b, whose rows these are. */
template <class Real>
Packed<Real> pack(const Real* const* rows, Index depth, Index columns, Real* to) {
  pack_rows<panel_vectors>(rows, depth, 0, columns, to);
  return {to, depth, columns};
}

/* Exchanges the lanes of v[i] and v[i + step] whose number has the bit `step`, and goes on with half of it:
   at the end lane j of v[i] is lane i of v[j]. */
template <class Real, int step, int... lane>
inline void transpose(Vec<Real>* v, std::integer_sequence<int, lane...> all) {
  if constexpr (step > 0) {
    constexpr int width = lanes<Real>;
#pragma GCC unroll 16
    for (int i = 0; i < width; ++i)
      if (!(i & step)) {
        const Vec<Real> a = v[i], b = v[i + step];
        v[i] = __builtin_shufflevector(a, b, (lane & step ? width + lane - step : lane)...);
        v[i + step] = __builtin_shufflevector(a, b, (lane & step ? width + lane : lane + step)...);
      }
    transpose<Real, step / 2>(v, all);
  }
}

/* The whole of b, whose columns are these rows: square by square. */
template <class Real>
Packed<Real> pack_transposed(const Real* const* rows, Index depth, Index columns, Real* to) {
  constexpr Index width = lanes<Real>, wide = panel_columns<Real>;
  for (Index column = 0; column < divide_up(columns, wide) * wide; column += width) {
    Real* panel = to + column / wide * wide * depth + column % wide;
    for (Index k = 0; k < depth; k += width) {
      const Index count = minimum(width, depth - k);
      Vec<Real> square[width];
      for (Index j = 0; j < width; ++j)
        square[j] = column + j < columns ? load(rows[column + j] + k, count) : Vec<Real>{};
      transpose<Real, width / 2>(square, std::make_integer_sequence<int, width>{});
      for (Index j = 0; j < count; ++j)
        store(panel + (k + j) * wide, square[j]);
    }
  }
  return {to, depth, columns};
}

} // namespace unrolled::UNROLLED_ISA
