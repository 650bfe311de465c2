#include "isa.h"

#include <atomic>
#include <cstdlib>
#include <stdexcept>

namespace unrolled {

namespace avx512 {
extern const Isa built;
}
namespace avx2 {
extern const Isa built;
}
namespace portable {
extern const Isa built;
}

namespace {

struct Candidate {
  const Isa* isa;
  bool runs_here;
};

/* Best first. */
std::vector<Candidate> candidates() {
  return {
#ifdef UNROLLED_X86
      {&avx512::built, __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")},
      {&avx2::built, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")},
#endif
      {&portable::built, true},
  };
}

const Isa* find(const std::string& name) {
  for (const Candidate& candidate : candidates())
    if (candidate.runs_here && name == candidate.isa->name)
      return candidate.isa;
  std::string known;
  for (const std::string& here : isas())
    known += (known.empty() ? "" : ", ") + here;
  throw std::invalid_argument("instruction set '" + name +
                              "' (UNROLLED_ISA) does not run here; wanted one of " + known);
}

const Isa* first_choice() {
  const char* named = std::getenv("UNROLLED_ISA");
  return find(named && *named ? named : isas().front());
}

std::atomic<const Isa*> in_use{nullptr};

} // namespace

std::vector<std::string> isas() {
  std::vector<std::string> names;
  for (const Candidate& candidate : candidates())
    if (candidate.runs_here)
      names.emplace_back(candidate.isa->name);
  return names;
}

const Isa& isa() {
  if (!in_use.load())
    in_use = first_choice();
  return *in_use.load();
}

void use_isa(const std::string& name) {
  in_use = find(name);
}

} // namespace unrolled
