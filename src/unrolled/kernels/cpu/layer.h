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
  /* Throws std::invalid_argument where no cell has that name. Reads the parameters at each call. */
  Layer(const std::string& cell, const Sizes& sizes, const Parameters<const Real>& parameters);

  struct Packs {
    Weights<Real> forward, backward;
    std::shared_ptr<Real> memory[2];
  };

  /* What a call needs, alive as long as the result is held. Packed anew where the instruction set is another,
     or where a sample shows that the parameters were written meanwhile. */
  std::shared_ptr<const Packs> packs(bool forward, bool backward);
  const Kernel<Real>& kernel() const;

  const Sizes sizes; // T and B are zero
  const Parameters<const Real> parameters;

private:
  void pack(Packs& packs, bool backward) const;
  std::vector<Real> sample() const;

  const Index cell_; // its place among the kernels
  std::mutex mutex_;
  std::shared_ptr<const Packs> packs_;
  const Isa* isa_ = nullptr;
  std::vector<Real> sample_;
};

} // namespace unrolled
