/* Scratch memory for one call. */
#pragma once

#include <cstddef>

#include "contract.h"

namespace unrolled {

/* 64-byte aligned; throws std::bad_alloc. */
void* allocate(std::size_t bytes);
void release(void* memory) noexcept;

} // namespace unrolled
