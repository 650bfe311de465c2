/* The floating-point environment that every kernel computes in. */
#pragma once

#include <cfenv>

namespace unrolled {

/* Rounding to nearest, subnormal numbers kept, while this lives; threads made meanwhile inherit it. A
   thread's own mode may be another: a library built for speed above all changes it where it is loaded, and
   torch.set_flush_denormal where it is called. */
class StandardArithmetic {
public:
  StandardArithmetic() {
    std::fegetenv(&before_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~StandardArithmetic() { std::fesetenv(&before_); }
  StandardArithmetic(const StandardArithmetic&) = delete;
  StandardArithmetic& operator=(const StandardArithmetic&) = delete;

private:
  std::fenv_t before_;
};

} // namespace unrolled
