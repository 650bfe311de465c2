/* Runs a cell forward over whole sequences; knows no cell.

   Rows stand in parts that never wait for one another. A part takes a stretch of time's input products at
   once (z = b + W x); then step by step the chain goes on (z += U h) and the cell turns z into the next
   states. Where rows are few, the threads of a crew share each step: columns of the product, then units of
   the cell.

   Replayed by backward, the same loop fills the tape again from a known y. */
#pragma once

#include "norm.h"
#include "part.h"

namespace unrolled::UNROLLED_ISA {

template <class Cell>
class ForwardRun {
  using Real = typename Cell::Real;
  static constexpr Form form = Cell::form;

public:
  ForwardRun(const Forward<Real>& call, const Weights<Real>& w, const Plan& plan)
      : call_(call), w_(w), plan_(plan), layout_(form, call.sizes, w.parameters),
        most_(stretch_rows<Real>(plan, layout_.width)),
        z_(call.tape ? 0 : plan.parts * most_ * layout_.width),
        thinned_(call.masks.recurrent.data ? plan.rows * call.sizes.P : 0),
        old_c_(call.masks.zoneout[1].data ? plan.rows * call.sizes.H : 0),
        pointers_(plan.parts * plan.crew * lists * most_) {}

  /* Backward's view of the steps from `begin` on: y is known, and the tape starts there. */
  void replay(Sequence<const Real> y, Index begin) {
    known_ = y;
    base_ = begin;
  }
  const Real* tape(const Part& part, Index i, Index s) const { return tape_row(part, i, s); }
  const Layout& layout() const { return layout_; }

  /* All steps of a part; called by each member of its crew. */
  void run(const Crew& crew, const Part& part) const {
    if (crew.member == 0)
      begin(part);
    crew.meet();
    run(crew, part, 0, part.steps());
    if (crew.member == 0)
      finish(part);
  }

  void run(const Crew& crew, const Part& part, Index begin, Index end) const {
    const Lists list = lists_of(crew, part);
    for (Index s = begin; s < end;) {
      const Index first = s;
      Index tokens = 0;
      for (; s < end && (tokens == 0 || tokens + part.running(s) <= most_); ++s)
        for (Index i = 0; i < part.running(s); ++i, ++tokens) {
          list.x[tokens] = at(call_.x, part.time(i, s), part.row(i));
          list.z[tokens] = call_.tape ? tape_row(part, i, s) : z_row(part, tokens);
        }
      const bool together =
          s - first == 1 && crew.size == 1 && form.shift == 0 && !form.two_phase && !layout_.normalises;
      if (!together)
        feed(crew, tokens, list);
      Real** z = list.z;
      for (Index step = first; step < s; z += part.running(step++))
        advance(crew, part, step, z, list, together);
    }
  }

  /* h or c of row i before its step s. */
  const Real* before(const Part& part, Index i, Index s, int m) const {
    if (m == 1 && !call_.tape)
      return at(call_.last[1], part.row(i));
    if (m == 1 && s == base_ && s > 0)
      return kept_row(part, i, s);
    if (s == 0)
      return at(call_.initial[m], part.row(i));
    if (m == 1)
      return tape_row(part, i, s - 1) + layout_.c;
    return h_row(part, i, s - 1);
  }

private:
  static constexpr int lists = 5;
  struct Lists {
    const Real **x, **a, **start;
    Real **z, **out;
  };

  Lists lists_of(const Crew& crew, const Part& part) const {
    Real** base = pointers_.data() + (part.number * plan_.crew + crew.member) * lists * most_;
    const auto list = [&](int n) { return base + n * most_; };
    const auto read = [&](int n) { return const_cast<const Real**>(list(n)); };
    return {read(0), read(1), read(2), list(3), list(4)};
  }

  Real* z_row(const Part& part, Index token) const {
    return z_.data() + (part.number * most_ + token) * layout_.width;
  }
  Real* tape_row(const Part& part, Index i, Index s) const {
    return call_.tape + ((s - base_) * call_.sizes.B + part.first + i) * layout_.width;
  }
  Real* kept_row(const Part& part, Index i, Index s) const {
    return call_.kept + (s / call_.every * call_.sizes.B + part.first + i) * call_.sizes.H;
  }
  const Real* h_row(const Part& part, Index i, Index s) const {
    const Index t = part.time(i, s), b = part.row(i);
    return known_.data ? at(known_, t, b) : at(call_.states[0], t, b);
  }
  /* A replay's h goes where nobody reads it: y has it already. */
  Real* h_target(const Part& part, Index i, Index s) const {
    return known_.data ? at(call_.last[0], part.row(i)) : at(call_.states[0], part.time(i, s), part.row(i));
  }
  Real* c_target(const Part& part, Index i, Index s) const {
    return call_.tape ? tape_row(part, i, s) + layout_.c : at(call_.last[1], part.row(i));
  }

