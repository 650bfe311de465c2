"""How wide the intervals of each series are, beside those of all together: by the errors that its base alone
makes in its training windows, in units of their frames' spreads. Of series k with n horizons of windows and a
mean absolute error e_k, and the geometric mean e of these,

    width_k = (e_k / e) ^ (n / (n + 1))        of series that have no base of their own, 1

A series that its base forecasts without any error, such as one that is 0 throughout, has the least width, and
no part in e.

Source   scores divided by what tells their size: normalized conformal prediction, Papadopoulos et al. 2008
"""

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.batching.splits import evenly
from unrolled.blocks.direct import Direct
from unrolled.tasks.forecast.direct.windows import Array, Chosen, Origins, Places
from unrolled.tasks.forecast.network import Network

# So many windows of a series tell its width, which stays within 1 / MOST_WIDE and MOST_WIDE.
OF_EACH, MOST_WIDE = 20, 20.0


def begin(network: Network, origins: Origins, chosen: Chosen) -> None:
    """Puts the widths by these training windows into a network that has its bases."""
    block, (of, last) = network.block, chosen
    assert isinstance(block, Direct) and block.widths is not None and block.series is not None
    each = [np.flatnonzero(of == one) for one in np.unique(of)]
    rows = np.concatenate([one[evenly(len(one), OF_EACH)] for one in each])
    errors, numbers = np.empty(len(rows)), np.empty(len(rows), np.int64)
    with torch.no_grad():
        for part, (x, ahead) in origins.in_parts(of[rows], last[rows]):
            raw = block.each(network.ops, network.p, x, ahead)[0]
            y = origins.outcomes(of[rows[part]], last[rows[part]])
            off = (y - block.taught.point(raw)).abs() / raw[..., -1]
            errors[part], numbers[part] = off.nanmean((1, 2)).numpy(), x[:, -1, block.series].numpy()
        counts = np.bincount(of, minlength=1)
        horizons = {int(n): counts[k] / block.steps for n, k in zip(numbers, of[rows], strict=True)}
        network.p.widths.copy_(torch.from_numpy(widths(errors, numbers, horizons, len(block.base))))


def widths(errors: Array, numbers: Places, horizons: dict[int, float], count: int) -> Array:
    """errors (N,) of windows of the series with these numbers (N,); `horizons` of each. -> (count,)."""
    sizes = {n: float(errors[numbers == n].mean()) for n in horizons if n < count - 1}
    logs, each = {n: np.log(size) for n, size in sizes.items() if size > 0}, np.ones(count)
    if logs:
        middle = np.mean(list(logs.values()))
        for n in sizes:
            log = logs.get(n, -np.inf)
            each[n] = np.exp((log - middle) * horizons[n] / (horizons[n] + 1))
    return np.clip(each, 1 / MOST_WIDE, MOST_WIDE)


def telling(width: Array) -> NDArray[np.bool_]:
    """(N,) -> (N,) which of forecasts of series of these widths tell the intervals of others: not those of
    series of the least width, whose errors of about 0 would narrow them; all where there are no more."""
    more = width > 1.001 / MOST_WIDE
    return more if more.any() else ~more
