"""The tagger's commands: what is printed of schemes, kinds and tags, and CoNLL files out."""

import json
from pathlib import Path

import pytest

from .command import unrolled
from .samples import entities, long_table

SMALL = ("--hidden", 5, "--epochs", 1, "--character-hidden", 3, "--embedding-size", 4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tag")
    file = entities(folder, 1).rename(folder / "names.txt")
    answer = unrolled("train", "tag", file, "--out", folder / "run", *SMALL)
    assert answer.status == 0, answer.err
    (folder / "printed.txt").write_text(answer.err + answer.out)
    return folder


def test_the_scheme_and_the_scores_of_kinds_and_tags_are_printed(folder: Path) -> None:
    printed = (folder / "printed.txt").read_text()
    assert "3 tags of entities (--scheme iob2)" in printed
    lines = [line.split() for line in printed.splitlines()]
    for header, names in ((["entity", "entities"], ["PER"]), (["tag", "steps"], ["B-PER", "I-PER", "O"])):
        at = next(k for k, line in enumerate(lines) if line[:2] == header)
        assert lines[at][2:] == ["precision", "recall", "F1"]
        assert [line[0] for line in lines[at + 1 : at + 1 + len(names)]] == names


def test_predictions_stand_in_the_lines_of_the_file(folder: Path) -> None:
    source, out = folder / "names.txt", folder / "out.conll"
    answer = unrolled("predict", folder / "run", source, "-o", out)
    assert answer.status == 0 and f"wrote {len(out.read_text())} characters to {out}" in answer.err
    before, after = ([line.split() for line in path.read_text().splitlines()] for path in (source, out))
    assert [line[:1] for line in before] == [line[:1] for line in after]
    assert {line[1] for line in after if line} <= {"B-PER", "I-PER", "O"}
    (folder / "lines.txt").write_text("Anna Lee liest\nRegen\n")
    answer = unrolled("predict", folder / "run", folder / "lines.txt", "-o", folder / "out.conllu")
    assert answer.status == 0 and "each line is read as a sentence" in answer.err
    fields = [line.split("\t") for line in (folder / "out.conllu").read_text().splitlines()]
    assert [one[:2] for one in fields if len(one) > 1] == [
        ["1", "Anna"],
        ["2", "Lee"],
        ["3", "liest"],
        ["1", "Regen"],
    ]
    assert all(one[9].startswith("Tag=") for one in fields if len(one) > 1)


def test_what_is_left_out_gets_no_tag(folder: Path) -> None:
    (folder / "wrong.txt").write_text("Anna O\nLee O\n\nRegen O x\n\nHeinz O\n")
    rows = [("a", "Anna"), ("a", "Lee"), ("b", "Regen"), ("b", None), ("c", "Heinz")]
    objects = [json.dumps({"id": id, "word": word}) for id, word in rows]
    (folder / "wrong.jsonl").write_text("\n".join(objects) + "\n")
    for name, kept in (("wrong.txt", ["Regen", "O", "x"]), ("wrong.jsonl", None)):
        to, reasons = ("-o", folder / "wrong.conll"), ("--left-out", folder / "reasons.csv")
        answer = unrolled("predict", folder / "run", folder / name, *to)
        assert answer.status == 1 and "line 4" in answer.err and "--skip-wrong" in answer.err
        answer = unrolled("predict", folder / "run", folder / name, *to, *reasons, "--skip-wrong")
        assert answer.status == 0 and "left out: 1 wrong row" in answer.err
        assert f"{folder / name}, line 4" in (folder / "reasons.csv").read_text()
        lines = [line.split() for line in (folder / "wrong.conll").read_text().splitlines() if line]
        assert [line[0] for line in lines] == ["Anna", "Lee", *(kept or [])[:1], "Heinz"]
        assert all(line == kept or (len(line) == 2 and line[1] in ("B-PER", "I-PER", "O")) for line in lines)


def test_other_tasks_write_no_such_file(tmp_path: Path) -> None:
    file = long_table(tmp_path, 1)
    trained = unrolled("train", "classify", file, "--out", tmp_path / "run", "--hidden", 3, "--epochs", 1)
    assert trained.status == 0, trained.err
    answer = unrolled("predict", tmp_path / "run", file, "-o", tmp_path / "out.conll")
    assert answer.status == 2 and not (tmp_path / "out.conll").exists()
    assert answer.err.endswith("this is a run of task 'classify'; name a .csv, .parquet or .json file\n")
