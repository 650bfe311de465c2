#include "array.h"

#include <cstring>
#include <stdexcept>

namespace nb = nanobind;

namespace unrolled {

namespace {

using FromObject = int (*)(void* object, dlpack::Tensor* to);

/* How objects of a type are read. */
struct Reading {
  enum Way { nothing, buffer, exchange, capsule } way = nothing;
  FromObject read = nullptr; // of `exchange`
};

FromObject exchange_of(PyTypeObject* type) {
  const nb::object capsule =
      nb::steal(PyObject_GetAttrString(reinterpret_cast<PyObject*>(type), "__dlpack_c_exchange_api__"));
  if (!capsule.is_valid()) {
    if (!PyErr_ExceptionMatches(PyExc_AttributeError))
      throw nb::python_error();
    PyErr_Clear();
    return nullptr;
  }
  constexpr const char* name = "dlpack_exchange_api";
  if (!PyCapsule_IsValid(capsule.ptr(), name))
    return nullptr;
  const auto* header = static_cast<const dlpack::ExchangeHeader*>(PyCapsule_GetPointer(capsule.ptr(), name));
  while (header && header->version.major != 1)
    header = header->previous;
  return header ? reinterpret_cast<const dlpack::Exchange*>(header)->dltensor_from_py_object_no_sync
                : nullptr;
}

/* torch.Tensor, or null where torch is not loaded. */
nb::object torch_tensor() {
  const nb::object modules = nb::borrow(PySys_GetObject("modules"));
  PyObject* torch = PyDict_GetItemString(modules.ptr(), "torch");
  return torch ? nb::handle(torch).attr("Tensor") : nb::object();
}

Reading find_reading(PyTypeObject* type) {
  if (type->tp_as_buffer && type->tp_as_buffer->bf_getbuffer)
    return {Reading::buffer};
  if (const FromObject read = exchange_of(type))
    return {Reading::exchange, read};
  const nb::object tensor = torch_tensor(); // before torch 2.10
  if (tensor.is_valid() && PyType_IsSubtype(type, reinterpret_cast<PyTypeObject*>(tensor.ptr())))
    return {Reading::capsule};
  return {};
}

/* Found once for each of the first few types, which are kept alive for it. */
Reading reading_of(PyTypeObject* type) {
  constexpr int most = 8;
  static PyTypeObject* types[most];
  static Reading readings[most];
  static int known = 0;
  for (int i = 0; i < known; ++i)
    if (types[i] == type)
      return readings[i];
  const Reading found = find_reading(type);
  if (known < most && found.way != Reading::nothing) {
    Py_INCREF(type);
    types[known] = type;
    readings[known++] = found;
  }
  return found;
}

/* The type of a format of the struct module that has one letter; no bits for others. */
dlpack::DataType type_of(const Py_buffer& view) {
  const char* format = view.format ? view.format : "B";
  constexpr bool little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
  if (*format == '@' || *format == '=' || *format == (little ? '<' : '>'))
    ++format;
  if (*format == '\0' || format[1] != '\0')
    return {};
  const auto of = [&](std::uint8_t code) {
    return dlpack::DataType{code, static_cast<std::uint8_t>(view.itemsize * 8), 1};
  };
  if (std::strchr("efd", *format))
    return of(dlpack::float_code);
  if (std::strchr("bhilq", *format))
    return of(dlpack::int_code);
  if (std::strchr("BHILQ", *format))
    return of(dlpack::uint_code);
  return *format == '?' ? of(dlpack::bool_code) : dlpack::DataType{};
}

std::string str(const dlpack::DataType& type) {
  const auto name = [&]() -> std::string {
    switch (type.code) {
    case dlpack::int_code:
      return "int";
    case dlpack::uint_code:
      return "uint";
    case dlpack::float_code:
      return "float";
    case dlpack::bfloat_code:
      return "bfloat";
    case dlpack::complex_code:
      return "complex";
    default:
      return "";
    }
  }();
  if (type.code == dlpack::bool_code)
    return "bool";
  return type.bits == 0 || name.empty() ? "of another type" : name + std::to_string(type.bits);
}

std::string str(std::initializer_list<Extent> wanted) {
  std::string text = "(";
  for (const Extent& extent : wanted)
    text.append(text.size() > 1 ? ", " : "")
        .append(extent.size < 0 ? extent.letter : std::to_string(extent.size));
  return text + (wanted.size() == 1 ? ",)" : ")");
}

} // namespace

std::string Name::str() const {
  std::string name = text;
  if (place >= 0)
    name.append("[").append(std::to_string(place)).append("]");
  return detail ? name.append(" (").append(detail).append(")") : name;
}

Array::Array(nb::handle object, Name name) : name_(name) {
  if (object.is_none())
    return;
  const Reading reading = reading_of(Py_TYPE(object.ptr()));
  if (reading.way == Reading::buffer) {
    read_buffer(hold_.buffer(object.ptr()));
    return;
  }
  if (reading.way == Reading::exchange) {
    dlpack::Tensor tensor;
    if (reading.read(object.ptr(), &tensor))
      throw nb::python_error();
    read_tensor(tensor);
    hold_.object(nb::borrow(object));
    return;
  }
  if (reading.way == Reading::nothing)
    throw nb::type_error(
        (name.str() + " is a " + Py_TYPE(object.ptr())->tp_name + "; wanted a tensor or an array").c_str());
  nb::object capsule = nb::module_::import_("torch._C").attr("_to_dlpack")(object);
  const void* managed = PyCapsule_GetPointer(capsule.ptr(), "dltensor");
  if (!managed)
    throw nb::python_error();
  read_tensor(static_cast<const dlpack::ManagedTensor*>(managed)->tensor);
  hold_.object(std::move(capsule));
}

void Array::read_buffer(const Py_buffer& view) {
  present_ = true;
  writable_ = !view.readonly;
  dimensions_ = view.ndim;
  type_ = type_of(view);
  data_ = view.buf;
  const Index bytes = view.itemsize > 0 ? view.itemsize : 1;
  aligned_ = reinterpret_cast<std::uintptr_t>(data_) % static_cast<std::size_t>(bytes) == 0;
  for (int k = dimensions_ - 1; k >= 0; --k) {
    add_dimension(k, view.shape[k], view.strides[k] / bytes);
    aligned_ = aligned_ && (view.strides[k] % bytes == 0 || view.shape[k] < 2);
  }
}

void Array::read_tensor(const dlpack::Tensor& tensor) {
  if (tensor.device.type != dlpack::cpu)
    throw std::invalid_argument(name_.str() + " is not on the cpu; wanted a tensor that is");
  present_ = writable_ = true;
  dimensions_ = tensor.ndim;
  type_ = tensor.dtype;
  data_ = static_cast<char*>(tensor.data) + tensor.byte_offset;
  aligned_ = reinterpret_cast<std::uintptr_t>(data_) % (type_.bits >= 8 ? type_.bits / 8 : 1) == 0;
  for (int k = dimensions_ - 1; k >= 0; --k)
    add_dimension(k, tensor.shape[k], tensor.strides ? tensor.strides[k] : rows_ * columns_);
}

/* From the last to the first. */
void Array::add_dimension(int k, Index size, Index stride) {
  if (k < most_dimensions) {
    shape_[k] = size;
    stride_[k] = stride;
  }
  gaps_ = gaps_ || (size > 1 && stride != rows_ * columns_);
  (k == dimensions_ - 1 ? columns_ : rows_) *= size;
}

void Array::require(dlpack::DataType type, std::initializer_list<Extent> wanted, bool write,
                    bool whole) const {
  const int count = static_cast<int>(wanted.size());
  bool fits = present_ && same(type_, type) && dimensions_ == count;
  Index numbers = 1, k = 0;
  for (const Extent* extent = wanted.begin(); fits && extent != wanted.end(); ++extent, ++k) {
    fits = extent->size < 0 || shape_[k] == extent->size;
    numbers = shape_[k] == 0 ? 0 : numbers;
  }
  if (!fits)
    refuse(unrolled::str(type) + " " + unrolled::str(wanted));
  if (numbers == 0)
    return; // no number is read
  check_memory(write);
  if (shape_[count - 1] > 1 && stride_[count - 1] != 1)
    throw std::invalid_argument(name_.str() + " has a stride of " + std::to_string(stride_[count - 1]) +
                                " in its last dimension; wanted 1");
  if (whole && !is_whole())
    throw std::invalid_argument(name_.str() + " has gaps in memory; wanted a contiguous array");
}

void Array::require_rows(dlpack::DataType type, Extent count, Extent N, bool write) const {
  const bool fits = (count.size < 0 || rows_ == count.size) && (N.size < 0 || columns_ == N.size);
  if (!present_ || dimensions_ == 0 || !same(type_, type) || !fits)
    refuse(unrolled::str(type) + " (..., " + (N.size < 0 ? N.letter : std::to_string(N.size)) + ")" +
           (count.size < 0 ? "" : " of " + std::to_string(count.size) + " rows"));
  require_numbers(type, rows_ * columns_, write);
}

void Array::require_numbers(dlpack::DataType type, Index count, bool write) const {
  if (!present_ || !same(type_, type) || rows_ * columns_ != count)
    refuse(unrolled::str(type) + " of " + std::to_string(count) + " numbers");
  if (count == 0)
    return;
  check_memory(write);
  if (gaps_)
    throw std::invalid_argument(name_.str() + " has gaps in memory; wanted a contiguous array");
}

void Array::check_memory(bool write) const {
  if (!data_)
    throw std::invalid_argument(name_.str() + " is " + str() + " without memory of its own");
  if (!aligned_)
    throw std::invalid_argument(name_.str() + " is not aligned in memory; wanted a copy that is");
  if (write && !writable_)
    throw std::invalid_argument(name_.str() + " is read-only; wanted one that can be written");
}

void Array::gather() {
  const int last = dimensions_ - 1;
  if (!data_ || !aligned_ || last < 0 || last >= most_dimensions || shape_[last] < 2 || stride_[last] == 1)
    return;                              // the views refuse what is wrong
  constexpr Index most = Index{1} << 40; // strides of zero make any number of numbers of one
  const Index bytes = type_.bits / 8;
  Index numbers = 1;
  for (int k = 0; k < dimensions_; ++k) {
    if (shape_[k] > 0 && numbers > most / shape_[k])
      throw std::invalid_argument(name_.str() + " is " + str() + ", which is too large");
    numbers *= shape_[k];
  }
  copy_.resize(static_cast<std::size_t>(numbers * bytes));
  char* to = copy_.data();
  Index at[most_dimensions] = {};
  for (Index i = 0; i < numbers; ++i, to += bytes) {
    Index from = 0;
    for (int k = 0; k < dimensions_; ++k)
      from += at[k] * stride_[k];
    std::memcpy(to, static_cast<const char*>(data_) + from * bytes, static_cast<std::size_t>(bytes));
    for (int k = last; k >= 0 && ++at[k] == shape_[k]; --k)
      at[k] = 0;
  }
  data_ = copy_.data();
  for (Index next = 1, k = last; k >= 0; next *= shape_[k--])
    stride_[k] = next;
}

bool Array::is_whole() const {
  Index next = 1;
  for (int k = dimensions_ - 1; k >= 0; --k) {
    if (shape_[k] > 1 && stride_[k] != next)
      return false;
    next *= shape_[k];
  }
  return true;
}

std::string Array::str() const {
  if (!present_)
    return "None";
  std::string shape;
  for (int k = 0; k < dimensions_ && k < most_dimensions; ++k)
    shape.append(k ? ", " : "").append(std::to_string(shape_[k]));
  return unrolled::str(type_) + " (" + shape +
         (dimensions_ == 1                ? ",)"
          : dimensions_ > most_dimensions ? ", ...)"
                                          : ")");
}

void Array::refuse(const std::string& wanted) const {
  throw std::invalid_argument(name_.str() + " is " + str() + "; wanted " + wanted);
}

} // namespace unrolled
