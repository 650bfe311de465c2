"""The plot of a detector: its series with the episodes marked, over the scores."""

from pathlib import Path

import numpy as np

from unrolled.plots import detections, figures
from unrolled.plots.detections import Watched
from unrolled.tasks.detect.episodes import joined
from unrolled.tasks.detect.evaluation import Details

MOST_SERIES = 4


def draw_episodes(folder: Path, details: Details) -> None:
    """episodes, as PNG and SVG: of several series those with the highest scores."""
    scores = details.model.scores
    highest = [np.max(score, initial=-np.inf, where=~np.isnan(score)) for score in scores]
    chosen = [int(k) for k in np.argsort(-np.array(highest), kind="stable")[:MOST_SERIES]]
    watched = [_watched(details, k) for k in chosen if np.isfinite(highest[k])]
    if not watched:
        return
    of = f" of {len(watched)} of {len(scores):,} series" if len(scores) > len(watched) else ""
    figures.save(
        detections.episodes(watched, f"Episodes of alarms{of}", details.threshold), folder, "episodes"
    )


def _watched(details: Details, k: int) -> Watched:
    series, score = details.file.series[k], details.model.scores[k]
    shown = slice(int(np.flatnonzero(~np.isnan(score))[0]), len(score))
    times = details.file.local(series)[shown]
    truth = None if details.truths is None else joined(details.truths[k][shown], 0)
    return Watched(
        series.name,
        details.file.targets[0],
        times,
        series.target[shown, 0],
        score[shown],
        joined(details.alarms[k][shown], details.join),
        truth,
    )
