/* Fingerprints (fingerprint.h). The words w of the arrays come in stripes of eight lanes; in each lane, with
   keys k and k' that belong to the stripe's place in its block, and a word's halves lo and hi:

       sum     += w
       first   += lo(w + k)  · hi(w + k)        halves added by themselves: NH of Black et al. 1999,
       second  += lo(w + k') · hi(w + k')       "UMAC: Fast and Secure Message Authentication"

   Between blocks each of the three is stirred: s = (s xor s >> 32) · odd. Every step is one to one in w for
   `sum`, and in the sums themselves, so one changed word always arrives. NH misses a given change of several
   words with a chance of at most 2^-32 over its keys, `first` and `second` together of 2^-64. */
#pragma once

#include "fingerprint.h"
#include "vec.h"

namespace unrolled::UNROLLED_ISA {

class FingerprintRun {
public:
  explicit FingerprintRun(const FingerprintKeys& keys) : keys_(keys) {
    for (int v = 0; v < vectors; ++v)
      sums_.sum[v] = sums_.first[v] = sums_.second[v] = words(keys.odd + v * lanes_of_words);
  }

  void add(const Memory& array) {
    const auto* data = static_cast<const char*>(array.data);
    if (array.stride == array.width || array.rows == 1)
      return add(data, array.rows * array.width);
    for (Index r = 0; r < array.rows; ++r)
      add(data + r * array.stride, array.width);
  }

  Fingerprint end() const {
    return {fold(sums_.sum, keys_.words[0]), fold(sums_.second, fold(sums_.first, keys_.words[1]))};
  }

private:
  static constexpr Index stripe_bytes = FingerprintKeys::stripe * 8;
  static constexpr int vectors = stripe_bytes / UNROLLED_VECTOR_BYTES;
  static constexpr int lanes_of_words = UNROLLED_VECTOR_BYTES / 8;

  struct Sums {
    Words sum[vectors], first[vectors], second[vectors];
  };

  static Words words(const void* from) {
    Words w;
    __builtin_memcpy(&w, from, sizeof w);
    return w;
  }

  void add(const char* data, Index bytes) {
    for (Index left = bytes / stripe_bytes; left > 0;) {
      const Index count = left < FingerprintKeys::block - place_ ? left : FingerprintKeys::block - place_;
      add_stripes(data, count);
      data += count * stripe_bytes;
      left -= count;
    }
    char rest[stripe_bytes] = {};
    __builtin_memcpy(rest, data, static_cast<std::size_t>(bytes % stripe_bytes));
    if (bytes % stripe_bytes > 0)
      add_stripes(rest, 1);
  }

  /* As many as fit in the block. */
  void add_stripes(const char* data, Index count) {
    const std::uint64_t* key = keys_.words + place_ * FingerprintKeys::stripe;
    Sums sums = sums_; // in registers
    for (Index i = 0; i < count; ++i, data += stripe_bytes, key += FingerprintKeys::stripe)
      for (int v = 0; v < vectors; ++v) {
        const Words w = words(data + v * UNROLLED_VECTOR_BYTES);
        const Words a = add_halves(w, words(key + v * lanes_of_words));
        const Words b = add_halves(w, words(key + FingerprintKeys::stripe + v * lanes_of_words));
        sums.sum[v] += w;
        sums.first[v] += multiply_low(a, a >> 32);
        sums.second[v] += multiply_low(b, b >> 32);
      }
    sums_ = sums;
    place_ += count;
    if (place_ == FingerprintKeys::block)
      stir();
  }

  void stir() {
    place_ = 0;
    const auto of = [&](Words* sums, const std::uint64_t* odd) {
      for (int v = 0; v < vectors; ++v)
        sums[v] = (sums[v] ^ sums[v] >> 32) * words(odd + v * lanes_of_words);
    };
    of(sums_.sum, keys_.odd);
    of(sums_.first, keys_.odd + FingerprintKeys::stripe);
    of(sums_.second, keys_.odd + 2 * FingerprintKeys::stripe);
  }

  /* One number of all lanes, one to one in each. */
  std::uint64_t fold(const Words* sums, std::uint64_t h) const {
    for (int v = 0; v < vectors; ++v)
      for (int i = 0; i < lanes_of_words; ++i) {
        h = (h ^ sums[v][i]) * keys_.odd[v * lanes_of_words + i];
        h ^= h >> 32;
      }
    return h;
  }

  const FingerprintKeys& keys_;
  Sums sums_;
  Index place_ = 0;
};

inline Fingerprint fingerprint(const FingerprintKeys& keys, const Memory* arrays, Index count) {
  FingerprintRun run(keys);
  for (Index i = 0; i < count; ++i)
    run.add(arrays[i]);
  return run.end();
}

} // namespace unrolled::UNROLLED_ISA
