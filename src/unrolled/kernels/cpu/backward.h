/* Runs a cell backward over whole sequences; knows no cell. README.md derives the gradients.

   Parts and crews as in forward.h, from the last step to the first: the gradients of the sums, dz, carry the
   states' gradients back (dh += Uᵀ dz), and dx is one product for a stretch of steps. Steps are taken in
   chunks, so that memory is bounded; after each, the weights' gradients are products over all of the chunk's
   tokens. */
#pragma once

#include "forward.h"
#include "outer.h"

namespace unrolled::UNROLLED_ISA {

/* What stands in the row of one token until its chunk is done. */
struct Slots {
  Index dz;   // (sums) gradients of the blocks of z
  Index x, h; // of W x and of U h; in dz itself unless layer norm stands between
  Index dh;   // (P) of h, where it is projected
  Index left; // numbers up to here are the left side of the weights' gradients
  Index thin; // (P) h_{t-1} as it went into the products, where a mask thinned it
  Index width;

  template <class Real>
  Slots(const Layout& layout, const Masks<Real>& masks, Index P) : dz(0), x(0), h(layout.recurrent) {
    dh = layout.sums;
    if (layout.normalises) {
      x = layout.sums;
      h = x + layout.rows;
      dh = h + layout.rows;
    }
    left = thin = dh + (layout.projects ? P : 0);
    width = thin + (masks.recurrent.data ? P : 0);
  }
};

/* Gradients that the loop sums up itself, one copy for each bunch of rows: so they depend on no thread. */
template <class Real>
struct Own {
  Index H, gates, width;
  explicit Own(const Form& form, Index units, bool wanted)
      : H(units), gates(form.gates), width(wanted ? (3 * form.gates + 1) * units : 0) {}
  Parameters<Real> in(Real* row) const {
    Parameters<Real> d{};
    d.peephole = {row, H};
    d.gain_c = row + (gates - 1) * H;
    d.shift_c = d.gain_c + H;
    d.gain_ih = d.shift_c + H;
    d.gain_hh = d.gain_ih + gates * H;
    return d;
  }
};

template <class Cell>
class BackwardRun {
  using Real = typename Cell::Real;
  static constexpr Form form = Cell::form;

public:
  /* `again`: the weights for forward, where the call keeps only every k-th state. */
  BackwardRun(const Backward<Real>& call, const Weights<Real>& w, const Weights<Real>& again,
              const Plan& plan)
      : call_(call), w_(w), plan_(plan), layout_(form, call.sizes, w.parameters),
        slots_(layout_, call.masks, call.sizes.P),
        own_(form, call.sizes.H, w.parameters.peephole.data || layout_.normalises),
        chunk_(chunk_steps(call, plan, slots_.width)), most_(stretch_rows<Real>(plan, layout_.sums)),
        tokens_(chunk_ * plan.rows * slots_.width), owned_(plan.bunches * own_.width),
        rows_(plan.rows * row_width()), scratch_(plan.parts * plan.crew * 3 * call.sizes.H),
        totals_(slots_.left), nowhere_(call.sizes.B * (call.sizes.P + call.sizes.H)),
        tape_(replays() ? chunk_ * call.sizes.B * layout_.width : 0),
        pointers_(plan.parts * plan.crew * lists * most_), forward_(forward_call(), again, plan) {
    forward_.replay(call.y, 0);
    fill_zero(owned_.data(), plan.bunches * own_.width);
  }

  Index chunks() const { return plan_.rows > 0 ? maximum(1, divide_up(steps(), chunk_)) : 0; }

  /* Makes the chunk c the one that run() runs; the last one is the first to be. */
  void enter(Index c) {
    begin_ = c * chunk_;
    if (replays())
      forward_.replay(call_.y, begin_);
  }

  /* The chunk's steps of a part; called by each member of its crew. */
  void run(const Crew& crew, const Part& part) const {
    const Index end = minimum(part.steps(), begin_ + chunk_);
    if (begin_ + chunk_ >= steps() && crew.member == 0)
      begin(part);
    if (replays())
      forward_.run(crew, part, begin_, end);
    crew.meet();
    const Lists list = lists_of(crew, part);
    for (Index s = end; s > begin_;) {
      Index tokens = 0;
      for (; s > begin_ && (tokens == 0 || tokens + part.running(s - 1) <= most_);
           tokens += part.running(--s))
        retreat(crew, part, s - 1, list.from(tokens));
      if (call_.dx.data)
        crew.multiply<Real>({tokens, list.dz, 1, w_.ih, nullptr, list.dx});
    }
  }

