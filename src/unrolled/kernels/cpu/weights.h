/* The weights of a layer as the engine reads them. A caller that keeps them pays for packing once. */
#pragma once

#include "contract.h"

namespace unrolled {

/* A (depth, columns) matrix in panels (gemm.h); columns past the last are zero up to a whole panel. Or, where
   data is null, the parameter as it stands (unpacked.h): of its n rows, row (i + turned) mod n is row i here,
   or column i of the transposed. */
template <class Real>
struct Packed {
  const Real* data;
  Index depth, columns;
  Matrix<const Real> parameter{};
  Index turned = 0;
  bool transposed = false;
};

/* What one pass needs. Forward multiplies by the transposed matrices, backward by the matrices themselves. */
template <class Real>
struct Weights {
  Packed<Real> ih;
  Packed<Real> hh;
  Packed<Real> inner; // the last gate of hh, where a cell multiplies it apart from the others
  Packed<Real> hr;
  const Real* start;                 // (sums) biases that the sums begin with; forward alone
  Parameters<const Real> parameters; // for what is used as it stands: gains, shifts, peepholes
};

} // namespace unrolled
