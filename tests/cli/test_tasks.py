"""What holds of every task and format, tried as a newcomer would: by the commands alone, on its files."""

import csv
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from unrolled.cells import CELLS

from .command import Answer, unrolled
from .samples import SAMPLES, SMALL, Sample, long_rows, long_table, write_long
from .test_wrong_input import refused

KILLED = """
import os, signal, sys
from unrolled.training.history import Progress
from unrolled.cli import main
count, steps = Progress.count, []
def until_killed(self, *step):
    count(self, *step)
    steps.append(step)
    if len(steps) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
Progress.count = until_killed
sys.argv[0] = "unrolled"
main()
"""


class Trained(NamedTuple):
    sample: Sample
    folder: Path
    run: Path
    newer: Path


def train(sample: Sample, file: Path, out: Path, *options: object) -> Answer:
    return unrolled("train", sample.task, file, "--out", out, *sample.options, *options)


@pytest.fixture(scope="module", params=SAMPLES)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    sample, folder = SAMPLES[request.param], tmp_path_factory.mktemp("task")
    answer = train(sample, sample.write(folder, 0), folder / "run", "--checkpoint-seconds", 0)
    assert answer.status == 0, answer.err
    assert "Warning" not in answer.err
    return Trained(sample, folder, folder / "run", sample.write(folder, 1))


def same_model(one: Path, other: Path) -> bool:
    names = ("model.safetensors", "metrics.jsonl")
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in names)


def predicted(run: Path, file: Path) -> bytes:
    """The rows that `predict` writes for a file."""
    out = file.with_name(f"{file.stem}-predicted.csv")
    answer = unrolled("predict", run, file, "-o", out)
    assert answer.status == 0, answer.err
    return out.read_bytes()


@pytest.mark.parametrize("task", sorted({sample.task for sample in SAMPLES.values()}))
def test_help_tells_the_task_and_shows_an_example(task: str) -> None:
    answer = unrolled("train", task, "--help-all")
    assert answer.status == 0
    assert f"unrolled train {task} " in " ".join(answer.out.split())
    for option in ("--cell", "--hidden", "--bidirectional", "--test-files", "--patience"):
        assert option in answer.out


def test_a_file_is_predicted_and_judged(trained: Trained, tmp_path: Path) -> None:
    rows = list(csv.reader(predicted(trained.run, trained.newer).decode().splitlines()))
    assert len(rows) > 10 and len({len(row) for row in rows}) == 1
    judged = unrolled("evaluate", trained.run, trained.newer)
    assert judged.status == 0, judged.err
    assert "model" in judged.out
    assert (trained.run / "plots" / "loss.png").stat().st_size > 1000
    assert unrolled("predict", trained.run, trained.newer, "-o", tmp_path / "p.parquet").status == 0
    assert unrolled("predict", trained.run, trained.newer, "--json").out[0] == "["


def test_its_configuration_repeats_it_to_the_bit(trained: Trained, tmp_path: Path) -> None:
    again = unrolled("train", "--config", trained.run / "config.toml", "--out", tmp_path / "again", "--json")
    assert again.status == 0, again.err
    assert again.err == ""
    assert same_model(trained.run, tmp_path / "again")
    assert predicted(tmp_path / "again", trained.newer) == predicted(trained.run, trained.newer)


