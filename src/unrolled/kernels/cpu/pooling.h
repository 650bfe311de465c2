/* The steps y_t (H) of a row made one vector p, whose value is known after every step. With S (H):

       mean        Z ← Z + 1                                          S ← S + y_t                p = S / Z
       max                                                            S ← max(S, y_t)            p = S
       attention   M = max(m, s_t)    a = exp(m - M)    e = exp(s_t - M)
                   Z ← a Z + e                  m ← M                 S ← a S + e y_t            p = S / Z

   Before the first step m = -∞, Z = 0 and S = 0, of max -∞. So attention is softmax over time of the scores
   s_t, brought down by the largest so far: no score overflows, and no step knows of a later one. m, Z and S
   are doubles whatever y is, and carried: a long row loses no precision, and chunks give the bits of the
   whole.

   With dp the gradient of p after the last of T steps and w_t = exp(s_t - m) / Z:

       mean        dy_t = dp / T
       max         dy_t = dp where y_t is the first to be S, else 0
       attention   dy_t = w_t dp       ds_t = w_t Σ_j dp_j (y_tj - p_j)

   Of max NaN is the largest number; a score of NaN or +∞, and scores of nothing but -∞, make p NaN. */
#pragma once

#include "heads.h"
#include "math.h"
#include "part.h"
#include "rows.h"

namespace unrolled::UNROLLED_ISA {

/* Half a vector of floats is as many numbers as a vector of doubles. */
typedef float HalfVec __attribute__((vector_size(UNROLLED_VECTOR_BYTES / 2)));

inline Vec<double> load_wide(const double* from, Index count) {
  return load(from, count);
}
inline Vec<double> load_wide(const float* from, Index count) {
  HalfVec half{};
  if (count == lanes<double>)
    __builtin_memcpy(&half, from, sizeof half);
  else
    for (Index i = 0; i < count; ++i)
      half[i] = from[i];
  return __builtin_convertvector(half, Vec<double>);
}

inline void store_wide(double* to, Vec<double> v, Index count) {
  store(to, v, count);
}
inline void store_wide(float* to, Vec<double> v, Index count) {
  const HalfVec half = __builtin_convertvector(v, HalfVec);
  if (count == lanes<double>)
    __builtin_memcpy(to, &half, sizeof half);
  else
    for (Index i = 0; i < count; ++i)
      to[i] = half[i];
}

inline constexpr double nothing = -__builtin_huge_val();

/* What is carried of one row: m, Z and S (H). */
template <class Number>
struct Carried {
  Number *m, *z, *sum;

