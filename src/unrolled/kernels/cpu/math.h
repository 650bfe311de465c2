/* exp, log, tanh, the logistic function and the logarithm of a sum of two exponentials, lane by lane.

   One sequence of IEEE operations each, so every vector width gives the same bits. With |r| ≤ ln 2 / 2:

       x = n ln 2 + r,   e^x = 2^n e^r,   e^r - 1 = r + r² (1/2! + r/3! + r²/4! + …)

   The Taylor series of e^r - 1 is cut where the next term is below a quarter of a unit in the last place
   (float: r⁷/7!, double: r¹³/13!); its coefficients are the reciprocals of the factorials and nothing else.

   With x = 2^n m, √½ ≤ m < √2, f = m - 1 and s = f / (2 + f):

       ln x = n ln 2 + ln (1 + f),   ln (1 + f) = 2 artanh s = f - s (f - 2 s² (1/3 + s²/5 + s⁴/7 + …))

   cut alike (float: s⁸/11, double: s²⁰/23). f is exact, and what is taken from it is small beside it.

       tanh x = t / (t + 2),  t = e^{2x} - 1 = 2^n (e^r - 1) + (2^n - 1)        no cancellation near zero
       σ(x) = 1 / (1 + e^{-x}) for x ≥ 0,  e^x / (1 + e^x) for x < 0             no overflow

       ln (e^a + e^b) = max (a, b) + ln (1 + y),   y = e^{-|a - b|}
       ln (1 + y) = ln 2 + ln (1 + (y - 1) / 2)                                 for y > √2 - 1

   Errors (tests/kernels/cpu/test_math.py): exp and log ≤ 2 ulp, tanh and σ ≤ 4 ulp over the whole range,
   subnormals included; infinities give limits, NaN gives NaN, tanh(-0) is -0, log of either zero -∞ and of
   less than zero NaN. The logarithm of a sum ≤ 2 ulp of |max (a, b)|, or of 1 where that is less. */
#pragma once

#include "vec.h"

