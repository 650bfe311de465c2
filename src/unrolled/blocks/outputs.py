"""What the raw numbers of a forecast are. R of them for each target; one, at `location`, is the forecast.

    point        the forecast
    gaussian     its mean, and its scale
    studentt     its centre, its scale and its degrees of freedom
    quantiles    its median, and the steps from there to the other levels
    lognormal    the mean of its logarithm, and the scale of that
    bernoulli    the log odds of a 1: an outcome is 0 or 1
    poisson      the logarithm of its mean
    negbinomial  the logarithm of its mean, and its dispersion
                 of outcomes that are whole numbers from 0 on; the mean is in units of `scale`

Those of a window that is scaled by itself end with its frame, mean and spread: all that they say is in its
units, and is multiplied by the spread and moved by the mean. But for counts, whose spread multiplies their
mean: it is in the logarithm already.

What they mean beyond that say decoding/distributions.py, for answers, and tasks/outputs.py, for losses.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from unrolled.blocks.block import Block
from unrolled.blocks.ops import Array, Ops

SIZES = {"point": 1, "gaussian": 2, "studentt": 3, "quantiles": None, "lognormal": 2}
SIZES |= {"bernoulli": 1, "poisson": 1, "negbinomial": 2}
# Of whole numbers that count something; and of 0 and 1 too: no level is added to them, and none taken off.
COUNTS = ("poisson", "negbinomial")
DISCRETE = ("bernoulli", *COUNTS)
# Outputs that must know in what units they are.
SCALED = ("lognormal", *COUNTS)


@dataclass(frozen=True)
class Output(Block):
    """Raw numbers (…, R). `levels` of the quantiles that are told: rising, 0.5 among them. `calibrated`:
    whether by how much each of these is moved follows: of a point how far from it each lies, of others in
    widths, from their lowest quantile to their highest; `framed`: whether a frame follows, mean
    and spread; `scale` (K,): of counts and logarithms, what 1 stands for."""

    kind: str
    levels: tuple[float, ...]
    framed: bool = False
    calibrated: bool = False
    scale: tuple[float, ...] = ()

    def rules(self) -> Iterator[tuple[object, str]]:
        yield self.kind in SIZES, f"no output is called {self.kind!s:.40}; wanted one of {', '.join(SIZES)}"
        rising = all(low < high for low, high in pairwise((0.0, *self.levels, 1.0)))
        fits = rising and 0.5 in self.levels and len(self.levels) >= 3
        yield fits, f"levels {self.levels!s:.40}; wanted three or more, rising between 0 and 1, with 0.5"
        yield not (self.is_discrete and self.calibrated), f"an output {self.kind} is calibrated"
        units = all(type(one) is float and 0 < one < float("inf") for one in self.scale)
        yield units, f"scale {self.scale!s:.40}; wanted numbers above 0"
        yield self.kind in SCALED or not self.scale, f"an output {self.kind} with a scale"

    @property
    def is_distribution(self) -> bool:
        return self.kind != "point" or self.calibrated

    @property
    def is_discrete(self) -> bool:
        return self.kind in DISCRETE

    @property
    def is_count(self) -> bool:
        return self.kind in COUNTS

    @property
    def size(self) -> int:
        """R of a head."""
        return SIZES[self.kind] or len(self.levels)

    @property
    def width(self) -> int:
        """R of all that is told."""
        return self.size + len(self.levels) * self.calibrated + 2 * self.framed

    @property
    def location(self) -> int:
        return self.levels.index(0.5) if self.kind == "quantiles" else 0

    def point(self, raw: Array) -> Array:
        """raw (…, R) -> the number at `location` (…): the forecast, of quantiles the median. Where the output
        is discrete, decoding/distributions.py makes the forecast of it."""
        return self.unframed(raw, raw[..., self.location])

    def fed(self, value: Array) -> Array:
        """What the network reads of the next step in place of a forecast or a draw (…): of a probability
        the likelier outcome."""
        return 0 * value + (value >= 0.5) if self.kind == "bernoulli" else value

    def unframed(self, raw: Array, values: Array) -> Array:
        """Numbers of the raw ones' own units (…) in those of what the network reads."""
        return raw[..., -2] + raw[..., -1] * values if self.framed else values

    def moved(self, ops: Ops, raw: Array, base: Array) -> Array:
        """The raw numbers of the same distribution moved by `base` (…)."""
        m = self.location
        if self.size == 1:
            return raw + base[..., None]
        return ops.concat(raw[..., :m], raw[..., m : m + 1] + base[..., None], raw[..., m + 1 :])
