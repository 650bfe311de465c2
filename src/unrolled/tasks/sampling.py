"""Drawing a symbol from a distribution over V symbols, p given by its logarithms:

    q ∝ p^(1 / temperature)
    top_k   of q the k largest alone
    top_p   of those the fewest, the largest first, that hold a share top_p of their mass
    greedy  the largest alone; of equals the first

Source   Fan et al. 2018, arXiv:1805.04833 (top-k); Holtzman et al. 2019, arXiv:1904.09751 (top-p)
Shapes   log_p (V,) -> (V,) the distribution that is drawn from
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ConfigError
from unrolled.files.messages import option
from unrolled.kernels.numpy import heads

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Sampling:
    """How symbols are drawn. ConfigError for what cannot be."""

    sample: bool = True
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.temperature < np.inf:
            raise ConfigError(f"{option('temperature')}: wanted a number above 0, got {self.temperature}")
        if self.top_k is not None and self.top_k < 1:
            raise ConfigError(f"{option('top_k')}: wanted 1 or more, got {self.top_k}")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ConfigError(f"{option('top_p')}: wanted a share above 0, at most 1, got {self.top_p}")
        chosen = [name for name in ("top_k", "top_p") if getattr(self, name) is not None]
        chosen += ["temperature"] * (self.temperature != 1)
        if chosen and not self.sample:
            raise ConfigError(
                f"nothing is drawn at random; leave {' and '.join(map(option, chosen))} out, or set "
                f"{option('sample')}"
            )

    def distribution(self, log_p: Array) -> Array:
        """(V,) what is left of p, its sum 1. Symbols of log_p -inf stay out."""
        order = np.argsort(-log_p, kind="stable")
        symbols = order[: self.top_k if self.sample else 1]
        q = heads.exp((log_p[symbols] - log_p[symbols[0]]) / self.temperature)
        q /= q.sum()
        if self.top_p is not None:
            fewest = int(np.searchsorted(np.cumsum(q), self.top_p)) + 1
            symbols, q = symbols[:fewest], q[:fewest] / q[:fewest].sum()
        distribution = np.zeros_like(log_p)
        distribution[symbols] = q
        return distribution

    def draw(self, log_p: Array, generator: np.random.Generator) -> int:
        """A symbol's number. Takes one number of the generator, whatever the distribution."""
        p = self.distribution(log_p)
        reached = np.cumsum(p)
        at = int(np.searchsorted(reached, generator.random() * reached[-1], side="right"))
        return min(at, int(np.flatnonzero(p)[-1]))
