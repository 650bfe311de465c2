/* The linear chain (conditional random field) over each row of T_b steps and K tags:

       score(y) = start[y_1] + Σ x_t[y_t] + Σ A[y_{t-1}][y_t] + end[y_T]
       log Z    = log Σ exp score(y)  over all K^T paths y
       best     = the path of the largest score; of paths that tie, the one whose last tag is lowest, then
   whose last but one is, …

   Forward, each step is brought down by its largest number m_t, so that long rows lose no precision:

       r_t[j] = log Σ_i exp(α_{t-1}[i] + A[i][j])           r_1 = start
       α_t    = x_t + r_t - m_t
       log Z  = Σ m_t + log Σ exp(α_T + end)                 the m_t are added in double

   and so are the scores of the best paths that end in each tag, which else would outgrow their digits:

       v_t[j] = max_i (v_{t-1}[i] + A[i][j]) + x_t[j] - m_t   v_1 = start + x_1 - m_1

   Backward the marginals p_t[i] = P(y_t = i) and P_t[i][j] = P(y_{t-1} = i, y_t = j) follow from
   conditionals, so they add up to one at every step:

       p_T = softmax(α_T + end)      P_t[i][j] = p_t[j] exp(α_{t-1}[i] + A[i][j] - r_t[j])      p_{t-1} = Σ_j
   P_t

   and with dz and ds, the gradients of log Z and of score:

       dx_t = dz p_t + ds 1[y_t]                             d_start = Σ_b dx_1,  d_end = Σ_b dx_T
       dA   = Σ_b Σ_t dz P_t + ds 1[y_{t-1}, y_t]

   A score of -∞ forbids a tag or a transition. A row of no steps has log Z = score = 0. */
#pragma once

#include "heads.h"
#include "math.h"
#include "outer.h"
#include "part.h"
#include "rows.h"

