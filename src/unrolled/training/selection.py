"""Which epoch of a training is the best: the one with the lowest validation loss, or the one whose answers to
the validation part have the best measure; of equal measures the one with the lower loss, of equals the first.

The row of an epoch (history.py) has each measure as "validation_" and its name: "validation_macro_f1".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from unrolled.files.metrics import Row

LOSS = "loss"
# What epochs can be chosen by beside the loss, and whether more of it is better.
MEASURES = {
    "accuracy": True,
    "macro-f1": True,
    "micro-f1": True,
    "kappa": True,
    "rank-error": False,
    "entity-f1": True,
    "label-error": False,
    "bleu": True,
}
PREFIX = "validation_"


@dataclass(frozen=True)
class Validated:
    """What the validation part says of a network: its loss, and measures of its answers by their names. They
    are finite; the one that epochs are chosen by is among them, others are shown."""

    loss: float
    measures: Mapping[str, float] = field(default_factory=dict)

    def columns(self) -> dict[str, float]:
        """In the row of an epoch."""
        return {PREFIX + LOSS: self.loss} | {_column(name): value for name, value in self.measures.items()}


def by_loss(loss: Callable[[Any], float]) -> Callable[[Any], Validated]:
    """The validation of a network that has nothing but its loss."""
    return lambda network: Validated(float(loss(network)))


def rank(row: Row, select: str) -> tuple[float, float]:
    """Lower is better, of epochs with a validation part."""
    values: Any = row
    value, loss = values[_column(select)], values[PREFIX + LOSS]
    return (-value if MEASURES.get(select) else value), loss


def measures_of(row: Row) -> dict[str, float]:
    """The measures in the row of an epoch by their names."""
    values: Any = row
    columns = [name for name in values if name.startswith(PREFIX) and name != PREFIX + LOSS]
    return {name.removeprefix(PREFIX).replace("_", "-"): values[name] for name in columns}


def measures_text(row: Row) -> str:
    """, accuracy 0.9, for a person."""
    return "".join(f", {name} {value:.4g}" for name, value in measures_of(row).items())


def _column(name: str) -> str:
    return PREFIX + name.replace("-", "_")
