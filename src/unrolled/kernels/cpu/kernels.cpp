/* All kernels of one instruction set. Compiled once for each; UNROLLED_ISA is its name (CMakeLists.txt). */
#include "kernels.h"

#include "elman.h"
#include "engine.h"
#include "heads_built.h"

#define UNROLLED_TEXT(name) #name
#define UNROLLED_STRING(name) UNROLLED_TEXT(name)

namespace unrolled::UNROLLED_ISA {

extern const Isa built;

namespace {

template <class Cell>
void forward(const Forward<typename Cell::Real, Cell::states>& call, const Plan& plan) {
  ForwardRun<Cell>(call, plan).run();
}

template <class Cell>
void backward(const Backward<typename Cell::Real, Cell::states>& call, const Plan& plan) {
  BackwardRun<Cell>(call, plan).run();
}

template <class Real, Vec<Real> (*f)(Vec<Real>)>
void map(Index count, const Real* from, Real* to) {
  over_units<Real>(count, [&](Index i, Index some) { store(to + i, f(load(from + i, some)), some); });
}

/* In the order of kernels.h. */
template <class Real>
constexpr Kernels<Real> kernels = {
    {forward<Elman<Real, Tanh>>, forward<Elman<Real, Relu>>, forward<Elman<Real, Sigmoid>>},
    {backward<Elman<Real, Tanh>>, backward<Elman<Real, Relu>>, backward<Elman<Real, Sigmoid>>},
    {map<Real, exp<Real>>, map<Real, log<Real>>, map<Real, tanh<Real>>, map<Real, sigmoid<Real>>},
};

} // namespace

constinit const Isa built = {UNROLLED_STRING(UNROLLED_ISA), kernels<float>, kernels<double>, heads<float>,
                             heads<double>};

} // namespace unrolled::UNROLLED_ISA
