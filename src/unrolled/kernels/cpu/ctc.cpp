#include "ctc.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace unrolled::ctc {

namespace {

constexpr double never = -std::numeric_limits<double>::infinity();
constexpr std::size_t some_nodes = 64; // below so many it is not worth while to forget any

/* 1 / n! and 1 / (2 n + 1), by which prefix_search.py counts too. */
template <std::size_t N>
struct Series {
  double exp[N]{}, atanh[N]{};

  constexpr Series() {
    double factorial = 1;
    for (std::size_t n = 0; n < N; ++n) {
      factorial *= n ? static_cast<double>(n) : 1.0;
      exp[n] = 1.0 / factorial;
      atanh[n] = 1.0 / static_cast<double>(2 * n + 1);
    }
  }
};

constexpr Series<18> series;

double polynomial(const double* terms, int degree, double x) {
  double sum = terms[degree];
  for (int n = degree - 1; n >= 0; --n)
    sum = sum * x + terms[n];
  return sum;
}

/* ln(exp a + exp b), in sums and products alone. */
double log_add(double a, double b) {
  constexpr double per_ln_2 = 1.4426950408889634, ln_2_high = 0.6931471803691238,
                   ln_2_low = 1.9082149292705877e-10, nothing_added = 40;
  const double most = a < b ? b : a, d = most - (a < b ? a : b);
  if (!(d < nothing_added)) // NaN where both are -∞
    return most;
  const double n = std::floor(d * per_ln_2 + 0.5), r = (n * ln_2_high - d) + n * ln_2_low;
  const double power = std::ldexp(polynomial(series.exp, 13, r), -static_cast<int>(n));
  const double s = power / (2.0 + power);
  return most + 2.0 * s * polynomial(series.atanh, 17, s * s);
}

std::size_t place(Index i) {
  return static_cast<std::size_t>(i);
}

} // namespace

Search::Search(const Options& options, const Grams& grams, const Lexicon& lexicon)
    : options_(options), grams_(grams), lexicon_(lexicon), limit_(some_nodes), complete_{} {
  next_lm_.resize(place(options.labels) + 1);
  contexts_.resize(next_lm_.size());
  members_.push_back({0, row_of(grams.start), 0, 0.0, never, 0.0, 0.0, bias(0.0, 0)});
  tree_[0].member = 0;
}

double Search::bias(double log_lm, Index count) const {
  return options_.lm_weight * log_lm + options_.label_bonus * static_cast<double>(count);
}

void Search::add(const double* log_p, Index frames) {
  for (Index t = 0; t < frames; ++t)
    step(log_p + t * options_.labels);
}

void Search::step(const double* x) {
  candidates_.clear();
  complete_.score = never;
  extend(x, stay(x));
  choose();
  replace();
  if (tree_.size() > limit_)
    forget();
}

/* The members themselves; the score below which no other candidate will be kept. */
double Search::stay(const double* x) {
  there_.resize(std::max(there_.size(), members_.size() * place(options_.labels)));
  double floor = std::numeric_limits<double>::infinity();
  for (std::size_t at = 0; at < members_.size(); ++at) {
    const Member& own = members_[at];
    const Tree::Node& node = tree_[own.node];
    const double ends_blank = own.log_p + x[options_.blank];
    double ends_label = never;
    if (node.length > 0) {
      const double p = x[node.label];
      ends_label = own.label + p;
      if (const std::int32_t shorter = tree_[node.parent].member; shorter >= 0) {
        const Member& other = members_[place(shorter)];
        touched_.push_back(place(shorter) * place(options_.labels) + place(node.label));
        there_[touched_.back()] = 1;
        if (p >= options_.least)
          ends_label =
              log_add(ends_label, (tree_[node.parent].label == node.label ? other.blank : other.log_p) + p);
      }
    }
    const double log_p = log_add(ends_blank, ends_label), score = log_p + own.bias;
    floor = std::min(floor, score);
    offer({score, ends_blank, ends_label, log_p, own.log_lm, static_cast<std::int32_t>(at), node.parent,
           node.label, node.length, own.state, 0, false},
          never);
  }
  return members_.size() >= place(options_.beam) ? floor : never;
}

