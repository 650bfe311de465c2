"""What a model's training recordings were like, to tell others from them. Of log-mel rows x (T, M):

b_j = max_t x_tj      l = max_j b_j        the loudest of a band, and of the recording
level                 l of a recording without a level of its own (levels.py), within FAR of those of training
bands                 l - b_j of each band, at most FAR above the largest of training: else it is empty
noise                 l - the QUIET quantile over t of the mean of x_t: at least the smallest of training,
                      less FAR: else what stands between the sounds is louder than it ever was
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.files.messages import counted

Array = NDArray[np.float64]

FAR = np.log(10.0)  # nats of power: 10 dB
QUIET = 0.1


class _Measured(NamedTuple):
    loudest: float
    below: Array
    range: float


@dataclass(frozen=True)
class Heard:
    """`loudest`: the least and the most of the training recordings, None where each has a level of its own;
    `below` (M,): the most of l - b_j; `range`: the least from the loudest to the quiet."""

    loudest: tuple[float, float] | None
    below: tuple[float, ...]
    range: float

    @classmethod
    def fit(cls, inputs: Iterable[Any], levelled: bool) -> Self:
        each = list(map(_measured, inputs))
        loudest = [one.loudest for one in each]
        below = np.max([one.below for one in each], axis=0)
        ends = None if levelled else (min(loudest), max(loudest))
        return cls(ends, tuple(below.tolist()), min(one.range for one in each))

    def remark(self, inputs: Sequence[Any]) -> str | None:
        """A sentence on those that are unlike the training recordings; None where there are none."""
        each = list(map(self._unlike, inputs))
        if not (odd := sum(map(bool, each))):
            return None
        kinds = dict.fromkeys(kind for one in each for kind in one)
        said = ", ".join(f"{sum(kind in one for one in each):,} {kind}" for kind in kinds)
        return (
            f"{odd:,} of {counted(len(each), 'recording')} {'is' if odd == 1 else 'are'} unlike those of the "
            f"training ({said}): answers to such may be wrong"
        )

    def _unlike(self, x: Any) -> list[str]:
        one = _measured(x)
        least, most = self.loudest or (one.loudest, one.loudest)
        odd = {
            "quieter by more than 10 dB": one.loudest < least - FAR,
            "louder by more than 10 dB": one.loudest > most + FAR,
            "with empty frequency bands": (one.below > np.array(self.below) + FAR).any(),
            "with more noise": one.range < self.range - FAR,
        }
        return [kind for kind, is_so in odd.items() if is_so]

    def about(self) -> dict[str, Any]:
        return {
            "loudest": self.loudest and list(self.loudest),
            "below": list(self.below),
            "range": self.range,
        }

    @classmethod
    def restore(cls, about: Mapping[str, Any], bands: int) -> Self:
        """TypeError or ValueError for what is none."""
        ends, below, least = about["loudest"], about["below"], about["range"]
        if not all(type(number) is float for number in [*(ends or ()), *below, least]):
            raise TypeError("recordings that were heard, in other than numbers")
        if len(below) != bands or (ends is not None and len(ends) != 2):
            raise ValueError(f"{len(below)} bands that were heard; wanted {bands}")
        return cls(ends and (ends[0], ends[1]), tuple(below), least)


def _measured(x: Any) -> _Measured:
    x = np.asarray(x, np.float64)
    top = np.fmax.reduce(x, 0)
    loudest = float(np.fmax.reduce(top))
    quiet = float(np.nanquantile(x.mean(1), QUIET))
    return _Measured(loudest, loudest - top, loudest - quiet)
