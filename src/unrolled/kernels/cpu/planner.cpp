#include "planner.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>

namespace unrolled {

namespace {

/* Waking a thread costs about as long as this many multiply-adds. */
constexpr Index work_per_thread = 200'000;

/* So many multiply-adds of one step are worth two meetings of the threads that share them. */
constexpr Index work_per_meeting = 30'000;

/* With fewer rows for each thread the weights are read too often for what is done with them. */
constexpr Index rows_per_thread = 4;

void check_lengths(const Sizes& sizes, const Index* lengths) {
  for (Index b = 0; b < sizes.B; ++b)
    if (lengths[b] < 0 || lengths[b] > sizes.T)
      throw std::invalid_argument("lengths[" + std::to_string(b) + "] is " + std::to_string(lengths[b]) +
                                  "; wanted 0 to " + std::to_string(sizes.T) + ", the time steps of x");
}

} // namespace

Planner::Planner(const Sizes& sizes, const Index* lengths, bool reverse, Index threads, Index directions,
                 Work work, bool shares)
    : row_(sizes.B), length_(sizes.B, sizes.T), active_(sizes.T, sizes.B), token_(sizes.T) {
  std::iota(row_.begin(), row_.end(), Index{0});
  if (lengths)
    order_rows(sizes, lengths);
  std::exclusive_scan(active_.begin(), active_.end(), token_.begin(), Index{0});

  plan_ = {};
  plan_.reverse = reverse;
  plan_.rows = sizes.B;
  plan_.tokens = std::accumulate(length_.begin(), length_.end(), Index{0});
  plan_.threads = std::clamp(directions * plan_.tokens * work.token / work_per_thread, Index{1},
                             std::max(threads, Index{1}));
  const Index own = std::max(plan_.threads / directions, Index{1});
  const bool few = plan_.rows < rows_per_thread * own;
  const bool share = shares && directions == 1 && few && plan_.rows * work.recurrent >= work_per_meeting;
  plan_.crew = share ? own : 1;
  plan_.bunch = std::max((plan_.rows + most_bunches - 1) / most_bunches, Index{1});
  plan_.bunches = (plan_.rows + plan_.bunch - 1) / plan_.bunch;
  cut_rows(share ? 1 : std::min(own, plan_.rows));
  plan_.row = row_.data();
  plan_.length = length_.data();
  plan_.active = active_.data();
  plan_.token = token_.data();
}

void Planner::order_rows(const Sizes& sizes, const Index* lengths) {
  check_lengths(sizes, lengths);
  std::stable_sort(row_.begin(), row_.end(), [&](Index a, Index b) { return lengths[a] > lengths[b]; });
  for (Index i = 0; i < sizes.B; ++i)
    length_[i] = lengths[row_[i]];
  Index still = sizes.B;
  for (Index s = 0; s < sizes.T; ++s) {
    while (still > 0 && length_[still - 1] <= s)
      --still;
    active_[s] = still;
  }
}

void Planner::cut_rows(Index parts) {
  cut_ = {0};
  Index tokens = 0;
  for (Index i = 0; i < plan_.rows; ++i) {
    const Index open = static_cast<Index>(cut_.size()); // parts begun so far
    if (open < parts && i > cut_.back() && i % plan_.bunch == 0 && tokens * parts >= plan_.tokens * open)
      cut_.push_back(i);
    tokens += length_[i];
  }
  if (plan_.rows > 0)
    cut_.push_back(plan_.rows);
  plan_.parts = static_cast<Index>(cut_.size()) - 1;
  plan_.cut = cut_.data();
}

} // namespace unrolled