  /* d_ih = Σ dz xᵀ and the like, over the chunk's tokens. */
  void add_weights(Index threads) const {
    if (!call_.d.ih.data || plan_.tokens == 0)
      return;
    const Index first = plan_.token[begin_], end_step = minimum(steps(), begin_ + chunk_);
    const Index tokens = (end_step < steps() ? plan_.token[end_step] : plan_.tokens) - first;
    const Buffer<const Real*> left(tokens), x(tokens), h(tokens), inner(tokens);
    for (Index p = 0; p < plan_.parts; ++p) {
      const Part part(plan_, p);
      for (Index s = begin_; s < minimum(part.steps(), end_step); ++s)
        for (Index i = 0; i < part.running(s); ++i) {
          const Index n = part.token(i, s) - first;
          Real* row = token(part, i, s);
          left.data()[n] = row;
          x.data()[n] = at(call_.x, part.time(i, s), part.row(i));
          h.data()[n] = recurrent(part, i, s, row);
          inner.data()[n] = form.keeps_sums ? forward_.tape(part, i, s) + layout_.inner : nullptr;
        }
    }
    const Index S = layout_.rows, R = form.recurrent_rows(call_.sizes), H = call_.sizes.H, P = call_.sizes.P;
    const Buffer<Real*> d(2 * S + P);
    Real **d_ih = d.data(), **d_hh = d_ih + S, **d_hr = d_hh + S;
    for (Index j = 0; j < S; ++j) {
      d_ih[j] = at(call_.d.ih, form.row_of_x(j, H));
      d_hh[j] = at(call_.d.hh, j);
    }
    for (Index j = 0; j < P && layout_.projects; ++j)
      d_hr[j] = at(call_.d.hr, j);

    Gradient<Real> gradients[4];
    Index count = 0;
    const auto want = [&](Index from, Index sums, const Real* const* right, Index columns, Real* const* to) {
      gradients[count++] = {from, from + sums, right, columns, to};
    };
    want(slots_.x, S, x.data(), call_.sizes.I, d_ih);
    want(slots_.h, R, h.data(), P, d_hh);
    if (form.two_phase)
      want(candidate(), H, inner.data(), H, d_hh + R);
    if (layout_.projects)
      want(slots_.dh, P, inner.data(), H, d_hr);
    accumulate<Real>(tokens, left.data(), slots_.left, gradients, count, totals_.data(), end_step < steps(),
                     threads);
  }

  /* After the last chunk: what was gathered goes to its places. */
  void finish() const {
    if (!call_.d.ih.data)
      return;
    if (plan_.tokens == 0)
      zero_weights();
    const Index S = layout_.rows, H = call_.sizes.H;
    for (Index j = 0; j < S; ++j) {
      if (call_.d.bias_ih)
        call_.d.bias_ih[form.row_of_x(j, H)] = totals_.data()[j];
      if (call_.d.bias_hh)
        call_.d.bias_hh[j] = totals_.data()[form.block_of_h(j / H) * H + j % H];
    }
    const Parameters<Real> sum = own_.in(owned_.data());
    for (Index bunch = 1; bunch < plan_.bunches; ++bunch)
      over_units<Real>(0, own_.width, [&](Index j, Index n) {
        const Vec<Real> more = load(owned_.data() + bunch * own_.width + j, n);
        store(owned_.data() + j, load(owned_.data() + j, n) + more, n);
      });
    const auto give = [&](Real* to, const Real* from, Index n) {
      if (!to)
        return;
      if (plan_.parts > 0)
        copy(to, from, n);
      else
        fill_zero(to, n);
    };
    give(call_.d.peephole.data, sum.peephole.data, (form.gates - 1) * H);
    give(call_.d.gain_c, sum.gain_c, H);
    give(call_.d.shift_c, sum.shift_c, H);
    give(call_.d.gain_ih, sum.gain_ih, S);
    give(call_.d.gain_hh, sum.gain_hh, S);
  }

private:
  static constexpr int lists = 5;
  struct Lists {
    Real **dz, **dx;          // of a stretch's tokens
    Real **a, **start, **out; // of a step's rows
    Lists from(Index n) const { return {dz + n, dx + n, a, start, out}; }
  };

  Lists lists_of(const Crew& crew, const Part& part) const {
    Real** base = pointers_.data() + (part.number * plan_.crew + crew.member) * lists * most_;
    return {base, base + most_, base + 2 * most_, base + 3 * most_, base + 4 * most_};
  }

