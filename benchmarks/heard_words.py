"""Spoken words by `unrolled train transcribe`: how many are heard, and where, on the recordings of spoken.py.

    python benchmarks/heard_words.py FOLDER [--seeds 5] [OPTION=VALUE …]    FOLDER/words as spoken.py makes it
    python benchmarks/heard_words.py FOLDER --runs RUN …                    of models that are trained already

A row for each seed: the label error rate of voices that training does not have, alone and joined to 60 and to
600 seconds; of the words that are right, how many begin and end within NEAR seconds of where they were put,
and the median of how much later they begin and end.
"""

import argparse
import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from unrolled import Transcriber

NEAR = 0.15
Places = dict[str, list[tuple[str, float, float]]]


def truth(folder: Path) -> Places:
    each = Places()
    with (folder / "places.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            each.setdefault(row["path"], []).append((row["word"], float(row["begin"]), float(row["end"])))
    return each


def matched(words: Sequence[str], true: Sequence[str]) -> Iterator[tuple[int, int]]:
    """The places of equal words in both, as the fewest edits put them."""
    for part in Levenshtein.opcodes(true, words):
        if part.tag == "equal":
            yield from zip(
                range(part.dest_start, part.dest_end), range(part.src_start, part.src_end), strict=True
            )


def late(answers: pl.DataFrame, places: Places) -> NDArray[np.float64]:
    """(N, 2) how much later than in truth each right word begins and ends."""
    each = list[tuple[float, float]]()
    for name, labels, begins, ends in answers.select("name", "labels", "begins_s", "ends_s").iter_rows():
        true = places[Path(name).name]
        for i, j in matched(labels, [word for word, *_ in true]):
            each.append((begins[i] - true[j][1], ends[i] - true[j][2]))
    return np.array(each).reshape(-1, 2)


def errors(model: Transcriber, file: Path) -> float:
    return float(model.evaluate(str(file)).rows[0]["label error rate"])


def row(model: Transcriber, folder: Path) -> dict[str, float]:
    places = late(model.predict(str(folder / "unseen.csv")), truth(folder))
    near = (np.abs(places) <= NEAR).mean(0)
    rates = {name: errors(model, folder / f"{name}.csv") for name in ("unseen", "unseen-60", "unseen-600")}
    begin, end = np.median(places, 0)
    return rates | {"begins": near[0], "ends": near[1], "begin late": begin, "end late": end}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--runs", nargs="+", default=())
    parser.add_argument("options", nargs="*", metavar="OPTION=VALUE")
    how = parser.parse_args()
    folder = how.folder / "words"
    options = {name: _value(text) for name, _, text in (one.partition("=") for one in how.options)}
    trained = (
        (str(seed), Transcriber(tokens="words", seed=seed, **options).fit(str(folder / "train.csv")))
        for seed in range(how.seeds)
    )
    models = ((run, Transcriber.load(run)) for run in how.runs) if how.runs else trained
    for name, model in models:
        figures = " · ".join(f"{key} {value:.3f}" for key, value in row(model, folder).items())
        print(f"{name}: {figures}", flush=True)


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


if __name__ == "__main__":
    main()
