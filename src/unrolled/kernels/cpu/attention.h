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

template <class Real>
inline Real score(const Attention<Real>& call, const Real* q, const Real* k) {
  if (call.kind == AttentionKind::dot)
    return row_sum<Real>(call.depth,
                         [&](Index d, Index count) { return load(q + d, count) * load(k + d, count); });
  return row_sum<Real>(call.depth, [&](Index d, Index count) {
    return load(call.u + d, count) * tanh<Real>(load(q + d, count) + load(k + d, count));
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

/* Σ_n weights[n step] rows[n], n = 0 … count - 1: what is summed, over a few vectors of columns. */
template <class Real>
struct Blend {
  Index count;
  const Real* weights;
  Index step;
  Matrix<const Real> rows;
};

template <int Vectors, class Real>
void blend_vectors(const Blend<Real>& sum, Index column, Index tail, Real* to) {
  constexpr Index width = lanes<Real>;
  const auto size = [tail](int v) { return v < Vectors - 1 ? width : tail; };
  Index n = 0;
  do {
    Vec<Real> part[Vectors] = {};
    for (const Index first = n, end = minimum(first + chain, sum.count); n < end; ++n) {
      const Vec<Real> weight = broadcast(sum.weights[n * sum.step]);
      const Real* row = at(sum.rows, n) + column;
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v)
        part[v] = fma(weight, load(row + v * width, size(v)), part[v]);
    }
    const bool more = n > chain;
    for (int v = 0; v < Vectors; ++v) {
      Real* here = to + column + v * width;
      store(here, more ? load(here, size(v)) + part[v] : part[v], size(v));
    }
  } while (n < sum.count);
}

/* to[j] for the columns j = first … end - 1. */
template <class Real>
void blend(const Blend<Real>& sum, Index first, Index end, Real* to) {
  constexpr Index width = lanes<Real>;
  for (Index column = first; column < end;) {
    const Index vectors = divide_up(end - column, width);
    const auto take = [&]<int Vectors>() {
      blend_vectors<Vectors>(sum, column, minimum(width, end - column - (Vectors - 1) * width), to);
      column += Vectors * width;
    };
    if (vectors >= 8)
      take.template operator()<8>();
    else if (vectors >= 4)
      take.template operator()<4>();
    else if (vectors >= 2)
      take.template operator()<2>();
    else
      take.template operator()<1>();
  }
}

/* Query s of row n. */
template <class Real>
void attend_query(const Attention<Real>& call, Index n, Index s, double* powers, Real* c, Real* w) {
  const Index b = memory_row(call, n), length = call.lengths[b];
  for (Index t = 0; t < length; ++t)
    w[t] = score(call, at(call.q, s, n), at(call.k, t, b));
  weigh(length, w, powers);
  fill_zero(w + length, call.steps - length);
  blend<Real>({length, w, 1, {at(call.v, 0, b), call.v.time}}, 0, call.columns, c);
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
    for (Index r = first; r < end; ++r)
      attend_query(call, r / S, r % S, powers.data(), c + r * call.columns, w + r * call.steps);
  });
}

/* de (T) of query s of row n, whose weights are w. */
template <class Real>
void score_gradient(const AttentionBackward<Real>& back, Index n, Index s, const Real* w, Real* de) {
  const Index H = back.call.columns, length = back.call.lengths[n];
  const Real* dc = at(back.dc, s, n);
  for (Index t = 0; t < length; ++t) {
    const Real* v = at(back.call.v, t, n);
    de[t] = row_sum<Real>(H, [&](Index h, Index count) { return load(dc + h, count) * load(v + h, count); });
  }
  const Vec<double> along = broadcast(row_sum<double>(
      length, [&](Index t, Index count) { return load_wide(w + t, count) * load_wide(de + t, count); }));
  over_units<double>(0, length, [&](Index t, Index count) {
    store_wide(de + t, load_wide(w + t, count) * (load_wide(de + t, count) - along), count);
  });
}

/* The queries and the steps of one memory row, and a number for each pair of them. */
template <class Real>
struct Pairs {
  Index queries, steps, length;
  const Real* numbers; // (S, T)

  const Real* of_query(Index s) const { return numbers + s * steps; }
};

/* d_steps[t] = Σ_s numbers[s][t] queries[s], columns first … end - 1; zero past the length. */
template <class Real>
void blend_queries(const Pairs<Real>& pairs, Matrix<const Real> queries, Index first, Index end,
                   Matrix<Real> d_steps) {
  for (Index t = 0; t < pairs.steps; ++t)
    if (t < pairs.length)
      blend<Real>({pairs.queries, pairs.numbers + t, pairs.steps, queries}, first, end, at(d_steps, t));
    else
      fill_zero(at(d_steps, t) + first, end - first);
}