  static Index chunk_steps(const Backward<Real>& call, const Plan& plan, Index width) {
    constexpr Index bytes =
        4 * 1024 * 1024; // dz stays in the cache until the weights' gradients have read it
    const Index fit = bytes / static_cast<Index>(sizeof(Real)) / maximum(1, plan.rows * width);
    return maximum(1, minimum(call.sizes.T, call.every > 0 ? call.every : fit));
  }

  bool replays() const { return form.keeps_sums && call_.every > 0; }
  Index steps() const { return plan_.length[0]; }

  Forward<Real> forward_call() const {
    Forward<Real> f{};
    f.sizes = call_.sizes;
    f.every = call_.every;
    f.x = call_.x;
    f.masks = call_.masks;
    f.last[0] = {nowhere_.data(), call_.sizes.P};
    f.last[1] = {nowhere_.data() + call_.sizes.B * call_.sizes.P, call_.sizes.H};
    f.tape = replays() ? tape_.data() : const_cast<Real*>(call_.tape); // written by a replay alone
    f.kept = const_cast<Real*>(call_.kept);                            // read
    for (int m = 0; m < most_states; ++m)
      f.initial[m] = call_.initial[m];
    return f;
  }

  Real* token(const Part& part, Index i, Index s) const {
    return tokens_.data() + (part.token(i, s) - plan_.token[begin_]) * slots_.width;
  }
  Index candidate() const {
    return layout_.normalises ? slots_.h + form.recurrent_rows(call_.sizes) : slots_.dz;
  }

  /* Per row: what zoneout keeps of both gradients, h's gradient through the products, and of m or `inner`. */
  Index row_width() const { return 2 * call_.sizes.P + 2 * call_.sizes.H; }
  struct Row {
    Real *kept[most_states], *through, *inside;
  };
  Row row_of(const Part& part, Index i) const {
    const Index P = call_.sizes.P, H = call_.sizes.H;
    Real* r = rows_.data() + (part.first + i) * row_width();
    return {{r, r + P}, r + P + H, r + 2 * P + H};
  }

  Parameters<Real> own(const Part& part, Index i) const {
    return own_.in(owned_.data() + (part.first + i) / plan_.bunch * own_.width);
  }

  const Real* recurrent(const Part& part, Index i, Index s, const Real* row) const {
    return call_.masks.recurrent.data ? row + slots_.thin : forward_.before(part, i, s, 0);
  }

  /* d_initial holds the gradients of the states on their way back, d_last's at first. */
  void begin(const Part& part) const {
    const Index sizes[] = {call_.sizes.P, call_.sizes.H};
    for (Index i = 0; i < part.rows(); ++i) {
      const Index b = part.row(i);
      for (int m = 0; m < (form.has_c ? 2 : 1); ++m)
        if (call_.d_last[m].data)
          copy(at(call_.d_initial[m], b), at(call_.d_last[m], b), sizes[m]);
        else
          fill_zero(at(call_.d_initial[m], b), sizes[m]);
      end_row(call_.dx, part.length(i), call_.sizes.T, b, call_.sizes.I);
    }
  }

  /* One step back of all rows that ran; says where the gradients of their W x stand and where dx belongs. */
  void retreat(const Crew& crew, const Part& part, Index s, const Lists& list) const {
    const Index H = call_.sizes.H, first = crew.first_unit<Real>(H), end = crew.end_unit<Real>(H);
    const Index running = part.running(s);
    for (Index i = 0; i < running; ++i) {
      list.dz[i] = token(part, i, s) + slots_.x;
      list.dx[i] = call_.dx.data ? at(call_.dx, part.time(i, s), part.row(i)) : nullptr;
      gather(part, i, s, first, end);
    }
    if (layout_.projects)
      unproject(crew, part, s, list);
    for (Index i = 0; i < running; ++i)
      Cell::backward(step(crew, part, i, s, first, end));
    if constexpr (form.two_phase)
      second_phase(crew, part, s, list);
    for (Index i = 0; i < running; ++i) {
      pull_norm(part, i, s);
      release(part, i, first, end);
    }
    crew.meet();
    carry(crew, part, s, list);
    crew.meet();
  }

