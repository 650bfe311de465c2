/* Binds what ctc.h offers. */
#pragma once

#include <nanobind/nanobind.h>

namespace unrolled {

void bind_ctc(nanobind::module_& m);

} // namespace unrolled
