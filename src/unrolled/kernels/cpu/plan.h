/* Which rows run at which step, and who runs them. Knows lengths and threads, no cell and no number.

   Rows are ordered by length, longest first, so the rows that still run at step s are always the first
   active[s] of them. A row's step s is time s, or with `reverse` time length - 1 - s: its own last valid step
   comes first. A token is one row at one step; tokens are numbered step by step. */
#pragma once

#include "contract.h"

namespace unrolled {

/* Bunches of rows at most. Each may have sums of its own, which depend on no cut then. */
inline constexpr Index most_bunches = 128;

struct Plan {
  bool reverse;
  Index rows, tokens;
  const Index* row;    // (rows) place in the batch of the i-th longest row
  const Index* length; // (rows) and its length
  const Index* active; // (T) rows that run at step s
  const Index* token;  // (T) number of the first token of step s
  Index threads;       // as many as the work is worth
  Index parts;         // rows are dealt out in parts of about equal tokens:
  const Index* cut;    // (parts + 1) part p holds the rows cut[p] … cut[p + 1] - 1
  Index crew;          // threads that share each part, unit by unit; more than one where rows are few
  Index bunches;       // rows 0 … bunch - 1 and so on, that no cut parts
  Index bunch;
};

} // namespace unrolled
