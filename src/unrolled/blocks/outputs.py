"""What the raw numbers of a forecast are. R of them for each target; one, at `location`, is the forecast.

    point      the forecast
    gaussian   its mean, and its scale
    studentt   its centre, its scale and its degrees of freedom
    quantiles  its median, and the steps from there to the other levels

What they mean beyond that say decoding/distributions.py, for answers, and tasks/outputs.py, for losses.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from unrolled.blocks.block import Block
from unrolled.blocks.ops import Array, Ops

SIZES = {"point": 1, "gaussian": 2, "studentt": 3, "quantiles": None}


@dataclass(frozen=True)
class Output(Block):
    """Raw numbers (…, R). `levels` of the quantiles that are told: rising, 0.5 among them."""

    kind: str
    levels: tuple[float, ...]

    def rules(self) -> Iterator[tuple[object, str]]:
        yield self.kind in SIZES, f"no output is called {self.kind!s:.40}; wanted one of {', '.join(SIZES)}"
        rising = all(low < high for low, high in pairwise((0.0, *self.levels, 1.0)))
        fits = rising and 0.5 in self.levels and len(self.levels) >= 3
        yield fits, f"levels {self.levels!s:.40}; wanted three or more, rising between 0 and 1, with 0.5"

    @property
    def is_distribution(self) -> bool:
        return self.kind != "point"

    @property
    def size(self) -> int:
        """R."""
        return SIZES[self.kind] or len(self.levels)

    @property
    def location(self) -> int:
        return self.levels.index(0.5) if self.kind == "quantiles" else 0

    def point(self, raw: Array) -> Array:
        """raw (…, R) -> the forecast in one number (…): of quantiles the median."""
        return raw[..., self.location]

    def moved(self, ops: Ops, raw: Array, base: Array) -> Array:
        """The raw numbers of the same distribution moved by `base` (…)."""
        m = self.location
        if self.size == 1:
            return raw + base[..., None]
        return ops.concat(raw[..., :m], raw[..., m : m + 1] + base[..., None], raw[..., m + 1 :])
