"""What a user gets for wrong input: one line with place and remedy, a status, nothing half-written."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

from unrolled.files import atomic
from unrolled.files.tensors import MODEL_KIND, read_tensors, write_tensors

from .command import Answer, unrolled

HEADER = b"day,sales\n"
SMALL = ("--window", 8, "--horizon", 3, "--hidden", 3, "--epochs", 1, "--cell", "rnn")


def rows(count: int = 60) -> bytes:
    days = np.datetime64("2024-01-01") + np.arange(count)
    values = 10 + np.sin(np.arange(count)) + np.arange(count) % 7
    return b"".join(f"{day},{value:.3f}\n".encode() for day, value in zip(days, values, strict=True))


def train(folder: Path, content: bytes, *options: object) -> Answer:
    (folder / "in.csv").write_bytes(content)
    return unrolled("train", "forecast", folder / "in.csv", "--out", folder / "run", *SMALL, *options)


NOTES = "time: ", "target: ", "data: "


def refused(answer: Answer, status: int, *fragments: str) -> None:
    """One line on standard error that holds `fragments`, after what was read where that came so far; nothing
    on standard output."""
    assert answer.status == status, answer
    assert answer.out == ""
    *notes, error = answer.err.splitlines()
    assert all(note.startswith(NOTES) for note in notes), answer.err
    assert error.startswith("unrolled: ")
    for fragment in fragments:
        assert fragment in error, (fragment, answer.err)


FILES = {
    "empty": (b"", ["in.csv: the file is empty; wanted a header line and rows"]),
    "header only": (HEADER, ["in.csv: the file has a header and no rows; wanted at least one row below it"]),
    "a text cell in a number column": (
        HEADER + rows(5) + b"2024-01-06,many\n",
        ["in.csv, line 7, column 'sales': wanted a finite number", "got 'many'; correct the cell"],
    ),
    "a ragged row": (HEADER + rows(5) + b"2024-01-06,1,2\n", ["in.csv, line 7: wanted 2 fields", "got 3"]),
    "a NUL byte": (HEADER + rows(5) + b"2024-01-06,\x001\n", ["in.csv, line 7: a NUL byte"]),
    "not UTF-8": (HEADER + rows(5) + b"2024-01-06,\xff\n", ["in.csv, line 7: byte 0xff", "is not UTF-8"]),
    "a time that comes again": (
        HEADER + rows(30) + rows(30)[-len(rows(1)) :],
        ["in.csv, line 32, column 'day': 2024-01-30 stands there again, as in line 31; keep one row"],
    ),
    "times out of order": (
        HEADER + rows(30) + rows(30),
        ["in.csv, line 32, column 'day': 2024-01-01 comes after 2024-01-30 of line 31; sort the rows"],
    ),
    "a gap": (
        HEADER + rows(30) + rows(40)[len(rows(35)) :],
        ["in.csv: 1 gap with 5 missing steps of 1 day", "from 2024-01-31 on, after line 31", "--gaps"],
    ),
    "a constant target": (
        HEADER + b"".join(r[:11] + b"5\n" for r in rows().splitlines(True)),
        ["column 'sales' is 5 in all 42 steps of the training part; wanted one that varies"],
    ),
    "a series shorter than the horizon asks": (
        HEADER + rows(9),
        ["the validation part has 1 step after 6 of training; wanted 3 or more (--horizon)", "--validation"],
    ),
}


@pytest.mark.parametrize(("content", "fragments"), FILES.values(), ids=FILES)
def test_a_wrong_file(tmp_path: Path, content: bytes, fragments: list[str]) -> None:
    refused(train(tmp_path, content), 1, *fragments)
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


@pytest.mark.parametrize(
    "content",
    [b"\xef\xbb\xbf" + HEADER + rows(), (HEADER + rows()).replace(b"\n", b"\r\n")],
    ids=["a BOM", "CRLF"],
)
def test_harmless_oddities_are_read(tmp_path: Path, content: bytes) -> None:
    assert train(tmp_path, content, "--target", "sales").status == 0


def test_a_missing_column_offers_the_nearest(tmp_path: Path) -> None:
    refused(train(tmp_path, HEADER + rows(), "--target", "sails"), 1, "in.csv", "'sails'", "'sales'")


def test_a_missing_file(tmp_path: Path) -> None:
    refused(unrolled("train", "forecast", tmp_path / "absent.csv"), 1, "absent.csv: there is no such file")


def test_an_option_out_of_range(tmp_path: Path) -> None:
    refused(train(tmp_path, HEADER + rows(), "--hidden", "many"), 2, "hidden", "'many'")
    refused(
        train(tmp_path, HEADER + rows(), "--peephole"),
        2,
        "--peephole belongs to lstm, not to rnn; set --cell lstm",
    )


def test_a_second_name_where_one_is_taken(tmp_path: Path) -> None:
    said = "--id takes one name, got 'shop', 'day'; keep one"
    refused(train(tmp_path, HEADER + rows(), "--id", "shop", "--id", "day"), 2, said)


def test_an_unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(HEADER + rows())
    (tmp_path / "file").write_text("not a folder")
    answer = unrolled("train", "forecast", tmp_path / "in.csv", "--out", tmp_path / "file" / "run", *SMALL)
    refused(answer, 1, f"cannot make {tmp_path / 'file' / 'run'}: ", "; choose another folder")


def test_a_folder_that_is_taken(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "precious.txt").write_text("keep")
    refused(train(tmp_path, HEADER + rows()), 1, "run", "not an empty folder")
    assert (tmp_path / "run" / "precious.txt").read_text() == "keep"


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = atomic._replace

    def full(path: Path, data: bytes) -> None:
        if path.name == "last.safetensors":
            raise OSError(28, "No space left on device")
        real(path, data)

    monkeypatch.setattr(atomic, "_replace", full)
    answer = train(tmp_path, HEADER + rows())
    assert answer.status == 1
    assert "last.safetensors: No space left on device" in answer.err.splitlines()[-1]
    assert not list(tmp_path.rglob("*.part"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    assert train(folder, HEADER + rows()).status == 0
    return folder / "run"


def copy_with_config(run: Path, to: Path, old: str, new: str) -> Path:
    """The run again, with one replacement in its config.toml."""
    to.mkdir()
    for path in run.iterdir():
        if path.is_file():
            (to / path.name).write_bytes(path.read_bytes())
    text = (run / "config.toml").read_text()
    assert old in text
    (to / "config.toml").write_text(text.replace(old, new, 1))
    return to


def test_a_run_of_another_format(run: Path, tmp_path: Path) -> None:
    other = copy_with_config(run, tmp_path / "other", "format = 1", "format = 7")
    refused(unrolled("predict", other), 1, "format 7", "reads format 1")


def test_an_unknown_configuration_key(run: Path, tmp_path: Path) -> None:
    other = copy_with_config(run, tmp_path / "other", "hidden = 3", "hiden = 3")
    refused(unrolled("train", "--config", other / "config.toml"), 2, "'hiden'", "'hidden'")
    refused(unrolled("evaluate", other), 2, "'hiden'", "'hidden'")


def test_a_configuration_that_is_no_toml(run: Path, tmp_path: Path) -> None:
    other = copy_with_config(run, tmp_path / "other", "format = 1", "format == 1")
    refused(unrolled("train", "--config", other / "config.toml"), 2, "config.toml", "line 1")


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    refused(unrolled("predict", tmp_path), 1, str(tmp_path), "not a run")
    refused(unrolled("train", "--resume", tmp_path), 1, str(tmp_path), "not a run")


def test_a_file_without_the_models_column(run: Path, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_bytes(b"day,sale\n" + rows())
    refused(unrolled("predict", run, tmp_path / "new.csv"), 1, "new.csv", "'sales'", "'sale'")


def test_weights_that_are_not_finite(run: Path, tmp_path: Path) -> None:
    other = copy_with_config(run, tmp_path / "other", "format = 1", "format = 1")
    path = other / "model.safetensors"
    content = path.read_bytes()
    weights, about = read_tensors(path, MODEL_KIND)
    name = sorted(weights)[0]
    weights[name].view(-1)[0] = float("nan")
    write_tensors(path, MODEL_KIND, weights, about)
    refused(unrolled("predict", other), 1, "model.safetensors", name, "NaN")
    path.write_bytes(content[:-3])
    refused(unrolled("predict", other), 1, "model.safetensors")


def test_the_trained_run_is_complete(run: Path) -> None:
    config = tomllib.loads((run / "config.toml").read_text())
    assert config["task"] == "forecast"
    plots = {path.name for path in (run / "plots").iterdir()}
    for name in ("loss", "gradient_norm", "forecast", "residuals"):
        assert {f"{name}.png", f"{name}.svg"} <= plots
