/* Vectors of floats or doubles: the only file that knows an instruction set.

   The compiler's own vector types give + - * / and comparison; what they lack, fused multiply-add and memory
   access that stops at a count, is here, once per instruction set. UNROLLED_VECTOR_BYTES is 64 for AVX-512,
   32 for AVX2 with FMA, 16 for any machine. Every operation rounds as IEEE 754 says, so a lane's result does
   not depend on the width.

   This file is compiled several times with different instruction sets. All that it and the headers above it
   define lies in the namespace UNROLLED_ISA, and none of them uses an inline function of the standard
   library: a linker that keeps one copy of such a function could keep the one that a machine cannot run. */
#pragma once

#include "contract.h"

#if UNROLLED_VECTOR_BYTES > 16
#include <immintrin.h>
#endif

namespace unrolled::UNROLLED_ISA {

template <class Real>
struct Lanes {
  static constexpr int count = UNROLLED_VECTOR_BYTES / sizeof(Real);
  typedef Real Vector __attribute__((vector_size(UNROLLED_VECTOR_BYTES)));
  typedef decltype(Vector{} < Vector{}) Bits; // integers of the same width, as comparison gives them
};

template <class Real>
using Vec = typename Lanes<Real>::Vector;

template <class Real>
using Bits = typename Lanes<Real>::Bits;

template <class Real>
inline constexpr int lanes = Lanes<Real>::count;

/* Words of 64 bits, for what is no number. */
typedef std::uint64_t Words __attribute__((vector_size(UNROLLED_VECTOR_BYTES)));
typedef std::uint32_t HalfWords __attribute__((vector_size(UNROLLED_VECTOR_BYTES)));

inline Words add_halves(Words a, Words b) {
  return (Words)((HalfWords)a + (HalfWords)b);
}

/* Products of the low halves. */
inline Words multiply_low(Words a, Words b) {
#if UNROLLED_VECTOR_BYTES == 64
  return (Words)_mm512_maskz_mul_epu32(0xff, (__m512i)a, (__m512i)b);
#elif UNROLLED_VECTOR_BYTES == 32
  return (Words)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#else
  constexpr std::uint64_t low = 0xffffffff;
  return (a & low) * (b & low);
#endif
}

/* Registers that a matrix product may fill with sums; the rest hold its operands. */
inline constexpr int sum_registers = UNROLLED_VECTOR_BYTES == 64 ? 24 : 12;

template <class Real>
inline Vec<Real> broadcast(Real value) {
  return value - Vec<Real>{};
}

template <class Real>
inline Vec<Real> load(const Real* from) {
  Vec<Real> v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}

template <class Real>
inline void store(Real* to, Vec<Real> v) {
  __builtin_memcpy(to, &v, sizeof v);
}

#if UNROLLED_VECTOR_BYTES == 64

inline Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) {
  return _mm512_fmadd_ps(a, b, c);
}
inline Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) {
  return _mm512_fmadd_pd(a, b, c);
}

/* The intrinsics without a mask start from an undefined register, which gcc 12 warns of. */
inline constexpr __mmask16 all_16 = 0xffff;
inline constexpr __mmask8 all_8 = 0xff;

/* The lesser one; b where either is NaN. */
inline Vec<float> least(Vec<float> a, Vec<float> b) {
  return _mm512_maskz_min_ps(all_16, a, b);
}
inline Vec<double> least(Vec<double> a, Vec<double> b) {
  return _mm512_maskz_min_pd(all_8, a, b);
}

