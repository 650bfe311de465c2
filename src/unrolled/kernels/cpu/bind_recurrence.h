/* The part of the Python module that runs layers. */
#pragma once

#include <nanobind/nanobind.h>

namespace unrolled {

void bind_recurrence(nanobind::module_& m);

} // namespace unrolled
