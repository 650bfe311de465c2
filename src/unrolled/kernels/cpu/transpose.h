/* Squares of numbers turned round in registers: row i, column j goes to row j, column i. */
#pragma once

#include <utility>

#include "vec.h"

namespace unrolled::UNROLLED_ISA {

/* a_0 b_0 a_1 b_1 … from the lower halves of a and b, or with from = lanes / 2 from the upper ones. */
template <class Real, int from, int... i>
inline Vec<Real> interleave(Vec<Real> a, Vec<Real> b, std::integer_sequence<int, i...>) {
  return __builtin_shufflevector(a, b, (from + i / 2 + i % 2 * lanes<Real>)...);
}

/* Interleaving row r with row r + lanes / 2 turns the bits of the place (row, column) round by one; after
   log₂(lanes) rounds the row's and the column's have changed places. */
template <class Real>
inline void transpose(Vec<Real> (&rows)[lanes<Real>]) {
  constexpr int width = lanes<Real>;
  constexpr std::make_integer_sequence<int, width> all{};
#pragma GCC unroll 4
  for (int round = 1; round < width; round *= 2) {
    Vec<Real> next[width];
#pragma GCC unroll 16
    for (int r = 0; r < width / 2; ++r) {
      next[2 * r] = interleave<Real, 0>(rows[r], rows[r + width / 2], all);
      next[2 * r + 1] = interleave<Real, width / 2>(rows[r], rows[r + width / 2], all);
    }
#pragma GCC unroll 16
    for (int r = 0; r < width; ++r)
      rows[r] = next[r];
  }
}

} // namespace unrolled::UNROLLED_ISA
