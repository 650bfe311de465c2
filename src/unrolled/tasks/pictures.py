"""The plots that every run has: its history."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from unrolled.files.metrics import Row
from unrolled.training.config import TrainingConfig
from unrolled.training.history import kept_row
from unrolled.training.selection import measures_of


def draw_history(
    folder: Path, rows: Sequence[Row], measure: str, exponential: str, training: TrainingConfig
) -> None:
    """loss, with the measures of each epoch, and gradient_norm, as PNG and SVG. `measure` names the loss of
    the training, `exponential` what is drawn in its place, where it has a name."""
    from unrolled.plots import figures  # matplotlib takes a while to import

    epochs = [row for row in rows if row["kind"] == "epoch"]
    steps = [row for row in rows if row["kind"] == "step"]
    number, train, validation = (
        np.array([row[key] for row in epochs], float) for key in ("epoch", "train_loss", "validation_loss")
    )
    watched = validation if np.isfinite(validation).all() else None
    kept = kept_row(rows, training)["epoch"]
    validated = epochs[-1].get("validated")
    measure = f"{measure}\nvalidation: {validated}" if validated else measure
    each = list(map(measures_of, epochs))
    measures = {name: np.array([values[name] for values in each]) for name in each[0]}
    figure = figures.losses(number, train, watched, kept, measure, exponential, measures)
    figures.save(figure, folder, "loss")
    if steps:
        at, norms = (np.array([row[key] for row in steps]) for key in ("step", "gradient_norm"))
        figures.save(figures.gradient_norms(at, norms, training.clip), folder, "gradient_norm")
