/* Runs the pool, whole networks and attention, forward and backward, from several threads at once, on our own
   threads and on an OpenMP's, and compares every number with the same call made alone. scripts/sanitize.sh
   builds it under ThreadSanitizer, which sees our threads but not libgomp's, and under AddressSanitizer; it
   needs no Python. Arguments name the instruction sets to run, all of this machine's without. */
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <deque>
#include <limits>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "isa.h"
#include "planner.h"
#include "pool.h"
#include "recurrence.h"

namespace {

using namespace unrolled;

constexpr Index callers = 3, threads = 3;

void require(bool holds, const std::string& what) {
  if (!holds)
    throw std::runtime_error(what);
}

/* Arrays, each on its own so that a step past its end is seen. */
template <class Real>
class Arrays {
public:
  template <class Fill>
  Real* take(Index count, const Fill& fill) {
    arrays_.push_back(std::vector<Real>(static_cast<std::size_t>(count)));
    std::generate(arrays_.back().begin(), arrays_.back().end(), fill);
    return arrays_.back().data();
  }
  bool same_bits(const Arrays& other) const {
    return std::equal(arrays_.begin(), arrays_.end(), other.arrays_.begin(), other.arrays_.end(),
                      [](const auto& a, const auto& b) {
                        return a.size() == b.size() &&
                               !std::memcmp(a.data(), b.data(), a.size() * sizeof(Real));
                      });
  }

private:
  std::deque<std::vector<Real>> arrays_;
};

struct Shape {
  const char* what;
  Index B, I, H, every, layers, directions;
  bool rich; // layer norm, and a projection where there is one
};

constexpr Shape shapes[] = {
    {"rows dealt out", 22, 19, 37, 0, 1, 1, false},      {"rows dealt out, rich", 22, 19, 37, 0, 1, 1, true},
    {"units shared", 1, 7, 181, 0, 1, 1, false},         {"two directions", 9, 19, 37, 0, 1, 2, false},
    {"two layers, both ways", 5, 7, 23, 0, 2, 2, false}, {"states kept", 10, 19, 37, 5, 1, 1, false},
};

/* Time steps that make a call worth several threads (planner.cpp), in few multiply-adds. */
Index steps(Index multiply_adds_of_one) {
  constexpr Index worth_it = 450'000, least = 7;
  return std::max(least, worth_it / multiply_adds_of_one);
}

/* A network of one shape with its inputs; any thread may run it. */
template <class Real>
class Case {
public:
  Case(const Kernel<Real>& kernel, const Shape& shape)
      : kernel_(kernel), shape_(shape),
        cell_(std::string(kernel.name).substr(0, std::string(kernel.name).find(".blocks"))),
        norm_(shape.rich && cell_.find("elman")), sizes_(sizes_of(kernel, shape)),
        recurrence_(cell_, sizes_,
                    shape.directions > 1 ? std::vector<bool>{false, true} : std::vector<bool>{false}),
        T_(steps(kernel.rows(sizes_[0]) * (sizes_[0].I + sizes_[0].H) * shape.B)) {
    const auto [T, B, I, H, P, K] = sizes_[0];
    for (auto& weights : parameters_)
      for (const Sizes& n : sizes_)
        weights.push_back(parameters<const Real>(n, inputs_, random()));
    x_ = input(T_ * shape.B * I);
    initial_ = input(shape.B * H);
    dy_ = input(T_ * shape.B * P * shape.directions);
    for (Index b = 0; b < shape.B; ++b)
      lengths_.push_back(T_ - b * T_ / std::max<Index>(shape.B - 1, 1)); // the last row has none
  }

  /* All that comes out of a forward and a backward call with one or the other weights. */
  Arrays<Real> run(Index which) {
    const Index T = T_, B = shape_.B, I = sizes_[0].I, F = sizes_[0].P * shape_.directions;
    const Index every = shape_.every, kept = every ? (T + every - 1) / every : T;
    Arrays<Real> out, traces;
    RecurrenceCall<Real> call{};
    call.T = T;
    call.B = B;
    call.tokens = T * B;
    call.threads = threads;
    call.every = every;
    call.lengths = lengths_.data();
    call.x = {x_, B * I, I};
    call.y = {out.take(T * B * F, unwritten), B * F, F};
    call.trace = traces.take(kept * B * recurrence_.trace_width(every, parameters_[0][0]), unwritten);
    for (std::size_t p = 0; p < sizes_.size(); ++p)
      call.places.push_back(forward_place(which, p, out));
    recurrence_.forward(call);
    call.dy = {dy_, B * F, F};
    call.dx = out.take(T * B * I, unwritten);
    for (std::size_t p = 0; p < sizes_.size(); ++p)
      backward_place(p, out, call.places[p]);
    recurrence_.backward(call);
    return out;
  }

