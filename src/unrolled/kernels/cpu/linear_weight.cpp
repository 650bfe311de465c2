#include "linear_weight.h"

#include "memory.h"

namespace unrolled {

namespace {

constexpr Index many_rows = 480; // a product of so many packs the weight twice where it was not packed before

} // namespace

void LinearWeight::freeze(bool frozen) {
  const std::lock_guard lock(mutex_);
  looked_ = looked_ && frozen_ && frozen;
  frozen_ = frozen;
}

std::shared_ptr<void> LinearWeight::known(const Key& key) {
  const std::lock_guard lock(mutex_);
  return frozen_ && looked_ && seen_.key == key ? seen_.numbers : nullptr;
}

std::shared_ptr<void> LinearWeight::known(const Key& key, const Fingerprint& print, bool& again) {
  const std::lock_guard lock(mutex_);
  again = seen_.key == key && seen_.print == print;
  if (!again)
    seen_ = {key, print, nullptr};
  looked_ = frozen_;
  again = again || frozen_;
  return seen_.numbers;
}

template <class Real>
std::shared_ptr<void> LinearWeight::numbers(const Heads<Real>& heads, const Linear<Real>& call,
                                            Index threads) {
  const Key key = {&isa(), sizeof(Real), call.weight.data, call.out, call.in, call.weight.row};
  if (std::shared_ptr<void> packed = known(key))
    return packed;
  const Memory all = memory<Real>(call.weight, call.out, call.in);
  const Fingerprint print = fingerprint(&all, 1);
  bool again = false;
  if (std::shared_ptr<void> packed = known(key, print, again))
    return packed;
  if (!again && call.rows < many_rows)
    return nullptr;
  const auto bytes = static_cast<std::size_t>(heads.packed_size(call.in, call.out)) * sizeof(Real);
  const std::shared_ptr<void> packed(allocate(bytes), release);
  heads.pack(call.weight, call.in, call.out, static_cast<Real*>(packed.get()), threads);
  const std::lock_guard lock(mutex_);
  if (seen_.key == key && seen_.print == print)
    seen_.numbers = packed;
  return packed;
}

template <class Real>
void LinearWeight::forward(const Heads<Real>& heads, Linear<Real> call, Index threads) {
  const std::shared_ptr<void> packed = numbers(heads, call, threads);
  call.packed = static_cast<const Real*>(packed.get());
  heads.linear(call, threads);
}

template void LinearWeight::forward(const Heads<float>&, Linear<float>, Index);
template void LinearWeight::forward(const Heads<double>&, Linear<double>, Index);

} // namespace unrolled
