/* The Python module unrolled.kernels._cpu, documented in ../_cpu.pyi. Tensors come as addresses and strides:
   their owners have checked shapes and types, and a DLPack capsule costs several times as much. */
#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include "address.h"
#include "arithmetic.h"
#include "array.h"
#include "bind_ctc.h"
#include "bind_heads.h"
#include "bind_recurrence.h"
#include "fingerprint.h"
#include "layer.h"
#include "planner.h"
#include "pool.h"
#include "stepper.h"

namespace nb = nanobind;

namespace unrolled {

namespace {

using Numbers = std::vector<Index>;

/* Reads the arguments of one direction, in the order of _cpu.pyi. */
template <class Real>
class Reader {
public:
  explicit Reader(const Numbers& numbers) : numbers_(numbers) {}

  template <class R>
  R* array() {
    return pointer<R>(next());
  }
  template <class R>
  Matrix<R> rows(Index width) {
    return {array<R>(), width};
  }
  template <class R>
  Sequence<R> sequence() {
    R* data = array<R>();
    const Index time = next();
    return {data, time, next()};
  }
  void end() const {
    if (next_ != numbers_.size())
      throw std::invalid_argument("wanted " + std::to_string(next_) + " numbers for a direction, got " +
                                  std::to_string(numbers_.size()));
  }

private:
  Index next() { return numbers_.at(next_++); }

  const Numbers& numbers_;
  std::size_t next_ = 0;
};

using Places = std::map<std::string, Numbers>;

template <class Real>
Parameters<const Real> parameters(const Places& places) {
  const auto number = [&](const char* name, std::size_t k) {
    const auto found = places.find(name);
    return found == places.end() || found->second.size() <= k ? Index{0} : found->second[k];
  };
  const auto vector = [&](const char* name) { return pointer<const Real>(number(name, 0)); };
  const auto matrix = [&](const char* name) { return Matrix<const Real>{vector(name), number(name, 1)}; };
  return {.ih = matrix("weight_ih"),
          .hh = matrix("weight_hh"),
          .bias_ih = vector("bias_ih"),
          .bias_hh = vector("bias_hh"),
          .hr = matrix("weight_hr"),
          .peephole = matrix("weight_peephole"),
          .gain_ih = vector("gain_ih"),
          .gain_hh = vector("gain_hh"),
          .gain_c = vector("gain_c"),
          .shift_c = vector("shift_c")};
}

/* What forward and backward calls both begin with. */
template <class Real, class Call>
void read_inputs(Call& call, const Sizes& n, Index every, const Sequence<const Real>& x, Reader<Real>& read) {
  call.sizes = n;
  call.every = every;
  call.x = x;
  call.initial[0] = read.template rows<const Real>(n.P);
  call.initial[1] = read.template rows<const Real>(n.H);
  call.masks.recurrent = read.template sequence<const Real>();
  for (auto& zoneout : call.masks.zoneout)
    zoneout = read.template sequence<const Real>();
}

template <class Real>
Forward<Real> read_forward(const Sizes& n, Index every, const Sequence<const Real>& x,
                           const Numbers& numbers) {
  Reader<Real> read(numbers);
  Forward<Real> call{};
  read_inputs(call, n, every, x, read);
  for (auto& states : call.states)
    states = read.template sequence<Real>();
  call.last[0] = read.template rows<Real>(n.P);
  call.last[1] = read.template rows<Real>(n.H);
  call.tape = read.template array<Real>();
  call.kept = read.template array<Real>();
  read.end();
  return call;
}

template <class Real>
Parameters<Real> read_gradients(const Sizes& n, Reader<Real>& read) {
  Parameters<Real> d;
  d.ih = read.template rows<Real>(n.I);
  d.hh = read.template rows<Real>(n.P);
  d.bias_ih = read.template array<Real>();
  d.bias_hh = read.template array<Real>();
  d.hr = read.template rows<Real>(n.H);
  d.peephole = read.template rows<Real>(n.H);
  d.gain_ih = read.template array<Real>();
  d.gain_hh = read.template array<Real>();
  d.gain_c = read.template array<Real>();
  d.shift_c = read.template array<Real>();
  return d;
}

template <class Real>
Backward<Real> read_backward(const Sizes& n, Index every, const Sequence<const Real>& x,
                             const Numbers& numbers) {
  Reader<Real> read(numbers);
  Backward<Real> call{};
  read_inputs(call, n, every, x, read);
  call.y = read.template sequence<const Real>();
  call.tape = read.template array<const Real>();
  call.kept = read.template array<const Real>();
  for (auto& d : call.d_states)
    d = read.template sequence<const Real>();
  call.d_last[0] = read.template rows<const Real>(n.P);
  call.d_last[1] = read.template rows<const Real>(n.H);
  call.dx = {read.template array<Real>(), n.B * n.I, n.I};
  call.d_initial[0] = read.template rows<Real>(n.P);
  call.d_initial[1] = read.template rows<Real>(n.H);
  call.d = read_gradients(n, read);
  read.end();
  return call;
}

template <class Real>
Planner::Work work(const Layer<Real>& layer) {
  const Sizes& n = layer.sizes;
  const Index rows = layer.kernel().rows(n);
  return {rows * (n.I + n.P) + (layer.parameters.hr.data ? n.H * n.P : 0), rows * n.P};
}

template <class Real>
Sizes measured(const Layer<Real>& layer, Index T, Index B) {
  Sizes n = layer.sizes;
  n.T = T;
  n.B = B;
  return n;
}

/* Everything of a call that does not depend on the direction's buffers. */
template <class Real>
struct Setting {
  static constexpr std::size_t most = 2;
  static constexpr std::size_t mask = 2; // where a direction's recurrent mask stands
  std::vector<std::shared_ptr<const typename Layer<Real>::Packs>> packs;
  std::vector<std::unique_ptr<Planner>> planners;
  std::vector<Sizes> sizes;
  const Plan* plans[most] = {};
  Weights<Real> forward[most], backward[most];
  Index directions;