/* To the nearest integer; halves go to the even one. */
inline Vec<float> nearest(Vec<float> v) {
  return _mm512_maskz_roundscale_ps(all_16, v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
inline Vec<double> nearest(Vec<double> v) {
  return _mm512_maskz_roundscale_pd(all_8, v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* v 2^n for integers n, rounded once; math.h has it for the others. */
template <class Real>
inline Vec<Real> scale(Vec<Real> v, Vec<Real> n) {
  if constexpr (sizeof(Real) == 4)
    return _mm512_maskz_scalef_ps(all_16, v, n);
  else
    return _mm512_maskz_scalef_pd(all_8, v, n);
}

inline Vec<float> load_first(const float* from, Index count) {
  return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), from);
}
inline Vec<double> load_first(const double* from, Index count) {
  return _mm512_maskz_loadu_pd(static_cast<__mmask8>((1u << count) - 1), from);
}
inline void store_first(float* to, Vec<float> v, Index count) {
  _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1u << count) - 1), v);
}
inline void store_first(double* to, Vec<double> v, Index count) {
  _mm512_mask_storeu_pd(to, static_cast<__mmask8>((1u << count) - 1), v);
}

#elif UNROLLED_VECTOR_BYTES == 32

inline Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) {
  return _mm256_fmadd_ps(a, b, c);
}
inline Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) {
  return _mm256_fmadd_pd(a, b, c);
}

inline Vec<float> least(Vec<float> a, Vec<float> b) {
  return _mm256_min_ps(a, b);
}
inline Vec<double> least(Vec<double> a, Vec<double> b) {
  return _mm256_min_pd(a, b);
}
inline Vec<float> nearest(Vec<float> v) {
  return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
inline Vec<double> nearest(Vec<double> v) {
  return _mm256_round_pd(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* Sign bits set in the first `count` lanes of 32 or 64 bits. */
inline __m256i first_32(Index count) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lane);
}
inline __m256i first_64(Index count) {
  return _mm256_cmpgt_epi64(_mm256_set1_epi64x(count), _mm256_setr_epi64x(0, 1, 2, 3));
}

inline Vec<float> load_first(const float* from, Index count) {
  return _mm256_maskload_ps(from, first_32(count));
}
inline Vec<double> load_first(const double* from, Index count) {
  return _mm256_maskload_pd(from, first_64(count));
}
inline void store_first(float* to, Vec<float> v, Index count) {
  _mm256_maskstore_ps(to, first_32(count), v);
}
inline void store_first(double* to, Vec<double> v, Index count) {
  _mm256_maskstore_pd(to, first_64(count), v);
}

#else

inline float fused(float a, float b, float c) {
  return __builtin_fmaf(a, b, c);
}
inline double fused(double a, double b, double c) {
  return __builtin_fma(a, b, c);
}

template <class V>
inline V fma(V a, V b, V c) {
  for (unsigned i = 0; i < sizeof a / sizeof a[0]; ++i)
    c[i] = fused(a[i], b[i], c[i]);
  return c;
}

template <class V>
inline V least(V a, V b) {
  return b > a ? a : b;
}

/* A number so large that none of its fraction is left takes the fraction away; |v| must be a quarter of it.
 */
inline Vec<float> nearest(Vec<float> v) {
  constexpr float shift = 0x1.8p+23f;
  return (v + shift) - shift;
}
inline Vec<double> nearest(Vec<double> v) {
  constexpr double shift = 0x1.8p+52;
  return (v + shift) - shift;
}

template <class Real>
inline Vec<Real> load_first(const Real* from, Index count) {
  Vec<Real> v{};
  for (Index i = 0; i < count; ++i)
    v[i] = from[i];
  return v;
}
template <class Real>
inline void store_first(Real* to, Vec<Real> v, Index count) {
  for (Index i = 0; i < count; ++i)
    to[i] = v[i];
}

#endif

/* The first `count` lanes, zero in the others; memory past them is not touched. */
template <class Real>
inline Vec<Real> load(const Real* from, Index count) {
  return count == lanes<Real> ? load(from) : load_first(from, count);
}

template <class Real>
inline void store(Real* to, Vec<Real> v, Index count) {
  if (count == lanes<Real>)
    store(to, v);
  else
    store_first(to, v, count);
}

} // namespace unrolled::UNROLLED_ISA