  /* Without a tape the state c stands in `last` from first to last. */
  void begin(const Part& part) const {
    if (form.has_c && !call_.tape)
      for (Index i = 0; i < part.rows(); ++i)
        copy(at(call_.last[1], part.row(i)), at(call_.initial[1], part.row(i)), call_.sizes.H);
  }

  /* z = b + W x for the tokens of a stretch. */
  void feed(const Crew& crew, Index tokens, const Lists& list) const {
    const Index joined = layout_.rows, fresh = layout_.sums - joined;
    for (Index n = 0; n < tokens; ++n) {
      list.out[n] = list.z[n] + (layout_.normalises ? layout_.hat_ih : 0);
      list.start[n] = w_.start;
      if (fresh > 0 && crew.member == 0)
        copy(list.z[n] + joined, w_.start + joined, fresh);
    }
    crew.multiply<Real>({tokens, list.x, 1, w_.ih, layout_.normalises ? nullptr : list.start, list.out});
    if (layout_.normalises)
      for (Index n = 0; n < tokens; ++n)
        absorb_x(form, layout_, w_.parameters, list.z[n]);
    crew.meet();
  }

  /* z = b + W x + U h of one step, panel by panel. Every other step begins at the other end: where W and U
     are larger than the cache, their last columns are still there. */
  void multiply_both(Index rows, bool last_first, const Lists& list) const {
    for (Index i = 0; i < rows; ++i)
      list.start[i] = w_.start;
    const Product<Real> x{rows, list.x, 1, w_.ih, list.start, list.z};
    const Product<Real> h{rows, list.a, 1, w_.hh, list.z, list.z};
    constexpr Index some = widest(1) / panel_vectors;
    const Index all = panels(w_.hh), blocks = divide_up(all, some);
    for (Index block = 0; block < blocks; ++block) {
      const Index p = (last_first ? blocks - 1 - block : block) * some;
      multiply_weights(x, p, minimum(p + some, all));
      multiply_weights(h, p, minimum(p + some, all));
    }
  }

  /* One step of all rows that still run. `together`: z does not hold W x yet. */
  void advance(const Crew& crew, const Part& part, Index s, Real* const* z, const Lists& list,
               bool together) const {
    const Index running = part.running(s), H = call_.sizes.H;
    for (Index i = 0; i < running; ++i)
      list.a[i] = recurrent(part, i, s);
    if (crew.member == 0)
      keep(part, s);
    const bool last_first = call_.last_first != (s % 2 == 1);
    if (together)
      multiply_both(running, last_first, list);
    else
      multiply_h(crew, running, z, list, w_.hh, layout_.recurrent, 0, last_first);
    crew.meet();

    const Index first = crew.first_unit<Real>(H), end = crew.end_unit<Real>(H);
    for (Index i = 0; i < running; ++i)
      Cell::forward(step(part, i, s, z[i], list.a[i], first, end));
    if constexpr (form.two_phase)
      second_phase(crew, part, s, z, list);
    if (layout_.projects)
      project(crew, part, s, z, list);
    mix(part, s, first, end);
    crew.meet();
  }

  ForwardStep<Real> step(const Part& part, Index i, Index s, Real* z, const Real* recurrent, Index first,
                         Index end) const {
    Real* h = layout_.projects ? z + layout_.inner : h_target(part, i, s);
    return {.H = call_.sizes.H,
            .K = call_.sizes.K,
            .first = first,
            .end = end,
            .p = w_.parameters,
            .z = z,
            .recurrent = recurrent,
            .before = {before(part, i, s, 0), form.has_c ? before(part, i, s, 1) : nullptr},
            .after = {h, form.has_c ? c_target(part, i, s) : nullptr},
            .inner = z + layout_.inner};
  }

