/* Which rows and units a thread runs, and where a call's numbers of a row at a step stand. */
#pragma once

#include "plan.h"
#include "pool.h"
#include "step.h"
#include "unpacked.h"

namespace unrolled::UNROLLED_ISA {

template <class Real>
inline void fill_zero(Real* to, Index count) {
  if (count > 0) // memset takes no null pointer
    __builtin_memset(to, 0, static_cast<std::size_t>(count) * sizeof(Real));
}

template <class Real>
inline void copy(Real* to, const Real* from, Index count) {
  if (count > 0)
    __builtin_memcpy(to, from, static_cast<std::size_t>(count) * sizeof(Real));
}

/* Zeros past the length of row b, where s is there and has a place for them. */
template <class Real>
inline void end_row(const Sequence<Real>& s, Index length, Index T, Index b, Index count) {
  for (Index t = length; t < T && s.data && !s.starts; ++t)
    fill_zero(at(s, t, b), count);
}

/* The rows first … end - 1 of a plan, from the first step to the last. */
struct Part {
  const Plan& plan;
  Index number, first, end;

  Part(const Plan& p, Index n) : plan(p), number(n), first(p.cut[n]), end(p.cut[n + 1]) {}

  Index rows() const { return end - first; }
  Index steps() const { return plan.length[first]; }
  Index running(Index s) const { return maximum(0, minimum(end, plan.active[s]) - first); }
  Index row(Index i) const { return plan.row[first + i]; }
  Index length(Index i) const { return plan.length[first + i]; }
  Index time(Index i, Index s) const { return plan.reverse ? length(i) - 1 - s : s; }
  Index token(Index i, Index s) const { return plan.token[s] + first + i; }
};

/* The member of a team that runs a part together: what is to be shared, and where they meet. */
struct Crew {
  Index member, size;
  pool::Barrier& barrier;

  void meet() const {
    if (size > 1)
      barrier.wait(size);
  }
  Index begin(Index count) const { return count * member / size; }
  Index end(Index count) const { return count * (member + 1) / size; }
  /* Whole vectors of units. */
  template <class Real>
  Index first_unit(Index H) const {
    return minimum(H, begin(divide_up(H, lanes<Real>)) * lanes<Real>);
  }
  template <class Real>
  Index end_unit(Index H) const {
    return minimum(H, end(divide_up(H, lanes<Real>)) * lanes<Real>);
  }
  template <class Real>
  void multiply(const Product<Real>& p) const {
    multiply_weights(p, begin(panels(p.b)), end(panels(p.b)));
  }
};

/* Tokens whose sums are computed at once: enough for a good product, few enough to stay in the cache; one
   step's rows at least. */
template <class Real>
inline Index stretch_rows(const Plan& plan, Index width) {
  constexpr Index bytes = 128 * 1024;
  Index rows = minimum(plan.tokens, bytes / static_cast<Index>(sizeof(Real)) / maximum(width, 1));
  for (Index p = 0; p < plan.parts; ++p)
    rows = maximum(rows, plan.cut[p + 1] - plan.cut[p]);
  return rows;
}

/* h := z ⊙ old + (1 - z) ⊙ h for zoneout's share z; where z is 0 or 1, exactly one of them. */
template <class Real>
inline void zone(const Real* share, const Real* old, Real* h, Index first, Index end) {
  over_units<Real>(first, end, [&](Index u, Index n) {
    const Vec<Real> z = load(share + u, n), fresh = load(h + u, n), before = load(old + u, n);
    const Vec<Real> mixed = fma(one<Real>() - z, fresh, z * before);
    store(h + u, z == 0 ? fresh : z == 1 ? before : mixed, n);
  });
}

} // namespace unrolled::UNROLLED_ISA
