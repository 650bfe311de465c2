/* Makes a Plan and owns its memory. */
#pragma once

#include <vector>

#include "plan.h"

namespace unrolled {

class Planner {
public:
  /* lengths (B), or null for all T. work: multiply-adds of one token.
     Throws std::invalid_argument where a length is outside 0 … T. */
  Planner(const Sizes& sizes, const Index* lengths, bool reverse, Index threads, Index work);
  Planner(const Planner&) = delete; // the plan points into this one
  const Plan& plan() const { return plan_; }

private:
  void order_rows(const Sizes& sizes, const Index* lengths);
  void cut_rows();

  std::vector<Index> row_, length_, active_, token_, cut_;
  Plan plan_;
};

} // namespace unrolled
