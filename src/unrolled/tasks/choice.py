"""What networks with one answer a sequence leave open: how sequences of numbers are scaled, how many of their
steps become one, what stands before the recurrent layers, how all become one vector.

    fixed    pooled scale; ⌈T / STEPS⌉ steps side by side, T the middle length; no front. So it is where the
             validation part has fewer than LEAST_VALIDATION sequences or the training fewer than
             LEAST_TRIED steps, and of texts
    trial    TRIAL_SHARE of the steps of the training, MOST_STEPS at most, with one choice in another way;
             l_n the losses of MOST_JUDGED validation sequences after it, d_n = l_n (as now) - l_n (other)
    taken    the first other way whose mean d is above DEVIATIONS of its standard error

First the scale is chosen, then steps and front together.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.files.examples import Sequences
from unrolled.files.messages import counted, option
from unrolled.tasks.inputs import STEPS, PooledModelConfig, default_pooling
from unrolled.tasks.split_data import Splits
from unrolled.training.config import LEAST_VALIDATION

Losses = NDArray[np.float64]

LEAST_TRIED = 1000
TRIAL_SHARE, MOST_STEPS, MOST_JUDGED = 1 / 20, 300, 500
DEVIATIONS = 2.0


def fixed(model: PooledModelConfig, train: Sequences) -> PooledModelConfig:
    """The options with a usual one for each that is open."""
    usual: dict[str, Any] = {"scale": "pooled", "subsample": 1, "front": "none"}
    usual["pooling"] = default_pooling(model, train.is_text)
    if not train.is_text and model.front != "conv":
        usual["subsample"] = max(1, -(-int(np.median([len(x) for x in train.inputs])) // STEPS))
    return model.model_copy(update={k: v for k, v in usual.items() if getattr(model, k) is None})


def chosen(
    model: PooledModelConfig,
    data: Splits[Sequences],
    steps: int,
    tried: Callable[[PooledModelConfig, int], Losses],
) -> tuple[PooledModelConfig, tuple[str, ...]]:
    """The same by trials, and what to tell of them. `steps`: those of the training; `tried` gives the losses
    (V,) of validation sequences after a training of so many."""
    usual = fixed(model, data.train)
    few = len(data.validation) < LEAST_VALIDATION or data.validation is data.train
    if data.train.is_text or few or steps < LEAST_TRIED:
        return usual, ()
    length = min(MOST_STEPS, int(steps * TRIAL_SHARE))
    best, losses, notes = usual, None, list[str]()
    for others in (_scales(model), _fronts(model, usual)):
        start = best
        for change in others:
            if losses is None:
                losses = tried(best, length)
            other = start.model_copy(update=change)
            after = tried(other, length)
            taken = _clearly_lower(after, losses)
            notes.append(_said(change, taken, after, losses, length))
            if taken:
                best, losses = other, after
    return best, tuple(notes)


def _scales(model: PooledModelConfig) -> Iterator[dict[str, Any]]:
    if model.scale is None:
        yield {"scale": "sequence"}


def _fronts(model: PooledModelConfig, usual: PooledModelConfig) -> Iterator[dict[str, Any]]:
    """Convolutions, which make fewer steps themselves; and steps half as long."""
    k = usual.subsample or 1
    if model.front is None:
        yield {"front": "conv"} | ({"subsample": max(1, k // 4)} if model.subsample is None else {})
    if model.subsample is None and usual.front == "none" and k > 1:
        yield {"subsample": k // 2}


def _clearly_lower(losses: Losses, than: Losses) -> bool:
    lower = than - losses
    return bool(lower.mean() > DEVIATIONS * lower.std() / np.sqrt(len(lower)))


def _said(change: dict[str, Any], taken: bool, losses: Losses, before: Losses, steps: int) -> str:
    options = " ".join(option(name, value) for name, value in change.items())
    loss = f"validation loss {losses.mean():.4g} against {before.mean():.4g} without, after"
    return f"{options} {'is taken' if taken else 'is left out'}: {loss} {counted(steps, 'step')}"
