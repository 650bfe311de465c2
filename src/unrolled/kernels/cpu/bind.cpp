/* The Python module unrolled.kernels._cpu, documented in ../_cpu.pyi. */
#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "address.h"
#include "arithmetic.h"
#include "array.h"
#include "bind_ctc.h"
#include "bind_heads.h"
#include "bind_recurrence.h"
#include "fingerprint.h"
#include "isa.h"
#include "pool.h"

namespace nb = nanobind;

namespace unrolled {

namespace {

template <class Real>
Memory memory_of(const Array& array) {
  if (array.dimensions() == 1)
    return memory<Real>({array.view<const Real>({{"N"}}), 0}, 1, array.size(0));
  return memory<Real>(array.matrix<const Real>({"M"}, {"N"}), array.size(0), array.size(1));
}

std::pair<std::uint64_t, std::uint64_t> fingerprint_of(nb::handle object) {
  const Array array(object, "array");
  const Memory numbers = array.is<float>() ? memory_of<float>(array) : memory_of<double>(array);
  const nb::gil_scoped_release release;
  const Fingerprint print = fingerprint(&numbers, 1);
  return {print.sum, print.product};
}

Address address(nb::handle array) {
  Py_buffer view;
  if (PyObject_GetBuffer(array.ptr(), &view, PyBUF_C_CONTIGUOUS))
    throw nb::python_error();
  const auto place = static_cast<Address>(reinterpret_cast<std::uintptr_t>(view.buf));
  PyBuffer_Release(&view);
  return place;
}

template <std::size_t N>
std::size_t place(const char* const (&names)[N], const std::string& name) {
  const auto* found = std::find(std::begin(names), std::end(names), name);
  if (found == std::end(names))
    throw std::invalid_argument("no kernel for '" + name + "'");
  return static_cast<std::size_t>(found - std::begin(names));
}

template <class Real>
void map(const std::string& function, Index count, Address from, Address to) {
  kernels<Real>(isa()).map[place(functions, function)](count, pointer<const Real>(from), pointer<Real>(to));
}

template <class Real>
void logaddexp(Index count, Address a, Address b, Address to) {
  kernels<Real>(isa()).logaddexp(count, pointer<const Real>(a), pointer<const Real>(b), pointer<Real>(to));
}

template <class Real>
void define(nb::module_& m, const std::string& type) {
  const nb::call_guard<nb::gil_scoped_release, StandardArithmetic> guard;
  m.def(("map_" + type).c_str(), map<Real>, guard);
  m.def(("logaddexp_" + type).c_str(), logaddexp<Real>, guard);
}

void use_openmp(Address parallel, Address team_size, Address member) {
  const auto function = [](auto* type, Address address) {
    return reinterpret_cast<decltype(type)>(static_cast<std::uintptr_t>(address));
  };
  using OpenMP = pool::OpenMP;
  pool::use_openmp({function(decltype(OpenMP::parallel){}, parallel),
                    function(decltype(OpenMP::team_size){}, team_size),
                    function(decltype(OpenMP::member){}, member)});
}

} // namespace

NB_MODULE(_cpu, m) {
  nb::set_leak_warnings(false); // a model that lives until the interpreter ends keeps its packed weights
  m.def("isas", isas);
  m.def("isa", [] { return std::string(isa().name); });
  m.def("use_isa", use_isa);
  m.def("use_openmp", use_openmp);
  m.def("address", address);
  m.def("fingerprint", fingerprint_of, nb::arg("array").none());
  define<float>(m, "float32");
  define<double>(m, "float64");
  bind_recurrence(m);
  bind_heads(m);
  bind_ctc(m);
}

} // namespace unrolled
