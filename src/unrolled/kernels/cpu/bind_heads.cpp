/* The part of unrolled.kernels._cpu that heads.h describes; documented in ../_cpu.pyi. */
#include "bind_heads.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <stdexcept>
#include <string>

#include <nanobind/stl/string.h>

#include "arithmetic.h"
#include "array.h"
#include "isa.h"
#include "linear_weight.h"

namespace nb = nanobind;

namespace unrolled {

namespace {

using Object = nb::handle;

/* body(heads) with those of the type of x, without Python's lock. */
template <class Body>
void run(const Array& x, const Body& body) {
  const bool single = x.is<float>();
  if (!single && !x.is<double>())
    x.refuse("float32 or float64");
  const nb::gil_scoped_release release;
  const StandardArithmetic arithmetic;
  if (single)
    body(isa().heads_float32);
  else
    body(isa().heads_float64);
}

/* An array that may be absent. */
template <class T>
T* vector(const Array& array, Extent N) {
  return array ? array.vector<T>(N) : nullptr;
}

template <class Real>
Matrix<Real> rows(const Array& array, Extent count, Extent N) {
  return array ? array.rows<Real>(count, N) : Matrix<Real>{};
}

/* (B, T, N) by time and row. */
template <class Real>
Sequence<Real> steps(const Array& array, Extent B, Extent T, Extent N) {
  if (!array)
    return {};
  const Sequence<Real> s = array.sequence<Real>(B, T, N);
  return {s.data, s.row, s.time};
}

template <class T>
T* whole(const Array& array, std::initializer_list<Extent> shape) {
  return array ? array.view<T>(shape, true) : nullptr;
}

void check_index(const Index* index, Index count, Index table_rows) {
  for (Index i = 0; i < count; ++i)
    if (index[i] < 0 || index[i] >= table_rows)
      throw std::out_of_range("index " + std::to_string(index[i]) + " at place " + std::to_string(i) +
                              " is outside the table; it has " + std::to_string(table_rows) + " rows, 0 to " +
                              std::to_string(table_rows - 1));
}

const Index* lengths_of(const Array& lengths, Index rows, Index steps) {
  const Index* data = vector<const Index>(lengths, {"B", rows});
  for (Index b = 0; data && b < rows; ++b)
    if (data[b] < 0 || data[b] > steps)
      throw std::invalid_argument("row " + std::to_string(b) + " has length " + std::to_string(data[b]) +
                                  "; wanted 0 to " + std::to_string(steps));
  return data;
}

/* Functions of each number. */

void map(const std::string& function, Object x_, Object y_) {
  const Array x(x_, "x"), y(y_, "y");
  const auto* name = std::find(std::begin(functions), std::end(functions), function);
  if (name == std::end(functions))
    throw std::invalid_argument("no function '" + function + "'");
  const auto k = name - std::begin(functions);
  const Index count = x.rows() * x.columns();
  run(x, [&]<class Real>(const Heads<Real>&) {
    kernels<Real>(isa()).map[k](count, x.numbers<const Real>(count), y.numbers<Real>(count));
  });
}

void logaddexp(Object a_, Object b_, Object y_) {
  const Array a(a_, "a"), b(b_, "b"), y(y_, "y");
  const Index count = y.rows() * y.columns();
  run(a, [&]<class Real>(const Heads<Real>&) {
    kernels<Real>(isa()).logaddexp(count, a.numbers<const Real>(count), b.numbers<const Real>(count),
                                   y.numbers<Real>(count));
  });
}

/* Linear. */

template <class Real>
Linear<Real> linear_call(const Array& x, const Array& weight, const Array& bias, const Array& y) {
  const Matrix<const Real> w = weight.matrix<const Real>({"O"}, {"I"});
  const Index out = weight.size(0), in = weight.size(1), count = x.rows();
  return {count,
          in,
          out,
          w,
          nullptr,
          vector<const Real>(bias, {"O", out}),
          x.rows<const Real>({"R"}, {"I", in}),
          y.rows<Real>({"R", count}, {"O", out})};
}

void linear(Object x_, Object weight_, Object bias_, Object y_, Index threads) {
  const Array x(x_, "x"), weight(weight_, "weight"), bias(bias_, "bias"), y(y_, "y");
  run(weight, [&]<class Real>(const Heads<Real>& heads) {
    heads.linear(linear_call<Real>(x, weight, bias, y), threads);
  });
}

void linear_packed(LinearWeight& packed, Object x_, Object weight_, Object bias_, Object y_, Index threads) {
  const Array x(x_, "x"), weight(weight_, "weight"), bias(bias_, "bias"), y(y_, "y");
  run(weight, [&]<class Real>(const Heads<Real>& heads) {
    packed.forward(heads, linear_call<Real>(x, weight, bias, y), threads);
  });
}

void linear_backward(Object dy_, Object x_, Object weight_, Object dx_, Object d_weight_, Object d_bias_,
                     Index threads) {
  const Array dy(dy_, "dy"), x(x_, "x"), weight(weight_, "weight"), dx(dx_, "dx"),
      d_weight(d_weight_, "d_weight"), d_bias(d_bias_, "d_bias");
  run(weight, [&]<class Real>(const Heads<Real>& heads) {
    const Matrix<const Real> w = weight.matrix<const Real>({"O"}, {"I"});
    const Index out = weight.size(0), in = weight.size(1), count = x.rows();
    heads.linear_backward({count, in, out, w, x.rows<const Real>({"R"}, {"I", in}),
                           dy.rows<const Real>({"R", count}, {"O", out}),
                           rows<Real>(dx, {"R", count}, {"I", in}),
                           rows<Real>(d_weight, {"O", out}, {"I", in}), vector<Real>(d_bias, {"O", out})},
                          threads);
  });
}

/* Along rows. */

template <auto float32, auto float64>
void map_rows(Object x_, Object y_, Index threads) {
  const Array x(x_, "x"), y(y_, "y");
  run(x, [&]<class Real>(const Heads<Real>& heads) {
    const RowMap<Real, 1> call = {x.rows(),
                                  x.columns(),
                                  {x.rows<const Real>({"R"}, {"N"})},
                                  y.rows<Real>({"R", x.rows()}, {"N", x.columns()})};
    if constexpr (std::is_same_v<Real, float>)
      (heads.*float32)(call, threads);
    else
      (heads.*float64)(call, threads);
  });
}

template <auto float32, auto float64>
void map_rows_back(Object dy_, Object y_, Object dx_, Index threads) {
  const Array dy(dy_, "dy"), y(y_, "y"), dx(dx_, "dx");
  run(y, [&]<class Real>(const Heads<Real>& heads) {
    const Extent count = {"R", y.rows()}, N = {"N", y.columns()};
    const RowMap<Real, 2> call = {y.rows(),
                                  y.columns(),
                                  {dy.rows<const Real>(count, N), y.rows<const Real>(count, N)},
                                  dx.rows<Real>(count, N)};
    if constexpr (std::is_same_v<Real, float>)
      (heads.*float32)(call, threads);
    else
      (heads.*float64)(call, threads);
  });
}

void logsumexp(Object x_, Object y_, Index threads) {
  const Array x(x_, "x"), y(y_, "y");
  run(x, [&]<class Real>(const Heads<Real>& heads) {
    heads.logsumexp({x.rows(),
                     x.columns(),
                     {x.rows<const Real>({"R"}, {"N"})},
                     y.rows<Real>({"R", x.rows()}, {"one", 1})},
                    threads);
  });
}

void layer_norm(Object x_, Object gain_, Object shift_, Object y_, double epsilon, Index threads) {
  const Array x(x_, "x"), gain(gain_, "gain"), shift(shift_, "shift"), y(y_, "y");
  run(x, [&]<class Real>(const Heads<Real>& heads) {
    const Extent count = {"R", x.rows()}, N = {"N", x.columns()};
    heads.layer_norm({x.rows(), x.columns(), static_cast<Real>(epsilon), vector<const Real>(gain, N),
                      vector<const Real>(shift, N), x.rows<const Real>(count, N), y.rows<Real>(count, N)},
                     threads);
  });
}

void layer_norm_backward(Object dy_, Object x_, Object gain_, Object dx_, Object d_gain_, Object d_shift_,
                         double epsilon, Index threads) {
  const Array dy(dy_, "dy"), x(x_, "x"), gain(gain_, "gain"), dx(dx_, "dx"), d_gain(d_gain_, "d_gain"),
      d_shift(d_shift_, "d_shift");
  run(x, [&]<class Real>(const Heads<Real>& heads) {
    const Extent count = {"R", x.rows()}, N = {"N", x.columns()};
    heads.layer_norm_backward({x.rows(), x.columns(), static_cast<Real>(epsilon), vector<const Real>(gain, N),
                               x.rows<const Real>(count, N), dy.rows<const Real>(count, N),
                               dx.rows<Real>(count, N), vector<Real>(d_gain, N), vector<Real>(d_shift, N)},
                              threads);
  });
}

void embedding(Object index_, Object table_, Object y_, Index threads) {
  const Array index(index_, "index"), table(table_, "table"), y(y_, "y");
  run(table, [&]<class Real>(const Heads<Real>& heads) {
    const Matrix<const Real> rows = table.matrix<const Real>({"V"}, {"N"});
    const Index V = table.size(0), N = table.size(1), count = index.rows() * index.columns();
    const Index* at = index.numbers<const Index>(count);
    check_index(at, count, V);
    heads.embedding({count, N, at, rows, y.rows<Real>({"R", count}, {"N", N})}, threads);
  });
}

void embedding_backward(Object dy_, Object index_, Object table_, Object d_table_, Index padding,
                        Index threads) {
  const Array dy(dy_, "dy"), index(index_, "index"), table(table_, "table"), d_table(d_table_, "d_table");
  run(table, [&]<class Real>(const Heads<Real>& heads) {
    table.matrix<const Real>({"V"}, {"N"}); // for its size
    const Index V = table.size(0), N = table.size(1), count = index.rows() * index.columns();
    const Matrix<Real> rows = d_table.matrix<Real>({"V", V}, {"N", N});
    const Index* at = index.numbers<const Index>(count);
    check_index(at, count, V);
    heads.embedding_backward({count, N, V, padding, at, dy.rows<const Real>({"R", count}, {"N", N}), rows},
                             threads);
  });
}

/* The linear chain. */

struct Chain {
  Array x, transitions, start, end, lengths, path;

