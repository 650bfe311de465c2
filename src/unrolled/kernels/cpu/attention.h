/* Attention of a query q over the T steps of a memory row, T its own length:

       e_t = Σ_d q_d k_td                   dot
       e_t = Σ_d u_d tanh(q_d + k_td)       additive
       w_t = exp(e_t - m) / Z               m = max_t e_t,  Z = Σ_t exp(e_t - m)
       c   = Σ_t w_t v_t

   Sums over d and h run along a row (rows.h); exp(e_t - m), Z and the quotient are doubles, Z summed along
   the row likewise; sums over t and over queries are chains of 128 fused multiply-adds, added in order
   (gemm.h). So a query's c and w depend on its own row alone.

   With dc the gradient of c, and ∂w_t / ∂e_r = w_t ([t = r] - w_r):

       dw_t = Σ_h dc_h v_th
       de_t = w_t (dw_t - Σ_r w_r dw_r)
       dv_t = Σ_s w_st dc_s                                     over the queries s of the row

       dot        dq = Σ_t de_t k_t             dk_t = Σ_s de_st q_s

       additive   z_t = tanh(q + k_t)           dq = u ⊙ Σ_t de_t (1 - z_t²)
                  du = Σ_s Σ_t de_st z_st       dk_t = u ⊙ Σ_s de_st (1 - z_st²)

   z is computed again. Every sum over t or s goes unit by unit, so threads share a row's units; du is summed
   row by row of the memory, and the rows are added in order.

   A score of NaN or +∞, and scores of nothing but -∞, make w and c NaN. */
#pragma once

#include "heads.h"
#include "math.h"
#include "pairs.h"
#include "part.h"
#include "pooling.h"

namespace unrolled::UNROLLED_ISA {

template <class Real>
inline Index memory_row(const Attention<Real>& call, Index n) {
  return call.index ? call.index[n] : n;
}

/* The steps of row n. */
template <class Real>
inline Matrix<Real> row_of(const Sequence<Real>& s, Index n) {
  return {at(s, 0, n), s.time};
}

template <class Real>
void scores(const Attention<Real>& call, Index queries, Index steps, Matrix<const Real> q,
            Matrix<const Real> k, Matrix<Real> e) {
  if (call.kind == AttentionKind::dot)
    return products(queries, steps, call.depth, q, k, e);
  compare(queries, steps, call.depth, q, k, e, [u = call.u](Index d, Index count, Vec<Real> x, Vec<Real> y) {
    return load(u + d, count) * tanh<Real>(x + y);
  });
}

/* e (T) becomes w. powers (T): scratch. */
template <class Real>
void weigh(Index length, Real* e, double* powers) {
  const Vec<double> most = broadcast(static_cast<double>(row_largest(length, e)));
  const Vec<double> total = broadcast(row_sum<double>(length, [&](Index t, Index count) {
    const Vec<double> power = exp<double>(load_wide(e + t, count) - most);
    store(powers + t, power, count);
    return power;
  }));
  over_units<double>(
      0, length, [&](Index t, Index count) { store_wide(e + t, load(powers + t, count) / total, count); });
}

/* Queries r, r + 1, … of all that read the same row of the memory; where a row has one alone, those of the
   next rows as well. */
template <class Real>
struct Group {
  Index memory, count;
  Matrix<const Real> q;

