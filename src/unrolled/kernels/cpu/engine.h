/* Runs a cell over whole sequences: packing, products, the time loop, lengths, threads. Knows no cell; what
   it asks of one is written in elman.h. README.md derives the gradients.

   Forward, rows in parts that never wait for one another: a stretch of time's input products at once
   (z = b + W x), then step by step the chain goes on (z += U h) and the cell turns z into the next states.
   Backward: the same stretches from the end; the gradients of the sums, dz, are kept, and the weights'
   gradients are products over all tokens after the loop. */
#pragma once

#include "outer.h"
#include "plan.h"
#include "pool.h"

namespace unrolled::UNROLLED_ISA {

/* The sums of one stretch of time: enough rows for a good product, few enough to stay in the cache. */
inline constexpr Index stretch_bytes = 128 * 1024;

template <class Real>
inline void fill_zero(Real* to, Index count) {
  __builtin_memset(to, 0, static_cast<std::size_t>(count) * sizeof(Real));
}

template <class Real>
inline void copy(Real* to, const Real* from, Index count) {
  __builtin_memcpy(to, from, static_cast<std::size_t>(count) * sizeof(Real));
}

/* body(u, count) for every vector of units u … u + count - 1. */
template <class Real, class Body>
inline void over_units(Index H, const Body& body) {
  Index u = 0;
  for (; u + lanes<Real> <= H; u += lanes<Real>)
    body(u, Index{lanes<Real>});
  if (u < H)
    body(u, H - u);
}

/* The rows first … end - 1 of a plan: what one thread runs from the first step to the last. */
struct Part {
  const Plan& plan;
  Index first, end;

  Part(const Plan& p, Index part) : plan(p), first(p.cut[part]), end(p.cut[part + 1]) {}

  Index steps() const { return plan.length[first]; }
  Index running(Index s) const { return minimum(end, plan.active[s]) - first; }
  Index row(Index i) const { return plan.row[first + i]; }
  Index length(Index i) const { return plan.length[first + i]; }
  Index time(Index i, Index s) const { return plan.reverse ? length(i) - 1 - s : s; }
  Index token(Index i, Index s) const { return plan.token[s] + first + i; }
  /* Rows of a stretch of time with `columns` numbers each; one step's rows at least. */
  template <class Real>
  Index stretch(Index columns) const {
    return maximum(end - first, stretch_bytes / static_cast<Index>(sizeof(Real)) / maximum(columns, 1));
  }
};

/* A state of row i before its step s. */
template <class Real, class Element>
inline const Real* state_before(const Matrix<const Real>& initial, const Sequence<Element>& states,
                                const Part& part, Index i, Index s) {
  return s == 0 ? at(initial, part.row(i)) : at(states, part.time(i, s - 1), part.row(i));
}

template <class Cell>
class ForwardRun {
  using Real = typename Cell::Real;
  static constexpr int S = Cell::states;

public:
  ForwardRun(const Forward<Real, S>& call, const Plan& plan)
      : call_(call), plan_(plan), H_(call.sizes.H), sums_(Cell::gates * H_), bias_(sums_),
        ih_memory_(packed_size<Real>(call.sizes.I, sums_)), hh_memory_(packed_size<Real>(H_, sums_)),
        ih_(pack_transposed(call.weights.ih, call.sizes.I, sums_, ih_memory_.data())),
        hh_(pack_transposed(call.weights.hh, H_, sums_, hh_memory_.data())) {
    for (Index j = 0; j < sums_; ++j)
      bias_.data()[j] = (call.bias_ih ? call.bias_ih[j] : 0) + (call.bias_hh ? call.bias_hh[j] : 0);
  }

