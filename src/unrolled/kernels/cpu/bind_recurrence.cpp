/* The class Recurrence of unrolled.kernels._cpu, documented in ../_cpu.pyi: reads the arrays of a call by
   name, and refuses in one line what does not fit. */
#include "bind_recurrence.h"

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <stdexcept>

#include <nanobind/stl/array.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include "array.h"
#include "recurrence.h"

namespace nb = nanobind;

namespace unrolled {

namespace {

/* A parameter: its name, and where it stands. */
template <class Real>
struct Member {
  const char* name;
  Matrix<Real> Parameters<Real>::* matrix;
  Real* Parameters<Real>::* vector;
};

template <class Real>
constexpr Member<Real> members[] = {
    {"weight_ih", &Parameters<Real>::ih, nullptr},
    {"weight_hh", &Parameters<Real>::hh, nullptr},
    {"bias_ih", nullptr, &Parameters<Real>::bias_ih},
    {"bias_hh", nullptr, &Parameters<Real>::bias_hh},
    {"weight_hr", &Parameters<Real>::hr, nullptr},
    {"weight_peephole", &Parameters<Real>::peephole, nullptr},
    {"gain_ih", nullptr, &Parameters<Real>::gain_ih},
    {"gain_hh", nullptr, &Parameters<Real>::gain_hh},
    {"gain_c", nullptr, &Parameters<Real>::gain_c},
    {"shift_c", nullptr, &Parameters<Real>::shift_c},
};
enum Of {
  weight_ih,
  weight_hh,
  bias_ih,
  bias_hh,
  weight_hr,
  weight_peephole,
  gain_ih,
  gain_hh,
  gain_c,
  shift_c
};

Of member_of(const std::string& name) {
  int k = 0;
  for (const auto& member : members<float>) {
    if (name == member.name)
      return static_cast<Of>(k);
    ++k;
  }
  throw std::invalid_argument("'" + name + "' is no parameter of a cell");
}

/* What a call brings, by name: one array each of the first, of the others a sequence. */
enum class Argument {
  x,
  y,
  lengths,
  batch_sizes,
  trace,
  dy,
  dx,
  weights,
  h0,
  c0,
  recurrent,
  zoneout_h,
  zoneout_c,
  h,
  c,
  every_c,
  dh,
  dc,
  d_every_c,
  dh0,
  dc0,
  d_weights
};
constexpr const char* arguments[] = {
    "x",  "y",  "lengths",   "batch_sizes", "trace",     "dy",       "dx", "weights",
    "h0", "c0", "recurrent", "zoneout_h",   "zoneout_c", "h",        "c",  "every_c",
    "dh", "dc", "d_every_c", "dh0",         "dc0",       "d_weights"};
static_assert(static_cast<std::size_t>(Argument::d_weights) + 1 == std::size(arguments));
const char* name_of(Argument argument) {
  return arguments[static_cast<std::size_t>(argument)];
}
Argument argument_of(const std::string& name) {
  const auto* const known = std::find(std::begin(arguments), std::end(arguments), name);
  if (known == std::end(arguments))
    throw std::invalid_argument("'" + name + "' is no array of a call");
  return static_cast<Argument>(known - arguments);
}

/* The arrays of one name. */
struct Items {
  PyObject* const* first = nullptr; // null: the owner itself is the only one
  Index count = 0;
  nb::object owner{};
  Index size() const { return count; }
  nb::handle operator[](Index k) const { return first ? first[k] : owner.ptr(); }
};

/* The items of a tuple or a list. */
Items items_of(nb::handle sequence, const char* name) {
  PyObject* fast = PySequence_Fast(sequence.ptr(), "");
  if (!fast) {
    PyErr_Clear();
    throw nb::type_error(
        (std::string(name) + " is a " + Py_TYPE(sequence.ptr())->tp_name + "; wanted a sequence of arrays")
            .c_str());
  }
  return {PySequence_Fast_ITEMS(fast), PySequence_Fast_GET_SIZE(fast), nb::steal(fast)};
}

/* The arguments of a call. What they point to outlives them. */
class Arguments {
public:
  Items& operator[](Argument of) { return items_[static_cast<std::size_t>(of)]; }
  const Items& operator[](Argument of) const { return items_[static_cast<std::size_t>(of)]; }
  /* None where it is not there. */
  nb::handle one(Argument of) const { return (*this)[of].count ? (*this)[of][0] : nb::handle(Py_None); }