  Chain(Object x_, Object transitions_, Object start_, Object end_, Object lengths_, Object path_)
      : x(x_, "x"), transitions(transitions_, "transitions"), start(start_, "start"), end(end_, "end"),
        lengths(lengths_, "lengths"), path(path_, "path") {}

  template <class Real>
  Crf<Real> call() const {
    const Real* data = x.view<const Real>({{"B"}, {"T"}, {"K"}}, true);
    const Index B = x.size(0), T = x.size(1), K = x.size(2);
    if (K == 0)
      x.refuse("(B, T, K) with one tag or more");
    lengths.vector<const Index>({"B", B}); // is there
    const Index* steps = lengths_of(lengths, B, T);
    const Index* tags = whole<const Index>(path, {{"B", B}, {"T", T}});
    for (Index b = 0; tags && b < B; ++b)
      check_index(tags + b * T, steps[b], K);
    return {B,
            T,
            K,
            steps,
            tags,
            data,
            transitions.view<const Real>({{"K", K}, {"K", K}}, true),
            start.vector<const Real>({"K", K}),
            end.vector<const Real>({"K", K})};
  }
};

void crf(Object x, Object transitions, Object start, Object end, Object lengths, Object path, Object log_z_,
         Object score_, Object tape_, Index threads) {
  const Chain chain(x, transitions, start, end, lengths, path);
  const Array log_z(log_z_, "log_z"), score(score_, "score"), tape(tape_, "tape");
  run(chain.x, [&]<class Real>(const Heads<Real>& heads) {
    const Crf<Real> call = chain.call<Real>();
    const Extent B = {"B", call.rows};
    heads.crf(call, log_z.vector<Real>(B), vector<Real>(score, B),
              tape.view<Real>({B, {"T", call.steps}, {"2 K", 2 * call.tags}}, true), threads);
  });
}

void crf_backward(Object x, Object transitions, Object start, Object end, Object lengths, Object path,
                  Object tape_, Object d_log_z_, Object d_score_, Object dx_, Object d_transitions_,
                  Object d_start_, Object d_end_, Index threads) {
  const Chain chain(x, transitions, start, end, lengths, path);
  const Array tape(tape_, "tape"), d_log_z(d_log_z_, "d_log_z"), d_score(d_score_, "d_score"), dx(dx_, "dx"),
      d_transitions(d_transitions_, "d_transitions"), d_start(d_start_, "d_start"), d_end(d_end_, "d_end");
  run(chain.x, [&]<class Real>(const Heads<Real>& heads) {
    const Crf<Real> call = chain.call<Real>();
    const Extent B = {"B", call.rows}, T = {"T", call.steps}, K = {"K", call.tags};
    heads.crf_backward({call, tape.view<const Real>({B, T, {"2 K", 2 * call.tags}}, true),
                        d_log_z.vector<const Real>(B), vector<const Real>(d_score, B),
                        dx.view<Real>({B, T, K}, true), whole<Real>(d_transitions, {K, K}),
                        vector<Real>(d_start, K), vector<Real>(d_end, K)},
                       threads);
  });
}

void viterbi(Object x, Object transitions, Object start, Object end, Object lengths, Object path_,
             Index threads) {
  const Chain chain(x, transitions, start, end, lengths, nb::none());
  const Array path(path_, "path");
  run(chain.x, [&]<class Real>(const Heads<Real>& heads) {
    const Crf<Real> call = chain.call<Real>();
    heads.viterbi(call, path.view<Index>({{"B", call.rows}, {"T", call.steps}}, true), threads);
  });
}

/* Pooling. */

PoolingKind pooling_kind(const std::string& name, bool scores) {
  constexpr std::array names = {"mean", "max", "attention"}; // in the order of heads.h
  for (std::size_t k = 0; k < names.size(); ++k)
    if (name == names[k] && scores == (static_cast<PoolingKind>(k) == PoolingKind::attention))
      return static_cast<PoolingKind>(k);
  throw std::invalid_argument("pooling '" + name + "' " + (scores ? "with" : "without") +
                              " scores; wanted mean or max without, or attention with scores");
}

/* (B, T) as a sequence of one column. */
template <class Real>
Sequence<Real> column(const Array& array, Extent B, Extent T) {
  if (!array)
    return {};
  const Matrix<Real> m = array.matrix<Real>(B, T);
  return {m.data, 1, m.row};
}

void pooling(const std::string& kind, Object y_, Object lengths_, Object scores_, Object before_,
             Object after_, Object last_, Object every_, Index threads) {
  const Array y(y_, "y"), lengths(lengths_, "lengths"), scores(scores_, "scores"), before(before_, "before"),
      after(after_, "after"), last(last_, "last"), every(every_, "every");
  const PoolingKind which = pooling_kind(kind, static_cast<bool>(scores));
  run(y, [&]<class Real>(const Heads<Real>& heads) {
    const Sequence<const Real> all = steps<const Real>(y, {"B"}, {"T"}, {"H"});
    const Extent B = {"B", y.size(0)}, T = {"T", y.size(1)}, H = {"H", y.size(2)};
    const Extent carried = {"2 + H", 2 + H.size};
    heads.pooling({which, B.size, T.size, H.size, lengths_of(lengths, B.size, T.size), all,
                   column<const Real>(scores, B, T), whole<const double>(before, {B, carried}),
                   whole<double>(after, {B, carried}), rows<Real>(last, B, H), steps<Real>(every, B, T, H)},
                  threads);
  });
}

void pooling_backward(const std::string& kind, Object d_last_, Object after_, Object y_, Object lengths_,
                      Object scores_, Object dy_, Object d_scores_, Index threads) {
  const Array d_last(d_last_, "d_last"), after(after_, "after"), y(y_, "y"), lengths(lengths_, "lengths"),
      scores(scores_, "scores"), dy(dy_, "dy"), d_scores(d_scores_, "d_scores");
  const PoolingKind which = pooling_kind(kind, static_cast<bool>(scores));
  run(y, [&]<class Real>(const Heads<Real>& heads) {
    const Sequence<const Real> all = steps<const Real>(y, {"B"}, {"T"}, {"H"});
    const Extent B = {"B", y.size(0)}, T = {"T", y.size(1)}, H = {"H", y.size(2)};
    heads.pooling_backward(
        {which, B.size, T.size, H.size, lengths_of(lengths, B.size, T.size), all,
         column<const Real>(scores, B, T), whole<const double>(after, {B, {"2 + H", 2 + H.size}}),
         d_last.rows<const Real>(B, H), steps<Real>(dy, B, T, H), column<Real>(d_scores, B, T)},
        threads);
  });
}

/* Attention. */

AttentionKind attention_kind(const std::string& name, bool u) {
  if ((name == "dot" && !u) || (name == "additive" && u))
    return u ? AttentionKind::additive : AttentionKind::dot;
  throw std::invalid_argument("attention '" + name + "' " + (u ? "with" : "without") +
                              " u; wanted dot without, or additive with u");
}

const Index* rows_of(const Array& rows, Index count, Index memory) {
  const Index* data = vector<const Index>(rows, {"N", count});
  if (!rows && count != memory)
    throw std::invalid_argument("q has " + std::to_string(count) + " rows and the memory " +
                                std::to_string(memory) + "; wanted as many, or rows (N,) that say which");
  for (Index n = 0; data && n < count; ++n)
    if (data[n] < 0 || data[n] >= memory)
      throw std::invalid_argument("rows[" + std::to_string(n) + "] is " + std::to_string(data[n]) +
                                  "; the memory has " + std::to_string(memory) + " rows, counted from 0");
  return data;
}

struct Reading {
  AttentionKind kind;
  Array q, k, v, lengths, u, rows;

