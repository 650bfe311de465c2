/* The floating-point environment that every kernel computes in. */
#pragma once

#if defined(__SSE2__)
#include <xmmintrin.h>
#else
#include <cfenv>
#endif

namespace unrolled {

/* Rounding to nearest, subnormal numbers kept, while this lives; threads made meanwhile inherit it. A
   thread's own mode may be another: a library built for speed above all changes it where it is loaded, and
   torch.set_flush_denormal where it is called. */
class StandardArithmetic {
public:
#if defined(__SSE2__) // all that the kernels compute with; fesetenv sets the x87's too, for 100 ns a call
  StandardArithmetic() : before_(_mm_getcsr()) { _mm_setcsr(standard); }
  ~StandardArithmetic() { _mm_setcsr(before_); }
#else
  StandardArithmetic() {
    std::fegetenv(&before_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~StandardArithmetic() { std::fesetenv(&before_); }
#endif
  StandardArithmetic(const StandardArithmetic&) = delete;
  StandardArithmetic& operator=(const StandardArithmetic&) = delete;

private:
#if defined(__SSE2__)
  static constexpr unsigned standard = 0x1f80; // no exception traps, none has happened
  const unsigned before_;
#else
  std::fenv_t before_;
#endif
};

} // namespace unrolled