  explicit Carried(Number* row) : m(row), z(row + 1), sum(row + 2) {}
};

inline void begin_pooling(PoolingKind kind, Index H, const Carried<double>& row) {
  *row.m = nothing;
  *row.z = 0;
  const Vec<double> first = broadcast(kind == PoolingKind::max ? nothing : 0.0);
  over_units<double>(0, H, [&](Index j, Index count) { store(row.sum + j, first, count); });
}

template <class Real>
inline void add_step(const Real* y, Index H, const Carried<double>& row) {
  *row.z += 1;
  over_units<double>(0, H, [&](Index j, Index count) {
    store(row.sum + j, load(row.sum + j, count) + load_wide(y + j, count), count);
  });
}

template <class Real>
inline void keep_largest(const Real* y, Index H, const Carried<double>& row) {
  over_units<double>(0, H, [&](Index j, Index count) {
    const Vec<double> v = load_wide(y + j, count), most = load(row.sum + j, count);
    store(row.sum + j, (v > most) | (v != v) ? v : most, count);
  });
}

template <class Real>
inline void attend(const Real* y, double score, Index H, const Carried<double>& row) {
  const double most = score > *row.m ? score : *row.m, down = most > nothing ? most : 0;
  Vec<double> powers{};
  powers[0] = *row.m - down;
  powers[1] = score - down;
  powers = exp<double>(powers);
  const Vec<double> a = broadcast<double>(powers[0]), e = broadcast<double>(powers[1]);
  *row.m = most;
  *row.z = *row.z * a[0] + e[0];
  over_units<double>(0, H, [&](Index j, Index count) {
    store(row.sum + j, fma(e, load_wide(y + j, count), load(row.sum + j, count) * a), count);
  });
}

/* p, from what has been carried. */
template <class Real>
inline void tell(PoolingKind kind, Index H, const Carried<double>& row, Real* p) {
  const Vec<double> z = broadcast(kind == PoolingKind::max ? 1.0 : *row.z);
  over_units<double>(0, H,
                     [&](Index j, Index count) { store_wide(p + j, load(row.sum + j, count) / z, count); });
}

template <class Real>
inline Real* step_of(const Sequence<Real>& s, Index t, Index b) {
  return s.data + t * s.time + b * s.row;
}

template <class Real>
inline void pool_step(const Pooling<Real>& call, Index t, Index b, const Carried<double>& row) {
  const Real* y = step_of(call.y, t, b);
  switch (call.kind) {
  case PoolingKind::mean:
    return add_step(y, call.columns, row);
  case PoolingKind::max:
    return keep_largest(y, call.columns, row);
  case PoolingKind::attention:
    return attend(y, static_cast<double>(*step_of(call.scores, t, b)), call.columns, row);
  }
}

template <class Real>
void pool_row(const Pooling<Real>& call, Index b) {
  const Index H = call.columns, length = call.lengths ? call.lengths[b] : call.steps;
  const Carried<double> row(call.after + b * (2 + H));
  if (call.before)
    copy(row.m, call.before + b * (2 + H), 2 + H);
  else
    begin_pooling(call.kind, H, row);
  for (Index t = 0; t < length; ++t) {
    pool_step(call, t, b, row);
    if (call.every.data)
      tell(call.kind, H, row, step_of(call.every, t, b));
  }
  for (Index t = length; call.every.data && t < call.steps; ++t)
    fill_zero(step_of(call.every, t, b), H);
  if (call.last.data)
    tell(call.kind, H, row, at(call.last, b));
}

/* Threads take whole rows. */
template <class Real>
void pooling(const Pooling<Real>& call, Index threads) {
  const Index work = call.rows * call.steps * (call.columns + 64); // two exponentials a step
  share_out(call.rows, 1, threads_worth(work, threads), [&](Index first, Index end) {
    for (Index b = first; b < end; ++b)
      pool_row(call, b);
  });
}

/* dy = w dp. */
template <class Real>
inline void give_share(const Real* dp, double w, Index H, Real* dy) {
  over_units<double>(0, H,
                     [&](Index j, Index count) { store_wide(dy + j, load_wide(dp + j, count) * w, count); });
}

template <class Real>
void mean_gradient(const PoolingBackward<Real>& back, Index b, Index length) {
  for (Index t = 0; t < length; ++t)
    give_share(at(back.d_last, b), 1 / static_cast<double>(length), back.columns, step_of(back.dy, t, b));
}

template <class Real>
void max_gradient(const PoolingBackward<Real>& back, Index b, Index length, const double* largest) {
  over_units<double>(0, back.columns, [&](Index j, Index count) {
    const Vec<double> most = load(largest + j, count), dp = load_wide(at(back.d_last, b) + j, count);
    Bits<double> found{};
    for (Index t = 0; t < length; ++t) {
      const Bits<double> here = (load_wide(step_of(back.y, t, b) + j, count) == most) & ~found;
      store_wide(step_of(back.dy, t, b) + j, here ? dp : Vec<double>{}, count);
      found |= here;
    }
  });
}

template <class Real>
void attention_gradient(const PoolingBackward<Real>& back, Index b, Index length,
                        const Carried<const double>& row) {
  const Real* dp = at(back.d_last, b);
  for (Index t = 0; t < length; ++t) {
    const Real* y = step_of(back.y, t, b);
    const double score = static_cast<double>(*step_of(back.scores, t, b));
    const double w = exp<double>(broadcast(score - *row.m))[0] / *row.z;
    give_share(dp, w, back.columns, step_of(back.dy, t, b));
    const double along = row_sum<double>(back.columns, [&](Index j, Index count) {
      return load_wide(dp + j, count) * (load_wide(y + j, count) - load(row.sum + j, count) / *row.z);
    });
    *step_of(back.d_scores, t, b) = static_cast<Real>(w * along);
  }
}

template <class Real>
void pool_row_back(const PoolingBackward<Real>& back, Index b) {
  const Index length = back.lengths[b];
  const Carried<const double> row(back.after + b * (2 + back.columns));
  switch (back.kind) {
  case PoolingKind::mean:
    mean_gradient(back, b, length);
    break;
  case PoolingKind::max:
    max_gradient(back, b, length, row.sum);
    break;
  case PoolingKind::attention:
    attention_gradient(back, b, length, row);
    break;
  }
  for (Index t = length; t < back.steps; ++t) {
    fill_zero(step_of(back.dy, t, b), back.columns);
    if (back.d_scores.data)
      *step_of(back.d_scores, t, b) = 0;
  }
}

template <class Real>
void pooling_backward(const PoolingBackward<Real>& back, Index threads) {
  const Index work = back.rows * back.steps * (3 * back.columns + 64);
  share_out(back.rows, 1, threads_worth(work, threads), [&](Index first, Index end) {
    for (Index b = first; b < end; ++b)
      pool_row_back(back, b);
  });
}

} // namespace unrolled::UNROLLED_ISA