  Reading(const std::string& name, Object q_, Object k_, Object v_, Object lengths_, Object u_, Object rows_)
      : kind(attention_kind(name, !u_.is_none())), q(q_, "q"), k(k_, "k"), v(v_, "v"),
        lengths(lengths_, "lengths"), u(u_, "u"), rows(rows_, "rows") {}

  template <class Real>
  Attention<Real> call() const {
    const Sequence<const Real> queries = steps<const Real>(q, {"N"}, {"S"}, {"D"});
    const Extent B = {"B", k.size(0)}, T = {"T", k.size(1)}, D = {"D", q.size(2)};
    const Sequence<const Real> keys = steps<const Real>(k, {"B"}, {"T"}, D);
    const Sequence<const Real> values = steps<const Real>(v, B, T, {"H"});
    return {kind,
            q.size(0),
            q.size(1),
            T.size,
            D.size,
            v.size(2),
            rows_of(rows, q.size(0), B.size),
            lengths_of(lengths, B.size, T.size),
            queries,
            keys,
            values,
            vector<const Real>(u, D)};
  }
};

void attention(const std::string& kind, Object q, Object k, Object v, Object lengths, Object u, Object rows,
               Object c_, Object w_, Index threads) {
  const Reading reading(kind, q, k, v, lengths, u, rows);
  const Array c(c_, "c"), w(w_, "w");
  run(reading.q, [&]<class Real>(const Heads<Real>& heads) {
    const Attention<Real> call = reading.call<Real>();
    const Extent N = {"N", call.rows}, S = {"S", call.queries};
    heads.attention(call, c.view<Real>({N, S, {"H", call.columns}}, true),
                    w.view<Real>({N, S, {"T", call.steps}}, true), threads);
  });
}

void attention_backward(const std::string& kind, Object dc_, Object w_, Object q, Object k, Object v,
                        Object lengths, Object u, Object dq_, Object dk_, Object dv_, Object du_,
                        Index threads) {
  const Reading reading(kind, q, k, v, lengths, u, nb::none());
  const Array dc(dc_, "dc"), w(w_, "w"), dq(dq_, "dq"), dk(dk_, "dk"), dv(dv_, "dv"), du(du_, "du");
  run(reading.q, [&]<class Real>(const Heads<Real>& heads) {
    const Attention<Real> call = reading.call<Real>();
    const Extent B = {"B", call.rows}, S = {"S", call.queries}, T = {"T", call.steps}, D = {"D", call.depth},
                 H = {"H", call.columns};
    heads.attention_backward({call, w.view<const Real>({B, S, T}, true), steps<const Real>(dc, B, S, H),
                              dq.view<Real>({B, S, D}, true), dk.view<Real>({B, T, D}, true),
                              dv.view<Real>({B, T, H}, true), vector<Real>(du, D)},
                             threads);
  });
}

} // namespace

void bind_heads(nb::module_& m) {
  using F = Heads<float>;
  using D = Heads<double>;
  const auto a = [](const char* name) { return nb::arg(name) = nb::none(); };
  const nb::arg threads("threads");
  nb::class_<LinearWeight>(m, "LinearWeight", nb::is_weak_referenceable())
      .def(nb::init<>())
      .def_prop_rw("frozen", &LinearWeight::frozen, &LinearWeight::freeze)
      .def("forward", linear_packed, a("x"), a("weight"), a("bias"), a("y"), nb::kw_only(), threads);
  m.def("map", map, nb::arg("function"), a("x"), a("y"));
  m.def("logaddexp", logaddexp, a("a"), a("b"), a("y"));
  m.def("linear", linear, a("x"), a("weight"), a("bias"), a("y"), nb::kw_only(), threads);
  m.def("linear_backward", linear_backward, a("dy"), a("x"), a("weight"), a("dx"), a("d_weight"), a("d_bias"),
        nb::kw_only(), threads);
  m.def("softmax", map_rows<&F::softmax, &D::softmax>, a("x"), a("y"), nb::kw_only(), threads);
  m.def("log_softmax", map_rows<&F::log_softmax, &D::log_softmax>, a("x"), a("y"), nb::kw_only(), threads);
  m.def("softmax_backward", map_rows_back<&F::softmax_backward, &D::softmax_backward>, a("dy"), a("y"),
        a("dx"), nb::kw_only(), threads);
  m.def("log_softmax_backward", map_rows_back<&F::log_softmax_backward, &D::log_softmax_backward>, a("dy"),
        a("y"), a("dx"), nb::kw_only(), threads);
  m.def("logsumexp", logsumexp, a("x"), a("y"), nb::kw_only(), threads);
  m.def("layer_norm", layer_norm, a("x"), a("gain"), a("shift"), a("y"), nb::kw_only(), nb::arg("epsilon"),
        threads);
  m.def("layer_norm_backward", layer_norm_backward, a("dy"), a("x"), a("gain"), a("dx"), a("d_gain"),
        a("d_shift"), nb::kw_only(), nb::arg("epsilon"), threads);
  m.def("embedding", embedding, a("index"), a("table"), a("y"), nb::kw_only(), threads);
  m.def("embedding_backward", embedding_backward, a("dy"), a("index"), a("table"), a("d_table"),
        nb::kw_only(), nb::arg("padding"), threads);
  m.def("crf", crf, a("x"), a("transitions"), a("start"), a("end"), a("lengths"), a("path"), a("log_z"),
        a("score"), a("tape"), nb::kw_only(), threads);
  m.def("crf_backward", crf_backward, a("x"), a("transitions"), a("start"), a("end"), a("lengths"), a("path"),
        a("tape"), a("d_log_z"), a("d_score"), a("dx"), a("d_transitions"), a("d_start"), a("d_end"),
        nb::kw_only(), threads);
  m.def("viterbi", viterbi, a("x"), a("transitions"), a("start"), a("end"), a("lengths"), a("path"),
        nb::kw_only(), threads);
  m.def("pooling", pooling, nb::arg("kind"), a("y"), a("lengths"), a("scores"), a("before"), a("after"),
        a("last"), a("every"), nb::kw_only(), threads);
  m.def("pooling_backward", pooling_backward, nb::arg("kind"), a("d_last"), a("after"), a("y"), a("lengths"),
        a("scores"), a("dy"), a("d_scores"), nb::kw_only(), threads);
  m.def("attention", attention, nb::arg("kind"), a("q"), a("k"), a("v"), a("lengths"), a("u"), a("rows"),
        a("c"), a("w"), nb::kw_only(), threads);
  m.def("attention_backward", attention_backward, nb::arg("kind"), a("dc"), a("w"), a("q"), a("k"), a("v"),
        a("lengths"), a("u"), a("dq"), a("dk"), a("dv"), a("du"), nb::kw_only(), threads);
}

} // namespace unrolled
