/* An argument of a Python call that holds numbers: a torch tensor, a numpy array, or any other object of
   DLPack's C exchange API or of the buffer protocol.

       Array x(object, "x");
       const Sequence<const float> s = x.sequence<const float>({"T"}, {"B"}, {"I", 6});

   What does not fit is refused in one line that says what it is and what was wanted:

       x is float64 (3, 4, 5); wanted float32 (T, B, 6)                                              */
#pragma once

#include <initializer_list>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <nanobind/nanobind.h>

#include "contract.h"
#include "dlpack.h"

namespace unrolled {

/* What messages call an argument: x, or h0[1] where `place` counts. */
struct Name {
  const char* text;
  Index place = -1;
  const char* detail = nullptr; // in brackets behind it
  Name(const char* t) : text(t) {}
  Name(const char* t, Index p, const char* d = nullptr) : text(t), place(p), detail(d) {}
  std::string str() const;
};

/* A dimension that is wanted: of any size, or of this one. */
struct Extent {
  const char* letter;
  Index size = -1;
};

/* What keeps an array's memory: a reference to an object, or a view of its buffer. */
class Hold {
public:
  Hold() { view_.obj = nullptr; }
  Hold(Hold&& other) noexcept
      : object_(std::exchange(other.object_, nullptr)), view_(std::exchange(other.view_, Py_buffer{})) {}
  Hold& operator=(Hold&&) = delete;
  ~Hold() {
    if (view_.obj)
      PyBuffer_Release(&view_);
    Py_XDECREF(object_);
  }
  void object(nanobind::object object) { object_ = object.release().ptr(); }
  const Py_buffer& buffer(PyObject* object) {
    if (PyObject_GetBuffer(object, &view_, PyBUF_STRIDES | PyBUF_FORMAT))
      throw nanobind::python_error();
    return view_;
  }
  bool buffered() const { return view_.obj; }

private:
  PyObject* object_ = nullptr;
  Py_buffer view_;
};

/* Reads the object once, holding Python's lock, and keeps it and its memory until this ends. */
class Array {
public:
  static constexpr int most_dimensions = 4;

  /* None gives an absent array. TypeError for what is no array. */
  Array(nanobind::handle object, Name name);

  explicit operator bool() const { return present_; }
  /* Whether its memory lasts as long as this: that of a buffer does, a tensor may be given another. */
  bool keeps_memory() const { return hold_.buffered() || !copy_.empty(); }
  bool has_memory() const { return data_ || rows_ * columns_ == 0; }
  const Name& name() const { return name_; }
  int dimensions() const { return dimensions_; }
  Index size(int dimension) const { return shape_[dimension]; }
  Index stride(int dimension) const { return stride_[dimension]; } // in elements
  template <class Real>
  bool is() const {
    return present_ && same(type_, type<std::remove_const_t<Real>>());
  }

  /* Views. ValueError where type, shape or device is another, where neighbours in the last dimension are not
     neighbours in memory, and, of a Real that is not const, where the array cannot be written. */
  template <class Real>
  Sequence<Real> sequence(Extent T, Extent B, Extent N) const {
    return {view<Real>({T, B, N}), stride_[0], stride_[1]};
  }
  template <class Real>
  Matrix<Real> matrix(Extent rows, Extent columns) const {
    return {view<Real>({rows, columns}), stride_[0]};
  }
  template <class Real>
  Real* vector(Extent N) const {
    return view<Real>({N});
  }
  /* Of any number of dimensions up to most_dimensions. `whole`: without gaps, row after row. */
  template <class Real>
  Real* view(std::initializer_list<Extent> wanted, bool whole = false) const {
    require(type<std::remove_const_t<Real>>(), wanted, !std::is_const_v<Real>, whole);
    return static_cast<Real*>(data_);
  }

  /* Where neighbours in the last dimension are not neighbours in memory, a copy takes the array's place: for
     what is only read. */
  void gather();

  /* (..., N) without gaps, whose first dimensions together are `count` rows. */
  template <class Real>
  Matrix<Real> rows(Extent count, Extent N) const {
    require_rows(type<std::remove_const_t<Real>>(), count, N, !std::is_const_v<Real>);
    return {static_cast<Real*>(data_), columns_};
  }
  /* Of any shape without gaps, `count` numbers. */
  template <class Number>
  Number* numbers(Index count) const {
    require_numbers(type<std::remove_const_t<Number>>(), count, !std::is_const_v<Number>);
    return static_cast<Number*>(data_);
  }
  Index rows() const { return rows_; }       // of all dimensions but the last
  Index columns() const { return columns_; } // of the last

  /* "float64 (3, 4, 5)" */
  std::string str() const;
  /* ValueError: <name> is <this>; wanted <wanted> */
  [[noreturn]] void refuse(const std::string& wanted) const;

private:
  template <class Number>
  static constexpr dlpack::DataType type() {
    constexpr bool real = std::is_floating_point_v<Number>, logical = std::is_same_v<Number, bool>;
    static_assert(real || logical || std::is_same_v<Number, Index>);
    return {real      ? dlpack::float_code
            : logical ? dlpack::bool_code
                      : dlpack::int_code,
            sizeof(Number) * 8, 1};
  }
  static bool same(const dlpack::DataType& a, const dlpack::DataType& b) {
    return a.code == b.code && a.bits == b.bits && a.lanes == b.lanes;
  }
  void read_buffer(const Py_buffer& view);
  void read_tensor(const dlpack::Tensor& tensor);
  void require(dlpack::DataType type, std::initializer_list<Extent> wanted, bool write, bool whole) const;
  void require_rows(dlpack::DataType type, Extent count, Extent N, bool write) const;
  void require_numbers(dlpack::DataType type, Index count, bool write) const;
  void check_memory(bool write) const;
  void add_dimension(int k, Index size, Index stride);
  bool is_whole() const;

  Name name_;
  bool present_ = false, writable_ = false, aligned_ = true;
  int dimensions_ = 0;
  Index rows_ = 1, columns_ = 1;
  bool gaps_ = false; // between numbers, in all dimensions
  dlpack::DataType type_{};
  void* data_ = nullptr;
  Index shape_[most_dimensions] = {}, stride_[most_dimensions] = {};
  Hold hold_;
  std::vector<char> copy_;
};

} // namespace unrolled
