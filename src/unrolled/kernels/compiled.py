"""The compiled module `_cpu`, or in its place what says at its first use why it is missing. Needs no torch.

Tasks train through the references where it is missing; what runs on the kernels alone is still imported.
"""

from typing import TYPE_CHECKING, Any

from unrolled.errors import RunError
from unrolled.kernels import dispatch

if TYPE_CHECKING or dispatch.MISSING is None:
    from unrolled.kernels import _cpu

    cpu = _cpu
else:

    class _Missing:
        def __getattr__(self, name: str) -> Any:
            raise RunError(f"this runs on the compiled kernels alone: {dispatch.MISSING}")

    cpu = _Missing()