  /* z += U a for the gates of one product, whose sums stand at `place`; layer norm comes between. Every other
     step begins at U's other end: where U is larger than the cache, its last columns are still there. */
  void multiply_h(const Crew& crew, Index rows, Real* const* z, const Lists& list, const Packed<Real>& u,
                  Index place, Index first_gate, bool last_first = false) const {
    const bool norm = layout_.normalises;
    for (Index i = 0; i < rows; ++i) {
      list.out[i] = z[i] + (norm ? layout_.hat_hh + first_gate * call_.sizes.H : place);
      list.start[i] = list.out[i];
    }
    crew.multiply<Real>({rows, list.a, 1, u, norm ? nullptr : list.start, list.out, last_first});
    if (!norm)
      return;
    for (Index i = 0; i < rows; ++i)
      for (int g = 0; g < 2; ++g)
        if (!form.two_phase || (g == 0) == (first_gate == 0))
          absorb_h(form, layout_, w_.parameters, g, z[i]);
  }

  /* The candidate's product, of r ⊙ h. */
  void second_phase(const Crew& crew, const Part& part, Index s, Real* const* z, const Lists& list) const {
    const Index running = part.running(s);
    for (Index i = 0; i < running; ++i)
      list.a[i] = z[i] + layout_.inner;
    multiply_h(crew, running, z, list, w_.inner, 0, form.gates - 1);
    for (Index i = 0; i < running; ++i)
      Cell::finish(step(part, i, s, z[i], nullptr, 0, call_.sizes.H));
  }

  /* h = R m */
  void project(const Crew& crew, const Part& part, Index s, Real* const* z, const Lists& list) const {
    for (Index i = 0; i < part.running(s); ++i) {
      list.a[i] = z[i] + layout_.inner;
      list.out[i] = h_target(part, i, s);
    }
    crew.multiply<Real>({part.running(s), list.a, 1, w_.hr, nullptr, list.out});
  }

  /* h_{t-1} on its way into the products. */
  const Real* recurrent(const Part& part, Index i, Index s) const {
    const Real* h = before(part, i, s, 0);
    if (!call_.masks.recurrent.data)
      return h;
    const Real* mask = at(call_.masks.recurrent, part.time(i, s), part.row(i));
    Real* thin = thinned_.data() + (part.first + i) * call_.sizes.P;
    over_units<Real>(0, call_.sizes.P,
                     [&](Index u, Index n) { store(thin + u, load(mask + u, n) * load(h + u, n), n); });
    return thin;
  }

  /* What the step is about to overwrite and is asked for later. */
  void keep(const Part& part, Index s) const {
    const bool boundary = form.has_c && call_.kept && !call_.tape && s % call_.every == 0;
    for (Index i = 0; i < part.running(s) && (boundary || call_.masks.zoneout[1].data); ++i) {
      const Real* c = before(part, i, s, 1);
      if (boundary)
        copy(kept_row(part, i, s), c, call_.sizes.H);
      if (call_.masks.zoneout[1].data)
        copy(old_c_.data() + (part.first + i) * call_.sizes.H, c, call_.sizes.H);
    }
  }

  /* Zoneout, and the states that were asked for. */
  void mix(const Part& part, Index s, Index first, Index end) const {
    for (Index i = 0; i < part.running(s); ++i) {
      const Index t = part.time(i, s), b = part.row(i);
      if (call_.masks.zoneout[0].data)
        zone(at(call_.masks.zoneout[0], t, b), before(part, i, s, 0), h_target(part, i, s),
             layout_.projects ? 0 : first, layout_.projects ? call_.sizes.P : end);
      if (!form.has_c)
        continue;
      if (call_.masks.zoneout[1].data)
        zone<Real>(at(call_.masks.zoneout[1], t, b), old_c_.data() + (part.first + i) * call_.sizes.H,
                   c_target(part, i, s), first, end);
      if (call_.states[1].data)
        copy(at(call_.states[1], t, b) + first, c_target(part, i, s) + first, end - first);
    }
  }

  void finish(const Part& part) const {
    const Sizes& n = call_.sizes;
    for (Index i = 0; i < part.rows(); ++i) {
      const Index b = part.row(i), length = part.length(i);
      if (call_.last[0].data)
        copy(at(call_.last[0], b), before(part, i, length, 0), n.P);
      if (form.has_c && call_.tape)
        copy(at(call_.last[1], b), before(part, i, length, 1), n.H);
      end_row(call_.states[0], length, n.T, b, n.P);
      if (form.has_c)
        end_row(call_.states[1], length, n.T, b, n.H);
    }
  }

  const Forward<Real> call_;
  const Weights<Real> w_;
  const Plan& plan_;
  const Layout layout_;
  const Index most_;
  const Buffer<Real> z_, thinned_, old_c_;
  const Buffer<Real*> pointers_;
  Sequence<const Real> known_{};
  Index base_ = 0;
};

} // namespace unrolled::UNROLLED_ISA