  void run() const {
    pool::run(plan_.parts, plan_.parts, [this](Index part) { run(Part(plan_, part)); });
  }

private:
  void run(const Part& part) const {
    const Index most = part.stretch<Real>(sums_);
    const Index width = divide_up(sums_, lanes<Real>) * lanes<Real>; // rows begin at whole vectors
    const Buffer<Real> z(most * width);
    const Buffer<Real*> z_rows(most);
    const Buffer<const Real*> from_rows(most), bias_rows(most);
    for (Index n = 0; n < most; ++n) {
      z_rows.data()[n] = z.data() + n * width;
      bias_rows.data()[n] = bias_.data();
    }
    for (Index s = 0; s < part.steps();) {
      const Index first = s;
      Index tokens = 0;
      for (; s < part.steps() && tokens + part.running(s) <= most; ++s)
        for (Index i = 0; i < part.running(s); ++i)
          from_rows.data()[tokens++] = at(call_.x, part.time(i, s), part.row(i));
      multiply<Real>({tokens, from_rows.data(), 1, ih_, bias_rows.data(), z_rows.data(), false});
      Real* const* rows = z_rows.data();
      for (Index step = first; step < s; rows += part.running(step++))
        advance(part, step, rows, from_rows.data());
    }
    finish(part);
  }

  /* One step of all rows that still run; z holds the input products and becomes the whole sums. */
  void advance(const Part& part, Index s, Real* const* z, const Real** h_rows) const {
    const Index running = part.running(s);
    for (Index i = 0; i < running; ++i)
      h_rows[i] = before(part, i, s, 0);
    multiply<Real>({running, h_rows, 1, hh_, z, z, false});
    for (Index i = 0; i < running; ++i) {
      const Real* previous[S];
      Real* next[S];
      for (int m = 0; m < S; ++m) {
        previous[m] = before(part, i, s, m);
        next[m] = at(call_.states[m], part.time(i, s), part.row(i));
      }
      over_units<Real>(H_, [&](Index u, Index count) {
        typename Cell::Gates sums;
        typename Cell::States old, fresh;
        for (int g = 0; g < Cell::gates; ++g)
          sums[g] = load(z[i] + g * H_ + u, count);
        for (int m = 0; m < S; ++m)
          old[m] = load(previous[m] + u, count);
        Cell::forward(sums, old, fresh);
        for (int m = 0; m < S; ++m)
          store(next[m] + u, fresh[m], count);
      });
    }
  }

  const Real* before(const Part& part, Index i, Index s, int m) const {
    return state_before(call_.initial[m], call_.states[m], part, i, s);
  }

  void finish(const Part& part) const {
    for (Index i = 0; i < part.end - part.first; ++i)
      for (int m = 0; m < S; ++m) {
        copy(at(call_.last[m], part.row(i)), before(part, i, part.length(i), m), H_);
        for (Index t = part.length(i); t < call_.sizes.T; ++t)
          fill_zero(at(call_.states[m], t, part.row(i)), H_);
      }
  }

  const Forward<Real, S>& call_;
  const Plan& plan_;
  const Index H_, sums_;
  const Buffer<Real> bias_, ih_memory_, hh_memory_;
  const Packed<Real> ih_, hh_;
};

template <class Cell>
class BackwardRun {
  using Real = typename Cell::Real;
  static constexpr int S = Cell::states;

public:
  BackwardRun(const Backward<Real, S>& call, const Plan& plan)
      : call_(call), plan_(plan), H_(call.sizes.H), sums_(Cell::gates * H_), dz_(plan.tokens * sums_),
        ih_memory_(call.dx.data ? packed_size<Real>(sums_, call.sizes.I) : 0),
        hh_memory_(packed_size<Real>(sums_, H_)), hh_(pack(call.weights.hh, sums_, H_, hh_memory_.data())) {
    if (call.dx.data)
      ih_ = pack(call.weights.ih, sums_, call.sizes.I, ih_memory_.data());
  }

  void run() const {
    pool::run(plan_.parts, plan_.parts, [this](Index part) { run(Part(plan_, part)); });
    if (call_.d_hh.data)
      weight_gradients();
  }

private:
  void run(const Part& part) const {
    begin(part);
    const Index most = part.stretch<Real>(sums_);
    const Buffer<Real*> dz_rows(most), dx_rows(most), d_h(part.end - part.first);
    for (Index i = 0; i < part.end - part.first; ++i)
      d_h.data()[i] = at(call_.d_initial[0], part.row(i));
    for (Index s = part.steps(); s > 0;) {
      Index tokens = 0;
      for (; s > 0 && tokens + part.running(s - 1) <= most; tokens += part.running(--s))
        retreat(part, s - 1, d_h.data(), dz_rows.data() + tokens, dx_rows.data() + tokens);
      if (call_.dx.data)
        multiply<Real>({tokens, dz_rows.data(), 1, ih_, nullptr, dx_rows.data(), false});
    }
  }

