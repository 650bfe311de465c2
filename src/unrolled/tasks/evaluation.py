"""A judged model in numbers and words: a row for the model, one for every baseline, and which to trust."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import polars as pl

from unrolled.files.messages import every

Row = dict[str, Any]

MODEL = "model"


@dataclass(frozen=True)
class Evaluation:
    """`rows`: {"model": its name, then numbers}, the trained model first; `verdict`: sentences; `about`: what
    else to tell, in plain values. `details` are for plots; `parts` are further tables for a person, of
    classes or tags."""

    rows: list[Row]
    verdict: list[str]
    about: Mapping[str, Any]
    details: Any = None
    parts: Sequence[list[Row]] = ()

    def telling(self, sentences: Sequence[str]) -> Self:
        """The same with more to say."""
        return replace(self, verdict=[*self.verdict, *sentences])

    def table(self) -> list[Row]:
        """The rows, for a person."""
        return self.rows

    def frame(self) -> pl.DataFrame:
        """The rows, for a file."""
        return pl.DataFrame(self.rows)

    def json(self) -> dict[str, Any]:
        """Everything but `details` in plain values; numbers that do not exist are None."""
        return dict(plain({**self.about, "verdict": self.verdict, "table": self.rows}))


def verdict(rows: Sequence[Row], measure: str, *, higher_is_better: bool) -> str:
    """One sentence on `measure`: by how much the first row, the model, beats the best of the others, or which
    of them beat it. Rows without the measure do not take part."""
    key = next(iter(rows[0]))
    score, others = (
        rows[0][measure],
        {row[key]: row[measure] for row in rows[1:] if row.get(measure) is not None},
    )
    sign = 1 if higher_is_better else -1
    if not others:
        return f"{measure}: {score:.4g}; there is no baseline to compare it with"
    best = max(others, key=lambda name: sign * others[name])
    if better := [f"{name} ({value:.4g})" for name, value in others.items() if sign * value > sign * score]:
        return f"the model ({score:.4g}) loses to {every(better)} on {measure}; until it wins, use {best}"
    if score == others[best]:
        return f"the model is no better than the best baseline, {best}, on {measure}: {score:.4g}"
    return f"the model beats every baseline on {measure}: {score:.4g}, the best ({best}) {others[best]:.4g}"


def verdicts(rows: Sequence[Row], measures: Mapping[str, bool]) -> list[str]:
    """A verdict on each of the measures that the rows have: name -> whether more of it is better."""
    return [
        verdict(rows, measure, higher_is_better=more)
        for measure, more in measures.items()
        if measure in rows[0]
    ]


def plain(value: Any) -> Any:
    """`value` for JSON: a number that is not finite becomes None."""
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