@pytest.mark.parametrize("trained", list({s.task: n for n, s in SAMPLES.items()}.values()), indirect=True)
def test_a_killed_training_resumes_to_the_same_bits(trained: Trained, tmp_path: Path) -> None:
    arguments = ("--out", tmp_path / "run", "--config", trained.run / "config.toml")
    child = [sys.executable, "-c", KILLED, "train", *map(str, arguments)]
    assert subprocess.run(child, capture_output=True).returncode == -signal.SIGKILL
    assert not (tmp_path / "run" / "model.safetensors").exists()
    refused(unrolled("predict", tmp_path / "run", trained.newer), 1, "resume")
    assert unrolled("train", "--resume", tmp_path / "run").status == 0
    assert same_model(trained.run, tmp_path / "run")


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    "options", [("--bidirectional", "off"), ("--layers", 2)], ids=["one way", "both ways"]
)
def test_company_and_order_change_no_bit(cell: str, options: tuple[object, ...], tmp_path: Path) -> None:
    """Each sequence of a long table alone, and all of them in another order, rows interleaved."""
    sample = SAMPLES["classify a long table"]
    answer = train(sample, long_table(tmp_path, 0), tmp_path / "run", "--cell", cell, *options)
    assert answer.status == 0, answer.err
    sequences = long_rows(1)
    together = predicted(tmp_path / "run", long_table(tmp_path, 1)).splitlines()
    assert together[1:] == sorted(together[1:]) and len(together) == 1 + len(sequences)

    def asked(name: str, rows: list[str]) -> list[bytes]:
        write_long(tmp_path / name, rows)
        return predicted(tmp_path / "run", tmp_path / name).splitlines()[1:]

    for number in (0, 7, 29):
        assert asked("alone.csv", sequences[number]) == [together[1 + number]]
    mixed = sorted((row for rows in sequences for row in rows), key=lambda row: row[::-1])
    assert sorted(asked("mixed.csv", mixed)) == together[1:]


def test_a_permutation_of_the_lines_of_a_text_changes_no_bit(tmp_path: Path) -> None:
    sample = SAMPLES["language of characters"]
    assert train(sample, sample.write(tmp_path, 0), tmp_path / "run", "--cell", "lstm").status == 0
    lines = (sample.write(tmp_path, 1)).read_text().splitlines()
    (tmp_path / "turned.txt").write_text("\n".join(reversed(lines)) + "\n")
    there = predicted(tmp_path / "run", tmp_path / "book1.txt").decode().splitlines()[1:]
    back = predicted(tmp_path / "run", tmp_path / "turned.txt").decode().splitlines()[:0:-1]
    assert [row.split(",", 1)[1] for row in there] == [row.split(",", 1)[1] for row in back]


SPOILED = {
    "empty": lambda content: b"",
    "a NUL byte": lambda content: content[:40] + b"\0" + content[40:],
    "not UTF-8": lambda content: content + b"\xff\n",
    "a lone surrogate": lambda content: content + b"\xed\xa0\x80\n",
    "UTF-16 cut within a character": lambda content: content.decode("latin-1").encode("utf-16")[:-1],
    "gzip": lambda content: b"\x1f\x8b\x08\x00" + content,
    "cut within a character": lambda content: content + "漢".encode()[:2],
}
TEXT = [name for name in SAMPLES if "images" not in name]


@pytest.mark.parametrize("spoil", SPOILED)
@pytest.mark.parametrize("trained", TEXT, indirect=True)
def test_a_spoiled_file_is_refused_in_a_line(trained: Trained, spoil: str, tmp_path: Path) -> None:
    file = tmp_path / trained.newer.name
    file.write_bytes(SPOILED[spoil](trained.newer.read_bytes()))
    refused(train(trained.sample, file, tmp_path / "run"), 1, file.name)
    if spoil == "a NUL byte":
        refused(unrolled("predict", trained.run, file, "-o", tmp_path / "p.csv"), 1, file.name)
        refused(unrolled("evaluate", trained.run, file), 1, file.name)
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_a_file_that_is_not_there(trained: Trained, tmp_path: Path) -> None:
    absent = tmp_path / "a\nb.csv"
    refused(train(trained.sample, absent, tmp_path / "run"), 1, "no such file")
    refused(train(trained.sample, tmp_path, tmp_path / "run"), 1, "folder")
    refused(train(trained.sample, tmp_path / ("x" * 400), tmp_path / "run"), 1, "too long for the name")
    assert not list(tmp_path.iterdir())


