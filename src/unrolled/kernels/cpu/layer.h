/* The weights of one layer in one direction, packed when a call first needs them and kept. */
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "isa.h"

namespace unrolled {

template <class Real>
class Layer {
public:
  /* Throws std::invalid_argument where no cell has that name, or, where K > 1, no memory blocks. Reads the
   * parameters at each call. */
  Layer(const std::string& cell, const Sizes& sizes, const Parameters<const Real>& parameters);

  struct Packs {
    Weights<Real> forward, backward;
    std::shared_ptr<Real> memory[2];
  };

  /* What a call needs, alive as long as the result is held. Packed anew after `renew`, where the instruction
     set is another, and where a sample shows that the parameters were written meanwhile. */
  std::shared_ptr<const Packs> packs(bool forward, bool backward);
  void renew();
  const Kernel<Real>& kernel() const;

  const Sizes sizes; // T and B are zero
  const Parameters<const Real> parameters;

private:
  void pack(Packs& packs, bool backward) const;
  template <class Visit>
  void visit_sample(Visit visit) const;

  const Index cell_; // its place among the kernels
  std::mutex mutex_;
  std::shared_ptr<const Packs> packs_;
  const Isa* isa_ = nullptr;
  bool renewed_ = false;
  std::vector<Real> sample_;
  std::shared_ptr<Real> spare_[2]; // memory that the next packs may take
};

} // namespace unrolled
