"""What a head means: its R raw numbers a target -> a forecast, its loss, samples and quantiles.

All in scaled space. With raw numbers a and ς(a) = ln(1 + e^a):

    point       ŷ = a_0                                             loss (y - ŷ)²
    gaussian    μ = a_0, σ = FLOOR + ς(a_1)                         loss -ln N(y; μ, σ²)
    studentt    μ, σ as above, ν = 2 + FLOOR + ς(a_2)                loss -ln (t_ν((y - μ) / σ) / σ)
    quantiles   q_m = a_m at the median m,                          loss Σ_i max(τ_i e_i, (τ_i - 1) e_i),
                q_i = q_{i-1} + ς(a_i) above, q_{i+1} - ς(a_i) below     e_i = y - q_i

Quantiles cannot cross: they are sums of positive steps from the median. Between levels the quantile function
is linear; beyond the outermost it goes on as an exponential tail of the same slope. The floors keep the loss
of a series without noise from minus infinity, and the variance finite.

Shapes   raw (..., R), y (...) -> loss (...), point (...), sample (...), quantiles (..., L), crps (...)
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import softplus

from unrolled.tasks import student

FLOOR = 1e-3
# The levels over which a quantile function is averaged for its CRPS.
CRPS_LEVELS = tuple(step / 100 for step in range(1, 100))


class Output(ABC):
    """One row of OUTPUTS. `size` is R; `levels` are the L quantile levels that a forecast reports."""

    is_distribution = True

    def __init__(self, levels: Sequence[float]) -> None:
        self.levels = tuple(levels)

    @property
    @abstractmethod
    def size(self) -> int:
        """R."""

    @abstractmethod
    def loss(self, raw: Tensor, y: Tensor) -> Tensor:
        """The loss of every outcome."""

    @abstractmethod
    def sample(self, raw: Tensor, generator: torch.Generator) -> Tensor:
        """One draw."""

    @abstractmethod
    def quantiles(self, raw: Tensor, levels: Sequence[float]) -> Tensor:
        """The quantiles of `levels`."""

    @abstractmethod
    def crps(self, raw: Tensor, y: Tensor) -> Tensor:
        """The continuous ranked probability score of every outcome, in units of y."""

    def point(self, raw: Tensor) -> Tensor:
        """The forecast in one number: the location (mean, and of quantiles the median)."""
        return raw[..., 0]

    def moved(self, raw: Tensor, base: Tensor) -> Tensor:
        """The raw numbers of the same distribution moved by `base` (...)."""
        return torch.cat([raw[..., :1] + base[..., None], raw[..., 1:]], dim=-1)


class Point(Output):
    """No distribution: there is nothing to draw, and all quantiles are the forecast."""

    is_distribution = False
    size = 1

    def loss(self, raw: Tensor, y: Tensor) -> Tensor:
        return (y - raw[..., 0]) ** 2

    def sample(self, raw: Tensor, generator: torch.Generator) -> Tensor:
        raise ValueError("a point forecast has no distribution to sample from; train with output gaussian")

    def quantiles(self, raw: Tensor, levels: Sequence[float]) -> Tensor:
        raise ValueError("a point forecast has no quantiles; train with output gaussian")

    def crps(self, raw: Tensor, y: Tensor) -> Tensor:
        return (y - raw[..., 0]).abs()


class Gaussian(Output):
    """CRPS in closed form: σ (z (2Φ(z) - 1) + 2φ(z) - 1/√π), z = (y - μ) / σ (Gneiting and Raftery 2007)."""

    size = 2

    def loss(self, raw: Tensor, y: Tensor) -> Tensor:
        scale = _scale(raw)
        return torch.log(scale) + ((y - raw[..., 0]) / scale) ** 2 / 2 + math.log(2 * math.pi) / 2

    def sample(self, raw: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.randn(raw.shape[:-1], generator=generator, dtype=raw.dtype)
        return raw[..., 0] + _scale(raw) * noise

    def quantiles(self, raw: Tensor, levels: Sequence[float]) -> Tensor:
        standard: Tensor = torch.special.ndtri(raw.new_tensor(levels))
        return _moved_and_scaled(raw, standard)

    def crps(self, raw: Tensor, y: Tensor) -> Tensor:
        scale = _scale(raw)
        z = (y - raw[..., 0]) / scale
        density = torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)
        below: Tensor = torch.special.ndtr(z)
        return scale * (z * (2 * below - 1) + 2 * density - 1 / math.sqrt(math.pi))


class StudentT(Output):
    """Draws √(ν (u^(-2/ν) - 1)) cos 2πv, exact for every ν (Bailey 1994). CRPS in closed form: student.py."""

    size = 3

    def loss(self, raw: Tensor, y: Tensor) -> Tensor:
        scale = _scale(raw)
        return torch.log(scale) - student.log_density((y - raw[..., 0]) / scale, _degrees(raw))

    def sample(self, raw: Tensor, generator: torch.Generator) -> Tensor:
        df = _degrees(raw).double()
        u, v = torch.rand(2, *raw.shape[:-1], generator=generator, dtype=torch.float64)
        draw = torch.sqrt(df * torch.expm1(-2 / df * torch.log1p(-u))) * torch.cos(2 * math.pi * v)
        return raw[..., 0] + _scale(raw) * draw.to(raw.dtype)

    def quantiles(self, raw: Tensor, levels: Sequence[float]) -> Tensor:
        return _moved_and_scaled(
            raw, student.quantile(torch.tensor(levels), _degrees(raw)[..., None]).to(raw.dtype)
        )

    def crps(self, raw: Tensor, y: Tensor) -> Tensor:
        scale = _scale(raw)
        return scale * student.crps((y - raw[..., 0]) / scale, _degrees(raw)).to(raw.dtype)


class Quantiles(Output):
    """R = L. The levels must hold 0.5. CRPS is twice the mean pinball loss over CRPS_LEVELS."""

    def __init__(self, levels: Sequence[float]) -> None:
        super().__init__(levels)
        self.median = self.levels.index(0.5)

    @property
    def size(self) -> int:
        return len(self.levels)

    def point(self, raw: Tensor) -> Tensor:
        return raw[..., self.median]

    def moved(self, raw: Tensor, base: Tensor) -> Tensor:
        here = torch.zeros(self.size, dtype=raw.dtype)
        here[self.median] = 1
        return raw + base[..., None] * here

    def loss(self, raw: Tensor, y: Tensor) -> Tensor:
        return pinball(self._trained(raw), y, self.levels).sum(-1)

    def sample(self, raw: Tensor, generator: torch.Generator) -> Tensor:
        u = torch.rand((*raw.shape[:-1], 1), generator=generator, dtype=torch.float64)
        return self._inverse(raw, u.clamp(1e-12, 1 - 1e-12)).squeeze(-1).to(raw.dtype)

    def quantiles(self, raw: Tensor, levels: Sequence[float]) -> Tensor:
        wanted = torch.tensor(levels, dtype=torch.float64)
        return self._inverse(raw, wanted.expand(*raw.shape[:-1], -1).contiguous()).to(raw.dtype)

    def crps(self, raw: Tensor, y: Tensor) -> Tensor:
        return 2 * pinball(self.quantiles(raw, CRPS_LEVELS), y, CRPS_LEVELS).mean(-1)

    def _trained(self, raw: Tensor) -> Tensor:
        """The quantiles of the levels themselves."""
        m = self.median
        low, middle, high = raw[..., :m], raw[..., m : m + 1], raw[..., m + 1 :]
        below = middle - softplus(low).flip(-1).cumsum(-1).flip(-1)
        return torch.cat([below, middle, middle + softplus(high).cumsum(-1)], dim=-1)

    def _inverse(self, raw: Tensor, p: Tensor) -> Tensor:
        """The quantile function at p (..., N)."""
        known, at = self._trained(raw).double(), torch.tensor(self.levels, dtype=torch.float64)
        cell = torch.bucketize(p, at).clamp(1, self.size - 1)
        low, high = known.gather(-1, cell - 1), known.gather(-1, cell)
        gap = at[cell] - at[cell - 1]
        slope, first, last = (high - low) / gap, at[0], at[-1]
        below = low + slope * first * torch.log(p / first)
        above = high - slope * (1 - last) * torch.log((1 - p) / (1 - last))
        inside = torch.lerp(low, high, (p - at[cell - 1]) / gap)
        return torch.where(p < first, below, torch.where(p > last, above, inside))


OUTPUTS: dict[str, type[Output]] = {
    "point": Point,
    "gaussian": Gaussian,
    "studentt": StudentT,
    "quantiles": Quantiles,
}


def pinball(quantiles: Tensor, y: Tensor, levels: Sequence[float]) -> Tensor:
    """The loss of every quantile (..., L) at the outcomes y (...)."""
    error = y[..., None] - quantiles
    level = torch.tensor(levels, dtype=quantiles.dtype)
    return torch.maximum(level * error, (level - 1) * error)


def _scale(raw: Tensor) -> Tensor:
    return FLOOR + softplus(raw[..., 1])


def _degrees(raw: Tensor) -> Tensor:
    return 2 + FLOOR + softplus(raw[..., 2])


def _moved_and_scaled(raw: Tensor, standard: Tensor) -> Tensor:
    return raw[..., :1] + _scale(raw)[..., None] * standard