  std::string name() const { return std::string(kernel_.name) + ", " + shape_.what; }

private:
  static std::vector<Sizes> sizes_of(const Kernel<Real>& kernel, const Shape& shape) {
    const bool blocks = std::string(kernel.name).find(".blocks") != std::string::npos;
    Sizes n{0, shape.B, shape.I, shape.H, shape.H, 1};
    if (blocks) {
      n.K = 3;
      n.H = n.P = shape.H - shape.H % n.K;
    }
    if (shape.rich && kernel.has_c)
      n.P = n.H - 5;
    std::vector<Sizes> sizes;
    for (Index layer = 0; layer < shape.layers; ++layer) {
      sizes.insert(sizes.end(), static_cast<std::size_t>(shape.directions), n);
      n.I = n.P * shape.directions;
    }
    return sizes;
  }

  auto random() {
    return [this] { return std::uniform_real_distribution<Real>(-1, 1)(generator_); };
  }
  const Real* input(Index count) { return inputs_.take(count, random()); }

  /* The parameters of a place, or room for their gradients. */
  template <class R, class Fill>
  Parameters<R> parameters(const Sizes& n, Arrays<Real>& memory, const Fill& fill) const {
    const Index sums = kernel_.rows(n), H = n.H, P = n.P;
    const auto rows = [&](Index count, Index width) {
      return Matrix<R>{memory.take(count * width, fill), width};
    };
    Parameters<R> p{};
    p.ih = rows(sums, n.I);
    p.hh = rows(sums, P);
    p.bias_ih = memory.take(sums, fill);
    p.bias_hh = memory.take(sums, fill);
    if (P < H)
      p.hr = rows(P, H);
    if (cell_.find("peephole") != std::string::npos)
      p.peephole = rows(cell_.find("coupled") == std::string::npos ? 3 : 2, H);
    if (norm_) {
      p.gain_ih = memory.take(sums, fill);
      p.gain_hh = memory.take(sums, fill);
    }
    if (norm_ && kernel_.has_c) {
      p.gain_c = memory.take(H, fill);
      p.shift_c = memory.take(H, fill);
    }
    return p;
  }

  static Real unwritten() { return std::numeric_limits<Real>::quiet_NaN(); }

  PlaceCall<Real> forward_place(Index which, std::size_t p, Arrays<Real>& out) const {
    const Index B = shape_.B, H = sizes_[p].H, P = sizes_[p].P;
    PlaceCall<Real> place{};
    place.parameters = parameters_[which][p];
    place.h0 = {initial_, P};
    place.h = {out.take(B * P, unwritten), P};
    if (kernel_.has_c) {
      place.c0 = {initial_, H};
      place.c = {out.take(B * H, unwritten), H};
    }
    if (kernel_.has_c && shape_.layers == 1)
      place.every_c = {out.take(T_ * B * H, unwritten), B * H, H};
    return place;
  }

  void backward_place(std::size_t p, Arrays<Real>& out, PlaceCall<Real>& place) const {
    const Index B = shape_.B, H = sizes_[p].H, P = sizes_[p].P;
    place.dh = {initial_, P};
    place.dh0 = {out.take(B * P, unwritten), P};
    if (kernel_.has_c) {
      place.dc = {initial_, H};
      place.dc0 = {out.take(B * H, unwritten), H};
    }
    place.d = parameters<Real>(sizes_[p], out, unwritten);
  }

  const Kernel<Real>& kernel_;
  const Shape& shape_;
  const std::string cell_;
  const bool norm_;
  const std::vector<Sizes> sizes_;
  Recurrence<Real> recurrence_;
  const Index T_;
  std::mt19937 generator_{7};
  Arrays<Real> inputs_;
  std::vector<Parameters<const Real>> parameters_[2];
  const Real *x_, *initial_, *dy_;
  std::vector<Index> lengths_;
};

/* body(caller) on several threads at once. */
template <class Body>
void at_once(const Body& body) {
  std::vector<std::exception_ptr> failures(callers);
  std::vector<std::thread> running;
  for (Index caller = 0; caller < callers; ++caller)
    running.emplace_back([&, caller] {
      try {
        body(caller);
      } catch (...) {
        failures[caller] = std::current_exception();
      }
    });
  for (std::thread& thread : running)
    thread.join();
  for (const std::exception_ptr& failure : failures)
    if (failure)
      std::rethrow_exception(failure);
}

/* Weights are packed by whoever of the callers comes first, and anew where another has packed others. */
template <class Real>
void networks() {
  for (const Kernel<Real>& kernel : kernels<Real>(isa()).cells)
    for (const Shape& shape : shapes) {
      Case<Real> alone(kernel, shape), together(kernel, shape);
      const Arrays<Real> wanted[] = {alone.run(0), alone.run(1)};
      at_once([&](Index caller) {
        for (const Index which : {caller % 2, Index{1}})
          require(together.run(which).same_bits(wanted[which]), together.name() + ": other bits");
      });
    }
}

/* Attention over a memory of rows of all lengths, forward and backward. */
template <class Real>
class Attending {
public:
  explicit Attending(AttentionKind kind) : kind_(kind) {
    const auto random = [this] { return std::uniform_real_distribution<Real>(-1, 1)(generator_); };
    for (Index b = 0; b < B; ++b)
      lengths_.push_back(T - b * (T - 1) / (B - 1));
    q_ = inputs_.take(B * S * D, random);
    k_ = inputs_.take(B * T * D, random);
    v_ = inputs_.take(B * T * H, random);
    u_ = inputs_.take(D, random);
    dc_ = inputs_.take(B * S * H, random);
  }

