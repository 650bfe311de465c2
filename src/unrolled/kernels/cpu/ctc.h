/* Prefix beam search over frames of connectionist temporal classification, and the alignment of its answers.
   ../../decoding/ctc.py and prefix_search.py hold the equations; the second has the same bits in Python.

   Of every kept prefix stand its place in a tree of labels, the logarithms b of all its alignments that end
   in a blank and l of those that end in its last label, and where it is in the n-grams and the lexicon. A
   frame makes candidates of it: itself, and itself with each label that may follow and does not make another
   kept prefix, to which those alignments are added instead.

   One search is one row: it shares nothing with others, and what is in it does not depend on how its frames
   were cut. All numbers are double, and no function of a library rounds any of them. */
#pragma once

#include <vector>

#include "contract.h"
#include "tree.h"

namespace unrolled::ctc {

/* As the arrays of decoding/ngram_model.py; first is null where there are none. */
struct Grams {
  Index start;
  const Index *first, *labels;
  const double* log_p;
  const Index* following;
  const double* weights;
  const Index* shorter;
};

/* As the arrays of decoding/lexicon.py; first is null where any labels may follow. */
struct Lexicon {
  const Index *first, *labels, *targets;
  const std::uint8_t* final;
};

struct Options {
  Index labels, blank, beam; // K, which of them is the blank, prefixes to keep
  double lm_weight, label_bonus, least;
};

struct Answer {
  std::vector<Index> labels;
  double score, log_p, log_lm;
};

class Search {
public:
  Search(const Options& options, const Grams& grams, const Lexicon& lexicon);

  /* log_p (frames, K), none of which is NaN or +∞. */
  void add(const double* log_p, Index frames);
  std::vector<Answer> best(Index most) const;

private:
  struct Member {
    std::int32_t node;
    std::size_t row; // of next_lm_ and contexts_
    Index state;
    double blank, label, log_p, log_lm, bias;
  };
  /* Member `from`, with another label where `grows`. Its labels are those of `head`, then `last`. */
  struct Candidate {
    double score, ends_blank, ends_label, log_p, log_lm;
    std::int32_t from, head, last, length;
    Index state, context;
    bool grows;
  };

  bool before(const Candidate& a, const Candidate& b) const;
  double bias(double log_lm, Index count) const;
  bool final(Index state) const { return !lexicon_.first || lexicon_.final[state] != 0; }
  void step(const double* x);
  double stay(const double* x);
  void extend(const double* x, double floor);
  void offer(const Candidate& candidate, double floor);
  void choose();
  void replace();
  std::size_t row_of(Index context);
  void forget();

  Options options_;
  Grams grams_;
  Lexicon lexicon_;
  Tree tree_;
  std::size_t limit_;
  std::vector<Member> members_, next_;
  std::vector<Candidate> candidates_;
  Candidate complete_; // the best that is final; its score is -∞ where there is none
  std::vector<Index> open_;
  std::vector<std::uint8_t> there_;  // (members, K): whether another member is this one with that label
  std::vector<std::size_t> touched_; // what is set in there_
  std::vector<double> next_lm_;      // (rows, K + 1)
  std::vector<Index> contexts_;      // (rows, K + 1)
  std::vector<std::size_t> free_;    // rows but the first that no member holds
  std::vector<Index> chain_;
};

/* log_p (T, K), labels (L,), L > 0, that T frames can say -> spans (L, 2), all -1 where no alignment has a
   probability. */
void align(const double* log_p, Index T, Index K, Index blank, const Index* labels, Index L, Index* spans);

} // namespace unrolled::ctc
