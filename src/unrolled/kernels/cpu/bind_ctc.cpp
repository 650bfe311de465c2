/* The part of unrolled.kernels._cpu that ctc.h describes; documented in ../_cpu.pyi. */
#include "bind_ctc.h"

#include <memory>
#include <tuple>
#include <vector>

#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include "arithmetic.h"
#include "array.h"
#include "ctc.h"
#include "pool.h"

namespace nb = nanobind;

namespace unrolled {

namespace {

using Answer = std::tuple<std::vector<Index>, double, double, double>;

/* A search, and the arrays that it reads. */
struct CtcSearch {
  Index labels;
  std::vector<Array> arrays;
  std::unique_ptr<ctc::Search> search;

  /* Of the array of that name, or null where there are none. */
  template <class Number>
  const Number* read(nb::handle named, const char* name) {
    if (named.is_none())
      return nullptr;
    arrays.emplace_back(nb::object(named[name]), name);
    const Array& array = arrays.back();
    return array.vector<const Number>({"N"});
  }
};

std::unique_ptr<CtcSearch> make(Index labels, Index blank, Index beam, double lm_weight, double label_bonus,
                                double least, Index start, nb::handle grams, nb::handle lexicon) {
  auto made = std::make_unique<CtcSearch>();
  made->labels = labels;
  const ctc::Grams g = {start,
                        made->read<Index>(grams, "first"),
                        made->read<Index>(grams, "labels"),
                        made->read<double>(grams, "log_p"),
                        made->read<Index>(grams, "following"),
                        made->read<double>(grams, "weights"),
                        made->read<Index>(grams, "shorter")};
  const ctc::Lexicon l = {made->read<Index>(lexicon, "first"), made->read<Index>(lexicon, "labels"),
                          made->read<Index>(lexicon, "targets"),
                          reinterpret_cast<const std::uint8_t*>(made->read<bool>(lexicon, "final"))};
  const ctc::Options options = {labels, blank, beam, lm_weight, label_bonus, least};
  made->search = std::make_unique<ctc::Search>(options, g, l);
  return made;
}

std::vector<Answer> best(const CtcSearch& one, Index most) {
  std::vector<Answer> found;
  for (const ctc::Answer& answer : one.search->best(most))
    found.emplace_back(answer.labels, answer.score, answer.log_p, answer.log_lm);
  return found;
}

void add(const std::vector<CtcSearch*>& searches, const std::vector<nb::object>& log_p, Index threads) {
  if (searches.size() != log_p.size())
    throw std::invalid_argument("log_p is of " + std::to_string(log_p.size()) + " searches; wanted " +
                                std::to_string(searches.size()));
  std::vector<Array> frames;
  std::vector<const double*> numbers;
  for (std::size_t n = 0; n < log_p.size(); ++n) {
    frames.emplace_back(log_p[n], Name{"log_p", static_cast<Index>(n)});
    numbers.push_back(frames[n].view<const double>({{"frames"}, {"K", searches[n]->labels}}, true));
  }
  const nb::gil_scoped_release release;
  const StandardArithmetic arithmetic;
  pool::run(static_cast<Index>(searches.size()), threads, [&](Index task) {
    const auto n = static_cast<std::size_t>(task);
    searches[n]->search->add(numbers[n], frames[n].size(0));
  });
}

void align(nb::handle log_p_, nb::handle labels_, Index blank, nb::handle spans_) {
  const Array log_p(log_p_, "log_p"), labels(labels_, "labels"), spans(spans_, "spans");
  const double* numbers = log_p.view<const double>({{"T"}, {"K"}}, true);
  const Index* wanted = labels.vector<const Index>({"L"});
  const Index L = labels.size(0);
  Index* found = spans.view<Index>({{"L", L}, {"2", 2}}, true);
  const nb::gil_scoped_release release;
  const StandardArithmetic arithmetic;
  ctc::align(numbers, log_p.size(0), log_p.size(1), blank, wanted, L, found);
}

} // namespace

void bind_ctc(nb::module_& m) {
  const auto a = [](const char* name) { return nb::arg(name); };
  nb::class_<CtcSearch>(m, "CtcSearch").def("best", best, a("most"), nb::call_guard<StandardArithmetic>());
  m.def("ctc_search", make, a("labels"), a("blank"), a("beam"), a("lm_weight"), a("label_bonus"), a("least"),
        a("start"), a("grams").none(), a("lexicon").none());
  m.def("ctc_add", add, a("searches"), a("log_p"), nb::kw_only(), a("threads"));
  m.def("ctc_align", align, a("log_p"), a("labels"), a("blank"), a("spans"));
}

} // namespace unrolled
