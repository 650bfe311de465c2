"""One pool of threads for torch and the kernels: two OpenMP runtimes in a process spin against each other.

The kernels run their work as a parallel region of the OpenMP that torch uses, once told where it is.
"""

import contextlib
import ctypes
import os
import sys
from pathlib import Path

import torch

from unrolled.kernels.compiled import cpu as _cpu

FUNCTIONS = ("GOMP_parallel", "omp_get_num_threads", "omp_get_thread_num")


def share() -> bool:
    """Hands torch's OpenMP to the kernels. False where none is found: they then keep their own threads."""
    for library in _libraries():
        if all(hasattr(library, function) for function in FUNCTIONS):
            addresses = [ctypes.cast(getattr(library, f), ctypes.c_void_p).value or 0 for f in FUNCTIONS]
            _cpu.use_openmp(*addresses)
            return True
    return False


def _libraries() -> list[ctypes.CDLL]:
    """Where torch's own calls are looked up, in order: the whole process, then what torch links."""
    if not sys.platform.startswith("linux"):
        return []
    linked = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    libraries = [ctypes.CDLL(None)]
    with contextlib.suppress(OSError):  # torch may be one library
        libraries.append(ctypes.CDLL(str(linked), mode=os.RTLD_NOLOAD | os.RTLD_LAZY))
    return libraries