namespace unrolled::UNROLLED_ISA {

/* How a real number is laid out, where its functions reach their limits, and the two parts of ln 2. */
template <class Real>
struct Binary;

template <>
struct Binary<float> {
  static constexpr int mantissa = 23, bias = 127, terms = 7, log_terms = 4;
  static constexpr float ln2_high = 0x1.62e4p-1f, ln2_low = 0x1.7f7d1cp-20f;
  static constexpr float exp_limit = 120, tanh_limit = 10;
  static constexpr float smallest_normal = 0x1p-126f;
};

template <>
struct Binary<double> {
  static constexpr int mantissa = 52, bias = 1023, terms = 13, log_terms = 10;
  static constexpr double ln2_high = 0x1.62e42fefap-1, ln2_low = 0x1.cf79abc9e3b3ap-40;
  static constexpr double exp_limit = 800, tanh_limit = 20;
  static constexpr double smallest_normal = 0x1p-1022;
};

template <class Real>
inline constexpr Real log2_e = static_cast<Real>(0x1.71547652b82fep+0);

template <class Real>
inline constexpr Real two_to_mantissa = static_cast<Real>(std::int64_t{1} << Binary<Real>::mantissa);

/* 1/k! */
template <class Real>
struct Taylor {
  Real coefficient[Binary<Real>::terms + 1] = {};
  constexpr Taylor() {
    double factorial = 1;
    for (int k = 1; k <= Binary<Real>::terms; ++k)
      coefficient[k] = static_cast<Real>(1 / (factorial *= k));
  }
};

template <class Real>
inline constexpr Taylor<Real> taylor{};

template <class Real>
inline Bits<Real> sign_bit(Vec<Real> v) {
  return (Bits<Real>)v & (Bits<Real>)broadcast(Real(-0.0));
}

/* 2^n for an integer n in the exponent's range: n + bias lands in the low bits of the mantissa of
   2^mantissa + bias + n, and the shift puts it where the exponent is. */
template <class Real>
inline Vec<Real> power_of_two(Vec<Real> n) {
  const Vec<Real> biased = n + (two_to_mantissa<Real> + Binary<Real>::bias);
  return (Vec<Real>)((Bits<Real>)biased << Binary<Real>::mantissa);
}

#if UNROLLED_VECTOR_BYTES != 64
/* v 2^n, rounded once: 2^n alone may leave the exponent's range, its halves do not. */
template <class Real>
inline Vec<Real> scale(Vec<Real> v, Vec<Real> n) {
  const Vec<Real> half = nearest(n * Real(0.5));
  return v * power_of_two<Real>(half) * power_of_two<Real>(n - half);
}
#endif

template <class Real>
inline Vec<Real> magnitude(Vec<Real> v) {
  return (Vec<Real>)((Bits<Real>)v ^ sign_bit<Real>(v));
}

template <class Real>
struct Split {
  Vec<Real> n;       // the integer nearest to x / ln 2
  Vec<Real> exp_r_1; // e^r - 1
};

template <class Real>
inline Split<Real> split(Vec<Real> x) {
  using B = Binary<Real>;
  const Vec<Real> n = nearest(x * log2_e<Real>);
  Vec<Real> r = fma(n, broadcast(-B::ln2_high), x);
  r = fma(n, broadcast(-B::ln2_low), r);

  Vec<Real> series = broadcast(taylor<Real>.coefficient[B::terms]);
#pragma GCC unroll 16
  for (int k = B::terms - 1; k >= 2; --k)
    series = fma(series, r, broadcast(taylor<Real>.coefficient[k]));
  return {n, fma(r * r, series, r)};
}

template <class Real>
inline Vec<Real> exp(Vec<Real> x) {
  const Vec<Real> limit = broadcast(Binary<Real>::exp_limit);
  x = least(limit, x); // a NaN stays
  x = x < -limit ? -limit : x;
  const Split<Real> s = split<Real>(x);
  return scale<Real>(s.exp_r_1 + 1, s.n);
}

/* ln (1 + f) for √½ ≤ 1 + f < √2. */
template <class Real>
inline Vec<Real> log_near_one(Vec<Real> f) {
  const Vec<Real> s = f / (f + 2), square = s * s;
  Vec<Real> series{};
#pragma GCC unroll 16
  for (int k = Binary<Real>::log_terms; k >= 1; --k)
    series = fma(series, square, broadcast(Real(2) / Real(2 * k + 1)));
  return fma(-s, fma(-series, square, f), f);
}

template <class Real>
inline Vec<Real> log(Vec<Real> x) {
  using B = Binary<Real>;
  constexpr Real shift = 1.5 * two_to_mantissa<Real>, infinity = __builtin_huge_val();
  const Vec<Real> size = magnitude<Real>(x); // below zero there is no result, nor must integers overflow
  const auto tiny = size < B::smallest_normal;
  const Vec<Real> normal = tiny ? size * two_to_mantissa<Real> : size;
  const Bits<Real> half_root = (Bits<Real>)broadcast(Real(0x1.6a09e667f3bcdp-1));
  const Bits<Real> exponent = ((Bits<Real>)normal - half_root) >> B::mantissa;
  const Vec<Real> f = (Vec<Real>)((Bits<Real>)normal - (exponent << B::mantissa)) - 1;
  const Vec<Real> n = (Vec<Real>)(exponent + (Bits<Real>)broadcast(shift)) - // exponent, as a real number
                      (tiny ? broadcast(shift + B::mantissa) : broadcast(shift));

  const Vec<Real> sum = fma(n, broadcast(B::ln2_low), log_near_one<Real>(f));
  Vec<Real> result = fma(n, broadcast(B::ln2_high), sum);
  result = x < infinity ? result : x; // +∞ and NaN
  result = x < 0 ? broadcast(Real(__builtin_nan(""))) : result;
  return x == 0 ? broadcast(-infinity) : result;
}

template <class Real>
inline Vec<Real> logaddexp(Vec<Real> a, Vec<Real> b) {
  using B = Binary<Real>;
  const Vec<Real> apart = a == b ? Vec<Real>{} : magnitude<Real>(a - b); // equal infinities too
  const Vec<Real> y = exp<Real>(-apart);
  const auto near = y > Real(0x1.a827999fcef34p-2);
  const Vec<Real> n = near ? broadcast(Real(1)) : Vec<Real>{};
  const Vec<Real> rest = fma(n, broadcast(B::ln2_low), log_near_one<Real>(near ? (y - 1) * Real(0.5) : y));
  return (a > b ? a : b) + fma(n, broadcast(B::ln2_high), rest);
}

template <class Real>
inline Vec<Real> tanh(Vec<Real> x) {
  const Vec<Real> limit = broadcast(Binary<Real>::tanh_limit); // tanh rounds to 1 beyond it
  const Split<Real> s = split<Real>(2 * least(limit, magnitude<Real>(x)));
  const Vec<Real> power = power_of_two<Real>(s.n);
  const Vec<Real> t = fma(power, s.exp_r_1, power - 1);
  return (Vec<Real>)((Bits<Real>)(t / (t + 2)) | sign_bit<Real>(x));
}

template <class Real>
inline Vec<Real> sigmoid(Vec<Real> x) {
  const Vec<Real> limit = broadcast(Binary<Real>::exp_limit);
  const Split<Real> s = split<Real>(-least(limit, magnitude<Real>(x))); // e^{-|x|} cannot overflow
  const Vec<Real> decay = scale<Real>(s.exp_r_1 + 1, s.n), one = broadcast(Real(1));
  return (x < 0 ? decay : one) / (one + decay);
}

} // namespace unrolled::UNROLLED_ISA