  Group(const Attention<Real>& call, Index r, Index end) {
    const Index S = call.queries, n = r / S;
    memory = memory_row(call, n);
    count = minimum(S - r % S, end - r);
    q = {at(call.q, r % S, n), S > 1 ? call.q.time : call.q.row};
    while (S == 1 && r + count < end && memory_row(call, r + count) == memory)
      ++count;
  }
};

template <class Real>
void attend(const Attention<Real>& call, const Group<Real>& group, double* powers, const Blender<Real>& blend,
            Matrix<Real> c, Matrix<Real> w) {
  const Index length = call.lengths[group.memory];
  scores(call, group.count, length, group.q, row_of(call.k, group.memory), w);
  for (Index i = 0; i < group.count; ++i) {
    weigh(length, at(w, i), powers);
    fill_zero(at(w, i) + length, call.steps - length);
  }
  blend({group.count, length, w.data, w.row, 1, row_of(call.v, group.memory), c, 0, call.columns});
}

/* How many operations a query is worth; an exponential is worth 64, a tanh 16. */
template <class Real>
inline Index work_of(const Attention<Real>& call) {
  const Index score = call.kind == AttentionKind::dot ? 1 : 16;
  return call.steps * (score * call.depth + call.columns + 64);
}

/* Threads take queries. */
template <class Real>
void attention(const Attention<Real>& call, Real* c, Real* w, Index threads) {
  const Index count = call.rows * call.queries, H = call.columns, T = call.steps;
  share_out(count, 1, threads_worth(count * work_of(call), threads), [&](Index first, Index end) {
    const Buffer<double> powers(T);
    const Blender<Real> blend(end - first, T, H);
    for (Index r = first; r < end;) {
      const Group<Real> group(call, r, end);
      attend<Real>(call, group, powers.data(), blend, {c + r * H, H}, {w + r * T, T});
      r += group.count;
    }
  });
}

/* de (T) of one query, which begins as dw. */
template <class Real>
void pull_softmax(Index length, const Real* w, Real* de) {
  const Vec<double> along = broadcast(row_sum<double>(
      length, [&](Index t, Index count) { return load_wide(w + t, count) * load_wide(de + t, count); }));
  over_units<double>(0, length, [&](Index t, Index count) {
    store_wide(de + t, load_wide(w + t, count) * (load_wide(de + t, count) - along), count);
  });
}

/* de of the queries first … end - 1 of all. */
template <class Real>
void score_gradients(const AttentionBackward<Real>& back, Index first, Index end, Real* de) {
  const Attention<Real>& call = back.call;
  const Index S = call.queries, T = call.steps;
  for (Index r = first; r < end;) {
    const Group<Real> group(call, r, end);
    const Index b = group.memory, length = call.lengths[b];
    products<Real>(group.count, length, call.columns, {at(back.dc, r % S, b), back.dc.time},
                   row_of(call.v, b), {de + r * T, T});
    for (const Index last = r + group.count; r < last; ++r)
      pull_softmax(length, back.w + r * T, de + r * T);
  }
}

/* One memory row: a number for each of its queries and steps, what these numbers weigh, where the sums go. */
template <class Real>
struct Pairs {
  Index queries, steps, length;
  const Real* numbers; // (S, T)
  Matrix<const Real> of_queries, of_steps;
  Matrix<Real> to_queries, to_steps;
};

/* to_queries[s] = Σ_t numbers[s][t] of_steps[t]. */
template <class Real>
void blend_steps(const Pairs<Real>& row, Index first, Index end, const Blender<Real>& blend) {
  blend({row.queries, row.length, row.numbers, row.steps, 1, row.of_steps, row.to_queries, first, end});
}

/* to_steps[t] = Σ_s numbers[s][t] of_queries[s]; zero past the length. */
template <class Real>
void blend_queries(const Pairs<Real>& row, Index first, Index end, const Blender<Real>& blend) {
  blend({row.length, row.queries, row.numbers, 1, row.steps, row.of_queries, row.to_steps, first, end});
  for (Index t = row.length; t < row.steps; ++t)
    fill_zero(at(row.to_steps, t) + first, end - first);
}

template <class Real>
inline void add_to(Real* sum, Vec<Real> v, Index count) {
  store(sum, load(sum, count) + v, count);
}

/* Units d … d + count - 1, for queries and steps of which each is a chain at most; returns du. */
template <class Real>
Vec<Real> additive_tile(const Pairs<Real>& row, const Real* u, Index d, Index count, Index query,
                        Index step) {
  const Index last_query = minimum(query + chain, row.queries);
  const Index last_step = minimum(step + chain, row.length);
  const Vec<Real> scale = load(u + d, count);
  Vec<Real> total{}, pulls[chain];
  for (Index t = step; t < last_step; ++t)
    pulls[t - step] = Vec<Real>{};
  for (Index s = query; s < last_query; ++s) {
    const Vec<Real> q = load(at(row.of_queries, s) + d, count);
    Vec<Real> dq{}, du{};
    for (Index t = step; t < last_step; ++t) {
      const Vec<Real> de = broadcast(row.numbers[s * row.steps + t]);
      const Vec<Real> z = tanh<Real>(q + load(at(row.of_steps, t) + d, count)), pull = pull_tanh<Real>(z, de);
      dq += pull;
      pulls[t - step] += pull;
      du = fma(de, z, du);
    }
    add_to(at(row.to_queries, s) + d, scale * dq, count);
    total += du;
  }
  for (Index t = step; t < last_step; ++t)
    add_to(at(row.to_steps, t) + d, scale * pulls[t - step], count);
  return total;
}

template <class Real>
void additive_units(const Pairs<Real>& row, const Real* u, Index first, Index end, Real* du) {
  fill_zero(du + first, end - first);
  for (Index s = 0; s < row.queries; ++s)
    fill_zero(at(row.to_queries, s) + first, end - first);
  for (Index t = 0; t < row.steps; ++t)
    fill_zero(at(row.to_steps, t) + first, end - first);
  over_units<Real>(first, end, [&](Index d, Index count) {
    for (Index s = 0; s < row.queries; s += chain)
      for (Index t = 0; t < row.length; t += chain)
        add_to(du + d, additive_tile(row, u, d, count, s, t), count);
  });
}

/* The gradients of memory row b, a stretch of units at a time. de (N, S, T); du (N, D), each row's own sum.
 */
template <class Real>
struct RowGradients {
  const AttentionBackward<Real>& back;
  const Real* de;
  Real* du;
  Index b;