  Arguments() = default;
  /* By keyword. */
  explicit Arguments(const nb::kwargs& given) {
    for (const auto& [name, value] : given) {
      const Argument of = argument_of(nb::cast<std::string>(name));
      if (of >= Argument::weights)
        (*this)[of] = items_of(value, name_of(of));
      else if (!value.is_none())
        (*this)[of] = {nullptr, 1, nb::borrow(value)};
    }
  }

private:
  std::array<Items, std::size(arguments)> items_;
};

/* The arrays of a call, alive until it has run; those of most calls need no memory of the heap. */
class Arrays {
public:
  Arrays() = default;
  Arrays(const Arrays&) = delete;
  Arrays& operator=(const Arrays&) = delete;

  const Array& read(nb::handle object, Name name) { return add(object, name); }
  /* What is only read may lie anyhow. */
  const Array& input(nb::handle object, Name name) {
    Array& array = add(object, name);
    array.gather();
    keep_memory_ = keep_memory_ && array.keeps_memory();
    return array;
  }
  /* An input, where its numbers are const, or what is written. */
  template <class Number>
  const Array& take(nb::handle object, Name name) {
    if constexpr (std::is_const_v<Number>)
      return input(object, name);
    else
      return read(object, name);
  }
  /* Of all inputs. */
  bool keep_memory() const { return keep_memory_; }

private:
  static constexpr std::size_t few = 12;
  Array& add(nb::handle object, Name name) {
    return count_ < few ? first_[count_++].emplace(object, name) : more_.emplace_back(object, name);
  }

  std::array<std::optional<Array>, few> first_;
  std::size_t count_ = 0;
  bool keep_memory_ = true;
  std::deque<Array> more_;
};

/* (T, B, N), or (B, N) where there is one step. */
template <class Real>
Sequence<Real> steps(const Array& array, Extent T, Extent B, Extent N) {
  if (array.dimensions() != 2 || T.size > 1)
    return array.sequence<Real>(T, B, N);
  const Matrix<Real> rows = array.matrix<Real>(B, N);
  return {rows.data, 0, rows.row};
}

/* The weights of every place, alive as long as this. */
template <class Real>
struct Weighted {
  Arrays arrays;
  std::vector<Parameters<const Real>> places;
};

/* What Python holds: the recurrence and the names of a place's parameters, in the order in which they come.
 */
template <class Real>
struct Bound {
  Recurrence<Real> recurrence;
  std::vector<Of> names;
  Parameters<const Real> given;                 // not null where a parameter is among the names
  std::shared_ptr<const Weighted<Real>> frozen; // guarded by Python's lock
};

template <class Real>
class Reader {
public:
  Reader(Bound<Real>& bound, const Arguments& given, Index threads, Index every)
      : bound_(bound), R_(bound.recurrence), given_(given) {
    constexpr Index most_threads = 1024;
    call.threads = std::min(threads, most_threads);
    call.every = every;
    call.places.resize(R_.sizes().size());
    if (every < 0 || threads < 1)
      throw std::invalid_argument("every is " + std::to_string(every) + " and threads " +
                                  std::to_string(threads) + "; wanted 0 or more, and 1 or more");
  }

