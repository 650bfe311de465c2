/* Sums over many tokens: of outer products, d[o][j] = Σ_n left[n][o] right[n][j], the gradients of weights;
   and of `left` itself, those of biases.

   Tokens are taken in blocks of whole chains (gemm.h), so no sum depends on how the work was dealt out to
   threads: each task has some columns of the left side and some panels of the right one. What a block needs
   is copied together first: read in place, rows that lie a power of two apart would push one another out of
   the cache. */
#pragma once

#include "gemm.h"
#include "pool.h"

namespace unrolled::UNROLLED_ISA {

inline constexpr Index block_tokens = 2 * chain;
inline constexpr Index block_sums = 256;  // columns of `left` that are copied at once
inline constexpr Index block_panels = 16; // panels of right sides that are copied at once

/* The gradient of one matrix, whose rows go with the columns first … end - 1 of `left`. */
template <class Real>
struct Gradient {
  Index first, end;
  const Real* const* right; // (tokens) a row of `columns` numbers for each token
  Index columns;
  Real* const* d; // (end - first) its rows, out
};

/* totals[o] = Σ_n left[n][o] over one packed block, for `Vectors` vectors of o: sums of sixteen tokens, and
   their sum. */
template <int Vectors, class Real>
void add_up(const Real* packed, Index depth, Index sums, bool add, Real* totals) {
  constexpr Index some = 16, width = lanes<Real>;
  Vec<Real> total[Vectors] = {};
  for (Index k = 0; k < depth;) {
    Vec<Real> part[Vectors] = {};
    for (const Index end = minimum(k + some, depth); k < end; ++k) {
#pragma GCC unroll 16
      for (int v = 0; v < Vectors; ++v)
        part[v] += load(packed + (v * depth + k) * width);
    }
#pragma GCC unroll 16
    for (int v = 0; v < Vectors; ++v)
      total[v] += part[v];
  }
#pragma GCC unroll 16
  for (int v = 0; v < Vectors; ++v) {
    const Index count = minimum(width, sums - v * width);
    store(totals + v * width, add ? load(totals + v * width, count) + total[v] : total[v], count);
  }
}

template <class Real>
void add_up(const Real* packed, Index depth, Index sums, bool add, Real* totals) {
  constexpr Index some = 4, width = lanes<Real>; // chains enough to hide what an addition takes
  Index o = 0;
  for (; o + some * width <= sums; o += some * width)
    add_up<some>(packed + o * depth, depth, sums - o, add, totals + o);
  for (; o < sums; o += width)
    add_up<1>(packed + o * depth, depth, sums - o, add, totals + o);
}

/* One call of accumulate(). */
template <class Real>
class Accumulation {
public:
  Index tokens;
  const Real* const* left;
  Index sums;
  const Gradient<Real>* gradients;
  Index count;
  Real* totals;
  bool add;

  void run(Index threads) const {
    const Grid grid = dealt_out(maximum(minimum(threads, sums), 1));
    pool::run(grid.lefts * grid.rights, threads, [&](Index task) {
      const Index l = task / grid.rights, r = task % grid.rights;
      const Range columns{sums * l / grid.lefts, sums * (l + 1) / grid.lefts};
      const Index all = panels(columns);
      const Range mine{all * r / grid.rights, all * (r + 1) / grid.rights};
      if (r == 0 || mine.size() > 0)
        run(columns, mine, r == 0);
    });
  }

private:
  static constexpr Index narrow = lanes<Real>, wide = panel_columns<Real>;
  struct Range {
    Index first, end;
    Index size() const { return end - first; }
  };
  struct Grid {
    Index lefts, rights;
  };

  /* As many tasks for each thread, which copy as little as can be. Where the gradients go with different
     columns of `left`, tasks are small, so that they come out even. */
  Grid dealt_out(Index threads) const {
    constexpr Index cache =
        2 * 1024 * 1024 / static_cast<Index>(sizeof(Real)); // a task's gradients stay in it
    Index columns = 0, most = maximum(block_sums, sums);
    for (const Gradient<Real>* g = gradients; g < gradients + count; ++g) {
      columns += g->columns;
      if (threads > 1 && (g->first > 0 || g->end < sums))
        most = block_sums;
    }
    Grid best{0, 0};
    for (Index rights = 1; rights <= maximum(1, minimum(threads, divide_up(columns, wide))); ++rights)
      if (threads % rights == 0) {
        const Index fit = cache / maximum(1, columns / rights) / block_sums * block_sums;
        const Index lefts = threads / rights, each = minimum(most, maximum(block_sums, fit));
        if (best.lefts == 0 ||
            sums / lefts + columns / rights < sums / (threads / best.rights) + columns / best.rights)
          best = {divide_up(divide_up(sums, each), lefts) * lefts, rights};
      }
    return best;
  }

