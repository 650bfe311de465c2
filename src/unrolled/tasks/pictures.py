"""The plots that every run has: its history."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from unrolled.files.metrics import Row
from unrolled.plots import figures


def draw_history(folder: Path, rows: Sequence[Row], measure: str, clip: float) -> None:
    """loss and gradient_norm, as PNG and SVG. `measure` names the loss."""
    epochs = [row for row in rows if row["kind"] == "epoch"]
    steps = [row for row in rows if row["kind"] == "step"]
    number, train, validation = (
        np.array([row[key] for row in epochs]) for key in ("epoch", "train_loss", "validation_loss")
    )
    best = int(number[np.argmin(validation)])
    figures.save(figures.losses(number, train, validation, best, measure), folder, "loss")
    if steps:
        at, norms = (np.array([row[key] for row in steps]) for key in ("step", "gradient_norm"))
        figures.save(figures.gradient_norms(at, norms, clip), folder, "gradient_norm")
