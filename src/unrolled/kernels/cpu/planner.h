/* Makes a Plan and owns its memory. */
#pragma once

#include <vector>

#include "plan.h"

namespace unrolled {

class Planner {
public:
  /* Multiply-adds of one token: all of them, and those that wait for the step before. */
  struct Work {
    Index token, recurrent;
  };
  /* lengths (B), or null for all T. The threads are for `directions` calls like this one at the same time.
     shares: whether they may share a row's units.
     Throws std::invalid_argument where a length is outside 0 … T. */
  Planner(const Sizes& sizes, const Index* lengths, bool reverse, Index threads, Index directions, Work work,
          bool shares);
  Planner(const Planner&) = delete; // the plan points into this one
  const Plan& plan() const { return plan_; }

private:
  void order_rows(const Sizes& sizes, const Index* lengths);
  void cut_rows(Index parts);

  std::vector<Index> row_, length_, active_, token_, cut_;
  Plan plan_;
};

} // namespace unrolled