  /* The gradients of the states after the step; zoneout's share of them passes the step by. */
  void gather(const Part& part, Index i, Index s, Index first, Index end) const {
    const Index t = part.time(i, s), b = part.row(i);
    const Row row = row_of(part, i);
    for (int m = 0; m < (form.has_c ? 2 : 1); ++m) {
      const bool whole = m == 0 && layout_.projects; // a projected h has its own units
      over_units<Real>(whole ? 0 : first, whole ? call_.sizes.P : end, [&](Index u, Index n) {
        Real* to = at(call_.d_initial[m], b) + u;
        Vec<Real> d = load(to, n);
        if (call_.d_states[m].data)
          d += load(at(call_.d_states[m], t, b) + u, n);
        if (call_.masks.zoneout[m].data) {
          const Vec<Real> share = load(at(call_.masks.zoneout[m], t, b) + u, n);
          store(row.kept[m] + u, share * d, n);
          d = (one<Real>() - share) * d;
        }
        store(to, d, n);
      });
    }
    Real* kept = token(part, i, s);
    if (layout_.projects)
      copy(kept + slots_.dh, at(call_.d_initial[0], b), call_.sizes.P);
    if (call_.masks.recurrent.data)
      over_units<Real>(0, call_.sizes.P, [&](Index u, Index n) {
        const Vec<Real> mask = load(at(call_.masks.recurrent, t, b) + u, n);
        store(kept + slots_.thin + u, mask * load(forward_.before(part, i, s, 0) + u, n), n);
      });
  }

  /* dm = Rᵀ dh */
  void unproject(const Crew& crew, const Part& part, Index s, const Lists& list) const {
    for (Index i = 0; i < part.running(s); ++i) {
      list.a[i] = token(part, i, s) + slots_.dh;
      list.out[i] = row_of(part, i).inside;
    }
    crew.multiply<Real>({part.running(s), list.a, 1, w_.hr, nullptr, list.out});
  }

  BackwardStep<Real> step(const Crew& crew, const Part& part, Index i, Index s, Index first,
                          Index end) const {
    const Index b = part.row(i), H = call_.sizes.H;
    const Row row = row_of(part, i);
    Real* kept = token(part, i, s);
    Real* scratch = scratch_.data() + (part.number * plan_.crew + crew.member) * 3 * H;
    Real* dh = at(call_.d_initial[0], b);
    return {.H = H,
            .K = call_.sizes.K,
            .first = first,
            .end = end,
            .p = w_.parameters,
            .z = form.keeps_sums ? forward_.tape(part, i, s) : nullptr,
            .recurrent = recurrent(part, i, s, kept),
            .before = {forward_.before(part, i, s, 0), form.has_c ? forward_.before(part, i, s, 1) : nullptr},
            .after = form.keeps_sums ? nullptr : fresh(part, i, s, first, end, scratch + 2 * H),
            .dh = layout_.projects ? row.inside : dh,
            .d = {dh, form.has_c ? at(call_.d_initial[1], b) : nullptr},
            .dz = kept + slots_.dz,
            .d_inner = row.inside,
            .dp = own(part, i),
            .scratch = scratch};
  }

  /* h_t as the cell made it: zoneout's mixture undone. */
  const Real* fresh(const Part& part, Index i, Index s, Index first, Index end, Real* scratch) const {
    const Index t = part.time(i, s), b = part.row(i);
    const Real* h = at(call_.y, t, b);
    if (!call_.masks.zoneout[0].data)
      return h;
    const Real* old = forward_.before(part, i, s, 0);
    over_units<Real>(first, end, [&](Index u, Index n) {
      const Vec<Real> z = load(at(call_.masks.zoneout[0], t, b) + u, n), mixed = load(h + u, n);
      const Vec<Real> own = (mixed - z * load(old + u, n)) / (one<Real>() - z);
      store(scratch + u, z == 0 || z == 1 ? mixed : own, n); // where nothing of it stays, none is asked for
    });
    return scratch;
  }

  /* The two-phase cell's way back through its inner product. */
  void second_phase(const Crew& crew, const Part& part, Index s, const Lists& list) const {
    const Index running = part.running(s), H = call_.sizes.H;
    for (Index i = 0; i < running; ++i) {
      if (layout_.normalises)
        pull_norm_h(part, i, s, 1);
      list.a[i] = token(part, i, s) + candidate();
      list.out[i] = row_of(part, i).inside;
    }
    crew.multiply<Real>({running, list.a, 1, w_.inner, nullptr, list.out});
    for (Index i = 0; i < running; ++i)
      Cell::finish(step(crew, part, i, s, 0, H));
  }

