#include "recurrence.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "arithmetic.h"
#include "memory.h"

namespace unrolled {

namespace {

template <class Real>
Index find_cell(const std::string& cell) {
  const auto& cells = kernels<Real>(isa()).cells;
  const auto found = std::find_if(std::begin(cells), std::end(cells),
                                  [&](const Kernel<Real>& kernel) { return cell == kernel.name; });
  if (found == std::end(cells))
    throw std::invalid_argument("no kernel for '" + cell + "'");
  return found - std::begin(cells);
}

/* To pack weights takes as long as some ten rows at one step (docs/decisions/0155): a call of few tokens
   takes no longer with weights as they stand than to know that packed ones are not old; one of some tokens
   not longer than to pack them. Nor does a call of one step, of any rows, which meets each weight once. */
constexpr Index few_tokens = 3, some_tokens = 16;

/* So few weights are looked at faster than a call without packed ones is made ready. */
constexpr Index few_weights = 4096;

/* What stands packed of a place's parameters; all others are read as they stand. */
template <class Real>
Fingerprint fingerprint_of(const Sizes& n, Index rows, const Parameters<const Real>& p) {
  Memory arrays[5];
  Index count = 0;
  const auto add = [&](const Matrix<const Real>& m, Index height, Index width) {
    if (m.data)
      arrays[count++] = memory<Real>(m, height, width);
  };
  add(p.ih, rows, n.I);
  add(p.hh, rows, n.P);
  add({p.bias_ih, 0}, 1, rows);
  add({p.bias_hh, 0}, 1, rows);
  add(p.hr, n.P, n.H);
  return fingerprint(arrays, count);
}

template <class Real>
Planner::Work work_of(const Sizes& n, Index rows, const Parameters<const Real>& p) {
  return {rows * (n.I + n.P) + (p.hr.data ? n.H * n.P : 0), rows * n.P};
}

/* The columns of one direction. */
template <class Real>
Sequence<Real> columns(const Sequence<Real>& s, Index offset) {
  return {s.data ? s.data + offset : nullptr, s.time, s.row, s.starts};
}

template <class Real>
Sequence<const Real> read_only(const Sequence<Real>& s) {
  return {s.data, s.time, s.row, s.starts};
}

/* N numbers a step, one row behind the other, packed where x is. */
template <class Real>
Sequence<Real> like_x(const RecurrenceCall<Real>& call, Real* data, Index N) {
  return {data, call.x.starts ? N : call.B * N, N, call.x.starts};
}

/* What a place's call takes as it comes. */
template <class Real>
Forward<Real> forward_of(const PlaceCall<Real>& place, const Sizes& n, const Sequence<const Real>& x,
                         const Sequence<Real>& y) {
  Forward<Real> one{};
  one.sizes = n;
  one.x = x;
  one.masks = place.masks;
  one.states[0] = y;
  one.states[1] = place.every_c;
  one.last[0] = place.h;
  one.last[1] = place.c;
  return one;
}

template <class Real>
Backward<Real> backward_of(const PlaceCall<Real>& place, const Sizes& n, const Sequence<const Real>& x,
                           const Sequence<Real>& y, const Sequence<const Real>& dy) {
  Backward<Real> one{};
  one.sizes = n;
  one.x = x;
  one.masks = place.masks;
  one.y = read_only(y);
  one.d_states[0] = dy;
  one.d_states[1] = place.d_every_c;
  one.d_last[0] = place.dh;
  one.d_last[1] = place.dc;
  one.d = place.d;
  one.wants_dh0 = place.dh0.data;
  return one;
}

/* Of two directions; of one, or where nobody wants them, nothing. */
template <class Real>
void add(Real* to, const Real* from, Index count) {
  for (Index i = 0; from && i < count; ++i)
    to[i] += from[i];
}

} // namespace

template <class Real>
Numbers<Real>::Numbers(Index count)
    : memory_(static_cast<Real*>(allocate(static_cast<std::size_t>(count) * sizeof(Real))), release) {}

template <class Real>
std::shared_ptr<Real> Shelf<Real>::take(Index count) {
  Real* memory = nullptr;
  {
    const std::lock_guard lock(spare_->mutex); // after those who read it have let it go
    if (spare_->count == count)
      memory = std::exchange(spare_->memory, nullptr);
  }
  if (!memory)
    memory = static_cast<Real*>(allocate(static_cast<std::size_t>(count) * sizeof(Real)));
  return {memory, [spare = spare_, count](Real* done) {
            const std::lock_guard lock(spare->mutex);
            std::swap(done, spare->memory);
            spare->count = count;
            release(done);
          }};
}

template <class Real>
std::shared_ptr<const typename PackedPlace<Real>::Packs>
PackedPlace<Real>::packs(const Isa& isa, const Kernel<Real>& kernel, const Sizes& sizes,
                         const Parameters<const Real>& parameters, bool forward, bool backward, bool frozen,
                         Index steps, Index tokens) {
  if (!frozen && tokens <= few_tokens && kernel.rows(sizes) * (sizes.I + sizes.P) >= few_weights)
    return unpacked(kernel, sizes, parameters, forward, backward);
  const bool look = !frozen || !looked_;
  Fingerprint now{};
  if (look) // first, so that what is written meanwhile is packed now or seen by the next call
    now = fingerprint_of(sizes, kernel.rows(sizes), parameters);
  const std::lock_guard lock(mutex_);
  looked_ = true;
  const bool same = packs_ && isa_ == &isa && (!look || now == fingerprint_);
  if (same && (!forward || packs_->memory[0]) && (!backward || packs_->memory[1]))
    return packs_;
  if (!frozen && (tokens <= some_tokens || steps == 1) && std::exchange(seen_[backward], now) != now)
    return unpacked(kernel, sizes, parameters, forward, backward);
  auto fresh = std::make_shared<Packs>();
  if (same)
    *fresh = *packs_;
  packs_ = nullptr; // where nobody reads it, its memory serves again
  for (const bool of : {false, true}) {
    if (!(of ? backward : forward) || fresh->memory[of])
      continue;
    Weights<Real>& weights = of ? fresh->backward : fresh->forward;
    fresh->memory[of] = shelves_[of].take(kernel.pack(sizes, parameters, of, nullptr, weights));
    kernel.pack(sizes, parameters, of, fresh->memory[of].get(), weights);
  }
  if (look)
    fingerprint_ = now;
  isa_ = &isa;
  packs_ = fresh;
  return fresh;
}

template <class Real>
std::shared_ptr<const typename PackedPlace<Real>::Packs>
PackedPlace<Real>::unpacked(const Kernel<Real>& kernel, const Sizes& sizes,
                            const Parameters<const Real>& parameters, bool forward, bool backward) {
  auto packs = std::make_shared<Packs>();
  if (forward) { // the sums of biases need memory
    packs->memory[0] = sums_.take(kernel.point(sizes, parameters, false, nullptr, packs->forward));
    kernel.point(sizes, parameters, false, packs->memory[0].get(), packs->forward);
  }
  if (backward)
    kernel.point(sizes, parameters, true, nullptr, packs->backward);
  return packs;
}

template <class Real>
void Recurrence<Real>::freeze(bool frozen) {
  for (PackedPlace<Real>& place : packed_)
    place.look(); // what was written before counts
  frozen_ = frozen;
}

template <class Real>
Recurrence<Real>::Recurrence(const std::string& cell, const std::vector<Sizes>& sizes,
                             const std::vector<bool>& reverse)
    : cell_(find_cell<Real>(!sizes.empty() && sizes[0].K > 1 ? cell + ".blocks" : cell)), sizes_(sizes),
      reverse_(reverse), zeros_([&] {
        Index most = 1;
        for (const Sizes& n : sizes)
          most = std::max({most, n.H, n.P});
        return static_cast<std::size_t>(most);
      }()),
      packed_(sizes.size()) {
  const Index D = directions();
  if (D < 1 || D > 2 || sizes.empty() || sizes.size() % reverse.size())
    throw std::invalid_argument("wanted the sizes of one or more layers, each in one direction or two");
  for (std::size_t p = 0; p < sizes.size(); ++p) {
    const Sizes& n = sizes[p];
    constexpr Index most = Index{1} << 31;
    std::string text = "sizes (I, H, P) are ";
    for (const Index size : {n.I, n.H, n.P})
      text.append(std::to_string(size)).append(" ");
    if (std::min({n.I, n.H, n.P, n.K}) < 1 || std::max({n.I, n.H, n.P, n.K}) > most || n.H % n.K)
      throw std::invalid_argument(text.append("in memory blocks of ").append(std::to_string(n.K)));
    const Index layer = static_cast<Index>(p) / D;
    if (layer > 0 && n.I != width(layer - 1))
      throw std::invalid_argument("layer " + std::to_string(layer) + " reads " + std::to_string(n.I) +
                                  " features; the one below gives " + std::to_string(width(layer - 1)));
    if (n.I != sizes[static_cast<std::size_t>(layer * D)].I)
      throw std::invalid_argument("both directions of a layer read the same features");
    if (n.P != n.H && !kernel().has_c)
      throw std::invalid_argument(text.append("; the h of this cell has no size of its own"));
    constexpr double most_weights = 1e12;
    const double weights = static_cast<double>(kernel().rows(n)) * static_cast<double>(n.I + n.P + n.H);
    if (weights > most_weights)
      throw std::invalid_argument(text.append("which is too large"));
    work_ += weights;
  }
}

template <class Real>
Index Recurrence<Real>::width(Index layer) const {
  Index sum = 0;
  for (Index d = 0; d < directions(); ++d)
    sum += sizes_[static_cast<std::size_t>(layer * directions() + d)].P;
  return sum;
}

template <class Real>
Index Recurrence<Real>::trace_width(Index every, const Parameters<const Real>& parameters) const {
  Index sum = 0;
  for (const Sizes& n : sizes_)
    sum += every > 0 ? (kernel().has_c ? n.H : 0) : kernel().tape(n, parameters);
  for (Index layer = 0; layer + 1 < layers(); ++layer)
    sum += width(layer);
  return sum;
}

template <class Real>
Sizes Recurrence<Real>::measured(const RecurrenceCall<Real>& call, Index place) const {
  Sizes n = sizes_[static_cast<std::size_t>(place)];
  n.T = call.T;
  n.B = call.B;
  return n;
}

template <class Real>
std::shared_ptr<const typename Recurrence<Real>::Plans>
Recurrence<Real>::plans(const RecurrenceCall<Real>& call) {
  const bool masked = call.places[0].masks.recurrent.data;
  if (!call.lengths) {
    const std::lock_guard lock(mutex_);
    if (plans_ && plans_->T == call.T && plans_->B == call.B && plans_->threads == call.threads &&
        plans_->masked == masked)
      return plans_;
  }
  auto fresh = std::make_shared<Plans>(Plans{call.T, call.B, call.threads, masked, {}});
  for (std::size_t p = 0; p < sizes_.size(); ++p) {
    const Sizes n = measured(call, static_cast<Index>(p));
    const Parameters<const Real>& parameters = call.places[p].parameters;
    fresh->planners.push_back(std::make_unique<Planner>(
        n, call.lengths, reverse_[p % reverse_.size()], call.threads, directions(),
        work_of(n, kernel().rows(n), parameters), !masked && kernel().shares(parameters)));
  }
  if (!call.lengths) {
    const std::lock_guard lock(mutex_);
    plans_ = fresh;
  }
  return fresh;
}

template <class Real>
typename Recurrence<Real>::Trace Recurrence<Real>::cut(const RecurrenceCall<Real>& call, Real* trace) const {
  Trace cut{{}, static_cast<Index>(sizes_.size())};
  cut.pieces.reserve(sizes_.size() + static_cast<std::size_t>(layers()));
  const auto take = [&](Index tokens, Index width) {
    cut.pieces.push_back(width > 0 ? trace : nullptr);
    if (trace)
      trace += tokens * width;
  };
  for (std::size_t p = 0; p < sizes_.size(); ++p)
    if (call.every > 0)
      take(call.B * kept_steps(call.T, call.every), kernel().has_c ? sizes_[p].H : 0);
    else
      take(call.B * call.T, kernel().tape(sizes_[p], call.places[p].parameters));
  for (Index layer = 0; layer + 1 < layers(); ++layer)
    take(call.T * call.B, width(layer));
  return cut;
}

template <class Real>
Matrix<const Real> Recurrence<Real>::initial(const Matrix<const Real>& given) const {
  return given.data ? given : Matrix<const Real>{zeros_.data(), 0};
}

template <class Real>
void Recurrence<Real>::forward(const RecurrenceCall<Real>& call) {
  const StandardArithmetic arithmetic;
  const auto planned = plans(call);
  const Trace trace = cut(call, call.trace);
  const Isa& used = isa();
  const Kernel<Real>& kernel = this->kernel(used);
  std::vector<Numbers<Real>> memory; // of layers between, and of c where nobody asks for it
  const Index D = directions();
  const bool last_first = !last_first_;
  last_first_ = last_first;
  Sequence<const Real> x = call.x;
  for (Index layer = 0; layer < layers(); ++layer) {
    Sequence<Real> y = call.y;
    if (layer + 1 < layers()) {
      const Index F = width(layer);
      y = like_x(call, trace.y(layer), F);
      if (!y.data)
        y.data = memory.emplace_back(call.tokens * F).data();
    }
    std::array<Forward<Real>, 2> calls{};
    std::array<Weights<Real>, 2> weights{};
    std::array<std::shared_ptr<const typename PackedPlace<Real>::Packs>, 2> packs;
    std::array<const Plan*, 2> of{};
    for (Index d = 0, offset = 0; d < D; ++d) {
      const auto k = static_cast<std::size_t>(d), p = static_cast<std::size_t>(layer * D + d);
      const PlaceCall<Real>& place = call.places[p];
      const Sizes n = measured(call, layer * D + d);
      packs[k] = packed_[p].packs(used, kernel, sizes_[p], place.parameters, true, false, frozen_, call.T,
                                  call.tokens);
      weights[k] = packs[k]->forward;
      weights[k].parameters = place.parameters;
      of[k] = &planned->planners[p]->plan();
      Forward<Real>& one = calls[k] = forward_of(place, n, x, columns(y, offset));
      one.every = call.trace ? call.every : 0;
      one.initial[0] = initial(place.h0);
      one.initial[1] = initial(place.c0);
      if (kernel.has_c && !place.c.data)
        one.last[1] = {memory.emplace_back(n.B * n.H).data(), n.H};
      (call.every > 0 ? one.kept : one.tape) = trace.pieces[p];
      one.last_first = last_first;
      offset += n.P;
    }
    kernel.forward(calls.data(), weights.data(), of.data(), D);
    x = read_only(y);
  }
}

/* The trace of a call that left none. */
template <class Real>
Real* Recurrence<Real>::trace_again(const RecurrenceCall<Real>& call, std::vector<Numbers<Real>>& memory) {
  const Index width = trace_width(call.every, call.places[0].parameters), F = this->width(layers() - 1);
  if (width == 0)
    return nullptr;
  RecurrenceCall<Real> again = call;
  again.trace = memory.emplace_back(kept_steps(call.T, call.every) * call.B * width).data();
  again.y = like_x(call, memory.emplace_back(call.tokens * F).data(), F);
  for (PlaceCall<Real>& place : again.places)
    place.h = place.c = {}, place.every_c = {};
  forward(again);
  return again.trace;
}

template <class Real>
void Recurrence<Real>::backward(const RecurrenceCall<Real>& call) {
  const StandardArithmetic arithmetic;
  const auto planned = plans(call);
  std::vector<Numbers<Real>> memory;
  const auto fresh = [&](Index count) { return memory.emplace_back(count).data(); };
  const Index D = directions(), B = call.B;
  const Trace trace = cut(call, call.trace ? call.trace : trace_again(call, memory));
  const Isa& used = isa();
  const Kernel<Real>& kernel = this->kernel(used);
  Sequence<const Real> dy = call.dy;
  for (Index layer = layers() - 1; layer >= 0; --layer) {
    const Index F = width(layer), I = sizes_[static_cast<std::size_t>(layer * D)].I;
    const Sequence<Real> y = layer + 1 < layers() ? like_x(call, trace.y(layer), F) : call.y;
    const Sequence<const Real> x = layer > 0 ? read_only(like_x(call, trace.y(layer - 1), I)) : call.x;
    std::array<Backward<Real>, 2> calls{};
    std::array<Weights<Real>, 2> weights{}, again{};
    std::array<std::shared_ptr<const typename PackedPlace<Real>::Packs>, 2> packs;
    std::array<const Plan*, 2> of{};
    std::array<Real*, 2> dx{};
    for (Index d = 0, offset = 0; d < D; ++d) {
      const auto k = static_cast<std::size_t>(d), p = static_cast<std::size_t>(layer * D + d);
      const PlaceCall<Real>& place = call.places[p];
      const Sizes n = measured(call, layer * D + d);
      packs[k] = packed_[p].packs(used, kernel, sizes_[p], place.parameters, call.every > 0, true, frozen_,
                                  call.T, call.tokens);
      weights[k] = packs[k]->backward;
      again[k] = packs[k]->forward;
      weights[k].parameters = again[k].parameters = place.parameters;
      of[k] = &planned->planners[p]->plan();
      if (layer > 0 || call.dx)
        dx[k] = layer == 0 && d == 0 ? call.dx : fresh(call.tokens * I);
      Backward<Real>& one = calls[k] = backward_of(place, n, x, columns(y, offset), columns(dy, offset));
      one.every = call.every;
      one.initial[0] = initial(place.h0);
      one.initial[1] = initial(place.c0);
      (call.every > 0 ? one.kept : one.tape) = trace.pieces[p];
      one.dx = like_x(call, dx[k], I);
      one.d_initial[0] = place.dh0.data ? place.dh0 : Matrix<Real>{fresh(B * n.P), n.P};
      one.d_initial[1] = place.dc0.data ? place.dc0 : Matrix<Real>{fresh(B * n.H), n.H};
      offset += n.P;
    }
    kernel.backward(calls.data(), weights.data(), again.data(), of.data(), D);
    add(dx[0], dx[1], call.tokens * I);
    dy = read_only(like_x(call, dx[0], I));
  }
}

template class Numbers<float>;
template class Numbers<double>;
template class Shelf<float>;
template class Shelf<double>;
template class PackedPlace<float>;
template class PackedPlace<double>;
template class Recurrence<float>;
template class Recurrence<double>;

} // namespace unrolled
