#include "memory.h"

#include <cstdlib>
#include <new>

namespace unrolled {

void* allocate(std::size_t bytes) {
  constexpr std::size_t line = 64;
  if (void* memory = std::aligned_alloc(line, (bytes + line) / line * line))
    return memory;
  throw std::bad_alloc();
}

void release(void* memory) noexcept {
  std::free(memory);
}

} // namespace unrolled
