/* An array for the length of a block. */
#pragma once

#include "memory.h"

namespace unrolled::UNROLLED_ISA {

template <class T>
class Buffer {
public:
  explicit Buffer(Index count)
      : data_(static_cast<T*>(allocate(static_cast<std::size_t>(count) * sizeof(T)))) {}
  ~Buffer() { release(data_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  T* data() const { return data_; }

private:
  T* data_;
};

} // namespace unrolled::UNROLLED_ISA