void Search::extend(const double* x, double floor) {
  const std::size_t K = place(options_.labels);
  open_.clear();
  for (Index k = 0; k < options_.labels; ++k)
    if (k != options_.blank && x[k] >= options_.least)
      open_.push_back(k);
  for (std::size_t at = 0; at < members_.size(); ++at) {
    const Member& own = members_[at];
    const Tree::Node& node = tree_[own.node];
    const double* next_lm = next_lm_.data() + own.row * (K + 1);
    const Index* contexts = contexts_.data() + own.row * (K + 1);
    const std::uint8_t* there = there_.data() + at * K;
    const auto grow = [&](Index k, Index state) {
      if (there[k])
        return;
      const double p = x[k] + (k == node.label ? own.blank : own.log_p);
      const double log_lm = own.log_lm + next_lm[k], score = p + bias(log_lm, node.length + 1);
      if (score >= floor || lexicon_.first)
        offer({score, never, p, p, log_lm, static_cast<std::int32_t>(at), own.node,
               static_cast<std::int32_t>(k), node.length + 1, state, contexts[k], true},
              floor);
    };
    if (!lexicon_.first)
      for (const Index k : open_)
        grow(k, 0);
    else
      for (Index i = lexicon_.first[own.state]; i < lexicon_.first[own.state + 1]; ++i)
        if (const Index k = lexicon_.labels[i]; k != options_.blank && x[k] >= options_.least)
          grow(k, lexicon_.targets[i]);
  }
  for (const std::size_t one : touched_)
    there_[one] = 0;
  touched_.clear();
}

void Search::offer(const Candidate& candidate, double floor) {
  if (!(candidate.score > never))
    return;
  if (candidate.score >= floor)
    candidates_.push_back(candidate);
  if (lexicon_.first && final(candidate.state) &&
      (!(complete_.score > never) || before(candidate, complete_)))
    complete_ = candidate;
}

/* Of the same score the shorter is first, then that whose first labels are lower. */
bool Search::before(const Candidate& a, const Candidate& b) const {
  if (a.score != b.score)
    return a.score > b.score;
  if (a.length != b.length)
    return a.length < b.length;
  if (const int heads = a.head == b.head ? 0 : tree_.order(a.head, b.head))
    return heads < 0;
  return a.last < b.last;
}

void Search::choose() {
  const auto less = [this](const Candidate& a, const Candidate& b) { return before(a, b); };
  const std::size_t beam = place(options_.beam);
  if (candidates_.size() > beam) {
    std::nth_element(candidates_.begin(), candidates_.begin() + options_.beam - 1, candidates_.end(), less);
    candidates_.resize(beam);
  }
  const bool ends = std::any_of(candidates_.begin(), candidates_.end(),
                                [this](const Candidate& one) { return final(one.state); });
  if (!ends && complete_.score > never)
    candidates_.push_back(complete_);
}

void Search::replace() {
  for (const Member& own : members_)
    tree_[own.node].member = -1;
  next_.clear();
  for (const Candidate& one : candidates_) {
    if (one.grows)
      continue;
    Member& own = members_[place(one.from)];
    next_.push_back(
        {own.node, own.row, own.state, one.ends_blank, one.ends_label, one.log_p, own.log_lm, own.bias});
    own.row = 0;
  }
  for (const Member& own : members_) // whose rows no candidate needs any more
    if (own.row)
      free_.push_back(own.row);
  for (const Candidate& one : candidates_)
    if (one.grows)
      next_.push_back({tree_.child(one.head, one.last), row_of(one.context), one.state, one.ends_blank,
                       one.ends_label, one.log_p, one.log_lm, bias(one.log_lm, one.length)});
  members_.swap(next_);
  for (std::size_t at = 0; at < members_.size(); ++at)
    tree_[members_[at].node].member = static_cast<std::int32_t>(at);
}

