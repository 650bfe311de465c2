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
#include "part.h"
#include "pooling.h"
#include "rows.h"

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

/* to[s][t] = Σ_i term(i, q[s], k[t]). All queries pass by a few steps before the next few, which so stay in
   the first cache. */
template <class Real, class Term>
void compare(Index queries, Index steps, Index columns, Matrix<const Real> q, Matrix<const Real> k,
             Matrix<Real> to, const Term& term) {
  over_units<Real>(0, steps, [&](Index t, Index some) {
    for (Index s = 0; s < queries; ++s) {
      const Real* query = at(q, s);
      const auto of_step = [&](Index r, Index i, Index count) {
        return term(i, count, load(query + i, count), load(at(k, t + r) + i, count));
      };
      store(at(to, s) + t, row_sums<Real>(some, columns, of_step), some);
    }
  });
}

template <class Real>
void products(Index queries, Index steps, Index columns, Matrix<const Real> q, Matrix<const Real> k,
              Matrix<Real> to) {
  compare(queries, steps, columns, q, k, to, [](Index, Index, Vec<Real> x, Vec<Real> y) { return x * y; });
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

/* to[o][j] = Σ_n weights[o output_step + n step] rows[n][j], n = 0 … count - 1, columns j = first … end - 1.
 */
template <class Real>
struct Blend {
  Index outputs, count;
  const Real* weights;
  Index output_step, step;
  Matrix<const Real> rows;
  Matrix<Real> to;
  Index first, end;
};

/* What the products of a task need: room for outputs and counts of `most`, and so many columns. */
template <class Real>
class Blender {
public:
  Blender(Index most, Index columns)
      : weights_(most), rows_(most), to_(most), packed_(packed_size<Real>(most, columns)) {}

  void operator()(const Blend<Real>& sum) const {
    for (Index n = 0; n < sum.count; ++n)
      rows_.data()[n] = at(sum.rows, n) + sum.first;
    for (Index o = 0; o < sum.outputs; ++o) {
      weights_.data()[o] = sum.weights + o * sum.output_step;
      to_.data()[o] = at(sum.to, o) + sum.first;
    }
    const Packed<Real> b = pack(rows_.data(), sum.count, sum.end - sum.first, packed_.data());
    multiply<Real>({sum.outputs, weights_.data(), sum.step, b, nullptr, to_.data()});
  }

private:
  Buffer<const Real*> weights_, rows_;
  Buffer<Real*> to_;
  Buffer<Real> packed_;
};

/* body(n, s, queries, r) for the queries s … s + queries - 1 of row n, which are the r-th of all and those
   behind it, for each row of the queries first … end - 1 of all. */
template <class Body>
void over_queries(Index each, Index first, Index end, const Body& body) {
  for (Index r = first; r < end;) {
    const Index s = r % each, queries = minimum(each - s, end - r);
    body(r / each, s, queries, r);
    r += queries;
  }
}

template <class Real>
void attend(const Attention<Real>& call, Index n, Index s, Index queries, double* powers,
            const Blender<Real>& blend, Matrix<Real> c, Matrix<Real> w) {
  const Index b = memory_row(call, n), length = call.lengths[b];
  scores(call, queries, length, {at(call.q, s, n), call.q.time}, row_of(call.k, b), w);
  for (Index i = 0; i < queries; ++i) {
    weigh(length, at(w, i), powers);
    fill_zero(at(w, i) + length, call.steps - length);
  }
  blend({queries, length, w.data, w.row, 1, row_of(call.v, b), c, 0, call.columns});
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
  const Index S = call.queries, count = call.rows * S;
  share_out(count, 1, threads_worth(count * work_of(call), threads), [&](Index first, Index end) {
    const Buffer<double> powers(call.steps);
    const Blender<Real> blend(maximum(S, call.steps), call.columns);
    over_queries(S, first, end, [&](Index n, Index s, Index queries, Index r) {
      attend<Real>(call, n, s, queries, powers.data(), blend, {c + r * call.columns, call.columns},
                   {w + r * call.steps, call.steps});
    });
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

/* w and de of queries, which lie one behind the other. */
template <class Real>
void score_gradients(const AttentionBackward<Real>& back, Index n, Index s, Index queries, const Real* w,
                     Real* de) {
  const Index T = back.call.steps, length = back.call.lengths[n];
  products<Real>(queries, length, back.call.columns, {at(back.dc, s, n), back.dc.time},
                 row_of(back.call.v, n), {de, T});
  for (Index i = 0; i < queries; ++i)
    pull_softmax(length, w + i * T, de + i * T);
}

/* One memory row: a number for each of its queries and steps, what these numbers weigh, and where the sums
 * go. */
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
  share_out(B * S, 1, worth, [&](Index first, Index end) {
    over_queries(S, first, end, [&](Index n, Index s, Index queries, Index r) {
      score_gradients(back, n, s, queries, back.w + r * T, de.data() + r * T);
    });
  });
  const Index of_depth = divide_up(D, wide), each = of_depth + divide_up(H, wide);
  share_out(B * each, 1, worth, [&](Index first, Index end) {
    const Blender<Real> blend(maximum(S, T), wide);
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