  Setting(const std::vector<Layer<Real>*>& layers, const std::vector<bool>& reverse, Index threads,
          const std::array<Index, 2>& steps_and_rows, Address lengths, const std::vector<Numbers>& numbers,
          bool needs_forward, bool needs_backward)
      : directions(static_cast<Index>(layers.size())) {
    if (layers.empty() || layers.size() > most || reverse.size() != layers.size() ||
        numbers.size() != layers.size())
      throw std::invalid_argument("wanted one or two layers, with a direction and its numbers for each");
    for (std::size_t d = 0; d < layers.size(); ++d) {
      Layer<Real>& layer = *layers[d];
      packs.push_back(layer.packs(needs_forward, needs_backward));
      forward[d] = packs[d]->forward;
      backward[d] = packs[d]->backward;
      forward[d].parameters = backward[d].parameters = layer.parameters;
      const Sizes n = measured(layer, steps_and_rows[0], steps_and_rows[1]);
      const bool plain = numbers[d].size() > mask && numbers[d][mask] == 0;
      planners.push_back(std::make_unique<Planner>(n, pointer<const Index>(lengths), reverse[d], threads,
                                                   directions, work(layer),
                                                   plain && layer.kernel().shares(layer.parameters)));
      plans[d] = &planners[d]->plan();
      sizes.push_back(n);
    }
  }
};

template <class Real>
void forward(const std::vector<Layer<Real>*>& layers, const std::vector<bool>& reverse, Index threads,
             Index every, const std::array<Index, 2>& steps_and_rows, Address lengths,
             const std::array<Index, 3>& x, const std::vector<Numbers>& numbers) {
  const nb::gil_scoped_release release;
  const StandardArithmetic arithmetic;
  const Setting<Real> setting(layers, reverse, threads, steps_and_rows, lengths, numbers, true, false);
  std::vector<Forward<Real>> calls;
  for (std::size_t d = 0; d < layers.size(); ++d)
    calls.push_back(
        read_forward<Real>(setting.sizes[d], every, {pointer<const Real>(x[0]), x[1], x[2]}, numbers[d]));
  layers[0]->kernel().forward(calls.data(), setting.forward, setting.plans, setting.directions);
}

template <class Real>
void backward(const std::vector<Layer<Real>*>& layers, const std::vector<bool>& reverse, Index threads,
              Index every, const std::array<Index, 2>& steps_and_rows, Address lengths,
              const std::array<Index, 3>& x, const std::vector<Numbers>& numbers) {
  const nb::gil_scoped_release release;
  const StandardArithmetic arithmetic;
  const Setting<Real> setting(layers, reverse, threads, steps_and_rows, lengths, numbers, every > 0, true);
  std::vector<Backward<Real>> calls;
  for (std::size_t d = 0; d < layers.size(); ++d)
    calls.push_back(
        read_backward<Real>(setting.sizes[d], every, {pointer<const Real>(x[0]), x[1], x[2]}, numbers[d]));
  layers[0]->kernel().backward(calls.data(), setting.backward, setting.forward, setting.plans,
                               setting.directions);
}

/* One direction without masks or lengths: nothing but what a caller who steps must hand over. */
template <class Real>
void run(Layer<Real>& layer, bool reverse, Index threads, Index T, Index B, Address x, Index x_time,
         Index x_row, Address h0, Address c0, Address y, Index y_time, Index y_row, Address h_last,
         Address c_last, Address tape) {
  const nb::gil_scoped_release release;
  const StandardArithmetic arithmetic;
  const auto packs = layer.packs(true, false);
  const Sizes n = measured(layer, T, B);
  Forward<Real> call{};
  call.sizes = n;
  call.x = {pointer<const Real>(x), x_time, x_row};
  call.initial[0] = {pointer<const Real>(h0), n.P};
  call.initial[1] = {pointer<const Real>(c0), n.H};
  call.states[0] = {pointer<Real>(y), y_time, y_row};
  call.last[0] = {pointer<Real>(h_last), n.P};
  call.last[1] = {pointer<Real>(c_last), n.H};
  call.tape = pointer<Real>(tape);
  const Planner planner(n, nullptr, reverse, threads, 1, work(layer),
                        layer.kernel().shares(layer.parameters));
  const Plan* plan = &planner.plan();
  layer.kernel().forward(&call, &packs->forward, &plan, 1);
}

/* The gradients of `run` with a tape. */
template <class Real>
void run_back(Layer<Real>& layer, bool reverse, Index threads, Index T, Index B,
              const std::array<Index, 3>& x, Address h0, Address c0, const std::array<Index, 3>& y,
              Address tape, const std::array<Index, 3>& dy, Address dh_last, Address dc_last, Address dx,
              Address dh0, Address dc0, const Numbers& gradients) {
  const nb::gil_scoped_release release;
  const StandardArithmetic arithmetic;
  const auto packs = layer.packs(false, true);
  const Sizes n = measured(layer, T, B);
  Backward<Real> call{};
  call.sizes = n;
  call.x = {pointer<const Real>(x[0]), x[1], x[2]};
  call.initial[0] = {pointer<const Real>(h0), n.P};
  call.initial[1] = {pointer<const Real>(c0), n.H};
  call.y = {pointer<const Real>(y[0]), y[1], y[2]};
  call.tape = pointer<const Real>(tape);
  call.d_states[0] = {pointer<const Real>(dy[0]), dy[1], dy[2]};
  call.d_last[0] = {pointer<const Real>(dh_last), n.P};
  call.d_last[1] = {pointer<const Real>(dc_last), n.H};
  call.dx = {pointer<Real>(dx), n.B * n.I, n.I};
  call.d_initial[0] = {pointer<Real>(dh0), n.P};
  call.d_initial[1] = {pointer<Real>(dc0), n.H};
  Reader<Real> read(gradients);
  call.d = read_gradients(n, read);
  read.end();
  const Planner planner(n, nullptr, reverse, threads, 1, work(layer),
                        layer.kernel().shares(layer.parameters));
  const Plan* plan = &planner.plan();
  layer.kernel().backward(&call, &packs->backward, &packs->forward, &plan, 1);
}

template <class Real>
std::unique_ptr<Stepper<Real>> make_stepper(Layer<Real>& layer, Address zoneout_h, Address zoneout_c) {
  return std::make_unique<Stepper<Real>>(
      layer, std::array{pointer<const Real>(zoneout_h), pointer<const Real>(zoneout_c)});
}

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
  return Held(array.ptr(), 0).address();
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
  nb::class_<Layer<Real>>(m, ("Layer_" + type).c_str())
      .def_prop_ro(
          "tape", [](const Layer<Real>& layer) { return layer.kernel().tape(layer.sizes, layer.parameters); })
      .def("renew", &Layer<Real>::renew)
      .def("run", run<Real>)
      .def("run_back", run_back<Real>);
  nb::class_<Stepper<Real>>(m, ("Stepper_" + type).c_str())
      .def("run", &Stepper<Real>::run, nb::arg(), nb::arg(), nb::arg(), nb::arg().none(), nb::arg(),
           nb::arg().none());
  m.def("Stepper", make_stepper<Real>, nb::keep_alive<0, 1>());
  m.def("forward", forward<Real>);
  m.def("backward", backward<Real>);
  m.def(("map_" + type).c_str(), map<Real>, guard);
  m.def(("logaddexp_" + type).c_str(), logaddexp<Real>, guard);
}

nb::object make_layer(const std::string& cell, const std::string& type, const std::array<Index, 4>& sizes,
                      const Places& places) {
  const Sizes n = {0, 0, sizes[0], sizes[1], sizes[2], sizes[3]};
  if (type == "float32")
    return nb::cast(std::make_unique<Layer<float>>(cell, n, parameters<float>(places)));
  if (type == "float64")
    return nb::cast(std::make_unique<Layer<double>>(cell, n, parameters<double>(places)));
  throw std::invalid_argument("no kernel in " + type + "; wanted float32 or float64");
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
  m.def("Layer", make_layer);
  m.def("address", address);
  m.def("fingerprint", fingerprint_of, nb::arg("array").none());
  define<float>(m, "float32");
  define<double>(m, "float64");
  bind_recurrence(m);
  bind_heads(m);
  bind_ctc(m);
}

} // namespace unrolled
