/* Whether numbers in memory are still those that they were, at the speed of reading them. */
#pragma once

#include <cstdint>

#include "contract.h"

namespace unrolled {

/* Of arrays of given shapes. One changed word of 64 bits, and so one changed number, always changes `sum`;
   several change one or the other but for a chance of about 2^-64, whatever they are, since the keys are
   drawn anew in each process. */
struct Fingerprint {
  std::uint64_t sum, product;
  bool operator==(const Fingerprint&) const = default;
};

/* `rows` rows of `width` bytes, whose beginnings are `stride` bytes apart. */
struct Memory {
  const void* data;
  Index rows, width, stride;
};

template <class Real>
Memory memory(const Matrix<const Real>& m, Index rows, Index columns) {
  constexpr Index bytes = sizeof(Real);
  return {m.data, rows, columns * bytes, m.row * bytes};
}

/* Numbers that nobody outside can know. */
struct FingerprintKeys {
  static constexpr Index stripe = 8; // words that are taken at once
  static constexpr Index block = 32; // stripes between one stirring and the next
  alignas(64) std::uint64_t words[(block + 1) * stripe];
  alignas(64) std::uint64_t odd[3 * stripe];
};

/* Of `count` arrays together, by the instruction set in use; it is the same for all of them. */
Fingerprint fingerprint(const Memory* arrays, Index count);

} // namespace unrolled
