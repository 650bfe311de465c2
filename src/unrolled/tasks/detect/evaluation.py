"""A judged detector in numbers and words: a row for the model and one for every baseline, and the model's
highest episodes. Thresholds of all follow one rule, from the scores of the validation part."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unrolled.files.messages import counted
from unrolled.files.series import SeriesFile
from unrolled.models.detect import alarms, ranks
from unrolled.tasks.detect.config import DetectOptions
from unrolled.tasks.detect.episodes import Flags
from unrolled.tasks.detect.listed import listed_episodes
from unrolled.tasks.detect.measures import Counts, average_precision, counts
from unrolled.tasks.evaluation import MODEL, Evaluation, Row, verdicts

Array = NDArray[np.float64]

HIGHEST = 3  # episodes that are told in words
AVERAGE, F1, ALARMS = "average precision", "F1", "alarms %"


@dataclass(frozen=True)
class Judged:
    """Of each series the scores (T_i,) of one model, NaN before the step `first` that is judged, and `known`
    (n,) of the validation part, rising."""

    scores: Sequence[Array]
    known: Array

    def ranks(self) -> list[Array]:
        return [ranks(score, self.known) for score in self.scores]

    def alarms(self, false_alarms: float) -> list[Flags]:
        return [alarms(rank, false_alarms, len(self.known)) for rank in self.ranks()]

    @property
    def steps(self) -> int:
        """How many have a score."""
        return sum(int((~np.isnan(score)).sum()) for score in self.scores)


@dataclass(frozen=True)
class Details:
    """For plots and tables: what was judged, of the model; `totals`: episodes, of the baselines too."""

    file: SeriesFile
    model: Judged
    alarms: Sequence[Flags]
    truths: Sequence[Flags] | None
    episodes: pl.DataFrame
    threshold: float
    totals: Mapping[str, Counts]
    join: int


def evaluate(
    judged: Mapping[str, Judged],
    truths: Sequence[Flags] | None,
    options: DetectOptions,
    file: SeriesFile,
    about: Mapping[str, Any],
) -> Evaluation:
    """`judged`: the model and the baselines by name; `truths`: of each series its unusual steps."""
    model, steps = judged[MODEL], judged[MODEL].steps
    if truths is not None:  # what is not judged counts nowhere
        truths = [truth & ~np.isnan(score) for truth, score in zip(truths, model.scores, strict=True)]
    marks = truths or [np.zeros(len(score), np.bool_) for score in model.scores]
    alarming = {name: one.alarms(options.false_alarms) for name, one in judged.items()}
    totals = {name: counts(each, marks, options.join) for name, each in alarming.items()}
    rows = [_row(name, one, totals[name], truths, alarming[name]) for name, one in judged.items()]
    flags = alarming[MODEL]
    episodes = listed_episodes(file, model.scores, model.ranks(), flags, options.join)
    threshold = _threshold(model, options.false_alarms)
    details = Details(file, model, flags, truths, episodes, threshold, totals, options.join)
    about = {
        "steps": steps,
        "false_alarms": options.false_alarms,
        "join": options.join,
        "smooth": options.smooth,
        "validation_scores": len(model.known),
        "threshold": threshold,
        "episodes": _plain(episodes),
        **about,
    }
    sentences = [
        *_of_truth(rows, truths, totals[MODEL], options),
        *_of_share(rows[0], steps, options, len(model.known)),
        *_highest(episodes),
    ]
    return Evaluation(rows, sentences, about, details)


def _threshold(model: Judged, false_alarms: float) -> float:
    """The lowest of the validation part's scores above which steps alarm."""
    n = len(model.known)
    beyond = max(1, math.floor(max(false_alarms, 1 / (1 + n)) * (1 + n) + 1e-9))
    return float(model.known[n - beyond])


def _row(
    name: str, one: Judged, count: Counts, truths: Sequence[Flags] | None, alarming: Sequence[Flags]
) -> Row:
    said: Row = {"model": name}
    if truths is not None and count.unusual:
        score, truth = np.concatenate(one.scores), np.concatenate(truths)
        known = ~np.isnan(score)
        said |= {AVERAGE: average_precision(score[known], truth[known])}
        said |= {"precision": count.precision, "recall": count.recall, F1: count.f1}
    share = sum(int(flags.sum()) for flags in alarming) / one.steps if one.steps else math.nan
    return said | {"episodes": count.episodes, ALARMS: 100 * share}


def _of_truth(
    rows: Sequence[Row], truths: Sequence[Flags] | None, count: Counts, options: DetectOptions
) -> list[str]:
    if truths is None:
        return []
    if not count.unusual:
        return ["nothing of what is judged is known to be unusual: no figure tells what is found"]
    steps = sum(int(truth.sum()) for truth in truths)
    return [
        *verdicts(rows, {AVERAGE: True, F1: True}),
        f"judged by {counted(count.unusual, 'unusual episode')} of {counted(steps, 'step')}; alarms with at "
        f"most {counted(options.join, 'step')} between them are one episode",
    ]


def _of_share(model: Row, steps: int, options: DetectOptions, count: int) -> list[str]:
    """Alarms beside what was asked for, and what is chance."""
    share, wanted = model[ALARMS], 100 * options.false_alarms
    noise = 196 * math.sqrt(options.false_alarms * (1 - options.false_alarms) / max(1, steps))
    lines = [
        f"{share:.2g} % of {steps:,} steps alarm, where {wanted:g} % of usual ones may "
        f"(± {noise:.2g} % is chance)"
    ]
    if count + 1 < 1 / options.false_alarms:
        lines.append(
            f"the validation part has {count} scores, too few to tell {wanted:g} % of them: a step alarms "
            "whose score is above them all"
        )
    return lines


def _highest(episodes: pl.DataFrame) -> list[str]:
    highest = episodes.sort("score", descending=True, maintain_order=True).head(HIGHEST)
    lines = []
    for row in highest.to_dicts():
        of = f"{row['series']}, " if "series" in row else ""
        until = "" if row["begin"] == row["end"] else f" to {row['end']}"
        lines.append(
            f"high: {of}{row['begin']}{until}, score {row['score']:.3g}, {counted(row['alarms'], 'alarm')}"
        )
    return lines


def _plain(frame: pl.DataFrame) -> list[Row]:
    times = [name for name in ("begin", "end", "peak") if frame[name].dtype.is_temporal()]
    return frame.with_columns(pl.col(times).cast(pl.String)).to_dicts()
