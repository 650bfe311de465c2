/* The Python module unrolled.kernels._cpu, documented in ../_cpu.pyi. Tensors come as addresses and strides:
   their owners have checked shapes and types, and a DLPack capsule costs several times as much. */
#include <algorithm>
#include <array>
#include <iterator>
#include <stdexcept>
#include <string>
#include <type_traits>

#include <nanobind/nanobind.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "arithmetic.h"
#include "bind_heads.h"
#include "isa.h"
#include "planner.h"

namespace nb = nanobind;

namespace unrolled {

namespace {

using Address = Index;              // 0: no such array
using Rank1 = std::array<Index, 1>; // address
using Rank2 = std::array<Index, 2>; // address, stride of a row
using Rank3 = std::array<Index, 3>; // address, strides of a time step and of a row

template <class Real>
Real* pointer(Index address) {
  return reinterpret_cast<Real*>(static_cast<std::uintptr_t>(address));
}

template <class Real>
Matrix<Real> matrix(const Rank2& m) {
  return {pointer<Real>(m[0]), m[1]};
}

template <class Real>
Sequence<Real> sequence(const Rank3& s) {
  return {pointer<Real>(s[0]), s[1], s[2]};
}

template <class Real>
const Kernels<Real>& kernels() {
  if constexpr (std::is_same_v<Real, float>)
    return isa().float32;
  else
    return isa().float64;
}

template <std::size_t N>
std::size_t place(const char* const (&names)[N], const std::string& name) {
  const auto* found = std::find(std::begin(names), std::end(names), name);
  if (found == std::end(names))
    throw std::invalid_argument("no kernel for '" + name + "'");
  return static_cast<std::size_t>(found - std::begin(names));
}

Planner planner(const Sizes& sizes, Address lengths, bool reverse, Index threads, Index gates) {
  return {sizes, pointer<const Index>(lengths), reverse, threads, gates * sizes.H * (sizes.I + sizes.H)};
}

template <class Real>
void elman_forward(const std::string& nonlinearity, bool reverse, Index threads, std::array<Index, 4> sizes,
                   Rank3 x, Rank2 h0, Rank2 weight_ih, Rank2 weight_hh, Rank1 bias_ih, Rank1 bias_hh,
                   Rank1 lengths, Rank3 y, Rank2 h_last) {
  const Forward<Real, 1> call = {
      .sizes = {sizes[0], sizes[1], sizes[2], sizes[3]},
      .weights = {matrix<const Real>(weight_ih), matrix<const Real>(weight_hh)},
      .bias_ih = pointer<const Real>(bias_ih[0]),
      .bias_hh = pointer<const Real>(bias_hh[0]),
      .x = sequence<const Real>(x),
      .initial = {matrix<const Real>(h0)},
      .states = {sequence<Real>(y)},
      .last = {matrix<Real>(h_last)},
  };
  const Planner plan = planner(call.sizes, lengths[0], reverse, threads, 1);
  kernels<Real>().elman_forward[place(nonlinearities, nonlinearity)](call, plan.plan());
}

template <class Real>
void elman_backward(const std::string& nonlinearity, bool reverse, Index threads, std::array<Index, 4> sizes,
                    Rank3 x, Rank2 h0, Rank2 weight_ih, Rank2 weight_hh, Rank1 lengths, Rank3 y, Rank3 dy,
                    Rank2 dh_last, Rank3 dx, Rank2 dh0, Rank2 d_weight_ih, Rank2 d_weight_hh, Rank1 d_bias) {
  const Backward<Real, 1> call = {
      .sizes = {sizes[0], sizes[1], sizes[2], sizes[3]},
      .weights = {matrix<const Real>(weight_ih), matrix<const Real>(weight_hh)},
      .x = sequence<const Real>(x),
      .initial = {matrix<const Real>(h0)},
      .states = {sequence<const Real>(y)},
      .d_states = {sequence<const Real>(dy)},
      .d_last = {matrix<const Real>(dh_last)},
      .dx = sequence<Real>(dx),
      .d_initial = {matrix<Real>(dh0)},
      .d_ih = matrix<Real>(d_weight_ih),
      .d_hh = matrix<Real>(d_weight_hh),
      .d_bias = pointer<Real>(d_bias[0]),
  };
  const Planner plan = planner(call.sizes, lengths[0], reverse, threads, 1);
  kernels<Real>().elman_backward[place(nonlinearities, nonlinearity)](call, plan.plan());
}

template <class Real>
void map(const std::string& function, Index count, Address from, Address to) {
  kernels<Real>().map[place(functions, function)](count, pointer<const Real>(from), pointer<Real>(to));
}

template <class Real>
void define(nb::module_& m, const std::string& type) {
  const nb::call_guard<nb::gil_scoped_release, StandardArithmetic> guard;
  m.def(("elman_forward_" + type).c_str(), elman_forward<Real>, guard);
  m.def(("elman_backward_" + type).c_str(), elman_backward<Real>, guard);
  m.def(("map_" + type).c_str(), map<Real>, guard);
}

} // namespace

NB_MODULE(_cpu, m) {
  m.def("isas", isas);
  m.def("isa", [] { return std::string(isa().name); });
  m.def("use_isa", use_isa);
  define<float>(m, "float32");
  define<double>(m, "float64");
  bind_heads(m);
}

} // namespace unrolled
