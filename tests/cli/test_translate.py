"""translate from the command line: answers in a list, what is told of odd sources, and what is refused."""

import json
from pathlib import Path

import pytest

from .command import unrolled

SMALL = ("--hidden", 8, "--embedding-size", 4, "--epochs", 2, "--source-tokens", "characters")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    lines = [f"{a}{b}{c}\t{c}{b}{a}" for a in "abc" for b in "bcde" for c in "dea"]
    (folder / "pairs.tsv").write_text("\n".join(lines) + "\n")
    options = (*SMALL, "--target-tokens", "characters", "--out", folder / "run")
    answer = unrolled("train", "translate", folder / "pairs.tsv", *options)
    assert answer.status == 0, answer.err
    return folder


def test_answers_and_what_is_odd_about_sources(folder: Path) -> None:
    (folder / "new.txt").write_text("abd\nqbq\n")
    found = unrolled("predict", folder / "run", folder / "new.txt", "--best", 2, "--json")
    assert found.status == 0
    assert [(row["source"], row["rank"]) for row in json.loads(found.out)] == [
        ("abd", 1),
        ("abd", 2),
        ("qbq", 1),
        ("qbq", 2),
    ]
    assert found.err == (
        f"{folder / 'new.txt'}, line 2: 'q' is not among the symbols of training, it is read as <unk>, and 1 "
        "other symbol likewise\n"
    )


def test_answers_alone_a_line_for_each_source(folder: Path) -> None:
    (folder / "gap.txt").write_text("abd\n\nccd\nabd\n")
    out = folder / "answers.txt"
    call = ("predict", folder / "run", folder / "gap.txt", "--skip-wrong", "--best", 2)
    rows = [row for row in json.loads(unrolled(*call, "--json").out) if row["rank"] == 1]
    answer = unrolled(*call, "-o", out)
    assert answer.status == 0
    assert out.read_text().split("\n") == [*(row["answer"] for row in rows), ""]
    assert [row["source"] for row in rows] == ["abd", "ccd", "abd"]
    assert "left out: 1 wrong row\n" in answer.err and "gap.txt, line 2: the source is empty" in answer.err


@pytest.mark.parametrize(
    ("call", "status", "complaint"),
    [
        (("--beam", 0), 2, "--beam: "),
        (("--beam", 2, "--best", 3), 2, "set --beam 3, or lower --best"),
        (("--sample", "--beam", 3), 2, "--beam has no use with --sample"),
        (("--lm-weight", 1), 2, "lm_weight"),
    ],
)
def test_a_wrong_way_to_answer(folder: Path, call: tuple[object, ...], status: int, complaint: str) -> None:
    found = unrolled("predict", folder / "run", folder / "pairs.tsv", *call)
    assert found.status == status and found.out == ""
    assert found.err.count("\n") == 1 and complaint in found.err
