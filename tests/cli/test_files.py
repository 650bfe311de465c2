"""Files as people have them, through `train` and `predict`: what is learned is what the rows say."""

import csv
import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from .command import unrolled

TINY = ("--hidden", 8, "--epochs", 1, "--batch-size", 8, "--test", 0.25, "--learning-rate", 0.03)
TEXTS = [(f"{word} {n}", label) for n in range(20) for word, label in (("good", "up"), ("bad", "NA"))]
SERIES = [
    ([sign * t / 4 + n / 100 for t in range(9)], label)
    for n in range(20)
    for sign, label in ((1, "1"), (-1, "2"))
]


def write(path: Path, lines: list[str]) -> Path:
    data = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def predicted(run: Path, file: Path, *options: object) -> tuple[list[str], list[str], str]:
    """Names, labels, and what is said beside them."""
    answer = unrolled("predict", run, file, "-o", run / "p.csv", *options)
    assert answer.status == 0, answer.err
    rows = list(csv.DictReader((run / "p.csv").read_text().splitlines()))
    return [row["name"] for row in rows], [row["label"] for row in rows], answer.err


KINDS = {
    "tab.txt": ([f"{label}\t{text}, it says" for text, label in TEXTS], ()),
    "fast.txt.gz": ([f"__label__{label} {text}" for text, label in TEXTS], ()),
    "objects.ndjson": (
        [json.dumps({"text": text, "label": label}) for text, label in TEXTS],
        ("--missing", "?"),
    ),
    "bare.csv": (
        [f'{label},"{text}"' for text, label in TEXTS],
        ("--no-header", "--text", 2, "--target", 1, "--missing", ""),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_texts_of_every_kind_are_learned_and_lines_answered(kind: str, tmp_path: Path) -> None:
    lines, options = KINDS[kind]
    file = write(tmp_path / kind, [*lines, ""])
    answer = unrolled("train", "classify", file, "--out", tmp_path / "run", *TINY, "--epochs", 6, *options)
    assert answer.status == 0, answer.err
    judged = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert {one["class"] for one in judged["classes"]} == {"NA", "up"}
    if "--no-header" in options:  # a table without names is one again
        new = write(tmp_path / "new.csv", ["bad 3", "good 7"])
    else:
        new = write(tmp_path / "new.txt", ["bad 3", "good 7"])
    names, labels, _ = predicted(tmp_path / "run", new)
    assert names == ["1", "2"] and labels == ["NA", "up"]


WIDE = {
    "ucr.tsv": (["\t".join([label, *map(str, x), "NaN"]) for x, label in SERIES], ()),
    "last.csv": (
        [";".join([*(str(value).replace(".", ",") for value in x), label]) for x, label in SERIES],
        ("--no-header", "--target", 10, "--wide", "rows"),
    ),
    "objects.jsonl.gz": ([json.dumps({"value": x, "label": label}) for x, label in SERIES], ()),
}


@pytest.mark.parametrize("kind", WIDE)
def test_series_of_every_kind_are_learned(kind: str, tmp_path: Path) -> None:
    lines, options = WIDE[kind]
    file = write(tmp_path / kind, lines)
    answer = unrolled("train", "classify", file, "--out", tmp_path / "run", *TINY, "--epochs", 6, *options)
    assert answer.status == 0, answer.err
    names, labels, _ = predicted(tmp_path / "run", file)
    assert names == [str(n) for n in range(1, 41)] and labels == [label for _, label in SERIES]


def test_wrong_rows_are_left_out_counted_and_listed(tmp_path: Path) -> None:
    rows = [f"{text},{label}" for text, label in TEXTS]
    file = write(tmp_path / "a.csv", ["text,label", *rows, ",up", "ragged,row,here", ",", "no answer,"])
    options = (*TINY, "--out", tmp_path / "run", "--missing", "?")
    answer = unrolled("train", "classify", file, *options)
    assert answer.status != 0 and "--skip-wrong" in answer.err and not (tmp_path / "run").exists()
    answer = unrolled("train", "classify", file, *options, "--skip-wrong")
    assert answer.status == 0, answer.err
    assert "left out: 4 wrong rows" in answer.err
    listed = list(csv.DictReader((tmp_path / "run" / "left_out.csv").read_text().splitlines()))
    assert [(one["name"], one["reason"]) for one in listed] == [
        (f"{file}, line 42", "column 'text': wanted a text, got nothing"),
        (f"{file}, line 43", "wanted 2 fields as in the first row, got 3"),
        (f"{file}, line 44", "column 'label': wanted an answer, got nothing"),
        (f"{file}, line 45", "column 'label': wanted an answer, got nothing"),
    ]
    new = write(tmp_path / "new.txt", ["good 1", "", "bad 2"])
    config = tmp_path / "run" / "config.toml"
    config.write_text(config.read_text().replace("skip_wrong = true", "skip_wrong = false"))
    refused = unrolled("predict", tmp_path / "run", new)
    assert refused.status == 1 and "line 2: wanted a text, got nothing" in refused.err
    left_out = tmp_path / "left_out.csv"
    names, _, said = predicted(tmp_path / "run", new, "--skip-wrong", "--left-out", left_out)
    assert names == ["1", "3"] and "left out: 1 wrong row" in said
    assert left_out.read_text() == f'name,reason\n"{new}, line 2","wanted a text, got nothing"\n'
    assert unrolled("predict", tmp_path / "run", tmp_path / "new.txt", "--skip-wrong", "--json").status == 0


def test_sentences_pairs_and_series_leave_wrong_rows_out_too(tmp_path: Path) -> None:
    pairs = write(tmp_path / "pairs.tsv", [*(f"a{n}\tb{n}" for n in range(30)), "alone", "\tb"])
    tiny = ("--hidden", 3, "--epochs", 1, "--out")
    answer = unrolled("train", "translate", pairs, *tiny, tmp_path / "t", "--skip-wrong")
    assert answer.status == 0 and "left out: 2 wrong rows" in answer.err
    words = [f"s{n},word{k},T{k}" for n in range(12) for k in range(2)]
    table = write(tmp_path / "tags.csv", ["id,word,tag", *words, "odd,word,", ",,"])
    answer = unrolled("train", "tag", table, *tiny, tmp_path / "g", "--skip-wrong")
    assert answer.status == 0 and "left out: 2 wrong rows" in answer.err
    bare = write(tmp_path / "bare.csv", [f"{t},{t % 5}" for t in range(80)])
    answer = unrolled("train", "forecast", bare, "--target", 2, *tiny, tmp_path / "f")
    assert answer.status == 1 and "--no-header" in answer.err
    options = ("--no-header", "--target", 2, "--time", 1, "--horizon", 2, "--members", 1)
    answer = unrolled("train", "forecast", bare, *options, *tiny, tmp_path / "f")
    assert answer.status == 0, answer.err
    frame = unrolled("predict", tmp_path / "f", "--json")
    assert [row["time"] for row in json.loads(frame.out)] == [80, 81]


def test_series_that_are_left_out_are_listed_too(tmp_path: Path) -> None:
    rows = [f"{name},{t},{t % 5}" for name in "ab" for t in range(60)]
    file = write(tmp_path / "a.csv", ["id,t,y", *rows, "short,1,2"])
    options = ("--id", "id", "--time", "t", "--target", "y", "--horizon", 2, "--members", 1, "--skip-series")
    run = tmp_path / "run"
    answer = unrolled("train", "forecast", file, *options, "--hidden", 3, "--epochs", 1, "--out", run)
    assert answer.status == 0, answer.err
    (listed,) = csv.DictReader((run / "left_out.csv").read_text().splitlines())
    assert listed["name"] == "short" and "only row" in listed["reason"]


def test_numbers_and_words_for_no_value_and_wrong_rows_of_a_series(tmp_path: Path) -> None:
    """-999 by its name, n/a without, a word as a wrong row: as if nothing stood there, in a stream too."""
    values = [str(t % 7) for t in range(90)]
    plain = values.copy()
    for t, cell in ((20, "-999"), (21, "-999"), (40, "n/a"), (60, "broken")):
        values[t], plain[t] = cell, ""
    rows = [f"{t},{cell}" for t, cell in enumerate(values)]
    odd = write(tmp_path / "odd.csv", ["t,y", *rows])
    bare = write(tmp_path / "bare.csv", ["t,y", *(f"{t},{cell}" for t, cell in enumerate(plain))])
    tiny = ("--time", "t", "--target", "y", "--gaps", "mask", "--hidden", 3, "--members", 1, "--steps", 3)
    sizes = ("--horizon", 2, "--window", 14)
    named = (*tiny, *sizes, "--skip-wrong", "--missing", -999)
    answer = unrolled("train", "forecast", odd, *named, "--out", tmp_path / "odd")
    assert "missing values: '-999' in 2 cells, 'n/a' in 1 cell" in answer.err
    listed = list(csv.DictReader((tmp_path / "odd" / "left_out.csv").read_text().splitlines()))
    assert [one["name"] for one in listed] == [f"{odd}, line 62"]
    assert unrolled("train", "forecast", bare, *tiny, *sizes, "--out", tmp_path / "bare").status == 0
    first, second = (unrolled("predict", tmp_path / run, "--json").out for run in ("odd", "bare"))
    assert first == second
    lines = ["t,y", "90,3", "91,-999", "92,?", "93,-999.0"]
    said = [
        subprocess.run(
            [sys.executable, "-m", "unrolled", "stream", tmp_path / run],
            input="\n".join(one) + "\n",
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        for run, one in (("odd", lines), ("bare", [*lines[:2], "91,", "92,", "93,"]))
    ]
    assert said[0] == said[1] and len(said[0].splitlines()) == 4


def test_the_folder_of_what_is_packed_is_called_as_what_is_in_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"word {k % 2},{k % 2}\n" for k in range(20))
    (tmp_path / "notes.csv.gz").write_bytes(gzip.compress(f"text,label\n{rows}".encode()))
    answer = unrolled("train", "classify", "notes.csv.gz", "--hidden", 3, "--epochs", 1)
    assert answer.status == 0 and (tmp_path / "runs" / "classify-notes").is_dir()
