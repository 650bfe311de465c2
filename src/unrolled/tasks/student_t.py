"""Student's t distribution of location 0 and scale 1 with ν > 1 degrees of freedom, in float64.

With t = √ν tan θ its distribution function is an integral of a smooth function over a finite interval:

    F(t) = 1/2 + c ∫_0^θ cos(φ)^(ν-1) dφ,   c = Γ((ν+1)/2) / (√π Γ(ν/2)),   θ = atan(t / √ν)

taken by Gauss–Legendre with NODES points up to θ, or to where the integrand falls below e^-NEGLIGIBLE if that
comes first. Quantiles, which need no gradient and no torch: decoding/distributions.py.

Shapes   t and ν of any shapes that broadcast; results have the broadcast shape
"""

import math

import numpy as np
import torch
from torch import Tensor

NODES = 40
NEGLIGIBLE = 40


def log_density(t: Tensor, df: Tensor) -> Tensor:
    """ln f(t)."""
    norm = torch.lgamma((df + 1) / 2) - torch.lgamma(df / 2) - 0.5 * torch.log(math.pi * df)
    return norm - (df + 1) / 2 * torch.log1p(t * t / df)


def cdf(t: Tensor, df: Tensor) -> Tensor:
    """F(t)."""
    t, df = t.double(), df.double()
    end = torch.acos(torch.exp(-NEGLIGIBLE / (df - 1)))
    angle = torch.atan(t / torch.sqrt(df)).clamp(-end, end)
    points, weights = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(NODES))
    inside = torch.cos(angle[..., None] * (points + 1) / 2) ** (df[..., None] - 1)
    norm = torch.exp(torch.lgamma((df + 1) / 2) - torch.lgamma(df / 2)) / math.sqrt(math.pi)
    return 0.5 + norm * angle / 2 * (inside @ weights)


def crps(t: Tensor, df: Tensor) -> Tensor:
    """Continuous ranked probability score of F at the outcome t (Jordan, Krüger and Lerch 2019):

    t (2F(t) - 1) + 2 (f(t) (ν + t²) - √ν B(½, ν-½) / B(½, ν/2)²) / (ν - 1)   … the last ratio halved
    """
    t, df = t.double(), df.double()
    ln_beta = (
        torch.lgamma(df - 0.5) - 2 * torch.lgamma(df / 2) + 2 * torch.lgamma((df + 1) / 2) - torch.lgamma(df)
    )
    ratio = torch.exp(ln_beta) / math.sqrt(math.pi)
    spread = torch.exp(log_density(t, df)) * (df + t * t) - torch.sqrt(df) * ratio
    return t * (2 * cdf(t, df) - 1) + 2 * spread / (df - 1)
