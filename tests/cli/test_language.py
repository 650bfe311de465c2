"""`language` from the command line, and what `generate` takes for which task."""

import json
from pathlib import Path

import pytest

from .command import unrolled
from .test_commands import OPTIONS, write_series

SMALL = ("--hidden", 6, "--embedding-size", 5, "--window", 16, "--batch-size", 4, "--epochs", 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("language")
    (folder / "book.txt").write_text("Anna sees Bob.\nBob hears Anna.\n" * 40)
    (folder / "other.txt").write_text("Bob sees Anna.\n\nЖ\n")
    write_series(folder / "load.csv", 160)
    answer = unrolled("train", "language", folder / "book.txt", "--out", folder / "run", *SMALL)
    assert answer.status == 0, answer.err
    assert "Kneser–Ney, order 5" in answer.out and "on perplexity" in answer.out
    answer = unrolled("train", "forecast", folder / "load.csv", "--out", folder / "series", *OPTIONS)
    assert answer.status == 0, answer.err
    return folder


def test_the_configuration_of_a_run_repeats_it_to_the_bit(folder: Path) -> None:
    config = folder / "run" / "config.toml"
    assert unrolled("train", "--config", config, "--out", folder / "again").status == 0
    for name in ("model.safetensors", "metrics.jsonl", "data.json", "config.toml", "evaluation.json"):
        assert (folder / "run" / name).read_bytes() == (folder / "again" / name).read_bytes(), name


def test_evaluate_and_predict_new_files(folder: Path) -> None:
    found = json.loads(unrolled("evaluate", folder / "run", folder / "other.txt", "--json").out)
    assert found["unknown"] == 1 and found["judged"] == "the data given"
    assert len(found["table"]) == 6
    out = folder / "lines.csv"
    assert unrolled("predict", folder / "run", folder / "other.txt", "-o", out).status == 0
    rows = out.read_text().splitlines()
    assert rows[0] == "line,tokens,characters,unknown,nats,perplexity"
    assert rows[2] == "2,0,0,0,0.0," and rows[3].startswith("3,1,1,1,")


def test_generate_goes_on_after_a_prime(folder: Path) -> None:
    answer = unrolled("generate", folder / "run", "--prime", "Anna ", "--length", 30, "--seed", 3)
    assert answer.status == 0 and answer.out.startswith("Anna ") and len(answer.out) == 36
    same = unrolled("generate", folder / "run", "--prime", "Anna ", "--length", 30, "--seed", 3, "--json")
    assert json.loads(same.out) == {"text": answer.out[:-1]}
    greedy = [
        unrolled("generate", folder / "run", "--length", 9, *how).out
        for how in (("--greedy",), ("--top-k", 1), ("--sample", "--top-p", 1e-9, "--temperature", 1.5))
    ]
    assert greedy[0] == greedy[1] == greedy[2]
    out = folder / "made.txt"
    assert unrolled("generate", folder / "run", "--length", 9, "--greedy", "-o", out).out == ""
    assert out.read_text() + "\n" == greedy[0]


def test_generate_ends_before_a_text_and_gives_several(folder: Path) -> None:
    how = ("--prime", "Anna ", "--length", 60, "--seed", 3, "--stop", "\n")
    answer = unrolled("generate", folder / "run", *how, "--number", 3)
    made = json.loads(unrolled("generate", folder / "run", *how, "--number", 3, "--json").out)["texts"]
    assert answer.out == "\n---\n".join(made) + "\n" and len(made) == 3
    assert all(text.startswith("Anna ") and "\n" not in text for text in made)
    assert unrolled("generate", folder / "run", *how).out == made[0] + "\n"


@pytest.mark.parametrize(
    ("run", "how", "complaint"),
    [
        (
            "series",
            ("--stop", "x"),
            "generate has no option --stop for task 'forecast'; it has --length, --prime",
        ),
        (
            "series",
            ("--top-k", 3),
            "generate has no option --top-k for task 'forecast'; it has --length, --prime",
        ),
        ("run", ("--temperature", 0), "--temperature: wanted a number above 0, got 0"),
        ("run", ("--greedy", "--top-p", 0.5), "leave --top-p out, or set --sample"),
        ("run", ("--seed", -1), "seed: wanted 0 or more, got -1"),
    ],
)
def test_what_generate_refuses(folder: Path, run: str, how: tuple[object, ...], complaint: str) -> None:
    answer = unrolled("generate", folder / run, *how)
    assert answer.status == 2 and complaint in answer.err and answer.err.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "the file is empty; wanted text"),
        (b"one\n\xff\n", "line 2: byte 0xff is not UTF-8"),
        (b"one\ntwo\0\n", "line 2: a NUL byte"),
        (b"x", "leave nothing to train on"),
    ],
)
def test_wrong_text_leaves_one_line_and_no_run(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    answer = unrolled("train", "language", tmp_path / "a.txt", "--out", tmp_path / "run", *SMALL)
    assert answer.status == 1 and complaint in answer.err and answer.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
