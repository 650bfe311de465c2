"""What a head means: its R raw numbers a target -> a forecast, its loss, samples and quantiles.

All in scaled space. With raw numbers a and ς(a) = ln(1 + e^a):

    point       ŷ = a_0                                             loss (y - ŷ)²
    gaussian    μ = a_0, σ = FLOOR + ς(a_1)                         loss -ln N(y; μ, σ²)
    studentt    μ, σ as above, ν = 2 + FLOOR + ς(a_2)                loss -ln (t_ν((y - μ) / σ) / σ)
    quantiles   q_m = a_m at the median m,                          loss Σ_i max(τ_i e_i, (τ_i - 1) e_i),
                q_i = q_{i-1} + ς(a_i) above, q_{i+1} - ς(a_i) below     e_i = y - q_i
    lognormal   as gaussian, of the logarithm of y
    bernoulli   p = 1 / (1 + e^-a_0)                                loss ς(a_0) - y a_0, which is -ln P(y)
    poisson     μ = s e^a_0                                         loss -ln P(sy)
    negbinomial μ = s e^a_0, α = 10⁻⁶ + ς(a_1)                     loss -ln P(sy),  variance μ + α μ²

Counts are s y, whole numbers, s the scale of the output.

Quantiles cannot cross: they are sums of positive steps from the median. Between levels the quantile function
is linear; beyond the outermost it goes on as an exponential tail of the same slope. The floors keep the loss
of a series without noise from minus infinity, and the variance finite.

Where the forecast itself stands among them says blocks/outputs.py. Quantiles and draws are answers, which
need no gradient and no torch: decoding/distributions.py gives them, here and there. Losses and CRPS are here.

Shapes   raw (..., R), y (...) -> loss (...), sample (...), quantiles (..., L), crps (...)
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from unrolled.blocks.outputs import Output
from unrolled.decoding.distributions import FLOOR, LEAST_DISPERSION, distribution
from unrolled.errors import ConfigError
from unrolled.files.messages import option
from unrolled.tasks import student_t
from unrolled.tasks.count_scores import count_crps

# A training of a dispersion begins between these.
LEAST_START, MOST_START = 0.01, 5.0
# The levels over which a quantile function is averaged for its CRPS.
CRPS_LEVELS = tuple(step / 100 for step in range(1, 100))


class Criterion(ABC):
    """One row of CRITERIA: what outcomes say of the raw numbers of an output. `answers` are its answers."""

    def __init__(self, output: Output) -> None:
        self.output, self.answers = output, distribution(output)

    @abstractmethod
    def loss(self, raw: Tensor, y: Tensor) -> Tensor:
        """The loss of every outcome."""

    @abstractmethod
    def crps(self, raw: Tensor, y: Tensor) -> Tensor:
        """The continuous ranked probability score of every outcome, in units of y."""

    def point(self, raw: Tensor) -> Tensor:
        """The forecast in one number; without a gradient."""
        return torch.from_numpy(self.answers.point(raw.detach().numpy()))

    def start(self, mean: Tensor) -> Tensor | None:
        """The number at `location` that forecasts the means (K,) of training; None where 0 does."""
        return None

    def unit(self, raw: Tensor) -> Tensor | float:
        """By which errors of points are divided where they are summed."""
        return 1.0

    def start_of_dispersion(self, mean: Tensor, y: Tensor) -> float | None:
        """The number behind that at `location` whose dispersion the outcomes y have around their means; None
        where there is none."""
        return None

    def quantiles(self, raw: Tensor, levels: Sequence[float] | Tensor) -> Tensor:
        """The quantiles of `levels` (L,), or of others for each, (..., L); without a gradient."""
        return torch.from_numpy(self.answers.quantiles(raw.detach().numpy(), np.asarray(levels))).to(
            raw.dtype
        )

    def sample(self, raw: Tensor, generator: torch.Generator) -> Tensor:
        """One draw of each; without a gradient."""
        u = torch.rand((*raw.shape[:-1], 2), generator=generator, dtype=torch.float64)
        return torch.from_numpy(self.answers.drawn(raw.detach().numpy(), u.numpy())).to(raw.dtype)

    def tempered(self, raw: Tensor, generator: torch.Generator, temperature: float) -> Tensor:
        """One draw of each, whose distance from the forecast is multiplied by the temperature."""
        if self.output.is_discrete and temperature != 1:
            raise ConfigError(
                f"{option('temperature', temperature)} has no meaning for counts, which stay whole numbers; "
                "leave it out"
            )
        point = self.point(raw)
        return point + temperature * (self.sample(raw, generator) - point)


class Point(Criterion):
    """No distribution: there is nothing to draw."""

    def loss(self, raw: Tensor, y: Tensor) -> Tensor:
        return (y - raw[..., 0]) ** 2

    def crps(self, raw: Tensor, y: Tensor) -> Tensor:
        return (y - raw[..., 0]).abs()


class Gaussian(Criterion):
    """CRPS in closed form: σ (z (2Φ(z) - 1) + 2φ(z) - 1/√π), z = (y - μ) / σ (Gneiting and Raftery 2007)."""

    def loss(self, raw: Tensor, y: Tensor) -> Tensor:
        scale = _scale(raw)
        return torch.log(scale) + ((y - raw[..., 0]) / scale) ** 2 / 2 + math.log(2 * math.pi) / 2

    def crps(self, raw: Tensor, y: Tensor) -> Tensor:
        scale = _scale(raw)
        z = (y - raw[..., 0]) / scale
        density = torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)
        below: Tensor = torch.special.ndtr(z)
        return scale * (z * (2 * below - 1) + 2 * density - 1 / math.sqrt(math.pi))


class StudentT(Criterion):
    """CRPS in closed form: student_t.py."""

    def loss(self, raw: Tensor, y: Tensor) -> Tensor:
        scale = _scale(raw)
        return torch.log(scale) - student_t.log_density((y - raw[..., 0]) / scale, _degrees(raw))

    def crps(self, raw: Tensor, y: Tensor) -> Tensor:
        scale = _scale(raw)
        return scale * student_t.crps((y - raw[..., 0]) / scale, _degrees(raw)).to(raw.dtype)


class Quantiles(Criterion):
    """R = L. The levels must hold 0.5. CRPS is twice the mean pinball loss over CRPS_LEVELS."""

    def loss(self, raw: Tensor, y: Tensor) -> Tensor:
        return pinball(self._trained(raw), y, self.output.levels).sum(-1)

    def crps(self, raw: Tensor, y: Tensor) -> Tensor:
        return 2 * pinball(self.quantiles(raw, CRPS_LEVELS), y, CRPS_LEVELS).mean(-1)

    def _trained(self, raw: Tensor) -> Tensor:
        """The quantiles of the levels themselves."""
        m = self.output.location
        low, middle, high = raw[..., :m], raw[..., m : m + 1], raw[..., m + 1 :]
        below = middle - softplus(low).flip(-1).cumsum(-1).flip(-1)
        return torch.cat([below, middle, middle + softplus(high).cumsum(-1)], dim=-1)


class Calibrated(Quantiles):
    """Another one, `inner`, whose quantiles were found afterwards: it is trained as that."""

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        self.inner = criterion(replace(output, calibrated=False))

    def loss(self, raw: Tensor, y: Tensor) -> Tensor:
        return self.inner.loss(raw[..., : self.output.size], y)


class Bernoulli(Criterion):
    """CRPS is the Brier score, (y - p)²."""

    def loss(self, raw: Tensor, y: Tensor) -> Tensor:
        return softplus(raw[..., 0]) - y * raw[..., 0]

    def crps(self, raw: Tensor, y: Tensor) -> Tensor:
        return (y - torch.sigmoid(raw[..., 0])) ** 2

    def start(self, mean: Tensor) -> Tensor:
        return torch.logit(mean)

    def tempered(self, raw: Tensor, generator: torch.Generator, temperature: float) -> Tensor:
        """A draw by log odds that are divided by the temperature."""
        return self.sample(raw / temperature, generator)


class Poisson(Criterion):
    """CRPS: count_scores.py. Losses are computed in float64: logarithms of factorials lose what float32
    has."""

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        self.scale = torch.tensor(output.scale or 1.0, dtype=torch.float64)

    def loss(self, raw: Tensor, y: Tensor) -> Tensor:
        k, log_mean = self.scale * y, raw[..., 0].double() + torch.log(self.scale)
        return (torch.exp(log_mean) - k * log_mean + torch.lgamma(k + 1)).to(raw.dtype)

    def crps(self, raw: Tensor, y: Tensor) -> Tensor:
        mean = self.scale * torch.exp(raw[..., 0].double())
        counts = self.scale * y, mean, self._dispersion(raw)
        scores = count_crps(*(one.reshape(-1).numpy() for one in counts))
        return (torch.from_numpy(scores).reshape(mean.shape) / self.scale).to(raw.dtype)

    def start(self, mean: Tensor) -> Tensor:
        return torch.log(mean)

    def unit(self, raw: Tensor) -> Tensor:
        """Their deviation: large counts, which are off by more, do not tell alone."""
        mean = torch.exp(raw[..., 0].double())
        return torch.sqrt(mean / self.scale + self._dispersion(raw) * mean * mean).to(raw.dtype)

    def _dispersion(self, raw: Tensor) -> Tensor:
        """α."""
        return torch.zeros(raw.shape[:-1], dtype=torch.float64)


class NegBinomial(Poisson):
    """With r = 1/α, ln P(k) = ln Γ(k+r) - ln Γ(r) - ln Γ(k+1) - r ln(1 + αμ) + k ln(αμ / (1 + αμ))."""

    def loss(self, raw: Tensor, y: Tensor) -> Tensor:
        k, log_mean = self.scale * y, raw[..., 0].double() + torch.log(self.scale)
        dispersion = self._dispersion(raw)
        r, grown = 1 / dispersion, torch.log(dispersion) + log_mean
        counted = torch.lgamma(k + r) - torch.lgamma(r) - torch.lgamma(k + 1)
        return -(counted - (r + k) * softplus(grown) + k * grown).to(raw.dtype)

    def start_of_dispersion(self, mean: Tensor, y: Tensor) -> float:
        """By moments, (y - μ)² = μ + α μ² in the mean, each by its weight where α is 1."""
        known = ~y.isnan()
        k, mu = (self.scale * y.double())[known], (self.scale * mean.double())[known]
        weight = 1 / (1 + mu) ** 2
        alpha = float((weight * ((k - mu) ** 2 - mu)).sum() / (weight * mu * mu).sum())
        return math.log(math.expm1(min(max(alpha, LEAST_START), MOST_START)))

    def _dispersion(self, raw: Tensor) -> Tensor:
        return LEAST_DISPERSION + softplus(raw[..., 1].double())


class Framed(Criterion):
    """Another one, `inner`, in the units of a frame: its loss is of outcomes in these."""

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        self.inner = criterion(replace(output, framed=False))

    def loss(self, raw: Tensor, y: Tensor) -> Tensor:
        return self.inner.loss(raw[..., :-2], (y - raw[..., -2]) / raw[..., -1])

    def crps(self, raw: Tensor, y: Tensor) -> Tensor:
        return raw[..., -1] * self.inner.crps(raw[..., :-2], (y - raw[..., -2]) / raw[..., -1])


CRITERIA: dict[str, type[Criterion]] = {
    "point": Point,
    "gaussian": Gaussian,
    "studentt": StudentT,
    "quantiles": Quantiles,
    "lognormal": Gaussian,
    "bernoulli": Bernoulli,
    "poisson": Poisson,
    "negbinomial": NegBinomial,
}


@cache
def criterion(output: Output) -> Criterion:
    if output.framed:
        return Framed(output)
    return Calibrated(output) if output.calibrated else CRITERIA[output.kind](output)


def pinball(quantiles: Tensor, y: Tensor, levels: Sequence[float]) -> Tensor:
    """The loss of every quantile (..., L) at the outcomes y (...)."""
    error = y[..., None] - quantiles
    level = torch.tensor(levels, dtype=quantiles.dtype)
    return torch.maximum(level * error, (level - 1) * error)


def _scale(raw: Tensor) -> Tensor:
    return FLOOR + softplus(raw[..., 1])


def _degrees(raw: Tensor) -> Tensor:
    return 2 + FLOOR + softplus(raw[..., 2])
