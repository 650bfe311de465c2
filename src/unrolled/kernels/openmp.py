"""One pool of threads for torch and the kernels: two OpenMP runtimes in a process spin against each other.

The kernels can run their work as a parallel region of the OpenMP that torch uses, if they are told where it is.
"""

import ctypes
import os
import sys
from pathlib import Path

import torch

from unrolled.kernels import _cpu

FUNCTIONS = ("GOMP_parallel", "omp_get_num_threads", "omp_get_thread_num")


def share() -> bool:
    """Hands torch's OpenMP to the kernels. False where there is none to find: they then keep their own threads."""
    for library in _libraries():
        found = [getattr(library, function, None) for function in FUNCTIONS]
        if None not in found:
            _cpu.use_openmp(*(ctypes.cast(function, ctypes.c_void_p).value or 0 for function in found))
            return True
    return False


def _libraries() -> list[ctypes.CDLL]:
    """Where torch's own calls are looked up, in the loader's order: the whole process, then what torch links."""
    if not sys.platform.startswith("linux"):
        return []
    linked = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    libraries = [ctypes.CDLL(None)]
    try:
        libraries.append(ctypes.CDLL(str(linked), mode=os.RTLD_NOLOAD | os.RTLD_LAZY))
    except OSError:  # torch was built as one library
        pass
    return libraries