  void inputs(bool forward) {
    using enum Argument;
    const Array& tokens = input(x);
    if (given_[batch_sizes].size())
      packed_x(tokens, input(batch_sizes));
    else
      padded_x(tokens);
    if (work() > most_work)
      tokens.refuse("fewer steps and rows");
    const Index F = R_.width(R_.layers() - 1);
    if (forward)
      call.y = like_x<Real>(output(y), {"F", F});
    else {
      const auto only_read = like_x<const Real>(input(y), {"F", F});
      call.y = {const_cast<Real*>(only_read.data), only_read.time, only_read.row, only_read.starts};
    }
    if (given_[lengths].size()) {
      if (call.lengths)
        throw std::invalid_argument("lengths and batch_sizes are given; batch_sizes say how long rows are");
      call.lengths = input(lengths).template vector<const Index>({"B", call.B});
    }
    read_weights();
    states(h0, &PlaceCall<Real>::h0, true);
    states(c0, &PlaceCall<Real>::c0, false);
    sequences(recurrent, true, [](auto& p) -> auto& { return p.masks.recurrent; });
    sequences(zoneout_h, true, [](auto& p) -> auto& { return p.masks.zoneout[0]; });
    sequences(zoneout_c, false, [](auto& p) -> auto& { return p.masks.zoneout[1]; });
    if (call.every > 0 && R_.layers() > 1)
      throw std::invalid_argument("every is for one layer; this has " + std::to_string(R_.layers()));
  }

  /* One state of every place: arrays (n, B, size) whose n count the places. */
  template <class Number>
  void states(Argument of, Matrix<Number> PlaceCall<Real>::* field, bool of_h) {
    const Items& items = given_[of];
    const char* name = name_of(of);
    if (items.size() == 0)
      return;
    require_c(name, of_h);
    std::size_t place = 0;
    for (Index k = 0; k < items.size(); ++k) {
      const Name own(name, items.size() > 1 ? k : -1);
      const Array& array = arrays_.take<Number>(items[k], own);
      if (place >= call.places.size())
        refuse_places(name);
      const Sizes& n = R_.sizes()[place];
      const Sequence<Number> s =
          steps<Number>(array, {"n"}, {"B", call.B}, {of_h ? "P" : "H", of_h ? n.P : n.H});
      const Index count = array.dimensions() == 2 ? 1 : array.size(0);
      for (Index i = 0; i < count; ++i, ++place) {
        if (place >= call.places.size())
          refuse_places(name);
        if (size_of(place, of_h) != size_of(place - static_cast<std::size_t>(i), of_h))
          array.refuse("states of one size in one array");
        call.places[place].*field = {s.data ? s.data + i * s.time : nullptr, s.row};
      }
    }
    if (place != call.places.size())
      refuse_places(name);
  }

  /* One sequence (T, B, size) of every place, packed where it is an output or its gradient and x is. */
  template <class Field>
  void sequences(Argument of, bool of_h, const Field& field, bool output = false) {
    const Items& items = given_[of];
    const char* name = name_of(of);
    if (items.size() == 0)
      return;
    require_c(name, of_h);
    if (R_.layers() > 1)
      throw std::invalid_argument(std::string(name) + " is for one layer; this has " +
                                  std::to_string(R_.layers()));
    if (items.size() != static_cast<Index>(call.places.size()))
      refuse_places(name);
    for (std::size_t p = 0; p < call.places.size(); ++p) {
      auto& to = field(call.places[p]);
      using Number = std::remove_pointer_t<decltype(to.data)>;
      const Name own(name, static_cast<Index>(p));
      const nb::handle item = items[static_cast<Index>(p)];
      const Array& array = arrays_.take<Number>(item, own);
      const Extent N{of_h ? "P" : "H", size_of(p, of_h)};
      to = output ? like_x<Number>(array, N) : steps<Number>(array, {"T", call.T}, {"B", call.B}, N);
    }
  }

  void trace(bool write) {
    if (given_[Argument::trace].size() == 0)
      return;
    const Index steps = kept_steps(call.T, call.every);
    const Index W = R_.trace_width(call.every, bound_.given);
    const Array& array = output(Argument::trace);
    if (write)
      call.trace = array.view<Real>({{"T", steps}, {"B", call.B}, {"W", W}}, true);
    else
      call.trace = const_cast<Real*>(array.view<const Real>({{"T", steps}, {"B", call.B}, {"W", W}}, true));
  }

