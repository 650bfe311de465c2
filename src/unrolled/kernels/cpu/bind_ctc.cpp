/* The part of unrolled.kernels._cpu that ctc.h describes; documented in ../_cpu.pyi. */
#include "bind_ctc.h"

#include <array>
#include <memory>
#include <tuple>
#include <vector>

#include <nanobind/stl/array.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include "address.h"
#include "arithmetic.h"
#include "ctc.h"
#include "pool.h"

namespace nb = nanobind;

namespace unrolled {

namespace {

using ctc::Search;
using Answer = std::tuple<std::vector<Index>, double, double, double>;

std::unique_ptr<Search> make(const std::array<Index, 3>& sizes, const std::array<double, 3>& weights,
                             Index start, const std::array<Address, 6>& grams,
                             const std::array<Address, 4>& lexicon) {
  const auto [labels, blank, beam] = sizes;
  const auto [lm_weight, label_bonus, least] = weights;
  return std::make_unique<Search>(
      ctc::Options{labels, blank, beam, lm_weight, label_bonus, least},
      ctc::Grams{start, pointer<const Index>(grams[0]), pointer<const Index>(grams[1]),
                 pointer<const double>(grams[2]), pointer<const Index>(grams[3]),
                 pointer<const double>(grams[4]), pointer<const Index>(grams[5])},
      ctc::Lexicon{pointer<const Index>(lexicon[0]), pointer<const Index>(lexicon[1]),
                   pointer<const Index>(lexicon[2]), pointer<const std::uint8_t>(lexicon[3])});
}

std::vector<Answer> best(const Search& search, Index most) {
  std::vector<Answer> found;
  for (const ctc::Answer& one : search.best(most))
    found.emplace_back(one.labels, one.score, one.log_p, one.log_lm);
  return found;
}

void add(Index threads, const std::vector<Search*>& searches, const std::vector<Address>& log_p,
         const std::vector<Index>& frames) {
  const nb::gil_scoped_release release;
  const StandardArithmetic arithmetic;
  pool::run(static_cast<Index>(searches.size()), threads, [&](Index task) {
    const auto n = static_cast<std::size_t>(task);
    searches[n]->add(pointer<const double>(log_p[n]), frames[n]);
  });
}

void align(const std::array<Index, 3>& sizes, Address log_p, Index count, Address labels, Address spans) {
  const auto [frames, width, blank] = sizes;
  ctc::align(pointer<const double>(log_p), frames, width, blank, pointer<const Index>(labels), count,
             pointer<Index>(spans));
}

} // namespace

void bind_ctc(nb::module_& m) {
  const nb::call_guard<nb::gil_scoped_release, StandardArithmetic> guard;
  nb::class_<Search>(m, "CtcSearch").def("best", best, nb::call_guard<StandardArithmetic>());
  m.def("ctc_search", make);
  m.def("ctc_add", add);
  m.def("ctc_align", align, guard);
}

} // namespace unrolled
