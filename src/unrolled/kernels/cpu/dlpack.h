/* The parts of DLPack's C interface (version 1, github.com/dmlc/dlpack, "C exchange API") that are read here:
   how a library tells where a tensor's numbers stand. Names and layouts are the standard's. */
#pragma once

#include <cstdint>

namespace unrolled::dlpack {

inline constexpr std::int32_t cpu = 1;
inline constexpr std::uint8_t int_code = 0, uint_code = 1, float_code = 2, bfloat_code = 4, complex_code = 5,
                              bool_code = 6;

struct Device {
  std::int32_t type, id;
};

struct DataType {
  std::uint8_t code, bits;
  std::uint16_t lanes;
};

struct Tensor {
  void* data;
  Device device;
  std::int32_t ndim;
  DataType dtype;
  std::int64_t* shape;
  std::int64_t* strides; // in elements; null: contiguous
  std::uint64_t byte_offset;
};

struct ManagedTensor { // what a capsule named "dltensor" holds
  Tensor tensor;
  void* manager_context;
  void (*deleter)(ManagedTensor*);
};

struct Version {
  std::uint32_t major, minor;
};

struct ExchangeHeader {
  Version version;
  const ExchangeHeader* previous; // the same for an older version
};

/* What a capsule named "dlpack_exchange_api" holds, the attribute __dlpack_c_exchange_api__ of a type. */
struct Exchange {
  ExchangeHeader header;
  void (*managed_tensor_allocator)();
  void (*managed_tensor_from_py_object_no_sync)();
  void (*managed_tensor_to_py_object_no_sync)();
  /* Fills `to` with what is good as long as the object; -1 with a Python exception. May be null. */
  int (*dltensor_from_py_object_no_sync)(void* object, Tensor* to);
  void (*current_work_stream)();
};

} // namespace unrolled::dlpack
