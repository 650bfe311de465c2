/* The part of unrolled.kernels._cpu that heads.h describes; documented in ../_cpu.pyi. */
#include "bind_heads.h"

#include <array>
#include <cstring>
#include <stdexcept>
#include <string>
#include <type_traits>

#include <nanobind/stl/array.h>
#include <nanobind/stl/string.h>

#include "address.h"
#include "arithmetic.h"
#include "isa.h"

namespace nb = nanobind;

namespace unrolled {

namespace {

using Place = std::array<Index, 2>; // address, stride of a row

template <class Real>
Matrix<Real> matrix(const Place& m) {
  return {pointer<Real>(m[0]), m[1]};
}

template <class Real>
const Heads<Real>& heads() {
  if constexpr (std::is_same_v<Real, float>)
    return isa().heads_float32;
  else
    return isa().heads_float64;
}

template <class Real>
Index packed_size(Index in, Index out) {
  return heads<Real>().packed_size(in, out);
}

template <class Real>
void pack(Index threads, Index in, Index out, Place weight, Address to) {
  heads<Real>().pack(matrix<const Real>(weight), in, out, pointer<Real>(to), threads);
}

template <class Real>
void linear(Index threads, Index rows, Index in, Index out, Place x, Address packed, Address bias, Place y) {
  heads<Real>().linear({rows, in, out, pointer<const Real>(packed), pointer<const Real>(bias),
                        matrix<const Real>(x), matrix<Real>(y)},
                       threads);
}

template <class Real>
void linear_backward(Index threads, Index rows, Index in, Index out, Place weight, Place x, Place dy,
                     Place dx, Place d_weight, Address d_bias) {
  heads<Real>().linear_backward({rows, in, out, matrix<const Real>(weight), matrix<const Real>(x),
                                 matrix<const Real>(dy), matrix<Real>(dx), matrix<Real>(d_weight),
                                 pointer<Real>(d_bias)},
                                threads);
}

template <class Real, auto function>
void map1(Index threads, Index rows, Index columns, Place from, Place to) {
  (heads<Real>().*function)({rows, columns, {matrix<const Real>(from)}, matrix<Real>(to)}, threads);
}

template <class Real, auto function>
void map2(Index threads, Index rows, Index columns, Place dy, Place y, Place dx) {
  (heads<Real>().*
   function)({rows, columns, {matrix<const Real>(dy), matrix<const Real>(y)}, matrix<Real>(dx)}, threads);
}

template <class Real>
void layer_norm(Index threads, Index rows, Index columns, double epsilon, Address gain, Address shift,
                Place x, Place y) {
  heads<Real>().layer_norm({rows, columns, static_cast<Real>(epsilon), pointer<const Real>(gain),
                            pointer<const Real>(shift), matrix<const Real>(x), matrix<Real>(y)},
                           threads);
}

template <class Real>
void layer_norm_backward(Index threads, Index rows, Index columns, double epsilon, Address gain, Place x,
                         Place dy, Place dx, Address d_gain, Address d_shift) {
  heads<Real>().layer_norm_backward({rows, columns, static_cast<Real>(epsilon), pointer<const Real>(gain),
                                     matrix<const Real>(x), matrix<const Real>(dy), matrix<Real>(dx),
                                     pointer<Real>(d_gain), pointer<Real>(d_shift)},
                                    threads);
}

void check_index(const Index* index, Index count, Index table_rows) {
  for (Index i = 0; i < count; ++i)
    if (index[i] < 0 || index[i] >= table_rows)
      throw std::out_of_range("index " + std::to_string(index[i]) + " at place " + std::to_string(i) +
                              " is outside the table; it has " + std::to_string(table_rows) + " rows, 0 to " +
                              std::to_string(table_rows - 1));
}

template <class Real>
void embedding(Index threads, Index rows, Index columns, Index table_rows, Address index, Place table,
               Place y) {
  check_index(pointer<const Index>(index), rows, table_rows);
  heads<Real>().embedding(
      {rows, columns, pointer<const Index>(index), matrix<const Real>(table), matrix<Real>(y)}, threads);
}

template <class Real>
void embedding_backward(Index threads, Index rows, Index columns, Index table_rows, Index padding,
                        Address index, Place dy, Place d_table) {
  check_index(pointer<const Index>(index), rows, table_rows);
  heads<Real>().embedding_backward({rows, columns, table_rows, padding, pointer<const Index>(index),
                                    matrix<const Real>(dy), matrix<Real>(d_table)},
                                   threads);
}

void check_lengths(const Index* lengths, Index rows, Index steps) {
  for (Index b = 0; lengths && b < rows; ++b)
    if (lengths[b] < 0 || lengths[b] > steps)
      throw std::invalid_argument("row " + std::to_string(b) + " has length " + std::to_string(lengths[b]) +
                                  "; wanted 0 to " + std::to_string(steps));
}

template <class Real>
Crf<Real> chain(const std::array<Index, 3>& sizes, Address lengths, Address path, Address x,
                const std::array<Address, 3>& scores) {
  const auto [rows, steps, tags] = sizes;
  check_lengths(pointer<const Index>(lengths), rows, steps);
  for (Index b = 0; path && b < rows; ++b)
    check_index(pointer<const Index>(path) + b * steps, pointer<const Index>(lengths)[b], tags);
  return {rows,
          steps,
          tags,
          pointer<const Index>(lengths),
          pointer<const Index>(path),
          pointer<const Real>(x),
          pointer<const Real>(scores[0]),
          pointer<const Real>(scores[1]),
          pointer<const Real>(scores[2])};
}

template <class Real>
void crf(Index threads, std::array<Index, 3> sizes, Address lengths, Address path, Address x,
         std::array<Address, 3> scores, Address log_z, Address score, Address tape) {
  heads<Real>().crf(chain<Real>(sizes, lengths, path, x, scores), pointer<Real>(log_z), pointer<Real>(score),
                    pointer<Real>(tape), threads);
}

template <class Real>
void crf_backward(Index threads, std::array<Index, 3> sizes, Address lengths, Address path, Address x,
                  std::array<Address, 3> scores, Address tape, Address d_log_z, Address d_score, Address dx,
                  std::array<Address, 3> d_scores) {
  heads<Real>().crf_backward({chain<Real>(sizes, lengths, path, x, scores), pointer<const Real>(tape),
                              pointer<const Real>(d_log_z), pointer<const Real>(d_score), pointer<Real>(dx),
                              pointer<Real>(d_scores[0]), pointer<Real>(d_scores[1]),
                              pointer<Real>(d_scores[2])},
                             threads);
}

template <class Real>
void viterbi(Index threads, std::array<Index, 3> sizes, Address lengths, Address x,
             std::array<Address, 3> scores, Address path) {
  heads<Real>().viterbi(chain<Real>(sizes, lengths, 0, x, scores), pointer<Index>(path), threads);
}

/* A sequence of addresses and strides of time and row. */
using Steps = std::array<Index, 3>;

template <class Real>
Sequence<Real> sequence(const Steps& s) {
  return {pointer<Real>(s[0]), s[1], s[2]};
}

PoolingKind pooling_kind(const std::string& name) {
  constexpr std::array names = {"mean", "max", "attention"}; // in the order of heads.h
  for (std::size_t k = 0; k < names.size(); ++k)
    if (name == names[k])
      return static_cast<PoolingKind>(k);
  throw std::invalid_argument("no pooling '" + name + "'; wanted mean, max or attention");
}

template <class Real>
void pooling(Index threads, const std::string& kind, std::array<Index, 3> sizes, Address lengths, Steps y,
             Steps scores, Address before, Address after, Place last, Steps every) {
  const auto [steps, rows, columns] = sizes;
  check_lengths(pointer<const Index>(lengths), rows, steps);
  heads<Real>().pooling({pooling_kind(kind), rows, steps, columns, pointer<const Index>(lengths),
                         sequence<const Real>(y), sequence<const Real>(scores), pointer<const double>(before),
                         pointer<double>(after), matrix<Real>(last), sequence<Real>(every)},
                        threads);
}

template <class Real>
void pooling_backward(Index threads, const std::string& kind, std::array<Index, 3> sizes, Address lengths,
                      Steps y, Steps scores, Address after, Place d_last, Steps dy, Steps d_scores) {
  const auto [steps, rows, columns] = sizes;
  check_lengths(pointer<const Index>(lengths), rows, steps);
  heads<Real>().pooling_backward({pooling_kind(kind), rows, steps, columns, pointer<const Index>(lengths),
                                  sequence<const Real>(y), sequence<const Real>(scores),
                                  pointer<const double>(after), matrix<const Real>(d_last),
                                  sequence<Real>(dy), sequence<Real>(d_scores)},
                                 threads);
}

AttentionKind attention_kind(const std::string& name) {
  if (name == "dot" || name == "additive")
    return name == "dot" ? AttentionKind::dot : AttentionKind::additive;
  throw std::invalid_argument("no attention '" + name + "'; wanted dot or additive");
}

void check_rows(const Index* rows, Index count, Index memory) {
  for (Index n = 0; rows && n < count; ++n)
    if (rows[n] < 0 || rows[n] >= memory)
      throw std::invalid_argument("rows[" + std::to_string(n) + "] is " + std::to_string(rows[n]) +
                                  "; the memory has " + std::to_string(memory) + " rows, counted from 0");
}

using AttentionSizes = std::array<Index, 6>; // N, S, B, T, D, H

template <class Real>
Attention<Real> attending(const std::string& kind, const AttentionSizes& sizes, Address index,
                          Address lengths, const std::array<Steps, 3>& given, Address u) {
  const auto [rows, queries, memory, steps, depth, columns] = sizes;
  check_lengths(pointer<const Index>(lengths), memory, steps);
  check_rows(pointer<const Index>(index), rows, memory);
  return {attention_kind(kind),
          rows,
          queries,
          steps,
          depth,
          columns,
          pointer<const Index>(index),
          pointer<const Index>(lengths),
          sequence<const Real>(given[0]),
          sequence<const Real>(given[1]),
          sequence<const Real>(given[2]),
          pointer<const Real>(u)};
}

template <class Real>
void attention(Index threads, const std::string& kind, AttentionSizes sizes, Address index, Address lengths,
               std::array<Steps, 3> given, Address u, Address c, Address w) {
  heads<Real>().attention(attending<Real>(kind, sizes, index, lengths, given, u), pointer<Real>(c),
                          pointer<Real>(w), threads);
}

template <class Real>
void attention_backward(Index threads, const std::string& kind, AttentionSizes sizes, Address lengths,
                        std::array<Steps, 3> given, Address u, Address w, Steps dc,
                        std::array<Address, 4> gradients) {
  const auto [dq, dk, dv, du] = gradients;
  heads<Real>().attention_backward({attending<Real>(kind, sizes, 0, lengths, given, u),
                                    pointer<const Real>(w), sequence<const Real>(dc), pointer<Real>(dq),
                                    pointer<Real>(dk), pointer<Real>(dv), pointer<Real>(du)},
                                   threads);
}

/* A number that nearly always differs where the memory does: of every word up to 4 KiB, else of 64 words
   spread over it. */
std::uint64_t probe(Address address, Index bytes) {
  constexpr Index word = sizeof(std::uint64_t), few = 512, spread = 64;
  if (bytes == 0)
    return 0;
  const Index words = bytes / word, count = words <= few ? words : spread;
  std::uint64_t sum = 0, next = 0;
  for (Index i = 0; i < count; ++i) {
    std::memcpy(&next, pointer<const char>(address) + words * i / count * word, word);
    sum = (sum ^ next) * 0x9e3779b97f4a7c15; // odd, so that no change is lost
    sum ^= sum >> 32;
  }
  next = 0;
  std::memcpy(&next, pointer<const char>(address) + words * word, static_cast<std::size_t>(bytes % word));
  return sum ^ next;
}

template <class Real>
void define(nb::module_& m, const std::string& type) {
  const nb::call_guard<nb::gil_scoped_release, StandardArithmetic> guard;
  using H = Heads<Real>;
  const auto def = [&](const char* name, auto function) { m.def((name + type).c_str(), function, guard); };
  m.def(("packed_size_" + type).c_str(), packed_size<Real>);
  def("pack_", pack<Real>);
  def("linear_", linear<Real>);
  def("linear_backward_", linear_backward<Real>);
  def("softmax_", map1<Real, &H::softmax>);
  def("softmax_backward_", map2<Real, &H::softmax_backward>);
  def("log_softmax_", map1<Real, &H::log_softmax>);
  def("log_softmax_backward_", map2<Real, &H::log_softmax_backward>);
  def("logsumexp_", map1<Real, &H::logsumexp>);
  def("layer_norm_", layer_norm<Real>);
  def("layer_norm_backward_", layer_norm_backward<Real>);
  def("embedding_", embedding<Real>);
  def("embedding_backward_", embedding_backward<Real>);
  def("crf_", crf<Real>);
  def("crf_backward_", crf_backward<Real>);
  def("viterbi_", viterbi<Real>);
  def("pooling_", pooling<Real>);
  def("pooling_backward_", pooling_backward<Real>);
  def("attention_", attention<Real>);
  def("attention_backward_", attention_backward<Real>);
}

} // namespace

void bind_heads(nb::module_& m) {
  m.def("probe", probe);
  define<float>(m, "float32");
  define<double>(m, "float64");
}

} // namespace unrolled
