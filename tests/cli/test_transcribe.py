"""transcribe from the command line: the forms of its predictions, decoding options, and what is refused."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.streaming.stub import answers
from unrolled import runtime

from .command import unrolled
from .samples import SMALL, spoken

OPTIONS = (*SMALL, "--subsample", 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("said")
    lines = spoken(folder, 0).read_text().splitlines()
    (folder / "words.txt").write_text("aß\nßa\n\na\n")
    (folder / "bare.csv").write_text("\n".join(line.split(",")[0] for line in lines) + "\n")
    wrong = {
        "gone": "gone.wav,a",
        "outside": "../said0_1.wav,a",
        "absolute": "/said0_1.wav,a",
        "missing": "said0_1.wav,",
        "long": f"said0_1.wav,{'aß' * 40}",
    }
    for name, line in wrong.items():
        (folder / f"{name}.csv").write_text("\n".join([*lines, line]) + "\n")
    answer = unrolled("train", "transcribe", folder / "said0.csv", "--out", folder / "run", *OPTIONS)
    assert answer.status == 0, answer.err
    return folder


def test_lists_stand_in_every_form_of_the_predictions(folder: Path) -> None:
    found = json.loads(unrolled("predict", folder / "run", folder / "bare.csv", "--json").out)
    assert len(found) == 24 and list(found[0]) == [
        "name",
        "transcript",
        "log_p",
        "score",
        "labels",
        "begins_s",
        "ends_s",
    ]
    for kind in ("csv", "parquet", "json"):
        file = folder / f"found.{kind}"
        assert unrolled("predict", folder / "run", folder / "bare.csv", "-o", file).status == 0
        frame = getattr(pl, f"read_{kind}")(file)
        labels = frame["labels"].to_list()
        labels = [json.loads(one) for one in labels] if kind == "csv" else labels
        assert labels == [row["labels"] for row in found]
    shown = unrolled("predict", folder / "run", folder / "bare.csv")
    assert "not shown: labels, begins_s, ends_s" in shown.err and "begins_s" not in shown.out


def test_decoding_is_chosen_when_it_is_used(folder: Path) -> None:
    run, file = folder / "run", folder / "said0.csv"
    ranked = json.loads(unrolled("predict", run, file, "--best", 3, "--beam", 4, "--json").out)
    assert [row["rank"] for row in ranked[:3]] == [1, 2, 3]
    both = json.loads(unrolled("evaluate", run, file, "--json").out)["table"]
    assert both[0]["model"] == "model" and both[1]["model"] in ("model, greedy", "model, beam")
    other = both[1]["model"].removeprefix("model, ")  # than the one that answered the validation part better
    table = json.loads(unrolled("evaluate", run, file, "--decoder", other, "--json").out)["table"]
    assert {**both[1], "model": "model"} == table[0]


WRONG = [
    (("predict", "run", "gone.csv"), 1, "gone.csv, line 26: {}/gone.wav: there is no such file"),
    (
        ("predict", "run", "outside.csv"),
        1,
        "line 26: '../said0_1.wav' leaves the folder of the list, {};",
    ),
    (
        ("train", "outside.csv"),
        1,
        "line 26: '../said0_1.wav' leaves the folder of the list, {};",
    ),
    (
        ("train", "absolute.csv"),
        1,
        "line 26: '/said0_1.wav' leaves the folder of the list, {};",
    ),
    (("train", "missing.csv"), 1, "line 26, column 'transcript': wanted a transcript, got nothing; fill the"),
    (("train", "bare.csv"), 1, "bare.csv: wanted a column of answers, found none"),
    (("evaluate", "run", "bare.csv"), 1, "bare.csv: wanted a column of answers, found none"),
    (("train", "long.csv", "--split-seed", 1), 1, "long.csv, line 26: 80 labels need 80 steps"),
    (("train", "said0.csv", "--beam", 0), 2, "--beam: "),
    (("evaluate", "run", "--beam", 0), 2, "--beam: "),
    (
        ("predict", "run", "said0.csv", "--best", 17),
        2,
        "wanted 17 transcripts of a beam of 16; set --beam 17",
    ),
    (("train", "said0.csv", "--lexicon", "said0.csv"), 1, "said0.csv, line 1: 25 words that the"),
    (("train", "said0.csv", "--lm-text", "none.txt"), 1, "none.txt: there is no such file"),
]


@pytest.mark.parametrize("arguments, status, said", WRONG)
def test_what_is_wrong_is_one_line_and_leaves_nothing(
    folder: Path, tmp_path: Path, arguments: tuple[object, ...], status: int, said: str
) -> None:
    command, *rest = arguments
    asked = [folder / str(a) if str(a) == "run" or str(a)[-4:] in (".csv", ".txt") else a for a in rest]
    first = ("train", "transcribe") if command == "train" else (command,)
    out = ("--out", tmp_path / "run", *OPTIONS) if command == "train" else ()
    answer = unrolled(*first, *asked, *out)
    assert answer.status == status, answer.err
    assert said.format(folder) in answer.err and answer.err.count("\n") == 1 and answer.out == ""
    assert not list(tmp_path.iterdir())


def test_a_stream_tells_the_labels_that_greedy_predicts(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    lines = ["id,x,text"]
    for number in range(40):
        signs = draw.choice([-1, 1], 1 + number % 3)
        steps = np.concatenate([np.append(np.full(4, sign), np.zeros(2)) for sign in signs])
        said = "".join("+-"[int(sign < 0)] for sign in signs)
        lines += [f"s{number},{value:.3f},{said}" for value in steps + draw.normal(0, 0.1, len(steps))]
    file, run = tmp_path / "signs.csv", tmp_path / "run"
    file.write_text("\n".join(lines) + "\n")
    options = (
        "--hidden",
        12,
        "--layers",
        1,
        "--epochs",
        12,
        "--learning-rate",
        0.03,
        "--bidirectional",
        "off",
    )
    answer = unrolled("train", "transcribe", file, "--out", run, *options, "--decoder", "greedy")
    assert answer.status == 0, answer.err
    predicted = json.loads(unrolled("predict", run, file, "--json").out)
    told: dict[str, list[str]] = {}
    bare = "\n".join(line.rsplit(",", 1)[0] for line in lines) + "\n"
    for one in answers(runtime.load(run), bare, id="id"):
        told.setdefault(one["id"], []).extend([one["label"]] if one["label"] else [])
    assert told == {row["name"]: row["labels"] for row in predicted}
    assert sum(map(len, told.values())) > 20
