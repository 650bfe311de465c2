"""Whether peers compute the same: no figure without it."""

from collections.abc import Mapping

import torch

from unrolled.bench.workload import Values

# Of the largest number in each tensor. Sums of float32 over 10,000 tokens in another order differ by about
# sqrt(10,000) · 2^-24 = 6e-6, or three times that at worst; 3e-6 is the most that was seen in the registry. A
# gate in a wrong place or a forgotten step changes more than 1e-2.
TOLERANCE = 2e-5


def disagreement(values: Mapping[str, Values], tolerance: float = TOLERANCE) -> tuple[float, str | None]:
    """The largest relative difference of any peer from the first; why they disagree, in words, or None."""
    (first, wanted), *others = values.items()
    worst = 0.0
    for peer, got in others:
        if got.keys() != wanted.keys():
            return float("inf"), f"{peer} gives {', '.join(got)}; {first} gives {', '.join(wanted)}"
        for name in wanted:
            a, b = got[name].detach().double(), wanted[name].detach().double()
            if a.shape != b.shape:
                return float("inf"), f"{name}: {peer} gives {tuple(a.shape)}, {first} {tuple(b.shape)}"
            difference = _relative(a, b)
            worst = max(worst, difference)
            if not difference <= tolerance:
                return difference, f"{name}: {peer} and {first} differ by {difference:.1e} of its largest"
    return worst, None


def _relative(a: torch.Tensor, b: torch.Tensor) -> float:
    """max |a - b| / max |b|; infinite where either is not finite."""
    if a.numel() == 0:
        return 0.0
    if not (a.isfinite().all() and b.isfinite().all()):
        return float("inf")
    gap = float((a - b).abs().max())
    return gap and gap / max(float(b.abs().max()), torch.finfo(torch.float64).tiny)
