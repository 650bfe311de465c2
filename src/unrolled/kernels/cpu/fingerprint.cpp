#include "fingerprint.h"

#include <random>

#include "isa.h"

namespace unrolled {

namespace {

FingerprintKeys draw() {
  std::random_device device;
  const auto word = [&] { return std::uint64_t{device()} << 32 | device(); };
  FingerprintKeys keys;
  for (std::uint64_t& key : keys.words)
    key = word();
  for (std::uint64_t& key : keys.odd)
    key = word() | 1;
  return keys;
}

} // namespace

Fingerprint fingerprint(const Memory* arrays, Index count) {
  static const FingerprintKeys keys = draw();
  return isa().fingerprint(keys, arrays, count);
}

} // namespace unrolled