  /* body(gradient, column, number) for the panels of the gradients that these columns of `left` meet. */
  template <class Body>
  void each_panel(Range of, const Body& body) const {
    Index number = 0;
    for (const Gradient<Real>* g = gradients; g < gradients + count; ++g)
      for (Index column = 0; column < g->columns && g->first < of.end && of.first < g->end; column += wide)
        body(*g, column, number++);
  }
  Index panels(Range of) const {
    Index all = 0;
    each_panel(of, [&](const Gradient<Real>&, Index, Index) { ++all; });
    return all;
  }

  /* These columns of `left` with these of the panels that they meet, which may be none; `totalled`: and their
     totals, which are one task's alone. */
  void run(Range columns, Range mine, bool totalled) const {
    const Index deepest = minimum(tokens, block_tokens);
    const Index some =
        columns.size() > block_sums ? block_panels : 1; // copied for several stretches of columns
    const Buffer<Real> right(minimum(mine.size(), some) * wide * deepest);
    const Buffer<Real> packed(divide_up(minimum(columns.size(), block_sums), narrow) * narrow * deepest);
    Index n = 0;
    do {
      const Index depth = minimum(block_tokens, tokens - n);
      Index first = mine.first;
      do {
        const Range now{first, minimum(first + some, mine.end)};
        const bool fresh = first == mine.first;
        block(n, depth, columns, now, fresh, fresh && totalled, right.data(), packed.data());
        first += some;
      } while (first < mine.end);
      n += block_tokens;
    } while (n < tokens);
  }

  /* Tokens n … n + depth - 1. `fresh`: the first panels of the block. */
  void block(Index n, Index depth, Range columns, Range now, bool fresh, bool totalled, Real* right,
             Real* packed) const {
    const bool more = add || n > 0;
    const auto panel = [&](Index number) { return right + (number - now.first) * wide * depth; };
    const auto each = [&](const auto& body) {
      each_panel(columns, [&](const Gradient<Real>& g, Index column, Index number) {
        if (now.first <= number && number < now.end)
          body(g, column, minimum(wide, g.columns - column), panel(number));
      });
    };
    each([&](const Gradient<Real>& g, Index column, Index width, Real* to) {
      pack_rows<panel_vectors>(g.right + n, depth, column, width, to);
    });
    for (Index o = columns.first; o < columns.end; o += block_sums) {
      const Range stretch{o, minimum(o + block_sums, columns.end)};
      if (fresh || columns.size() > block_sums)
        pack_rows<1>(left + n, depth, o, stretch.size(), packed);
      if (totalled)
        add_up(packed, depth, stretch.size(), more, totals + o);
      each([&](const Gradient<Real>& g, Index column, Index width, const Real* b) {
        multiply_panel(packed, stretch, g, column, {b, depth, width}, more);
      });
    }
  }

  /* One panel of columns of a gradient, the rows that go with these columns of `left`. */
  static void multiply_panel(const Real* packed, Range stretch, const Gradient<Real>& g, Index column,
                             Packed<Real> b, bool more) {
    const Index from = maximum(stretch.first, g.first), rows = minimum(stretch.end, g.end) - from;
    if (rows <= 0)
      return;
    const Real* a[block_sums];
    Real* out[block_sums];
    for (Index r = 0; r < rows; ++r) {
      const Index o = from - stretch.first + r;
      a[r] = packed + o / narrow * narrow * b.depth + o % narrow;
      out[r] = g.d[from - g.first + r] + column;
    }
    multiply<Real>({rows, a, narrow, b, more ? out : nullptr, out});
  }
};

/* left: a row of `sums` numbers for each token. totals (sums), out. `add`: to what is there already. */
template <class Real>
void accumulate(Index tokens, const Real* const* left, Index sums, const Gradient<Real>* gradients,
                Index count, Real* totals, bool add, Index threads) {
  Accumulation<Real>{tokens, left, sums, gradients, count, totals, add}.run(threads);
}

} // namespace unrolled::UNROLLED_ISA
