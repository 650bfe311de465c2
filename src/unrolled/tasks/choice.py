"""What networks with one answer a sequence leave open: how sequences of numbers are scaled, what stands
before the recurrent layers, how many steps become one, and how all become one vector. T is the middle length:

    front      conv where T ≥ LONG, else none
    subsample  ⌈T / STEPS⌉, behind which convolutions halve the number of steps twice: ⌈T / READ⌉
    scale      pooled; of recordings, as levels.py says
    level      of recordings, as levels.py says
    members    FEW_MEMBERS where fewer than FEW sequences of numbers, FEW_RECORDINGS recordings or FEW_TEXTS
               texts train, else 1

So it is where the validation part has fewer than LEAST_VALIDATION sequences, or the training fewer than
LEAST_TRIED steps; texts have no front, and each step alone. Else the other scale is tried, then the other
front:

    trial      TRIAL_SHARE of the steps of the training, MOST_STEPS at most; l_n the losses after it of
               MOST_JUDGED validation sequences at most, d_n = l_n of what is so far - l_n of the other
    taken      where the mean of d is above DEVIATIONS of its standard errors
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.files.examples import Sequences
from unrolled.files.messages import counted, option
from unrolled.tasks import levels
from unrolled.tasks.inputs import (
    FEW,
    FEW_MEMBERS,
    FEW_RECORDINGS,
    FEW_TEXTS,
    LONG,
    READ,
    STEPS,
    TEXT_DROPOUT,
    PooledModelConfig,
    default_pooling,
)
from unrolled.tasks.split_data import Splits
from unrolled.training.config import LEAST_VALIDATION

Losses = NDArray[np.float64]
Options = dict[str, Any]

LEAST_TRIED = 1000
TRIAL_SHARE, MOST_STEPS, MOST_JUDGED = 1 / 20, 300, 500
DEVIATIONS = 2.0


def fixed(model: PooledModelConfig, train: Sequences) -> PooledModelConfig:
    """The options with a usual one for each that is open."""
    usual: Options = {
        "pooling": default_pooling(model, train.is_text),
        "members": FEW_MEMBERS if len(train) < _few(train) else 1,
        "input_dropout": TEXT_DROPOUT if train.is_text else 0.0,
    }
    if train.is_text:
        usual |= {"front": "none", "subsample": 1}
    else:
        front = model.front or ("conv" if _length(train) >= LONG else "none")
        usual |= _reading(front, train)
    chosen = model.model_copy(update=_open(model, usual))
    return levels.settled(chosen, train, whole=chosen.front != "none" or chosen.subsample != 1)


def _few(train: Sequences) -> int:
    if train.is_text:
        return FEW_TEXTS
    return FEW if train.rate_hz is None else FEW_RECORDINGS


def chosen(
    model: PooledModelConfig,
    data: Splits[Sequences],
    steps: int,
    tried: Callable[[PooledModelConfig, int], Losses],
) -> tuple[PooledModelConfig, tuple[str, ...]]:
    """The same by trials, and what to tell of them. `steps`: those of the training; `tried` gives the losses
    (V,) of validation sequences after a training of so many."""
    best, notes = fixed(model, data.train), list[str]()
    few = len(data.validation) < LEAST_VALIDATION or data.validation is data.train
    if data.train.is_text or few or steps < LEAST_TRIED:
        return best, ()
    length, losses = min(MOST_STEPS, int(steps * TRIAL_SHARE)), None
    for options in _others(model, best, data.train):
        losses = tried(best, length) if losses is None else losses
        other = best.model_copy(update=options)
        after = tried(other, length)
        taken = clearly_lower(after, losses)
        notes.append(_said(options, taken, after, losses, length))
        if taken:
            best, losses = other, after
    return best, tuple(notes)


def _others(model: PooledModelConfig, usual: PooledModelConfig, train: Sequences) -> list[Options]:
    """What is tried of what the options leave open."""
    is_open = model.scale is None and train.rate_hz is None
    others: list[Options] = [{"scale": "sequence"}] if is_open else []
    if model.front is None:
        others.append(_open(model, _reading("none" if usual.front == "conv" else "conv", train)))
    return others


def _open(model: PooledModelConfig, options: Options) -> Options:
    return {name: value for name, value in options.items() if getattr(model, name) is None}


def _reading(front: str, train: Sequences) -> Options:
    return {"front": front, "subsample": -(-_length(train) // (READ if front == "conv" else STEPS))}


def _length(train: Sequences) -> int:
    """T."""
    return int(np.median([len(x) for x in train.inputs]))


def clearly_lower(losses: Losses, than: Losses) -> bool:
    lower = than - losses
    return bool(lower.mean() > DEVIATIONS * lower.std() / np.sqrt(len(lower)))


def _said(options: Options, taken: bool, losses: Losses, before: Losses, steps: int) -> str:
    names = " ".join(option(name, value) for name, value in options.items())
    loss = f"validation loss {losses.mean():.4g} against {before.mean():.4g}"
    return f"{names} {'is taken' if taken else 'is left out'}: {loss} without, after {counted(steps, 'step')}"
