"""Trained models without torch: numpy and the compiled kernels, and the bits of the layers that trained them.

from unrolled import runtime

model = runtime.load("runs/forecast-sales")      or the file of `unrolled export RUN --to runtime`
stream = model.stream()
answer = stream.step(x)

listener = runtime.Listener(model)                  of a model that was trained on recordings
records = listener.hear(samples)
"""

from unrolled.models.model import Model
from unrolled.models.saved import load, save
from unrolled.models.stream import Stream
from unrolled.streaming.heard import Listener

__all__ = ["Listener", "Model", "Stream", "load", "save"]