  void pull_norm_h(const Part& part, Index i, Index s, int g) const {
    const Groups groups = groups_of_h(form);
    const Real* z = forward_.tape(part, i, s);
    Real* row = token(part, i, s);
    if (!groups.none(g))
      pull_group(
          groups, g, layout_, row + slots_.dz, [](Index q) { return Source{form.block_of_h(q), q}; },
          z + layout_.hat_hh, z[layout_.scale + 2 + g], w_.parameters.gain_hh, own(part, i).gain_hh,
          row + slots_.h);
  }

  /* From dz to the gradients of W x and U h as they were before they were normalised. */
  void pull_norm(const Part& part, Index i, Index s) const {
    if (!layout_.normalises)
      return;
    const Groups groups = groups_of_x(form);
    const Real* z = forward_.tape(part, i, s);
    Real* row = token(part, i, s);
    for (int g = 0; g < 2; ++g)
      if (!groups.none(g))
        pull_group(
            groups, g, layout_, row + slots_.dz, [](Index b) { return Source{b, form.gate(b)}; },
            z + layout_.hat_ih, z[layout_.scale + g], w_.parameters.gain_ih, own(part, i).gain_ih,
            row + slots_.x);
    for (int g = 0; g < (form.two_phase ? 1 : 2); ++g)
      pull_norm_h(part, i, s, g);
  }

  /* What reaches the states before the step beside the sums; zoneout's share comes back. */
  void release(const Part& part, Index i, Index first, Index end) const {
    const Row row = row_of(part, i);
    for (int m = 0; m < (form.has_c ? 2 : 1); ++m) {
      const bool zoned = call_.masks.zoneout[m].data, whole = m == 0 && layout_.projects;
      const bool holds = m == 1 || form.passes_h; // the cell has written its part
      if (!zoned && (holds || !through()))
        continue;
      over_units<Real>(whole ? 0 : first, whole ? call_.sizes.P : end, [&](Index u, Index n) {
        Real* d = at(call_.d_initial[m], part.row(i)) + u;
        const Vec<Real> own = holds ? load(d, n) : Vec<Real>{};
        store(d, zoned ? own + load(row.kept[m] + u, n) : own, n);
      });
    }
  }

  /* Whether h's gradient through the products stands by itself first. */
  bool through() const { return form.two_phase || call_.masks.recurrent.data; }

  /* dh_{t-1} += Uᵀ dz */
  void carry(const Crew& crew, const Part& part, Index s, const Lists& list) const {
    if (s == 0 && !call_.wants_dh0)
      return;
    const Index running = part.running(s);
    const bool begins = form.passes_h || call_.masks.zoneout[0].data;
    for (Index i = 0; i < running; ++i) {
      const Row row = row_of(part, i);
      list.a[i] = token(part, i, s) + slots_.h;
      list.out[i] = through() ? row.through : at(call_.d_initial[0], part.row(i));
      list.start[i] = through() ? row.inside : list.out[i];
    }
    const bool starts = through() ? form.two_phase : begins;
    crew.multiply<Real>({running, list.a, 1, w_.hh, starts ? list.start : nullptr, list.out});
    for (Index i = 0; i < running && through(); ++i) {
      Real* d = at(call_.d_initial[0], part.row(i));
      const Sequence<const Real>& mask = call_.masks.recurrent;
      over_units<Real>(0, call_.sizes.P, [&](Index u, Index n) {
        const Vec<Real> product = load(list.out[i] + u, n);
        const Vec<Real> share = mask.data ? load(at(mask, part.time(i, s), part.row(i)) + u, n) : one<Real>();
        store(d + u, fma(share, product, load(d + u, n)), n);
      });
    }
  }

  void zero_weights() const {
    const Sizes& n = call_.sizes;
    for (Index j = 0; j < layout_.rows; ++j) {
      fill_zero(at(call_.d.ih, j), n.I);
      fill_zero(at(call_.d.hh, j), n.P);
    }
    for (Index j = 0; j < n.P && layout_.projects; ++j)
      fill_zero(at(call_.d.hr, j), n.H);
    fill_zero(totals_.data(), slots_.left);
  }

  const Backward<Real> call_;
  const Weights<Real> w_;
  const Plan& plan_;
  const Layout layout_;
  const Slots slots_;
  const Own<Real> own_;
  const Index chunk_, most_;
  const Buffer<Real> tokens_, owned_, rows_, scratch_, totals_, nowhere_, tape_;
  const Buffer<Real*> pointers_;
  ForwardRun<Cell> forward_;
  Index begin_ = 0;
};

} // namespace unrolled::UNROLLED_ISA
