#include "memory.h"

#include <cstdint>
#include <cstdlib>
#include <new>

namespace unrolled {

/* malloc with room to align, and before the memory where malloc's began: aligned_alloc takes four times as
   long for the small pieces of a step. */
void* allocate(std::size_t bytes) {
  constexpr std::size_t line = 64, room = line + sizeof(void*);
  if (bytes > SIZE_MAX - room)
    throw std::bad_alloc();
  void* begin = std::malloc(bytes + room);
  if (!begin)
    throw std::bad_alloc();
  const auto first = reinterpret_cast<std::uintptr_t>(begin) + sizeof(void*);
  void** memory = reinterpret_cast<void**>((first + line - 1) / line * line);
  memory[-1] = begin;
  return memory;
}

void release(void* memory) noexcept {
  if (memory)
    std::free(static_cast<void**>(memory)[-1]);
}

} // namespace unrolled