  void gradients() {
    using enum Argument;
    if (given_[dy].size())
      call.dy = like_x<const Real>(input(dy), {"F", R_.width(R_.layers() - 1)});
    if (given_[dx].size()) {
      const Array& array = output(dx);
      const Index I = R_.sizes()[0].I;
      call.dx = call.x.starts || (array.dimensions() == 2 && call.T == 1)
                    ? array.view<Real>({{"N", call.tokens}, {"I", I}}, true)
                    : array.view<Real>({{"T", call.T}, {"B", call.B}, {"I", I}}, true);
    }
    if (given_[d_weights].size() == 0)
      return;
    std::vector<Parameters<Real>> gradients(call.places.size());
    each_parameter<Real>(d_weights, arrays_, gradients);
    for (std::size_t p = 0; p < gradients.size(); ++p)
      call.places[p].d = gradients[p];
  }

  /* Multiply-adds of the call forward. */
  double work() const { return static_cast<double>(call.T) * static_cast<double>(call.B) * R_.work(); }

  RecurrenceCall<Real> call{};

private:
  static constexpr double most_work = 1e18; // so that no product of sizes overflows

  const Array& input(Argument of) { return arrays_.input(given_.one(of), name_of(of)); }
  const Array& output(Argument of) { return arrays_.read(given_.one(of), name_of(of)); }

  void padded_x(const Array& x) {
    call.x = steps<const Real>(x, {"T"}, {"B"}, {"I", R_.sizes()[0].I});
    const bool step = x.dimensions() == 2;
    call.T = step ? 1 : x.size(0);
    call.B = x.size(step ? 0 : 1);
    call.tokens = call.T * call.B;
  }

  /* Rows of packed x come longest first: row b runs at the steps whose size is more than b. */
  void packed_x(const Array& x, const Array& batch_sizes) {
    const auto rows = x.matrix<const Real>({"N"}, {"I", R_.sizes()[0].I});
    const Index* sizes = batch_sizes.vector<const Index>({"T"});
    const Index N = x.size(0), T = batch_sizes.size(0);
    for (Index t = 0, start = 0; t < T; start += sizes[t++]) {
      if (sizes[t] < 1 || sizes[t] > N - start || (t > 0 && sizes[t] > sizes[t - 1]))
        refuse_sizes(batch_sizes, N);
      starts_.push_back(start);
    }
    if (T == 0 || starts_.back() + sizes[T - 1] != N)
      refuse_sizes(batch_sizes, N);
    for (Index t = T; t > 0; --t)
      lengths_.resize(static_cast<std::size_t>(sizes[t - 1]), t);
    call.x = {rows.data, rows.row, rows.row, starts_.data()};
    call.T = T;
    call.B = sizes[0];
    call.tokens = N;
    call.lengths = lengths_.data();
  }
  [[noreturn]] static void refuse_sizes(const Array& batch_sizes, Index N) {
    batch_sizes.refuse("numbers of rows, of which none is larger than the one before, that add up to the " +
                       std::to_string(N) + " rows of x");
  }

  /* (T, B, size), or packed where x is. */
  template <class Number>
  Sequence<Number> like_x(const Array& array, Extent size) const {
    if (!call.x.starts)
      return steps<Number>(array, {"T", call.T}, {"B", call.B}, size);
    const Matrix<Number> rows = array.matrix<Number>({"N", call.tokens}, size);
    return {rows.data, rows.row, rows.row, call.x.starts};
  }

