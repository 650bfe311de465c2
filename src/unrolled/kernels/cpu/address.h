/* Arrays in the caller's memory, as Python hands them over. */
#pragma once

#include <cstdint>

#include "contract.h"

namespace unrolled {

using Address = Index; // 0: no such array

template <class T>
T* pointer(Address address) {
  return reinterpret_cast<T*>(static_cast<std::uintptr_t>(address));
}

} // namespace unrolled
