/* Rows of a table by their number, and the sums of gradients that go back to them. */
#pragma once

#include "heads.h"
#include "rows.h"

namespace unrolled::UNROLLED_ISA {

template <class Real>
void embedding(const Embedding<Real>& call, Index threads) {
  if (call.columns == 0)
    return;
  share_out(call.rows, 1, threads_worth(call.rows * call.columns, threads), [&](Index first, Index end) {
    for (Index r = first; r < end; ++r)
      __builtin_memcpy(at(call.y, r), at(call.table, call.index[r]),
                       static_cast<std::size_t>(call.columns) * sizeof(Real));
  });
}

/* Threads share the columns out, so that each element is one sum in the order of the rows. */
template <class Real>
void embedding_backward(const EmbeddingBackward<Real>& call, Index threads) {
  const Index worth = threads_worth((call.rows + call.table_rows) * call.columns, threads);
  share_out(call.columns, panel_columns<Real>, worth, [&](Index first, Index end) {
    for (Index v = 0; v < call.table_rows; ++v)
      __builtin_memset(at(call.d_table, v) + first, 0, static_cast<std::size_t>(end - first) * sizeof(Real));
    for (Index r = 0; r < call.rows; ++r) {
      if (call.index[r] == call.padding)
        continue;
      const Real* dy = at(call.dy, r) + first;
      Real* to = at(call.d_table, call.index[r]) + first;
      over_units<Real>(0, end - first, [&](Index i, Index count) {
        store(to + i, load(to + i, count) + load(dy + i, count), count);
      });
    }
  });
}

} // namespace unrolled::UNROLLED_ISA
