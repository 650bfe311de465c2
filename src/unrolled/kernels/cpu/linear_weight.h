/* A linear layer's weight, packed for its products and kept while its numbers stay as they are. */
#pragma once

#include <memory>
#include <mutex>

#include "fingerprint.h"
#include "heads.h"
#include "isa.h"

namespace unrolled {

/* Every call looks at all numbers of the weight, unless it is frozen: then the first one does, and no other
   as long as memory and shape are the same. One that was never seen before is read as it stands, unless rows
   are many, and packed when a second call finds the same numbers: while a model learns, each call finds
   others. Threads may share one. */
class LinearWeight {
public:
  bool frozen() const { return frozen_; }
  void freeze(bool frozen);

  /* call.packed is filled in. */
  template <class Real>
  void forward(const Heads<Real>& heads, Linear<Real> call, Index threads);

private:
  struct Key {
    const Isa* isa; // which says how it is packed
    std::size_t width;
    const void* data;
    Index out, in, row;
    bool operator==(const Key&) const = default;
  };
  struct Packed {
    Key key;
    Fingerprint print;
    std::shared_ptr<void> numbers;
  };

  template <class Real>
  std::shared_ptr<void> numbers(const Heads<Real>& heads, const Linear<Real>& call, Index threads);
  std::shared_ptr<void> known(const Key& key);
  /* Packed already, or null; then `again` says whether the last call saw these numbers, too. */
  std::shared_ptr<void> known(const Key& key, const Fingerprint& print, bool& again);

  std::mutex mutex_;
  bool frozen_ = false;
  bool looked_ = false; // since it was frozen
  Packed seen_{};       // numbers is null unless it was packed
};

} // namespace unrolled