  Index size_of(std::size_t place, bool of_h) const {
    return of_h ? R_.sizes()[place].P : R_.sizes()[place].H;
  }
  void require_c(const char* name, bool of_h) const {
    if (!of_h && !R_.kernel().has_c)
      throw std::invalid_argument(std::string(name) + " is given; this cell has no c");
  }
  [[noreturn]] void refuse_places(const char* name) const {
    throw std::invalid_argument(std::string(name) + " wants one for each of the " +
                                std::to_string(call.places.size()) + " layers and directions");
  }

  /* Frozen ones are read once, where nobody can give them other memory meanwhile. */
  void read_weights() {
    weights_ = bound_.frozen;
    if (!weights_) {
      auto read = std::make_shared<Weighted<Real>>();
      read->places.resize(call.places.size());
      each_parameter<const Real>(Argument::weights, read->arrays, read->places);
      weights_ = read;
      if (R_.frozen() && read->arrays.keep_memory())
        bound_.frozen = read;
    }
    for (std::size_t p = 0; p < call.places.size(); ++p)
      call.places[p].parameters = weights_->places[p];
  }

  template <class Number>
  void each_parameter(Argument argument, Arrays& arrays, std::vector<Parameters<Number>>& places) {
    const Items& items = given_[argument];
    const char* name = name_of(argument);
    const Index count = static_cast<Index>(bound_.names.size());
    if (items.size() != count * static_cast<Index>(places.size()))
      throw std::invalid_argument(std::string(name) + " are " + std::to_string(items.size()) +
                                  " arrays; wanted " + std::to_string(count) + " for each of the " +
                                  std::to_string(places.size()) + " layers and directions");
    for (std::size_t p = 0; p < places.size(); ++p)
      for (Index k = 0; k < count; ++k) {
        const Of of = bound_.names[static_cast<std::size_t>(k)];
        const Name own(name, static_cast<Index>(p) * count + k, members<float>[of].name);
        const nb::handle item = items[static_cast<Index>(p) * count + k];
        const Array& array = arrays.template take<Number>(item, own);
        read_parameter<Number>(array, of, R_.sizes()[p], places[p]);
      }
  }

  template <class Number>
  void read_parameter(const Array& array, Of of, const Sizes& n, Parameters<Number>& to) const {
    constexpr bool whole = !std::is_const_v<Number>;
    const Index S = R_.kernel().rows(n), G = (S - n.H) / (n.H / n.K); // gates beside the last
    const Member<Number>& member = members<Number>[of];
    const auto matrix = [&](Extent rows, Extent columns) {
      to.*member.matrix = {array.view<Number>({rows, columns}, whole), array.stride(0)};
    };
    if (of == weight_ih)
      matrix({"S", S}, {"I", n.I});
    else if (of == weight_hh)
      matrix({"S", S}, {"P", n.P});
    else if (of == weight_hr)
      matrix({"P", n.P}, {"H", n.H});
    else if (of == weight_peephole)
      matrix({"G", G}, {"H", n.H});
    else
      to.*member.vector = array.vector<Number>({"S", of == gain_c || of == shift_c ? n.H : S});
  }

