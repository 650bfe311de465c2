/* What each instruction set's build offers; kernels.cpp fills it in. */
#pragma once

#include "contract.h"
#include "heads.h"
#include "plan.h"

namespace unrolled {

/* The order of the tables below. */
inline constexpr const char* nonlinearities[] = {"tanh", "relu", "sigmoid"};
inline constexpr const char* functions[] = {"exp", "log", "tanh", "sigmoid"};

template <class Real>
struct Kernels {
  void (*elman_forward[3])(const Forward<Real, 1>&, const Plan&);
  void (*elman_backward[3])(const Backward<Real, 1>&, const Plan&);
  /* to[i] = f(from[i]) for i = 0 … count - 1; to may be from. */
  void (*map[4])(Index count, const Real* from, Real* to);
};

struct Isa {
  const char* name;
  Kernels<float> float32;
  Kernels<double> float64;
  Heads<float> heads_float32;
  Heads<double> heads_float64;
};

} // namespace unrolled