  Arrays<Real> run(Index most) const {
    const auto unwritten = [] { return std::numeric_limits<Real>::quiet_NaN(); };
    const Heads<Real>& heads = heads_of();
    const Attention<Real> call{
        kind_, B, S, T, D, H, nullptr, lengths_.data(), {q_, D, S * D}, {k_, D, T * D}, {v_, H, T * H}, u_};
    Arrays<Real> out;
    Real* w = out.take(B * S * T, unwritten);
    heads.attention(call, out.take(B * S * H, unwritten), w, most);
    AttentionBackward<Real> back{call, w, {dc_, H, S * H}, nullptr, nullptr, nullptr, nullptr};
    back.dq = out.take(B * S * D, unwritten);
    back.dk = out.take(B * T * D, unwritten);
    back.dv = out.take(B * T * H, unwritten);
    back.du = kind_ == AttentionKind::additive ? out.take(D, unwritten) : nullptr;
    heads.attention_backward(back, most);
    return out;
  }

private:
  static const Heads<Real>& heads_of() {
    if constexpr (std::is_same_v<Real, float>)
      return isa().heads_float32;
    else
      return isa().heads_float64;
  }

  static constexpr Index B = 5, S = 19, T = 131, D = 23, H = 41;
  AttentionKind kind_;
  std::mt19937 generator_{11};
  Arrays<Real> inputs_;
  std::vector<Index> lengths_;
  const Real *q_, *k_, *v_, *u_, *dc_;
};

template <class Real>
void attentions() {
  for (const AttentionKind kind : {AttentionKind::dot, AttentionKind::additive}) {
    const Attending<Real> attending(kind);
    const Arrays<Real> wanted = attending.run(1);
    at_once([&](Index) { require(attending.run(threads).same_bits(wanted), "attention: other bits"); });
  }
}

void every_task_once() {
  constexpr Index tasks = 50;
  at_once([](Index caller) {
    std::vector<Index> done(tasks);
    pool::run(tasks, threads, [&](Index task) { done[task] += caller + task; });
    for (Index task = 0; task < tasks; ++task)
      require(done[task] == caller + task, "a task ran twice or never");
  });
}

/* What a member writes before a meeting, all others read after it. */
void a_team_meets() {
  constexpr Index rounds = 40;
  at_once([](Index caller) {
    std::vector<Index> written(threads);
    pool::Barrier barrier;
    pool::team(threads, [&](Index member, Index size) {
      for (Index round = 0; round < rounds; ++round) {
        written[member] = caller + round * size;
        barrier.wait(size);
        for (Index other = 0; other < size; ++other)
          require(written[other] == caller + round * size, "a member went on before the others had come");
        barrier.wait(size);
      }
    });
  });
}

void a_failure_comes_out() {
  at_once([](Index) {
    for (int k = 0; k < 20; ++k) {
      bool thrown = false;
      try {
        pool::run(9, threads, [](Index task) { require(task % 4 != 3, "meant to fail"); });
      } catch (const std::runtime_error&) {
        thrown = true;
      }
      require(thrown, "an exception was lost");
    }
  });
}

void pool_itself() {
  every_task_once();
  a_team_meets();
  a_failure_comes_out();
}

/* An OpenMP of our own making, so that ThreadSanitizer sees its threads. */
namespace openmp {

thread_local int member = 0, size = 1;

void parallel(void (*body)(void*), void* data, unsigned wanted, unsigned) {
  const int outer_member = member, outer_size = size;
  const auto work = [=](int number) {
    member = number;
    size = static_cast<int>(wanted);
    body(data);
  };
  std::vector<std::thread> others;
  for (int number = 1; number < static_cast<int>(wanted); ++number)
    others.emplace_back(work, number);
  work(0);
  for (std::thread& other : others)
    other.join();
  member = outer_member;
  size = outer_size;
}

} // namespace openmp

} // namespace

int main(int count, char** arguments) {
  const bool brief = count > 1 && std::string(arguments[1]) == "short";
  try {
    for (const bool foreign : {false, true}) {
      if (foreign)
        pool::use_openmp({openmp::parallel, [] { return openmp::size; }, [] { return openmp::member; }});
      pool_itself();
      std::vector<std::string> names = isas();
      names.resize(brief ? !foreign : names.size());
      for (const std::string& name : names) {
        use_isa(name);
        networks<float>();
        attentions<float>();
        if (!brief) {
          networks<double>();
          attentions<double>();
        }
        std::printf("%s, %s threads: the same bits, alone and from %d callers\n", name.c_str(),
                    foreign ? "OpenMP's" : "our own", static_cast<int>(callers));
      }
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", isa().name, error.what());
    return 1;
  }
}
