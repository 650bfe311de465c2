/* Layers of one cell on top of one another, in one direction or both: how their calls run, and their packed
   weights. A place is one direction of one layer; places stand layer by layer, direction by direction. A
   layer reads what all directions of the one below give, side by side. */
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "fingerprint.h"
#include "isa.h"
#include "memory.h"
#include "planner.h"

namespace unrolled {

/* Memory that lasts as long as this. */
template <class Real>
class Numbers {
public:
  explicit Numbers(Index count);
  Real* data() const { return memory_.get(); }

private:
  std::shared_ptr<Real> memory_;
};

/* Memory that serves again once nobody holds it. */
template <class Real>
class Shelf {
public:
  std::shared_ptr<Real> take(Index count);

private:
  struct Spare {
    std::mutex mutex;
    Real* memory = nullptr;
    Index count = 0;
    ~Spare() { release(memory); }
  };
  std::shared_ptr<Spare> spare_ = std::make_shared<Spare>(); // whose memory may outlive the shelf
};

/* The packed weights of one place. */
template <class Real>
class PackedPlace {
public:
  struct Packs {
    Weights<Real> forward, backward;
    std::shared_ptr<Real> memory[2];
  };
  /* What a call with these parameters needs, alive as long as the result is held: packed anew where a number
     or the instruction set is another. `frozen`: numbers that were looked at are not looked at again.
     A call of few tokens that is not frozen reads the weights as they stand instead, and one of some tokens
     or of one step does until it has seen them twice. */
  std::shared_ptr<const Packs> packs(const Isa& isa, const Kernel<Real>& kernel, const Sizes& sizes,
                                     const Parameters<const Real>& parameters, bool forward, bool backward,
                                     bool frozen, Index steps, Index tokens);
  /* The next call looks at the numbers, frozen or not. */
  void look() { looked_ = false; }

private:
  std::shared_ptr<const Packs> unpacked(const Kernel<Real>& kernel, const Sizes& sizes,
                                        const Parameters<const Real>& parameters, bool forward,
                                        bool backward);

  std::mutex mutex_;
  Shelf<Real> shelves_[2]; // forward, backward
  Shelf<Real> sums_;       // of biases, beside unpacked weights
  std::shared_ptr<const Packs> packs_;
  Fingerprint fingerprint_{};
  Fingerprint seen_[2]{}; // by the last short call forward, backward
  const Isa* isa_ = nullptr;
  std::atomic<bool> looked_ = false;
};

/* The arrays of one place in a call; null where there is none. */
template <class Real>
struct PlaceCall {
  Parameters<const Real> parameters;
  Matrix<const Real> h0, c0; // null: zeros
  Masks<Real> masks;
  Matrix<Real> h, c;         // forward alone
  Sequence<Real> every_c;    // forward alone
  Matrix<const Real> dh, dc; // backward alone, as all below
  Sequence<const Real> d_every_c;
  Matrix<Real> dh0, dc0;
  Parameters<Real> d;
};

template <class Real>
struct RecurrenceCall {
  Index T, B, threads, every;
  Index tokens;         // T B, or where x is packed fewer
  const Index* lengths; // of packed x too
  Sequence<const Real> x;
  Sequence<Real> y; // read by backward
  Real* trace;
  Sequence<const Real> dy;
  Real* dx;
  std::vector<PlaceCall<Real>> places;
};

/* Steps whose state is kept, with every > 0; else all. */
inline Index kept_steps(Index T, Index every) {
  return every > 0 ? T / every + (T % every > 0 ? 1 : 0) : T;
}

template <class Real>
class Recurrence {
public:
  /* sizes of each place, without T and B. Throws std::invalid_argument where there is no such cell, or where
     sizes do not fit together. */
  Recurrence(const std::string& cell, const std::vector<Sizes>& sizes, const std::vector<bool>& reverse);

  const std::vector<Sizes>& sizes() const { return sizes_; }
  Index directions() const { return static_cast<Index>(reverse_.size()); }
  Index layers() const { return static_cast<Index>(sizes_.size()) / directions(); }
  const Kernel<Real>& kernel(const Isa& of = isa()) const { return kernels<Real>(of).cells[cell_]; }
  /* Multiply-adds of one token forward, of all places. */
  double work() const { return work_; }
  /* Features that a layer gives. */
  Index width(Index layer) const;
  /* Numbers for each token that a trace holds, or with every > 0 for each token of every k-th step.
     `parameters`: those that there are. */
  Index trace_width(Index every, const Parameters<const Real>& parameters) const;

  void forward(const RecurrenceCall<Real>& call);
  void backward(const RecurrenceCall<Real>& call);

  /* While it is frozen the caller promises that the parameters do not change. */
  bool frozen() const { return frozen_; }
  void freeze(bool frozen);

private:
  struct Plans {
    Index T, B, threads;
    bool masked;
    std::vector<std::unique_ptr<Planner>> planners; // of each place
  };
  struct Trace {
    std::vector<Real*>
        pieces; // of each place: its tape, or with every > 0 what it keeps; then each layer's y
    Index places;
    Real* y(Index layer) const { return pieces[static_cast<std::size_t>(places + layer)]; }
  };
  std::shared_ptr<const Plans> plans(const RecurrenceCall<Real>& call);
  Sizes measured(const RecurrenceCall<Real>& call, Index place) const;
  Trace cut(const RecurrenceCall<Real>& call, Real* trace) const;
  Real* trace_again(const RecurrenceCall<Real>& call, std::vector<Numbers<Real>>& memory);
  Matrix<const Real> initial(const Matrix<const Real>& given) const;

  const Index cell_; // its place among the kernels
  const std::vector<Sizes> sizes_;
  const std::vector<bool> reverse_;
  const std::vector<Real> zeros_;
  double work_ = 0;
  std::vector<PackedPlace<Real>> packed_;
  std::atomic<bool> frozen_ = false;
  std::atomic<bool> last_first_ = false; // where the last call of one step began: the next begins at its end
  std::mutex mutex_;
  std::shared_ptr<const Plans> plans_; // of the last call without lengths
};

} // namespace unrolled
