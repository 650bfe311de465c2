/* Binds what heads.h offers. */
#pragma once

#include <nanobind/nanobind.h>

namespace unrolled {

void bind_heads(nanobind::module_& m);

} // namespace unrolled
