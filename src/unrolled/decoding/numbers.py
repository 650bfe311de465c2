"""Sequences of numbers from a network that writes them step by step, and says how sure it is that one is the
last (blocks/captioner.py).

    step(w (B, D + 1)) -> a (B, D, R), e (B,)

What was written is read by the next step; before the first stands `begin`. An answer is as long as half of
those that the network expects, which has the least error where no length is sure: it ends with the first step
at which the chance to go on, Π_{u≤t} (1 - σ(e_u)), is 1/2 or less. Or it is drawn, and ends with the chance
σ(e_t).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.blocks.captioner import NumberDecoder
from unrolled.blocks.ensemble import mean
from unrolled.blocks.outputs import Output
from unrolled.decoding.distributions import distribution, softplus
from unrolled.kernels.numpy import heads

Array = NDArray[Any]
Step = Callable[[Array], tuple[Array, Array]]
Draws = Sequence[np.random.Generator] | None

HALF = 0.6931471805599453  # ln 2: - ln of the chance to go on with which an answer ends


def averaged(steps: Sequence[Step]) -> Step:
    """The stepper of several networks together: the mean of a and that of e."""

    def step(w: Array) -> tuple[Array, Array]:
        a, e = zip(*(one(w) for one in steps), strict=True)
        return mean(a), mean(e)

    return step


def written(
    step: Step,
    decoder: NumberDecoder,
    rows: int,
    longest: int,
    draws: Draws = None,
) -> list[Array]:
    """(B,) of answers (T_i, D) to so many rows, each with the bits that it has alone; drawn where there are
    generators, one for each. `step` is the decoder's."""
    w, steps, output = np.tile(np.array(decoder.begin, np.float32), (rows, 1)), list[Array](), decoder.output
    lengths, passed = np.full(rows, longest), np.zeros(rows)
    for t in range(longest):
        a, e = step(w)
        steps.append(output.point(a) if draws is None else _drawn(output, a, draws))
        passed += softplus(e.astype(np.float64))
        ended = passed >= HALF if draws is None else e > _odds(draws)
        lengths = np.where(ended, np.minimum(lengths, t + 1), lengths)
        if (lengths <= t + 1).all():
            break
        w = np.concatenate([steps[-1], np.zeros_like(steps[-1][:, :1])], 1)
    return [row[:length] for row, length in zip(np.stack(steps, 1), lengths, strict=True)]


def _drawn(output: Output, a: Array, draws: Sequence[np.random.Generator]) -> Array:
    """a (B, D, R) -> (B, D)."""
    u = np.stack([draw.random((a.shape[1], 2)) for draw in draws])
    return distribution(output).drawn(a, u).astype(a.dtype)


def _odds(draws: Sequence[np.random.Generator]) -> Array:
    """(B,) ln (u / (1 - u)): e is above it with the chance σ(e)."""
    u = np.array([draw.random() for draw in draws])
    return heads.log(u / (1 - u))
