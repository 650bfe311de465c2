"""LightGBM on lags: a model for each step ahead, early stopping on the validation part.

    python -m peer_models.trees LightGBM JOB OUT.csv SEED

A row is an origin: the last `window` values, the last two known values of the target's phase in the season,
the phase, and the calendar at the target. Trees cannot leave the range of their training, so the same is done
with all values less the last one; the error on the validation part, at the first, the middle and the last
step, tells which of the two forecasts.
"""

from typing import Any

import numpy as np

from peer_models.job import Array, Job, Steps, answer

PARAMETERS = {
    "learning_rate": 0.1,
    "num_leaves": 31,
    "num_threads": 1,
    "deterministic": True,
    "verbosity": -1,
}
MOST_ROUNDS, PATIENCE = 500, 25


def features(job: Job, origins: Steps, step: int, relative: bool) -> Array:
    """(N, F) of the target `step` steps ahead; values less the one at the origin where `relative`."""
    target = origins + step
    back = [np.arange(job.window)]
    if job.season > 1:
        same_phase = job.season * -(-step // job.season) - step
        back.append(same_phase + job.season * np.arange(2))
    at = origins[:, None] - np.concatenate(back)
    values = np.where(at < 0, np.nan, job.known[np.maximum(at, 0)])
    if relative:
        values = values - job.known[origins][:, None]
    return np.column_stack([values, target % job.season, job.calendar[target]])


def targets(job: Job, origins: Steps, step: int, relative: bool) -> Array:
    """(N,) NaN where nothing was observed."""
    values = job.actual[origins + step]
    return values - job.known[origins] if relative else values


def forecasts(name: str, job: Job, seed: int) -> tuple[Array, list[str]]:
    """(N, H), and remarks. Nothing is drawn."""
    tried = sorted({1, (1 + job.horizon) // 2, job.horizon})
    values, changes = (sum(_fitted(job, step, kind)[1] for step in tried) for kind in (False, True))
    relative = changes < values
    level = job.known[job.origins] if relative else 0
    ahead = []
    for step in range(1, job.horizon + 1):
        model, _ = _fitted(job, step, relative)
        ahead.append(model.predict(features(job, job.origins, step, relative)) + level)
    chosen = "on changes from the last value" if relative else "on values"
    return np.stack(ahead, axis=1), [f"{chosen}, as the validation part says"]


def _fitted(job: Job, step: int, relative: bool) -> tuple[Any, float]:
    """The model, and its mean squared error on the validation part."""
    import lightgbm

    first = job.window - 1
    parts = (
        np.arange(first, job.train_end - step),
        np.arange(max(first, job.train_end - step), job.validation_end - step),
    )
    sets = []
    for origins in parts:
        y = targets(job, origins, step, relative)
        x = features(job, origins, step, relative)
        sets.append(lightgbm.Dataset(x[~np.isnan(y)], y[~np.isnan(y)], params={"verbosity": -1}))
    leaf = {"min_data_in_leaf": max(2, min(20, len(parts[0]) // 10))}
    stop = lightgbm.early_stopping(PATIENCE, verbose=False)
    model = lightgbm.train(PARAMETERS | leaf, sets[0], MOST_ROUNDS, valid_sets=[sets[1]], callbacks=[stop])
    return model, float(model.best_score["valid_0"]["l2"])


if __name__ == "__main__":
    answer(forecasts)
