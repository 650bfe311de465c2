"""Student's t against closed forms for ν = 3 and 4, torch's density, and integrals taken numerically."""

import math

import pytest
import torch

from unrolled.tasks import student_t


def exact_cdf(t: torch.Tensor, df: int) -> torch.Tensor:
    """Closed forms that exist for whole ν."""
    if df == 3:
        u = t / math.sqrt(3)
        return 0.5 + (u / (1 + u**2) + torch.atan(u)) / math.pi
    u = t * t / 4
    return 0.5 + 0.375 * t / torch.sqrt(1 + u) * (1 - t * t / (12 * (1 + u)))


T = torch.tensor([-40.0, -3.3, -0.7, 0.0, 0.2, 1.9, 11.0], dtype=torch.float64)


@pytest.mark.parametrize("df", [3, 4])
def test_cdf_matches_the_closed_form(df):
    found = student_t.cdf(T, torch.tensor(float(df)))
    # 40 nodes leave the rounding of float64, some 1e-15 a node.
    torch.testing.assert_close(found, exact_cdf(T, df), rtol=0, atol=1e-13)


def test_cdf_becomes_the_normal_one():
    found = student_t.cdf(T, torch.tensor(1e8))
    # The two differ by a term of order 1/ν.
    torch.testing.assert_close(found, torch.special.ndtr(T), rtol=0, atol=2e-8)


def test_log_density_is_torchs():
    df = torch.tensor([2.1, 3.0, 7.5, 400.0], dtype=torch.float64)[:, None]
    wanted = torch.distributions.StudentT(df).log_prob(T)
    torch.testing.assert_close(student_t.log_density(T, df), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("df", [2.2, 3.0, 30.0])
@pytest.mark.parametrize("t", [-2.5, 0.0, 0.8])
def test_crps_is_its_integral(df, t):
    """∫ (F(u) - [u ≥ t])² du, the definition; the tail beyond ±4000 holds less than 1e-4 even for ν = 2.2."""
    nu = torch.tensor(df, dtype=torch.float64)
    grid = torch.sinh(torch.linspace(0, 9, 20001, dtype=torch.float64))
    below, above = t - grid, t + grid
    integral = -torch.trapezoid(student_t.cdf(below, nu) ** 2, below)
    integral += torch.trapezoid((1 - student_t.cdf(above, nu)) ** 2, above)
    found = student_t.crps(torch.tensor(t), nu)
    assert found.item() == pytest.approx(integral.item(), abs=1e-4)
