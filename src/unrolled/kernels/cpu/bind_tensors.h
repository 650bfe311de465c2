#pragma once

#include <nanobind/nanobind.h>

namespace unrolled {

void bind_tensors(nanobind::module_& m);

} // namespace unrolled
