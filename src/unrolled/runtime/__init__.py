"""Trained models without torch: numpy and the compiled kernels, and the bits of the layers that trained them.

from unrolled import runtime

model = runtime.load("runs/forecast-sales")      or the file of `unrolled export RUN --to runtime`
stream = model.stream()
answer = stream.step(x)
"""

from unrolled.models.model import Model
from unrolled.models.saved import load, save
from unrolled.models.stream import Stream

__all__ = ["Model", "Stream", "load", "save"]
