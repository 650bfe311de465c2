"""What an error tells to do is done as it is written there, and then goes on."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from .command import unrolled
from .samples import book, long_table, spoken, texts, treebank
from .test_wrong_input import HEADER, rows


def gapped(folder: Path, seed: int) -> Path:
    lines = rows().splitlines(keepends=True)
    (folder / "gapped.csv").write_bytes(HEADER + b"".join(lines[:30] + lines[31:]))
    return folder / "gapped.csv"


def priced(folder: Path, seed: int) -> Path:
    lines = [
        line.rstrip(b"\n") + b",%d\n" % (k % 7) for k, line in enumerate(rows().splitlines(keepends=True))
    ]
    (folder / "priced.csv").write_bytes(b"day,sales,price\n" + b"".join(lines))
    return folder / "priced.csv"


def switched_off(folder: Path, seed: int) -> Path:
    lines = rows().splitlines(keepends=True)
    odd = lines[30].rpartition(b",")[0] + b",off\n"
    (folder / "off.csv").write_bytes(HEADER + b"".join([*lines[:30], odd, *lines[31:]]))
    return folder / "off.csv"


def western(folder: Path, seed: int) -> Path:
    lines = [f"{'très bien' if k % 2 else 'mal'}\t{k % 2}\n" for k in range(30)]
    (folder / "avis.tsv").write_bytes("".join(["text\tlabel\n", *lines]).encode("cp1252"))
    return folder / "avis.tsv"


def vectors(folder: Path, seed: int) -> Path:
    (folder / "few.vec").write_text("1 3\nthe 1 2 3\n")
    return book(folder, seed)


def labelled(folder: Path, seed: int) -> Path:
    lines = [f"__label__a{' __label__b' * (k % 2)} word {k % 3}" for k in range(40)]
    (folder / "labelled.txt").write_text("\n".join(lines))
    return folder / "labelled.txt"


# The task, what writes its file, the wrong options, and what the error says to write.
REMEDIES: tuple[tuple[str, Callable[[Path, int], Path], str, str], ...] = (
    ("forecast", gapped, "", "--gaps forward"),
    ("forecast", priced, "--target sales --past price --horizon 2 --strategy recursive", "--strategy direct"),
    ("forecast", priced, "--target sales --past price --horizon 2 --strategy recursive", "--horizon 1"),
    ("forecast", priced, "", "--target sales"),
    ("forecast", priced, "--target sales --window 500 --strategy recursive", "--window 41"),
    ("forecast", priced, "--target sales --level relative", "--strategy recursive"),
    ("forecast", priced, "--target sales --scale pooled --strategy recursive", "--strategy direct"),
    ("forecast", gapped, "--transform log --gaps zero", "--gaps forward"),
    ("forecast", priced, "--target price --transform log --test 6", "--transform none"),
    ("forecast", switched_off, "--gaps mask", "--missing off"),
    ("forecast", switched_off, "--gaps mask", "--skip-wrong"),
    ("classify", western, "", "--encoding cp1252"),
    ("classify", long_table, "--dropout 0.5", "--layers 2"),
    ("classify", long_table, "--pooling last --merge sum", "--merge concat"),
    ("classify", long_table, "--bidirectional off --merge sum", "--bidirectional on"),
    ("classify", texts, "--scale sequence", "--scale pooled"),
    ("classify", long_table, "--peephole", "--cell lstm"),
    ("classify", texts, "--tokens bpe --most-symbols 10", "--most-symbols 256"),
    ("classify", texts, "--pooling last --merge sum", "--merge concat"),
    ("language", vectors, "--vectors few.vec --embedding-size 3", "--tokens words"),
    ("language", vectors, "--vectors few.vec --tokens words --embedding-size 5", "--embedding-size 3"),
    ("classify", texts, "--character-dropout 0.1", "--tokens characters"),
    ("classify", texts, "--tokens bpe --word-dropout 0.1", "--tokens words"),
    ("classify", labelled, "", "--multi-label"),
    ("classify", long_table, "--label-separator ;", "--multi-label"),
    ("classify", long_table, "--select kappa", "--select accuracy"),
    ("language", book, "--word-dropout 0.1", "--tokens words"),
    ("language", book, "--tokens bpe --character-dropout 0.1", "--tokens characters"),
    ("tag", treebank, "--lookahead 3", "--window 64"),
    ("tag", treebank, "--scheme iob2", "--scheme none"),
    ("transcribe", spoken, "--best 17", "--beam 17"),
    ("transcribe", spoken, "--states 2", "--hmm"),
    ("transcribe", spoken, "--decoder greedy --best 2", "--best 1"),
    ("transcribe", spoken, "--hmm --lm-order 3", "--lm-order 2"),
)


@pytest.mark.parametrize("task, write, wrong, remedy", REMEDIES)
def test_a_remedy_is_accepted_as_it_is_written(
    task: str,
    write: Callable[[Path, int], Path],
    wrong: str,
    remedy: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    file = write(tmp_path, 0)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "config.toml").touch()  # is refused once all else is right
    options = shlex.split(wrong)
    answer = unrolled("train", task, file, *options, "--out", "taken")
    name, *value = remedy.split()
    assert name in answer.err and "taken" not in answer.err, answer.err
    assert all(one in answer.err for one in value), answer.err
    if name in options:
        at = options.index(name)
        del options[at : at + 2]
    answer = unrolled("train", task, file, *options, name, *value, "--out", "taken")
    assert answer.status == 1 and "taken holds a run already" in answer.err, answer.err
