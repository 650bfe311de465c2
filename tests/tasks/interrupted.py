"""A training that is interrupted, as by Ctrl-C, and resumed from its last checkpoint."""

import pytest

from unrolled.training import checkpoints
from unrolled.training.progress import Reporter


class Stop(Reporter):
    """Interrupts the training after some steps."""

    def __init__(self, after):
        self.after = after

    def step(self, epoch, steps_done, loss):
        if steps_done == self.after:
            raise KeyboardInterrupt


class StopOfAll(Reporter):
    """The same, of all trainings counted together."""

    def __init__(self, after):
        self.after, self.count = after, 0

    def step(self, epoch, steps_done, loss):
        self.count += 1
        if self.count == self.after:
            raise KeyboardInterrupt


class Began(Reporter):
    """Keeps after how many steps the training went on."""

    def start(self, pace):
        self.steps = pace.first


def resumed(estimator, data, folder, after, monkeypatch):
    """`estimator`, interrupted within step `after` and gone on behind the one before it."""
    monkeypatch.setattr(checkpoints, "SHARE", 1e9)  # else a write is due only when it is cheap enough
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(data, out=folder, report=Stop(after))
    began = Began()
    again = type(estimator)().fit(resume=folder, report=began)
    assert began.steps == after - 1
    return again
