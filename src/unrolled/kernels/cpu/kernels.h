/* What each instruction set's build offers; kernels.cpp fills it in. */
#pragma once

#include <span>

#include "fingerprint.h"
#include "heads.h"
#include "plan.h"
#include "weights.h"

namespace unrolled {

/* The order of the tables below. */
inline constexpr const char* functions[] = {"exp", "log", "tanh", "sigmoid"};

/* One cell. `directions` calls, one or two, run at the same time. */
template <class Real>
struct Kernel {
  const char* name;
  bool has_c;
  Index (*rows)(const Sizes&); // of all gates
  /* Numbers per token that a training forward call leaves on its tape. */
  Index (*tape)(const Sizes&, const Parameters<const Real>&);
  /* Whether threads may share a row's units. */
  bool (*shares)(const Parameters<const Real>&);
  /* Packs into `memory`, or with null only counts; the numbers that it takes. */
  Index (*pack)(const Sizes&, const Parameters<const Real>&, bool backward, Real* memory, Weights<Real>&);
  /* The same without packing: the weights are read where they stand, and must stay there. */
  Index (*point)(const Sizes&, const Parameters<const Real>&, bool backward, Real* memory, Weights<Real>&);
  void (*forward)(const Forward<Real>*, const Weights<Real>*, const Plan* const*, Index directions);
  /* `again`: the weights for forward, which calls with every > 0 need. */
  void (*backward)(const Backward<Real>*, const Weights<Real>*, const Weights<Real>* again,
                   const Plan* const*, Index directions);
};

template <class Real>
struct Kernels {
  std::span<const Kernel<Real>> cells;
  /* to[i] = f(from[i]) for i = 0 … count - 1; to may be from. */
  void (*map[4])(Index count, const Real* from, Real* to);
  void (*logaddexp)(Index count, const Real* a, const Real* b, Real* to); // likewise
};

struct Isa {
  const char* name;
  Kernels<float> float32;
  Kernels<double> float64;
  Heads<float> heads_float32;
  Heads<double> heads_float64;
  Fingerprint (*fingerprint)(const FingerprintKeys&, const Memory* arrays, Index count);
};

} // namespace unrolled