/* A row filled with what follows `context`. Row 0 is of zeros, for members without n-grams. */
std::size_t Search::row_of(Index context) {
  if (!grams_.first)
    return 0;
  const std::size_t width = place(options_.labels) + 1;
  if (free_.empty()) {
    free_.push_back(next_lm_.size() / width);
    next_lm_.resize(next_lm_.size() + width);
    contexts_.resize(next_lm_.size());
  }
  const std::size_t row = free_.back();
  free_.pop_back();
  double* log_p = next_lm_.data() + row * width;
  Index* contexts = contexts_.data() + row * width;
  chain_.clear();
  for (; context != 0; context = grams_.shorter[context])
    chain_.push_back(context);
  std::copy_n(grams_.log_p, width, log_p);
  std::copy_n(grams_.following, width, contexts);
  for (; !chain_.empty(); chain_.pop_back()) {
    const Index own = chain_.back();
    for (std::size_t k = 0; k < width; ++k)
      log_p[k] += grams_.weights[own];
    for (Index i = grams_.first[own]; i < grams_.first[own + 1]; ++i) {
      log_p[grams_.labels[i]] = grams_.log_p[i];
      contexts[grams_.labels[i]] = grams_.following[i];
    }
  }
  return row;
}

void Search::forget() {
  std::vector<std::int32_t*> nodes;
  for (Member& own : members_)
    nodes.push_back(&own.node);
  tree_.keep(nodes);
  limit_ = std::max(some_nodes, 2 * tree_.size());
}

std::vector<Answer> Search::best(Index most) const {
  struct Ranked {
    double score, log_lm;
    const Member* own;
  };
  std::vector<Ranked> found;
  for (const Member& own : members_)
    if (final(own.state)) {
      const double log_lm = own.log_lm + next_lm_[(own.row + 1) * (place(options_.labels) + 1) - 1];
      found.push_back({own.log_p + bias(log_lm, tree_[own.node].length), log_lm, &own});
    }
  std::sort(found.begin(), found.end(), [this](const Ranked& a, const Ranked& b) {
    const std::int32_t at = a.own->node, to = b.own->node;
    if (a.score != b.score)
      return a.score > b.score;
    if (tree_[at].length != tree_[to].length)
      return tree_[at].length < tree_[to].length;
    return tree_.order(at, to) < 0;
  });
  std::vector<Answer> answers;
  for (std::size_t n = 0; n < found.size() && n < place(most); ++n)
    answers.push_back(
        {tree_.labels(found[n].own->node), found[n].score, found[n].own->log_p, found[n].log_lm});
  return answers;
}

/* State 2 l + 1 is label l, state 2 l the blank before it; steps[t][s] says how many states before s the best
   path to it stood at t - 1, and of those that tie the least. */
void align(const double* log_p, Index T, Index K, Index blank, const Index* labels, Index L, Index* spans) {
  const Index S = 2 * L + 1;
  const auto label = [&](Index s) { return s % 2 ? labels[s / 2] : blank; };
  std::vector<double> best(place(S), never), reached(place(S));
  std::vector<std::uint8_t> steps(place(T * S));
  best[0] = log_p[blank];
  best[1] = log_p[labels[0]];
  for (Index t = 1; t < T; ++t) {
    for (Index s = 0; s < S; ++s) {
      double most = best[place(s)];
      std::uint8_t step = 0;
      if (s >= 1 && best[place(s - 1)] > most)
        most = best[place(s - 1)], step = 1;
      if (s >= 3 && s % 2 && label(s) != label(s - 2) && best[place(s - 2)] > most)
        most = best[place(s - 2)], step = 2;
      reached[place(s)] = most + log_p[t * K + label(s)];
      steps[place(t * S + s)] = step;
    }
    best.swap(reached);
  }
  std::fill_n(spans, 2 * L, -1);
  Index s = best[place(S - 2)] >= best[place(S - 1)] ? S - 2 : S - 1;
  if (!(best[place(s)] > never))
    return;
  for (Index t = T - 1; t >= 0; s -= steps[place(t * S + s)], --t)
    if (s % 2) {
      spans[s - 1] = t;
      spans[s] = std::max(spans[s], t);
    }
}

} // namespace unrolled::ctc