  Bound<Real>& bound_;
  const Recurrence<Real>& R_;
  const Arguments& given_;
  Arrays arrays_;
  std::vector<Index> starts_, lengths_; // of packed x
  std::shared_ptr<const Weighted<Real>> weights_;
};

/* Lets other Python threads run while a call computes. A small one is done before they would have begun, and
   would wait for them to hand Python's lock back. */
class Release {
public:
  explicit Release(double work) {
    constexpr double small = 200'000;
    if (work > small)
      release_.emplace();
  }

private:
  std::optional<nb::gil_scoped_release> release_;
};

template <class Real>
void forward(Bound<Real>& self, const Arguments& given, Index threads, Index every) {
  using enum Argument;
  Reader<Real> read(self, given, threads, every);
  read.inputs(true);
  read.states(h, &PlaceCall<Real>::h, true);
  read.states(c, &PlaceCall<Real>::c, false);
  read.sequences(every_c, false, [](auto& place) -> auto& { return place.every_c; }, true);
  read.trace(true);
  const Release release(read.work());
  self.recurrence.forward(read.call);
}

template <class Real>
void backward(Bound<Real>& self, const Arguments& given, Index threads, Index every) {
  using enum Argument;
  Reader<Real> read(self, given, threads, every);
  read.inputs(false);
  read.trace(false);
  read.states(dh, &PlaceCall<Real>::dh, true);
  read.states(dc, &PlaceCall<Real>::dc, false);
  read.sequences(d_every_c, false, [](auto& place) -> auto& { return place.d_every_c; }, true);
  read.states(dh0, &PlaceCall<Real>::dh0, true);
  read.states(dc0, &PlaceCall<Real>::dc0, false);
  read.gradients();
  const Release release(read.work());
  self.recurrence.backward(read.call);
}

/* Calls whose arrays come in one list: those of a name stand together, in an order that is said once. */
template <class Real>
class Ordered {
public:
  Ordered(const nb::object& owner, const std::vector<std::string>& names, Index every)
      : owner_(owner), bound_(nb::cast<Bound<Real>*>(owner)), every_(every),
        count_(static_cast<Index>(names.size())) {
    for (std::size_t k = 0; k < names.size(); ++k) {
      const Argument of = argument_of(names[k]);
      Range& range = at_[static_cast<std::size_t>(of)];
      const bool next = range.count && static_cast<std::size_t>(range.first + range.count) == k;
      if (range.count && (!next || of < Argument::weights))
        throw std::invalid_argument(names[k] + " is named twice");
      if (!next)
        range.first = static_cast<Index>(k);
      ++range.count;
    }
  }
  void forward(const nb::list& arrays, Index threads) {
    unrolled::forward(*bound_, given(arrays), threads, every_);
  }
  void backward(const nb::list& arrays, Index threads) {
    unrolled::backward(*bound_, given(arrays), threads, every_);
  }

private:
  struct Range {
    Index first = 0, count = 0;
  };
  Arguments given(const nb::list& arrays) const {
    if (static_cast<Index>(arrays.size()) != count_)
      throw std::invalid_argument("arrays are " + std::to_string(arrays.size()) + "; wanted " +
                                  std::to_string(count_));
    const Items all = items_of(arrays, "arrays");
    Arguments given;
    for (std::size_t k = 0; k < at_.size(); ++k)
      if (at_[k].count)
        given[static_cast<Argument>(k)] = {all.first + at_[k].first, at_[k].count};
    return given;
  }

