/* The choice among the instruction sets that this machine can run. */
#pragma once

#include <string>
#include <type_traits>
#include <vector>

#include "kernels.h"

namespace unrolled {

/* Names of those that this machine can run, best first. */
std::vector<std::string> isas();

/* The one in use, which is the best or what the environment variable UNROLLED_ISA names until use_isa names
   another. Both throw std::invalid_argument for a name that is unknown or cannot run here. */
const Isa& isa();
void use_isa(const std::string& name);

template <class Real>
const Kernels<Real>& kernels(const Isa& isa) {
  if constexpr (std::is_same_v<Real, float>)
    return isa.float32;
  else
    return isa.float64;
}

} // namespace unrolled
