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

/* The numbers of a small matrix, some of a large one, spread over it: visit(numbers, how many). */
template <class Real, class Visit>
void visit_sample(const Matrix<const Real>& m, Index rows, Index columns, Visit& visit) {
  constexpr Index some = 16, few = 512;
  if (!m.data)
    return;
  const Index all = rows * columns;
  if (all <= few)
    for (Index r = 0; r < rows; ++r)
      visit(m.data + r * m.row, columns);
  else
    for (Index k = 0; k < some; ++k) {
      const Index at = all * k / some + k;
      visit(m.data + at / columns * m.row + at % columns, 1);
    }
}

} // namespace

template <class Real>
Layer<Real>::Layer(const std::string& cell, const Sizes& s, const Parameters<const Real>& p)
    : sizes(s), parameters(p), cell_(place<Real>(s.K > 1 ? cell + ".blocks" : cell)) {
  if (s.K < 1 || s.H % s.K)
    throw std::invalid_argument(std::to_string(s.H) + " units in memory blocks of " + std::to_string(s.K));
}

template <class Real>
const Kernel<Real>& Layer<Real>::kernel() const {
  return kernels<Real>(isa()).cells[cell_];
}

template <class Real>
std::shared_ptr<const typename Layer<Real>::Packs> Layer<Real>::packs(bool forward, bool backward) {
  const std::lock_guard lock(mutex_);
  bool same = packs_ && isa_ == &isa() && !renewed_;
  std::size_t at = 0;
  if (same)
    visit_sample([&](const Real* numbers, Index count) {
      same = same && std::memcmp(numbers, &sample_[at], static_cast<std::size_t>(count) * sizeof(Real)) == 0;
      at += static_cast<std::size_t>(count);
    });
  if (same && (!forward || packs_->memory[0]) && (!backward || packs_->memory[1]))
    return packs_;
  auto fresh = std::make_shared<Packs>();
  if (same)
    *fresh = *packs_;
  else if (isa_ == &isa() && packs_.use_count() == 1) // nobody reads the old ones: their memory serves again
    for (const bool of : {false, true})
      if (packs_->memory[of].use_count() == 1)
        spare_[of] = packs_->memory[of];
  packs_ = nullptr;
  for (const bool of : {false, true})
    if ((of ? backward : forward) && !(same && fresh->memory[of]))
      pack(*fresh, of);
  spare_[0] = spare_[1] = nullptr;
  sample_.clear();
  visit_sample(
      [&](const Real* numbers, Index count) { sample_.insert(sample_.end(), numbers, numbers + count); });
  isa_ = &isa();
  renewed_ = false;
  packs_ = fresh;
  return fresh;
}

template <class Real>
void Layer<Real>::renew() {
  const std::lock_guard lock(mutex_);
  renewed_ = true;
}

template <class Real>
void Layer<Real>::pack(Packs& packs, bool backward) const {
  Weights<Real>& weights = backward ? packs.backward : packs.forward;
  const Index numbers = kernel().pack(sizes, parameters, backward, nullptr, weights);
  std::shared_ptr<Real>& memory = packs.memory[backward];
  memory = spare_[backward];
  if (!memory)
    memory.reset(static_cast<Real*>(allocate(static_cast<std::size_t>(numbers) * sizeof(Real))), release);
  kernel().pack(sizes, parameters, backward, memory.get(), weights);
}

template <class Real>
template <class Visit>
void Layer<Real>::visit_sample(Visit visit) const {
  const Index rows = kernel().rows(sizes);
  unrolled::visit_sample(parameters.ih, rows, sizes.I, visit);
  unrolled::visit_sample(parameters.hh, rows, sizes.P, visit);
  unrolled::visit_sample(parameters.hr, sizes.P, sizes.H, visit);
  unrolled::visit_sample<Real>({parameters.bias_ih, rows}, 1, rows, visit);
  unrolled::visit_sample<Real>({parameters.bias_hh, rows}, 1, rows, visit);
}

template class Layer<float>;
template class Layer<double>;

} // namespace unrolled
