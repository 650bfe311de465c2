/* The Python module unrolled.kernels._cpu, documented in ../_cpu.pyi. */
#include <cstdint>
#include <string>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "array.h"
#include "bind_ctc.h"
#include "bind_heads.h"
#include "bind_recurrence.h"
#include "bind_tensors.h"
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

void use_openmp(Index parallel, Index team_size, Index member) {
  const auto function = [](auto* type, Index address) {
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
  m.def("fingerprint", fingerprint_of, nb::arg("array").none());
  bind_recurrence(m);
  bind_heads(m);
  bind_ctc(m);
  bind_tensors(m);
}

} // namespace unrolled