  void of_query_and_key(Index first, Index end, const Blender<Real>& blend) const {
    const Attention<Real>& call = back.call;
    const Index D = call.depth;
    const Pairs<Real> row = pairs(de, call.q, call.k, back.dq, back.dk, D);
    if (call.kind == AttentionKind::additive)
      return additive_units(row, call.u, first, end, du + b * D);
    blend_steps(row, first, end, blend);
    blend_queries(row, first, end, blend);
  }

  void of_value(Index first, Index end, const Blender<Real>& blend) const {
    blend_queries(
        pairs(back.w, back.dc, back.call.v, static_cast<Real*>(nullptr), back.dv, back.call.columns), first,
        end, blend);
  }

private:
  Pairs<Real> pairs(const Real* numbers, const Sequence<const Real>& queries,
                    const Sequence<const Real>& steps, Real* to_queries, Real* to_steps,
                    Index columns) const {
    const Index S = back.call.queries, T = back.call.steps;
    return {S,
            T,
            back.call.lengths[b],
            numbers + b * S * T,
            row_of(queries, b),
            row_of(steps, b),
            {to_queries ? to_queries + b * S * columns : nullptr, columns},
            {to_steps + b * T * columns, columns}};
  }
};

/* Threads take queries, then stretches of units of a memory row. */
template <class Real>
void attention_backward(const AttentionBackward<Real>& back, Index threads) {
  constexpr Index wide = 8 * lanes<Real>;
  const Attention<Real>& call = back.call;
  const Index B = call.rows, S = call.queries, T = call.steps, D = call.depth, H = call.columns;
  const Index worth = threads_worth(2 * B * S * work_of(call), threads);
  const bool additive = call.kind == AttentionKind::additive;
  const Buffer<Real> de(B * S * T), du(additive ? B * D : 0);
  share_out(B * S, 1, worth, [&](Index first, Index end) { score_gradients(back, first, end, de.data()); });
  const Index of_depth = divide_up(D, wide), each = of_depth + divide_up(H, wide);
  share_out(B * each, 1, worth, [&](Index first, Index end) {
    const Blender<Real> blend(maximum(S, T), maximum(S, T), wide);
    for (Index task = first; task < end; ++task) {
      const RowGradients<Real> row = {back, de.data(), du.data(), task / each};
      const Index part = task % each, unit = (part < of_depth ? part : part - of_depth) * wide;
      if (part < of_depth)
        row.of_query_and_key(unit, minimum(unit + wide, D), blend);
      else
        row.of_value(unit, minimum(unit + wide, H), blend);
    }
  });
  if (additive)
    over_units<Real>(0, D, [&](Index d, Index count) {
      Vec<Real> total{};
      for (Index b = 0; b < B; ++b)
        total += load(du.data() + b * D + d, count);
      store(back.du + d, total, count);
    });
}

} // namespace unrolled::UNROLLED_ISA