namespace unrolled::UNROLLED_ISA {

template <class Real>
inline constexpr Real no_score = -__builtin_huge_val();

/* log Σ_i exp(from[i] + A[i][j]) for the tags j … j + count - 1. */
template <class Real>
inline Vec<Real> reach(const Crf<Real>& call, const Real* from, Index j, Index count) {
  const Index K = call.tags;
  const Real* column = call.transitions + j;
  Vec<Real> most = broadcast(no_score<Real>);
  for (Index i = 0; i < K; ++i) {
    const Vec<Real> v = load(column + i * K, count) + from[i];
    most = v > most ? v : most;
  }
  most = most > no_score<Real> ? most : Vec<Real>{};
  Vec<Real> sum{};
  for (Index i = 0; i < K; ++i)
    sum += exp<Real>(load(column + i * K, count) + from[i] - most);
  return most + log<Real>(sum);
}

/* α and r of a step stand beside one another in the tape. */
template <class Real>
inline Real* tape_of(const Crf<Real>& call, Real* tape, Index b, Index t) {
  return tape + (b * call.steps + t) * 2 * call.tags;
}

template <class Real>
inline const Real* emission(const Crf<Real>& call, Index b, Index t) {
  return call.x + (b * call.steps + t) * call.tags;
}

template <class Real>
Real path_score(const Crf<Real>& call, Index b) {
  const Index T = call.lengths[b], K = call.tags, *y = call.path + b * call.steps;
  if (T == 0)
    return 0;
  double sum = static_cast<double>(call.start[y[0]]) + static_cast<double>(emission(call, b, 0)[y[0]]);
  for (Index t = 1; t < T; ++t)
    sum += static_cast<double>(call.transitions[y[t - 1] * K + y[t]]) +
           static_cast<double>(emission(call, b, t)[y[t]]);
  return static_cast<Real>(sum + static_cast<double>(call.end[y[T - 1]]));
}

/* log Z of a row; its α and r into the tape. */
template <class Real>
Real sum_paths(const Crf<Real>& call, Real* tape, Index b) {
  const Index T = call.lengths[b], K = call.tags;
  if (T == 0)
    return 0;
  double total = 0;
  for (Index t = 0; t < T; ++t) {
    Real *alpha = tape_of(call, tape, b, t), *r = alpha + K;
    const Real *x = emission(call, b, t), *before = t ? tape_of(call, tape, b, t - 1) : nullptr;
    over_units<Real>(0, K, [&](Index j, Index count) {
      const Vec<Real> reached = before ? reach(call, before, j, count) : load(call.start + j, count);
      store(r + j, reached, count);
      store(alpha + j, load(x + j, count) + reached, count);
    });
    const Real most = row_largest(K, alpha), down = most > no_score<Real> ? most : 0;
    over_units<Real>(0, K,
                     [&](Index j, Index count) { store(alpha + j, load(alpha + j, count) - down, count); });
    total += static_cast<double>(down);
  }
  const Real* last = tape_of(call, tape, b, T - 1);
  const auto ended = [&](Index j, Index count) { return load(last + j, count) + load(call.end + j, count); };
  Vec<Real> most = broadcast(no_score<Real>);
  over_units<Real>(0, K, [&](Index j, Index count) {
    const Vec<Real> v = only_first<Real>(ended(j, count), count, no_score<Real>);
    most = v > most ? v : most;
  });
  Real top = no_score<Real>;
  for (int i = 0; i < lanes<Real>; ++i)
    top = most[i] > top ? most[i] : top;
  const Vec<Real> down = broadcast(top > no_score<Real> ? top : 0);
  const Real sum = row_sum<Real>(K, [&](Index j, Index count) { return exp<Real>(ended(j, count) - down); });
  return static_cast<Real>(total + static_cast<double>(down[0]) +
                           static_cast<double>(log<Real>(broadcast(sum))[0]));
}

/* Threads take whole rows: a step costs K² exponentials. */
template <class Real, class Body>
void over_chains(const Crf<Real>& call, Index threads, const Body& body) {
  const Index work = call.rows * call.steps * call.tags * call.tags * 16;
  share_out(call.rows, 1, threads_worth(work, threads), [&](Index first, Index end) {
    for (Index b = first; b < end; ++b)
      body(b);
  });
}

template <class Real>
void crf(const Crf<Real>& call, Real* log_z, Real* score, Real* tape, Index threads) {
  over_chains(call, threads, [&](Index b) {
    log_z[b] = sum_paths(call, tape, b);
    if (score)
      score[b] = path_score(call, b);
    const Index width = 2 * call.tags, past = call.steps - call.lengths[b];
    fill_zero(tape_of(call, tape, b, call.lengths[b]), past * width);
  });
}

/* exp(α_{t-1}[i] + A[i][j] - r_t[j]) for the tags j … j + count - 1 of step t: P(y_{t-1} = i | y_t = j). */
template <class Real>
inline Vec<Real> came_from(const Crf<Real>& call, const Real* tape, Index b, Index t, Index i, Index j,
                           Index count) {
  const Real* r = tape + (b * call.steps + t) * 2 * call.tags + call.tags;
  const Real before = tape[(b * call.steps + t - 1) * 2 * call.tags + i];
  const Vec<Real> reached = load(r + j, count);
  const Vec<Real> share = exp<Real>(load(call.transitions + i * call.tags + j, count) + before - reached);
  return reached == no_score<Real> ? Vec<Real>{} : share; // a tag that no path reaches
}

/* The marginals (T, K) of a row. */
template <class Real>
void marginals(const Crf<Real>& call, const Real* tape, Index b, Real* p) {
  const Index T = call.lengths[b], K = call.tags;
  if (T == 0)
    return;
  const Real* alpha = tape + (b * call.steps + T - 1) * 2 * K;
  Real* last = p + (T - 1) * K;
  over_units<Real>(0, K, [&](Index j, Index count) {
    store(last + j, load(alpha + j, count) + load(call.end + j, count), count);
  });
  const Vec<Real> most = broadcast(row_largest(K, last));
  const Vec<Real> total = broadcast(row_sum<Real>(K, [&](Index j, Index count) {
    const Vec<Real> e = exp<Real>(load(last + j, count) - most);
    store(last + j, e, count);
    return e;
  }));
  over_units<Real>(0, K,
                   [&](Index j, Index count) { store(last + j, load(last + j, count) / total, count); });
  for (Index t = T - 1; t > 0; --t)
    for (Index i = 0; i < K; ++i)
      p[(t - 1) * K + i] = row_sum<Real>(K, [&](Index j, Index count) {
        return load(p + t * K + j, count) * came_from(call, tape, b, t, i, j, count);
      });
}

template <class Real>
void emission_gradient(const CrfBackward<Real>& back, Index b, const Real* p) {
  const Crf<Real>& call = back.call;
  const Index T = call.lengths[b], K = call.tags;
  Real* dx = back.dx + b * call.steps * K;
  over_units<Real>(0, T * K,
                   [&](Index i, Index count) { store(dx + i, load(p + i, count) * back.d_log_z[b], count); });
  if (call.path)
    for (Index t = 0; t < T; ++t)
      dx[t * K + call.path[b * call.steps + t]] += back.d_score[b];
  fill_zero(dx + T * K, (call.steps - T) * K);
}

/* Row i of dA: rows of the batch in order, a sum each. */
template <class Real>
void transition_gradient(const CrfBackward<Real>& back, const Real* p, Index i, Real* row) {
  const Crf<Real>& call = back.call;
  const Index K = call.tags;
  Real* d = back.d_transitions + i * K;
  fill_zero(d, K);
  for (Index b = 0; b < call.rows; ++b) {
    fill_zero(row, K);
    for (Index t = 1; t < call.lengths[b]; ++t)
      over_units<Real>(0, K, [&](Index j, Index count) {
        const Vec<Real> pair =
            load(p + (b * call.steps + t) * K + j, count) * came_from(call, back.tape, b, t, i, j, count);
        store(row + j, load(row + j, count) + pair, count);
      });
    over_units<Real>(0, K, [&](Index j, Index count) {
      store(d + j, fma(load(row + j, count), broadcast(back.d_log_z[b]), load(d + j, count)), count);
    });
    if (const Index* y = call.path ? call.path + b * call.steps : nullptr)
      for (Index t = 1; t < call.lengths[b]; ++t)
        if (y[t - 1] == i)
          d[y[t]] += back.d_score[b];
  }
}

/* d_start and d_end: dx of each row's first and last step, added up in order. */
template <class Real>
void border_gradients(const CrfBackward<Real>& back) {
  const Crf<Real>& call = back.call;
  const Index K = call.tags;
  for (Real* d : {back.d_start, back.d_end}) {
    if (!d)
      continue;
    fill_zero(d, K);
    for (Index b = 0; b < call.rows; ++b) {
      if (call.lengths[b] == 0)
        continue;
      const Real* dx = back.dx + (b * call.steps + (d == back.d_end ? call.lengths[b] - 1 : 0)) * K;
      over_units<Real>(
          0, K, [&](Index j, Index count) { store(d + j, load(d + j, count) + load(dx + j, count), count); });
    }
  }
}

template <class Real>
void crf_backward(const CrfBackward<Real>& back, Index threads) {
  const Crf<Real>& call = back.call;
  const Index K = call.tags, step = call.steps * K;
  const Buffer<Real> p(maximum(1, call.rows * step));
  over_chains(call, threads, [&](Index b) {
    marginals(call, back.tape, b, p.data() + b * step);
    emission_gradient(back, b, p.data() + b * step);
  });
  border_gradients(back);
  if (!back.d_transitions)
    return;
  share_out(K, 1, threads_worth(call.rows * step * K * 16, threads), [&](Index first, Index end) {
    const Buffer<Real> row(K);
    for (Index i = first; i < end; ++i)
      transition_gradient(back, p.data(), i, row.data());
  });
}

/* The best path of a row; `from` (T, K) holds the tag before each, `score` (2 K) two steps of the best
 * scores. */
template <class Real>
void best_path(const Crf<Real>& call, Index b, Index* from, Real* score, Index* path) {
  const Index T = call.lengths[b], K = call.tags;
  Real *now = score, *before = score + K;
  for (Index t = 0; t < T; ++t) {
    const Real* x = emission(call, b, t);
    for (Index j = 0; j < K; ++j) {
      Real best = t ? before[0] + call.transitions[j] : call.start[j];
      from[t * K + j] = 0;
      for (Index i = 1; t && i < K; ++i)
        if (const Real v = before[i] + call.transitions[i * K + j]; v > best) {
          best = v;
          from[t * K + j] = i;
        }
      now[j] = best + x[j];
    }
    if (const Real most = row_largest(K, now); most > no_score<Real>)
      for (Index j = 0; j < K; ++j)
        now[j] -= most;
    Real* const other = now;
    now = before;
    before = other;
  }
  Index tag = 0;
  for (Index j = 1; T && j < K; ++j)
    if (before[j] + call.end[j] > before[tag] + call.end[tag])
      tag = j;
  for (Index t = T - 1; t >= 0; --t) {
    path[t] = tag;
    tag = from[t * K + tag];
  }
  for (Index t = T; t < call.steps; ++t)
    path[t] = 0;
}

template <class Real>
void viterbi(const Crf<Real>& call, Index* path, Index threads) {
  const Index K = call.tags;
  over_chains(call, threads, [&](Index b) {
    const Buffer<Index> from(maximum(1, call.lengths[b] * K));
    const Buffer<Real> score(2 * K);
    best_path(call, b, from.data(), score.data(), path + b * call.steps);
  });
}

} // namespace unrolled::UNROLLED_ISA