  /* d_initial holds the gradients of the states on their way back, d_last's at first. */
  void begin(const Part& part) const {
    for (Index i = 0; i < part.end - part.first; ++i) {
      for (int m = 0; m < S; ++m)
        copy(at(call_.d_initial[m], part.row(i)), at(call_.d_last[m], part.row(i)), H_);
      if (call_.dx.data)
        for (Index t = part.length(i); t < call_.sizes.T; ++t)
          fill_zero(at(call_.dx, t, part.row(i)), call_.sizes.I);
    }
  }

  /* One step back of all rows that ran; says where their dz stands and where their dx belongs. */
  void retreat(const Part& part, Index s, Real* const* d_h, Real** dz_rows, Real** dx_rows) const {
    const Index running = part.running(s);
    for (Index i = 0; i < running; ++i) {
      const Index t = part.time(i, s), b = part.row(i);
      dz_rows[i] = dz_.data() + part.token(i, s) * sums_;
      dx_rows[i] = call_.dx.data ? at(call_.dx, t, b) : nullptr;
      pull(part, i, s, dz_rows[i]);
    }
    multiply<Real>({running, dz_rows, 1, hh_, d_h, d_h, false});
  }

  void pull(const Part& part, Index i, Index s, Real* dz) const {
    const Index t = part.time(i, s), b = part.row(i);
    over_units<Real>(H_, [&](Index u, Index count) {
      typename Cell::Gates d_sums;
      typename Cell::States after, before, d_after, d_before;
      for (int m = 0; m < S; ++m) {
        after[m] = load(at(call_.states[m], t, b) + u, count);
        before[m] = load(state_before(call_.initial[m], call_.states[m], part, i, s) + u, count);
        d_after[m] =
            load(at(call_.d_states[m], t, b) + u, count) + load(at(call_.d_initial[m], b) + u, count);
      }
      Cell::backward(after, before, d_after, d_sums, d_before);
      for (int g = 0; g < Cell::gates; ++g)
        store(dz + g * H_ + u, d_sums[g], count);
      for (int m = 0; m < S; ++m)
        store(at(call_.d_initial[m], b) + u, d_before[m], count);
    });
  }

  /* d_ih = Σ dz xᵀ, d_hh = Σ dz h_{t-1}ᵀ and d_bias = Σ dz 1 over all tokens. */
  void weight_gradients() const {
    const Real one = 1;
    const Index tokens = plan_.tokens;
    const Buffer<const Real*> dz(tokens), x(tokens), h(tokens), ones(tokens);
    for (Index index = 0; index < plan_.parts; ++index) {
      const Part part(plan_, index);
      for (Index s = 0; s < part.steps(); ++s)
        for (Index i = 0; i < part.running(s); ++i) {
          const Index n = part.token(i, s);
          dz.data()[n] = dz_.data() + n * sums_;
          x.data()[n] = at(call_.x, part.time(i, s), part.row(i));
          h.data()[n] = state_before(call_.initial[0], call_.states[0], part, i, s);
          ones.data()[n] = &one;
        }
    }
    accumulate<Real>(tokens, dz.data(), sums_,
                     {{x.data(), call_.sizes.I, call_.d_ih},
                      {h.data(), H_, call_.d_hh},
                      {ones.data(), 1, {call_.d_bias, 1}}},
                     plan_.threads);
  }

  const Backward<Real, S>& call_;
  const Plan& plan_;
  const Index H_, sums_;
  const Buffer<Real> dz_, ih_memory_, hh_memory_; // dz: (tokens, G H)
  const Packed<Real> hh_;
  Packed<Real> ih_{};
};

} // namespace unrolled::UNROLLED_ISA
