/* What must be known of torch's tensors before a kernel is called with them, asked of all at once. It is
   asked through torch's own methods, so that no build of torch is needed. */
#include "bind_tensors.h"

#include <stdexcept>

#include "array.h"

namespace nb = nanobind;

namespace unrolled {

namespace {

/* Types and a method of torch, which stay as long as the interpreter. */
struct Torch {
  PyObject *tensor, *parameter, *is_neg;

  Torch() {
    const nb::module_ torch = nb::module_::import_("torch");
    const nb::object of = torch.attr("Tensor"), kept = torch.attr("nn").attr("Parameter"),
                     minus = of.attr("is_neg");
    tensor = nb::object(of).release().ptr();
    parameter = nb::object(kept).release().ptr();
    is_neg = nb::object(minus).release().ptr();
  }
};

bool has_memory(nb::handle tensor) {
  try {
    return Array(tensor, "tensor").has_memory();
  } catch (const nb::python_error& error) { // torch's, of a tensor that stands for a batch
    if (!error.matches(PyExc_RuntimeError) && !error.matches(PyExc_BufferError))
      throw;
    return false;
  } catch (const std::invalid_argument&) { // on another device
    return false;
  }
}

/* Whether a kernel may read these tensors as they are: on the cpu, of no subclass, no lazy minus, with memory
   of their own, which a lazy zero has not. */
bool readable(const nb::list& tensors) {
  static const Torch torch;
  for (const nb::handle tensor : tensors) {
    auto* const type = reinterpret_cast<PyObject*>(Py_TYPE(tensor.ptr()));
    if ((type != torch.tensor && type != torch.parameter) || !has_memory(tensor))
      return false;
    const nb::object minus = nb::steal(PyObject_CallOneArg(torch.is_neg, tensor.ptr()));
    if (!minus.is_valid())
      throw nb::python_error();
    if (minus.ptr() != Py_False)
      return false;
  }
  return true;
}

} // namespace

void bind_tensors(nb::module_& m) {
  m.def("readable", readable, nb::arg("tensors"));
}

} // namespace unrolled