  nb::object owner_;
  Bound<Real>* bound_;
  Index every_, count_;
  std::array<Range, std::size(arguments)> at_;
};

/* Throws where a parameter that the kernel reads is missing, or where one is named that it has not. */
template <class Real>
void require_names(const std::string& cell, const Bound<Real>& bound) {
  const Parameters<const Real>& p = bound.given;
  const Kernel<Real>& kernel = bound.recurrence.kernel();
  const Sizes& n = bound.recurrence.sizes()[0];
  const bool has_c = kernel.has_c, peephole = cell.find(".peephole") != std::string::npos,
             norm = p.gain_ih || p.gain_hh || p.gain_c,
             may_norm = kernel.tape(n, {}) > 0; // layer norm keeps what it divided by
  const auto want = [&](bool there, const char* name) {
    if (!there)
      throw std::invalid_argument(std::string(name) + " is missing among the parameters of " + cell);
  };
  const auto refuse = [&](bool there, const char* name, bool has) {
    if (there && !has)
      throw std::invalid_argument(std::string(name) + " is no parameter of this " + cell);
  };
  refuse(p.peephole.data, "weight_peephole", peephole);
  refuse(p.hr.data, "weight_hr", has_c);
  refuse(p.gain_ih, "gain_ih", may_norm);
  refuse(p.gain_hh, "gain_hh", may_norm);
  refuse(p.gain_c, "gain_c", has_c);
  refuse(p.shift_c, "shift_c", p.gain_c);
  want(p.ih.data, "weight_ih");
  want(p.hh.data, "weight_hh");
  want(!peephole || p.peephole.data, "weight_peephole");
  want(!norm || p.gain_ih, "gain_ih");
  want(!norm || p.gain_hh, "gain_hh");
  want(!norm || !has_c || p.gain_c, "gain_c");
  for (const Sizes& place : bound.recurrence.sizes())
    want(place.P == place.H || p.hr.data, "weight_hr");
}

template <class Real>
nb::object make(const std::string& cell, Index block, const std::vector<std::string>& names,
                const std::vector<std::array<Index, 3>>& sizes, const std::vector<bool>& reverse) {
  std::vector<Sizes> own;
  for (const auto& [I, H, P] : sizes)
    own.push_back({0, 0, I, H, P, block});
  auto bound = std::unique_ptr<Bound<Real>>(new Bound<Real>{{cell, own, reverse}, {}, {}, {}});
  static const Real some = 0;
  for (const std::string& name : names) {
    const Of of = member_of(name);
    bound->names.push_back(of);
    const Member<const Real>& member = members<const Real>[of];
    if (member.matrix ? (bound->given.*member.matrix).data : bound->given.*member.vector)
      throw std::invalid_argument(name + " is named twice");
    if (member.matrix)
      (bound->given.*member.matrix).data = &some;
    else
      bound->given.*member.vector = &some;
  }
  require_names(cell, *bound);
  return nb::cast(std::move(bound));
}

template <class Real>
void define(nb::module_& m, const char* name) {
  using Self = Bound<Real>;
  nb::class_<Self>(m, name, nb::is_weak_referenceable())
      .def_prop_rw(
          "frozen", [](const Self& self) { return self.recurrence.frozen(); },
          [](Self& self, bool frozen) {
            self.frozen = nullptr;
            self.recurrence.freeze(frozen);
          })
      .def("trace_width",
           [](const Self& self, Index every) { return self.recurrence.trace_width(every, self.given); })
      .def(
          "ordered",
          [](const nb::object& self, const std::vector<std::string>& names, Index every) {
            return Ordered<Real>(self, names, every);
          },
          nb::arg("names"), nb::arg("every") = 0)
      .def(
          "forward",
          [](Self& self, Index threads, Index every, const nb::kwargs& arrays) {
            forward(self, Arguments(arrays), threads, every);
          },
          nb::kw_only(), nb::arg("threads"), nb::arg("every") = 0, nb::arg("arrays"))
      .def(
          "backward",
          [](Self& self, Index threads, Index every, const nb::kwargs& arrays) {
            backward(self, Arguments(arrays), threads, every);
          },
          nb::kw_only(), nb::arg("threads"), nb::arg("every") = 0, nb::arg("arrays"));
  nb::class_<Ordered<Real>>(m, (std::string(name) + "_ordered").c_str())
      .def("forward", &Ordered<Real>::forward, nb::arg("arrays"), nb::arg("threads"))
      .def("backward", &Ordered<Real>::backward, nb::arg("arrays"), nb::arg("threads"));
}

nb::object make_recurrence(const std::string& cell, const std::string& dtype, Index block,
                           const std::vector<std::string>& names,
                           const std::vector<std::array<Index, 3>>& sizes, const std::vector<bool>& reverse) {
  if (dtype == "float32")
    return make<float>(cell, block, names, sizes, reverse);
  if (dtype == "float64")
    return make<double>(cell, block, names, sizes, reverse);
  throw std::invalid_argument("no kernel in " + dtype + "; wanted float32 or float64");
}

} // namespace

void bind_recurrence(nb::module_& m) {
  define<float>(m, "Recurrence_float32");
  define<double>(m, "Recurrence_float64");
  m.def("Recurrence", make_recurrence, nb::arg("cell"), nb::arg("dtype"), nb::arg("block"), nb::arg("names"),
        nb::arg("sizes"), nb::arg("reverse"));
}

} // namespace unrolled