/* What dq and dk of one memory row are made of and go to. */
template <class Real>
struct QueryKey {
  Pairs<Real> de;
  Matrix<const Real> q, k;
  Matrix<Real> dq, dk;
};

template <class Real>
void dot_units(const QueryKey<Real>& row, Index first, Index end) {
  for (Index s = 0; s < row.de.queries; ++s)
    blend<Real>({row.de.length, row.de.of_query(s), 1, row.k}, first, end, at(row.dq, s));
  blend_queries(row.de, row.q, first, end, row.dk);
}

template <class Real>
inline void add_to(Real* sum, Vec<Real> v, Index count) {
  store(sum, load(sum, count) + v, count);
}

/* Units d … d + count - 1, for queries and steps of which each is a chain at most; returns du. */
template <class Real>
Vec<Real> additive_tile(const QueryKey<Real>& row, const Real* u, Index d, Index count, Index query,
                        Index step) {
  const Index last_query = minimum(query + chain, row.de.queries);
  const Index last_step = minimum(step + chain, row.de.length);
  const Vec<Real> scale = load(u + d, count);
  Vec<Real> total{}, pulls[chain];
  for (Index t = step; t < last_step; ++t)
    pulls[t - step] = Vec<Real>{};
  for (Index s = query; s < last_query; ++s) {
    const Vec<Real> q = load(at(row.q, s) + d, count);
    Vec<Real> dq{}, du{};
    for (Index t = step; t < last_step; ++t) {
      const Vec<Real> de = broadcast(row.de.of_query(s)[t]);
      const Vec<Real> z = tanh<Real>(q + load(at(row.k, t) + d, count)), pull = pull_tanh<Real>(z, de);
      dq += pull;
      pulls[t - step] += pull;
      du = fma(de, z, du);
    }
    add_to(at(row.dq, s) + d, scale * dq, count);
    total += du;
  }
  for (Index t = step; t < last_step; ++t)
    add_to(at(row.dk, t) + d, scale * pulls[t - step], count);
  return total;
}

template <class Real>
void additive_units(const QueryKey<Real>& row, const Real* u, Index first, Index end, Real* du) {
  fill_zero(du + first, end - first);
  for (Index s = 0; s < row.de.queries; ++s)
    fill_zero(at(row.dq, s) + first, end - first);
  for (Index t = 0; t < row.de.steps; ++t)
    fill_zero(at(row.dk, t) + first, end - first);
  over_units<Real>(first, end, [&](Index d, Index count) {
    for (Index s = 0; s < row.de.queries; s += chain)
      for (Index t = 0; t < row.de.length; t += chain)
        add_to(du + d, additive_tile(row, u, d, count, s, t), count);
  });
}

/* The gradients of one memory row. de (N, S, T); du (N, D), each row's own sum, for additive. */
template <class Real>
class RowGradients {
public:
  RowGradients(const AttentionBackward<Real>& back, const Real* de, Real* du, Index b)
      : back_(back), du_(du + b * back.call.depth), b_(b), de_(pairs(de)) {}

  void query_key(Index first, Index end) const {
    const Attention<Real>& call = back_.call;
    const Index D = call.depth, S = call.queries, T = call.steps;
    const QueryKey<Real> row = {de_,
                                {at(call.q, 0, b_), call.q.time},
                                {at(call.k, 0, b_), call.k.time},
                                {back_.dq + b_ * S * D, D},
                                {back_.dk + b_ * T * D, D}};
    if (call.kind == AttentionKind::dot)
      dot_units(row, first, end);
    else
      additive_units(row, call.u, first, end, du_);
  }

  void value(Index first, Index end) const {
    const Index H = back_.call.columns;
    blend_queries<Real>(pairs(back_.w), {at(back_.dc, 0, b_), back_.dc.time}, first, end,
                        {back_.dv + b_ * back_.call.steps * H, H});
  }

private:
  Pairs<Real> pairs(const Real* numbers) const {
    const Attention<Real>& call = back_.call;
    return {call.queries, call.steps, call.lengths[b_], numbers + b_ * call.queries * call.steps};
  }

  const AttentionBackward<Real>& back_;
  Real* du_;
  Index b_;
  Pairs<Real> de_;
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
    for (Index r = first; r < end; ++r)
      score_gradient(back, r / S, r % S, back.w + r * T, de.data() + r * T);
  });
  const Index of_depth = divide_up(D, wide), each = of_depth + divide_up(H, wide);
  share_out(B * each, 1, worth, [&](Index first, Index end) {
    for (Index task = first; task < end; ++task) {
      const RowGradients<Real> row(back, de.data(), du.data(), task / each);
      const Index part = task % each, unit = (part < of_depth ? part : part - of_depth) * wide;
      if (part < of_depth)
        row.query_key(unit, minimum(unit + wide, D));
      else
        row.value(unit, minimum(unit + wide, H));
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
