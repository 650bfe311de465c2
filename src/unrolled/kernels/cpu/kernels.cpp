/* All kernels of one instruction set. Compiled once for each; UNROLLED_ISA is its name (CMakeLists.txt). */
#include "kernels.h"

#include "backward.h"
#include "blocks.h"
#include "elman.h"
#include "fingerprint_built.h"
#include "gru.h"
#include "heads_built.h"
#include "mgu.h"
#include "pack.h"

#define UNROLLED_TEXT(name) #name
#define UNROLLED_STRING(name) UNROLLED_TEXT(name)

namespace unrolled::UNROLLED_ISA {

extern const Isa built;

namespace {

/* All parts of one direction or two: their threads share a part, or each takes parts of its own. */
template <class Run>
void run_parts(const Run* const* runs, const Plan* const* plans, Index directions) {
  pool::Barrier barrier;
  if (plans[0]->crew > 1)
    return pool::team(plans[0]->crew, [&](Index member, Index size) {
      runs[0]->run(Crew{member, size, barrier}, Part(*plans[0], 0));
    });
  const Index first = plans[0]->parts, all = first + (directions > 1 ? plans[1]->parts : 0);
  pool::run(all, plans[0]->threads, [&](Index task) {
    const Index d = task < first ? 0 : 1;
    runs[d]->run(Crew{0, 1, barrier}, Part(*plans[d], task - d * first));
  });
}

template <class Cell>
void forward(const Forward<typename Cell::Real>* calls, const Weights<typename Cell::Real>* w,
             const Plan* const* plans, Index directions) {
  const ForwardRun<Cell> first(calls[0], w[0], *plans[0]);
  const ForwardRun<Cell>* runs[] = {&first, nullptr};
  if (directions == 1)
    return run_parts(runs, plans, 1);
  const ForwardRun<Cell> second(calls[1], w[1], *plans[1]);
  runs[1] = &second;
  run_parts(runs, plans, 2);
}

template <class Cell>
void backward(BackwardRun<Cell>* const* runs, const Plan* const* plans, Index directions) {
  Index left[2] = {runs[0]->chunks(), directions > 1 ? runs[1]->chunks() : 0};
  while (left[0] > 0 || left[1] > 0) {
    const BackwardRun<Cell>* now[2];
    const Plan* of[2];
    Index count = 0;
    for (Index d = 0; d < directions; ++d)
      if (left[d] > 0) {
        runs[d]->enter(--left[d]);
        now[count] = runs[d];
        of[count++] = plans[d];
      }
    run_parts(now, of, count);
    for (Index d = 0; d < count; ++d)
      now[d]->add_weights(of[d]->threads);
  }
  for (Index d = 0; d < directions; ++d)
    runs[d]->finish();
}

template <class Cell>
void backward(const Backward<typename Cell::Real>* calls, const Weights<typename Cell::Real>* w,
              const Weights<typename Cell::Real>* again, const Plan* const* plans, Index directions) {
  BackwardRun<Cell> first(calls[0], w[0], again[0], *plans[0]);
  BackwardRun<Cell>* runs[] = {&first, nullptr};
  if (directions == 1)
    return backward<Cell>(runs, plans, 1);
  BackwardRun<Cell> second(calls[1], w[1], again[1], *plans[1]);
  runs[1] = &second;
  backward<Cell>(runs, plans, 2);
}

template <class Cell>
Index rows(const Sizes& sizes) {
  return Cell::form.rows(sizes);
}

template <class Cell>
Index tape(const Sizes& sizes, const Parameters<const typename Cell::Real>& p) {
  return Cell::form.keeps_sums ? Layout(Cell::form, sizes, p).width : 0;
}

template <class Cell>
bool shares(const Parameters<const typename Cell::Real>& p) {
  return Cell::form.by_unit && !Cell::form.two_phase && !p.gain_ih && !p.hr.data;
}

template <class Cell>
Index pack(const Sizes& sizes, const Parameters<const typename Cell::Real>& p, bool backward,
           typename Cell::Real* memory, Weights<typename Cell::Real>& w) {
  return pack_weights(Cell::form, sizes, p, backward, memory, w);
}

template <class Cell>
Index point(const Sizes& sizes, const Parameters<const typename Cell::Real>& p, bool backward,
            typename Cell::Real* memory, Weights<typename Cell::Real>& w) {
  return point_at_weights(Cell::form, sizes, p, backward, memory, w);
}

template <class Cell>
constexpr Kernel<typename Cell::Real> kernel(const char* name) {
  return {name,       Cell::form.has_c, rows<Cell>,    tape<Cell>,    shares<Cell>,
          pack<Cell>, point<Cell>,      forward<Cell>, backward<Cell>};
}

template <class Real, Vec<Real> (*f)(Vec<Real>)>
void map(Index count, const Real* from, Real* to) {
  over_units<Real>(0, count, [&](Index i, Index some) { store(to + i, f(load(from + i, some)), some); });
}

template <class Real>
void add_exponentials(Index count, const Real* a, const Real* b, Real* to) {
  over_units<Real>(0, count, [&](Index i, Index some) {
    store(to + i, logaddexp<Real>(load(a + i, some), load(b + i, some)), some);
  });
}

/* As src/unrolled/cells/ names them (Cell.kernel), with memory blocks a kernel of their own. */
template <class Real>
constexpr Kernel<Real> cells[] = {
    kernel<Elman<Real, Tanh>>("elman.tanh"),
    kernel<Elman<Real, Relu>>("elman.relu"),
    kernel<Elman<Real, Sigmoid>>("elman.sigmoid"),
    kernel<Gru<Real, false>>("gru"),
    kernel<Gru<Real, true>>("gru.before"),
    kernel<Lstm<Real, false, false>>("lstm"),
    kernel<Lstm<Real, false, true>>("lstm.peephole"),
    kernel<Lstm<Real, true, false>>("lstm.coupled"),
    kernel<Lstm<Real, true, true>>("lstm.coupled.peephole"),
    kernel<Blocks<Real, false>>("lstm.blocks"),
    kernel<Blocks<Real, false>>("lstm.peephole.blocks"),
    kernel<Blocks<Real, true>>("lstm.coupled.blocks"),
    kernel<Blocks<Real, true>>("lstm.coupled.peephole.blocks"),
    kernel<Mgu<Real>>("mgu"),
};

template <class Real>
constexpr Kernels<Real> kernels = {
    cells<Real>,
    {map<Real, exp<Real>>, map<Real, log<Real>>, map<Real, tanh<Real>>, map<Real, sigmoid<Real>>},
    add_exponentials<Real>,
};

} // namespace

constinit const Isa built = {
    UNROLLED_STRING(UNROLLED_ISA), kernels<float>, kernels<double>, heads<float>, heads<double>, fingerprint};

} // namespace unrolled::UNROLLED_ISA
