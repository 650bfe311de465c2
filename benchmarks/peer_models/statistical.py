"""AutoETS and AutoARIMA of statsforecast: chosen and fitted once, on the training and the validation part,
then moved on to every origin with the parameters as they are.

    python -m peer_models.statistical AutoARIMA JOB OUT.csv SEED

Two limits keep this affordable, and the table tells of them. ETS knows no season of more than 24 steps, and
ARIMA takes hours with one: a longer season is taken out by classical decomposition, and added again.
AutoARIMA is fitted on the last 2,000 steps.
"""

import warnings
from typing import Any

import numpy as np

from peer_models.job import Array, Job, answer

LONGEST_SEASON = 24
MOST_FITTED = {"AutoARIMA": 2000}


def seasonal_pattern(y: Array, season: int) -> Array:
    """y (T,), two seasons or more -> (season,) by classical decomposition: the mean of each phase t mod
    season of what a moving average over a season leaves, around 0."""
    weights = np.ones(season) if season % 2 else np.r_[0.5, np.ones(season - 1), 0.5]
    trend = np.convolve(y, weights / season, mode="valid")
    begin = len(weights) // 2
    rest, phases = y[begin : begin + len(trend)] - trend, np.arange(begin, begin + len(trend)) % season
    pattern = np.array([rest[phases == phase].mean() for phase in range(season)])
    return np.asarray(pattern - pattern.mean())


def forecasts(name: str, job: Job, seed: int) -> tuple[Array, list[str]]:
    """(N, H), and remarks. Nothing is drawn."""
    warnings.simplefilter("ignore")  # of candidates that do not converge
    models = _models()
    remarks, end = [], job.validation_end
    season, pattern = job.season, np.zeros(1)
    if season > LONGEST_SEASON:
        remarks.append(f"the season of {season} taken out by classical decomposition")
        season, pattern = 1, seasonal_pattern(job.known[:end], job.season)
    adjusted = job.known - pattern[np.arange(len(job.known)) % len(pattern)]
    begin = max(0, end - MOST_FITTED.get(name, end))
    if begin:
        remarks.append(f"fitted on the last {end - begin:,} steps")
    model = models[name](season_length=season).fit(adjusted[begin:end])
    ahead = [model.forward(adjusted[begin : origin + 1], job.horizon)["mean"] for origin in job.origins]
    return np.array(ahead) + pattern[job.targets % len(pattern)], remarks


def _models() -> dict[str, Any]:
    from statsforecast.models import AutoARIMA, AutoETS

    return {"AutoETS": AutoETS, "AutoARIMA": AutoARIMA}


if __name__ == "__main__":
    answer(forecasts)
