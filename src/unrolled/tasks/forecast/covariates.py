"""Columns of texts: their categories are the texts of the training parts, the most frequent ones; what else
stands there is told."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from unrolled.errors import DataError
from unrolled.files.covariates import Array, Covariates
from unrolled.files.messages import counted, listed, shown
from unrolled.files.series import Series, SeriesFile

MOST = 30  # categories of a column
MOST_TOLD = 5

KINDS = ("past", "future", "static")


def fit(file: SeriesFile, ends: Sequence[int]) -> SeriesFile:
    """The same in numbers, by the training parts, which end there, and notes on the categories of each
    column. DataError where a training part has none."""
    trained = [(s, end) for s, end in zip(file.series, ends, strict=True) if end]
    categories, notes = {}, []
    for kind in KINDS:
        columns: tuple[str, ...] = getattr(file, kind)
        for k, column in enumerate(columns):
            if column not in file.texts:
                continue
            counts = Counter[str]()
            for series, end in trained:
                counts.update(_counts(file, column, _values(series, kind, end)[:, k]))
            ordered = sorted(counts, key=lambda text: (-counts[text], text))
            if not ordered:
                raise DataError(f"column {shown(column)} has no value in the training part; leave it out")
            categories[column] = tuple(sorted(ordered[:MOST]))
            of = f" of {len(ordered):,}, the most frequent" if len(ordered) > MOST else ""
            notes.append(
                f"column {shown(column)}: {counted(len(categories[column]), 'text')}{of}, a column each"
            )
    covariates = Covariates(file.past, file.future, file.static, categories)
    after = as_numbers(file, covariates)
    return replace(after, notes=(*after.notes, *notes, *after.unseen))


def as_numbers(file: SeriesFile, covariates: Covariates) -> SeriesFile:
    """The columns of a file as these numbers."""
    unseen = []
    for kind in KINDS:
        columns: tuple[str, ...] = getattr(file, kind)
        for k, column in enumerate(columns):
            if column in covariates.categories:
                counts = Counter[str]()
                for series in file.series:
                    counts.update(_counts(file, column, _values(series, kind)[:, k]))
                unseen += _unseen(column, counts, covariates.categories[column])
    past, future, static = map(covariates.names, (file.past, file.future, file.static))
    return replace(
        file,
        series=tuple(
            replace(
                series,
                past=covariates.numbers(file.past, series.past),
                future=covariates.numbers(file.future, series.future),
                static=covariates.numbers(file.static, series.static),
            )
            for series in file.series
        ),
        past=past,
        future=future,
        static=static,
        covariates=covariates,
        unseen=tuple(unseen),
        texts={},
    )


def _values(series: Series, kind: str, end: int | None = None) -> Array:
    """(T, ·) up to the end; (1, ·) of static ones."""
    values: Array = getattr(series, kind)
    return values[None] if kind == "static" else values[:end]


def _counts(file: SeriesFile, column: str, codes: Array) -> dict[str, int]:
    """How often each text stands there."""
    values, counts = np.unique(codes[~np.isnan(codes)], return_counts=True)
    return {file.texts[column][code]: n for code, n in zip(values.tolist(), counts.tolist(), strict=True)}


def _unseen(column: str, counts: Counter[str], categories: Sequence[str]) -> list[str]:
    """A line on the texts that are no category."""
    others = sorted(counts.keys() - set(categories), key=lambda text: (-counts[text], text))
    if not others:
        return []
    times = counted(sum(counts[text] for text in others), "cell")
    names = listed(others, MOST_TOLD)
    return [f"column {shown(column)}: {times} with texts that are no category, read as none: {names}"]
