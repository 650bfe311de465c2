#include "layer.h"

#include <cstring>
#include <stdexcept>

#include "memory.h"

namespace unrolled {

namespace {

template <class Real>
Index place(const std::string& cell) {
  const auto& cells = kernels<Real>(isa()).cells;
  Index i = 0;
  for (const Kernel<Real>& kernel : cells) {
    if (cell == kernel.name)
      return i;
    ++i;
  }
  throw std::invalid_argument("no kernel for '" + cell + "'");
}

/* The numbers of a small matrix, some of a large one, spread over it. */
template <class Real>
void sample(const Matrix<const Real>& m, Index rows, Index columns, std::vector<Real>& to) {
  constexpr Index some = 16, few = 512;
  if (!m.data)
    return;
  const Index all = rows * columns;
  if (all <= few)
    for (Index r = 0; r < rows; ++r)
      to.insert(to.end(), m.data + r * m.row, m.data + r * m.row + columns);
  else
    for (Index k = 0; k < some; ++k) {
      const Index at = all * k / some + k;
      to.push_back(m.data[at / columns * m.row + at % columns]);
    }
}

} // namespace

template <class Real>
Layer<Real>::Layer(const std::string& cell, const Sizes& s, const Parameters<const Real>& p)
    : sizes(s), parameters(p), cell_(place<Real>(cell)) {}

template <class Real>
const Kernel<Real>& Layer<Real>::kernel() const {
  return kernels<Real>(isa()).cells[cell_];
}

template <class Real>
std::shared_ptr<const typename Layer<Real>::Packs> Layer<Real>::packs(bool forward, bool backward) {
  const std::lock_guard lock(mutex_);
  std::vector<Real> now = sample();
  const bool same =
      packs_ && isa_ == &isa() && std::memcmp(now.data(), sample_.data(), now.size() * sizeof(Real)) == 0;
  const bool complete = same && (!forward || packs_->memory[0]) && (!backward || packs_->memory[1]);
  if (complete)
    return packs_;
  auto fresh = same ? std::make_shared<Packs>(*packs_) : std::make_shared<Packs>();
  if (forward && !fresh->memory[0])
    pack(*fresh, false);
  if (backward && !fresh->memory[1])
    pack(*fresh, true);
  sample_ = std::move(now);
  isa_ = &isa();
  packs_ = fresh;
  return fresh;
}

template <class Real>
void Layer<Real>::pack(Packs& packs, bool backward) const {
  Weights<Real>& weights = backward ? packs.backward : packs.forward;
  const Index numbers = kernel().pack(sizes, parameters, backward, nullptr, weights);
  std::shared_ptr<Real>& memory = packs.memory[backward];
  memory.reset(static_cast<Real*>(allocate(static_cast<std::size_t>(numbers) * sizeof(Real))), release);
  kernel().pack(sizes, parameters, backward, memory.get(), weights);
}

template <class Real>
std::vector<Real> Layer<Real>::sample() const {
  const Index gates = kernel().gates * sizes.H;
  std::vector<Real> numbers;
  unrolled::sample(parameters.ih, gates, sizes.I, numbers);
  unrolled::sample(parameters.hh, gates, sizes.P, numbers);
  unrolled::sample(parameters.hr, sizes.P, sizes.H, numbers);
  unrolled::sample<Real>({parameters.bias_ih, gates}, 1, gates, numbers);
  unrolled::sample<Real>({parameters.bias_hh, gates}, 1, gates, numbers);
  return numbers;
}

template class Layer<float>;
template class Layer<double>;

} // namespace unrolled