def test_new_tables_are_read_for_the_features_of_the_model(tmp_path: Path) -> None:
    """Without answers a y could pass for them; a further column, or none of answers, changes nothing."""
    assert train(SAMPLES["classify a long table"], long_table(tmp_path, 0), tmp_path / "run").status == 0
    wanted = predicted(tmp_path / "run", long_table(tmp_path, 1))
    rows = [row for rows in long_rows(1) for row in rows]
    for head, ending in (("id,step,x,y", ""), ("id,step,x,y,label,z,remark", ",a,7,none")):
        lines = [row.rsplit(",", 1)[0] + ending for row in rows]
        write_long(tmp_path / "new.csv", lines, head)
        assert predicted(tmp_path / "run", tmp_path / "new.csv") == wanted
    write_long(tmp_path / "new.csv", [row.rsplit(",", 1)[0] for row in rows], "id,step,x,y")
    refused(unrolled("evaluate", tmp_path / "run", tmp_path / "new.csv"), 1, "wanted a column of answers")


@pytest.mark.parametrize("label", ["$x_{$", "<unk>", "%s{}\\frac", "[b]bold[/b]", "Käse 漢 👍🏽"])
def test_a_label_may_be_any_text(label: str, tmp_path: Path) -> None:
    sample, file = SAMPLES["classify a long table"], long_table(tmp_path, 0)
    file.write_text(file.read_text().replace("waltz", label))
    answer = train(sample, file, tmp_path / "run")
    assert answer.status == 0 and "Warning" not in answer.err, answer.err
    assert f"p({label})" in predicted(tmp_path / "run", file).decode().splitlines()[0]


def test_wrong_calls(tmp_path: Path) -> None:
    table, book = long_table(tmp_path, 0), SAMPLES["language of characters"].write(tmp_path, 0)
    (tmp_path / "few.vec").write_text("1 3\nthe 1 2 3\n")
    for task, file, options, words in (
        ("classify", table, ("--vectors", "x.vec"), ("--vectors is for texts",)),
        ("classify", table, ("--labels", "x"), ("labels", "leave")),
        ("classify", table, ("--dropout", 0.5), ("dropout", "one layer")),
        ("language", book, ("--bidirectional",), ("leave --bidirectional out",)),
        ("language", book, ("--split-seed", 5), ("leave --split-seed out",)),
        ("language", book, ("--vectors", "x.vec"), ("--vectors is for words", "--tokens words")),
        ("language", book, ("--vectors", tmp_path / "few.vec", "--tokens", "words"), ("--embedding-size 3",)),
        ("language", book, ("--tokens", "bpe", "--most-symbols", 10), ("--most-symbols", "256")),
    ):
        answer = unrolled("train", task, file, *SMALL, *options, "--out", tmp_path / "run")
        refused(answer, 2, *words)
    assert not (tmp_path / "run").exists()


def test_too_little_to_train_on(tmp_path: Path) -> None:
    sample, rows = SAMPLES["classify a long table"], long_rows(0)
    for few, word in ((rows[:1], "leave"), (rows[:2], "leave"), (rows[::2], "two classes")):
        file = write_long(tmp_path / "few.csv", [row for sequence in few for row in sequence])
        refused(train(sample, file, tmp_path / "run"), 1, word)
    for text in ("a", "ab", "abcdefghij"):
        (tmp_path / "few.txt").write_text(text)
        answer = train(SAMPLES["language of characters"], tmp_path / "few.txt", tmp_path / "run")
        refused(answer, 1, "part" if len(text) > 2 else "leave")
    assert not (tmp_path / "run").exists()


def test_a_class_that_training_did_not_have(tmp_path: Path) -> None:
    sample, file = SAMPLES["classify a long table"], long_table(tmp_path, 0)
    assert train(sample, file, tmp_path / "run").status == 0
    other = long_table(tmp_path, 1)
    other.write_text(other.read_text().replace("waltz", "polka"))
    judged = unrolled("evaluate", tmp_path / "run", other)
    said = "with classes that training did not hold count as wrong: 'polka'"
    assert judged.status == 0 and said in judged.out and "has the classes 'waltz'" in judged.out
    answer = train(sample, file, tmp_path / "again", "--test-files", other)
    assert answer.status == 0 and said in answer.out
