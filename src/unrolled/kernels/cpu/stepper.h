/* One step of a layer after another, without what calls over sequences make each time: the plan is kept for
   the same number of rows, the weights are packed once for all, and arrays come as Python objects, checked
   here. */
#pragma once

#include <array>
#include <memory>
#include <stdexcept>
#include <string>

#include <nanobind/nanobind.h>

#include "arithmetic.h"
#include "layer.h"
#include "planner.h"

namespace unrolled {

/* A C-contiguous array of Python's, held as long as this is. */
class Held {
public:
  Held(PyObject* array, int flags) {
    if (PyObject_GetBuffer(array, &view_, PyBUF_C_CONTIGUOUS | flags))
      throw nanobind::python_error();
  }
  ~Held() { PyBuffer_Release(&view_); }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

  template <class Real>
  Real* numbers(Index count, const char* name) const {
    const char code = sizeof(Real) == sizeof(float) ? 'f' : 'd';
    if (view_.len != count * static_cast<Index>(sizeof(Real)) || !view_.format || view_.format[0] != code ||
        view_.format[1])
      throw std::invalid_argument(std::string(name) + ": wanted " + std::to_string(count) +
                                  " numbers of the layer's type");
    return static_cast<Real*>(view_.buf);
  }
  Index address() const { return static_cast<Index>(reinterpret_cast<std::uintptr_t>(view_.buf)); }

private:
  Py_buffer view_;
};

template <class Real>
class Stepper {
public:
  /* zoneout: shares of h (P) and c (H), or null. */
  Stepper(Layer<Real>& layer, std::array<const Real*, 2> zoneout) : layer_(layer), zoneout_(zoneout) {}

  /* x (B, I), before and after h (B, P) and c (B, H), None for a cell without. Few rows, one thread: the lock
     on Python is kept, and it guards what is kept here. */
  void run(Index B, nanobind::handle x, nanobind::handle h0, nanobind::handle c0, nanobind::handle h,
           nanobind::handle c) {
    const StandardArithmetic arithmetic;
    const bool has_c = layer_.kernel().has_c;
    if (B < 1 || B > most_rows || has_c == c.is_none() || has_c == c0.is_none())
      throw std::invalid_argument("wanted 1 to 1024 rows, and c where the cell has one");
    if (!planner_ || planned_ != B)
      plan(B);
    if (isa_ != &isa()) {
      packs_ = layer_.packs(true, false);
      isa_ = &isa();
    }
    const Sizes& n = sizes_;
    const Held x_held(x.ptr(), PyBUF_FORMAT), h0_held(h0.ptr(), PyBUF_FORMAT),
        h_held(h.ptr(), PyBUF_FORMAT | PyBUF_WRITABLE);
    Forward<Real> call{};
    call.sizes = n;
    call.x = {x_held.numbers<const Real>(B * n.I, "x"), B * n.I, n.I};
    call.initial[0] = {h0_held.numbers<const Real>(B * n.P, "h"), n.P};
    call.states[0] = {h_held.numbers<Real>(B * n.P, "h after"), B * n.P, n.P};
    for (int k = 0; k < most_states; ++k)
      call.masks.zoneout[k] = {zoneout_[k], 0, 0};
    call.last_first = last_first_ = !last_first_;
    const Plan* plans = &planner_->plan();
    if (!has_c)
      return layer_.kernel().forward(&call, &packs_->forward, &plans, 1);
    const Held c0_held(c0.ptr(), PyBUF_FORMAT), c_held(c.ptr(), PyBUF_FORMAT | PyBUF_WRITABLE);
    call.initial[1] = {c0_held.numbers<const Real>(B * n.H, "c"), n.H};
    call.last[1] = {c_held.numbers<Real>(B * n.H, "c after"), n.H};
    layer_.kernel().forward(&call, &packs_->forward, &plans, 1);
  }

private:
  static constexpr Index most_rows = 1024; // so that no product of sizes overflows

  void plan(Index B) {
    sizes_ = layer_.sizes;
    sizes_.T = 1;
    sizes_.B = B;
    planner_ = std::make_unique<Planner>(sizes_, nullptr, false, 1, 1, Planner::Work{}, false);
    planned_ = B;
  }

  Layer<Real>& layer_;
  std::array<const Real*, 2> zoneout_;
  std::shared_ptr<const typename Layer<Real>::Packs> packs_; // of a layer whose parameters stay as they are
  const Isa* isa_ = nullptr;
  Sizes sizes_{};
  std::unique_ptr<Planner> planner_;
  Index planned_ = 0;
  bool last_first_ = false;
};

} // namespace unrolled
