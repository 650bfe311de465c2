"""Trains the models of docs/results.md anew and prints their lines: the figure, the minutes, the command.

    python benchmarks/quality.py --list
    python benchmarks/quality.py spoken-digits --data DATA

DATA is the folder that holds the data sets as docs/results.md names them. A line is `unrolled train` with its
options; what its data set lacks to be read as it is (a manifest, a split) is made in a temporary folder.
"""

import argparse
import gzip
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

Files = dict[str, Path]


class Line(NamedTuple):
    """`files(data, scratch)` gives the files that {names} in `command` stand for; `measure` is a key of the
    evaluation's first row, `wanted` the figure to reach and whether more is better."""

    files: Callable[[Path, Path], Files]
    command: str
    measure: str
    wanted: float
    higher_is_better: bool


def _digits(data: Path, scratch: Path) -> Files:
    """Recordings 0 to 4 of each speaker and digit are the test files; names are digit_speaker_index.wav."""
    files = {"train": scratch / "digits-train.csv", "test": scratch / "digits-test.csv"}
    rows: dict[str, list[str]] = {part: ["path,digit"] for part in files}
    recordings = scratch / "recordings"
    recordings.symlink_to((data / "spoken-digits" / "recordings").resolve())
    for path in sorted(recordings.glob("*.wav")):
        digit, _, index = path.stem.split("_")
        rows["test" if int(index) < 5 else "train"].append(f"recordings/{path.name},{digit}")
    for part, file in files.items():
        file.write_text("\n".join(rows[part]) + "\n")
    return files


def _digit_strings(data: Path, scratch: Path) -> Files:
    """Strings of 3 to 7 digits, 2,000 to train on and 300 to test on; no clip is in both."""
    script = Path(__file__).parents[1] / "examples" / "digit_strings.py"
    clips = data / "spoken-digits" / "recordings"
    subprocess.run([sys.executable, script, clips, "--out", scratch / "strings", "--seed", "1"], check=True)
    return {part: scratch / "strings" / f"{part}.csv" for part in ("train", "test")}


def _fashion(data: Path, scratch: Path) -> Files:
    """As Debian's package dataset-fashion-mnist installs them; the labels lie beside the images."""
    folder = Path("/usr/share/datasets/fashion-mnist")
    return {
        part: folder / f"{name}-images-idx3-ubyte.gz" for part, name in (("train", "train"), ("test", "t10k"))
    }


def _mnist(data: Path, scratch: Path) -> Files:
    """As they were published; the labels lie beside the images."""
    return {
        part: data / "mnist" / f"{name}-images-idx3-ubyte.gz"
        for part, name in (("train", "train"), ("test", "t10k"))
    }


def mnist_pixels(permuted: bool) -> Callable[[Path, Path], Files]:
    """MNIST's images as IDX files of (N, 784, 1), a step a pixel: row by row, or all in an order that numpy's
    generator of seed 0 draws."""

    def files(data: Path, scratch: Path) -> Files:
        order = np.random.default_rng(0).permutation(784) if permuted else np.arange(784)
        prepared = {}
        for part, path in _mnist(data, scratch).items():
            values = np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=16)
            steps = values.reshape(-1, 784)[:, order]
            prepared[part] = scratch / f"{part}-images-idx3-ubyte"
            header = bytes([0, 0, 8, 3]) + np.array([len(steps), 784, 1], ">u4").tobytes()
            prepared[part].write_bytes(header + steps.tobytes())
            labels = path.with_name(path.name.replace("images-idx3", "labels-idx1"))
            (scratch / f"{part}-labels-idx1-ubyte").write_bytes(gzip.decompress(labels.read_bytes()))
        return prepared

    return files


def text(name: str) -> Callable[[Path, Path], Files]:
    """A text that is read as it is."""
    return lambda data, scratch: {"text": data / name}


def treebank(data: Path, scratch: Path) -> Files:
    """The parts of a treebank as they were published."""
    folder = data / "ud-english-ewt"
    return {part: folder / f"{part}.conllu" for part in ("train", "dev", "test")}


def pronunciations(stress: bool) -> Callable[[Path, Path], Files]:
    """Letters and phonemes, TSV, the vowels with their stress or without; every tenth word, in their sorted
    order, is a test word with all its pronunciations. Lines are `word phonemes # remark`, further
    pronunciations `word(2) …`."""

    def prepared(data: Path, scratch: Path) -> Files:
        spoken: dict[str, dict[str, None]] = {}
        for line in (data / "cmudict" / "cmudict.dict").read_text().splitlines():
            entry, _, phonemes = line.partition("#")[0].strip().partition(" ")
            phonemes = phonemes if stress else re.sub(r"\d", "", phonemes)
            spoken.setdefault(re.sub(r"\(\d+\)$", "", entry), {})[phonemes] = None
        files = {"train": scratch / "words-train.tsv", "test": scratch / "words-test.tsv"}
        rows: dict[str, list[str]] = {part: [] for part in files}
        for number, word in enumerate(sorted(spoken)):
            rows["test" if number % 10 == 9 else "train"] += [f"{word}\t{one}" for one in spoken[word]]
        for part, file in files.items():
            file.write_text("\n".join(rows[part]) + "\n")
        return files

    return prepared


def made(script: str) -> Callable[[Path, Path], Files]:
    """What a script of examples/ makes in a folder, by its seed."""

    def files(data: Path, scratch: Path) -> Files:
        path = Path(__file__).parents[1] / "examples" / script
        subprocess.run([sys.executable, path, scratch / path.stem], check=True)
        return {part: scratch / path.stem / f"{part}.csv" for part in ("train", "test")}

    return files


def names(rule: str) -> Callable[[Path, Path], Files]:
    """Sentences with noise whose names follow a rule of examples/names_by_rule.py."""

    def files(data: Path, scratch: Path) -> Files:
        script = Path(__file__).parents[1] / "examples" / "names_by_rule.py"
        subprocess.run([sys.executable, script, scratch, "--rule", rule, "--noise", "0.15"], check=True)
        return {part: scratch / f"{part}.conll" for part in ("train", "test")}

    return files


# One direction and one reading of the steps as they are, as the textbooks have it.
PLAIN = "--scale pooled --subsample 1 --front none --bidirectional off --noise 0 --output-dropout 0 "

PHONEMES = (
    "unrolled train translate {train} --test-files {test} --source-tokens characters --target-tokens symbols "
    "--attention additive --label-smoothing 0.1 --learning-rate 0.003 --schedule cosine --patience 0 "
    "--validation 0.02 --seed 1 "
)

# The same for both orders of MNIST's pixels.
PIXELS = (
    "unrolled train classify {train} --test-files {test} --validation 2000 --cell gru --hidden 64 "
    "--batch-size 50 "
    + PLAIN
    + "--init orthogonal --learning-rate 0.02 --recurrent-rate 0.025 --epochs 40 --select accuracy "
    "--threads 2"
)

LINES: dict[str, Line] = {
    "spoken-digits": Line(
        _digits,
        "unrolled train classify {train} --test-files {test} --target digit --hidden 128 --noise 0 "
        "--scale pooled --subsample 1 --front none --pooling attention --label-smoothing 0.1 "
        "--output-dropout 0.3 --learning-rate 0.003 --schedule cosine --epochs 30 --seed 1",
        "accuracy",
        0.98,
        True,
    ),
    "spoken-digit-strings": Line(
        _digit_strings,
        "unrolled train transcribe {train} --test-files {test} --tokens words --subsample 3 --noise 0.2 "
        "--feature-mask 0.2 --output-dropout 0.3 --learning-rate 0.003 --schedule cosine --epochs 20 "
        "--patience 0 --seed 1",
        "label error rate",
        0.03,
        False,
    ),
    "spoken-digit-strings-hmm": Line(
        _digit_strings,
        "unrolled train transcribe {train} --test-files {test} --tokens words --hmm --layers 1 --subsample 3 "
        "--output-dropout 0.2 --learning-rate 0.003 --schedule cosine --epochs 16 --patience 0 --seed 1",
        "label error rate",
        0.05,
        False,
    ),
    "fashion-mnist": Line(
        _fashion,
        "unrolled train classify {train} --test-files {test} --cell gru --hidden 128 --batch-size 100 "
        + PLAIN
        + "--pooling attention --learning-rate 0.003 --schedule cosine --epochs 10 --seed 1",
        "accuracy",
        0.89,
        True,
    ),
    "fashion-mnist-textbook": Line(
        _fashion,
        "unrolled train classify {train} --test-files {test} --cell rnn --hidden 150 --batch-size 150 "
        + PLAIN
        + "--pooling last --learning-rate 0.0005 --schedule cosine --epochs 20 --seed 1",
        "accuracy",
        0.85,
        True,
    ),
    "mnist-rows": Line(
        _mnist, "unrolled train classify {train} --test-files {test}", "accuracy", 0.985, True
    ),
    "mnist-rows-textbook": Line(
        _mnist,
        "unrolled train classify {train} --test-files {test} --cell rnn --hidden 150 --batch-size 150 "
        + PLAIN
        + "--pooling last --learning-rate 0.001 --schedule constant --epochs 20",
        "accuracy",
        0.97,
        True,
    ),
    "mnist-pixels": Line(mnist_pixels(permuted=False), PIXELS, "accuracy", 0.97, True),
    "mnist-permuted": Line(mnist_pixels(permuted=True), PIXELS, "accuracy", 0.90, True),
    "tinyshakespeare": Line(
        text("tinyshakespeare/input.txt"),
        "unrolled train language {text} --hidden 512 --embedding-size 64 --input-dropout 0.1 --threads 2 "
        "--output-dropout 0.3 --epochs 16 --schedule cosine --patience 0 --validation 2000",
        "nats",
        1.60,
        False,
    ),
    "tang-poems": Line(
        text("tang-poems/poems.txt"),
        "unrolled train language {text} --embedding-size 256 --tie --input-dropout 0.2 --output-dropout 0.3 "
        "--batch-size 16 --window 64 --learning-rate 0.004 --epochs 6 --schedule cosine --patience 0 "
        "--validation 0.03",
        "perplexity",
        375.38,  # the best n-gram on this split
        False,
    ),
    "ud-english-ewt": Line(
        treebank,
        "unrolled train tag {train} --validation-files {dev} --test-files {test} --column upos --epochs 12 "
        "--schedule cosine --minutes 10",
        "accuracy",
        0.945,
        higher_is_better=True,
    ),
    "ud-english-ewt-usual": Line(
        treebank,
        "unrolled train tag {train} --validation-files {dev} --test-files {test} --column upos",
        "accuracy",
        0.945,
        higher_is_better=True,
    ),
    **{
        f"names-{rule}": Line(
            names(rule), "unrolled train tag {train} --test-files {test}", "entity F1", 0.95, True
        )
        for rule in ("context", "spelling", "both")
    },
    "cmudict": Line(
        pronunciations(stress=False),
        PHONEMES + "--layers 2 --dropout 0.2 --hidden 192 --decoder-layers 1 --decoder-hidden 384 "
        "--attention-size 128 --batch-size 128 --epochs 12 --threads 2",
        "exact match",
        0.68,
        True,
    ),
    "cmudict-stress": Line(
        pronunciations(stress=True),
        PHONEMES + "--layers 2 --dropout 0.05 --input-dropout 0.05 --decoder-dropout 0.05 --hidden 192 "
        "--decoder-layers 1 --decoder-hidden 384 --attention-size 128 --batch-size 128 --epochs 10 "
        "--threads 1",
        "exact match",
        0.68,
        True,
    ),
    "coloured-shapes": Line(
        made("coloured_shapes.py"),
        "unrolled train caption {train} --test-files {test} --epochs 15 --schedule cosine",
        "exact match",
        0.95,
        True,
    ),
    "digit-strokes": Line(
        made("digit_strokes.py"),
        "unrolled train caption {train} --test-files {test} --id id --given digit --features slant "
        "--features width --hidden 128 --epochs 60 --schedule cosine --patience 0",
        "RMSE",
        0.7119,  # the mean sequence of the class
        False,
    ),
}


def rerun(name: str, data: Path) -> bool:
    """Trains in a scratch folder, prints the line, and tells whether the figure is reached."""
    line = LINES[name]
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        files = {key: shlex.quote(str(path)) for key, path in line.files(data, scratch).items()}
        command = shlex.split(line.command.format(**files))
        start = time.monotonic()
        run = subprocess.run(
            [sys.executable, "-m", *command, "--out", str(scratch / "run"), "--json"],
            stdout=subprocess.PIPE,
            text=True,
        )
        minutes = (time.monotonic() - start) / 60
        if run.returncode:
            print(f"{name}: failed with exit status {run.returncode}")
            return False
        found = json.loads(run.stdout)["table"]
    value = found[0][line.measure]
    reached = value >= line.wanted if line.higher_is_better else value <= line.wanted
    sign = "≥" if line.higher_is_better else "≤"
    print(f"{name}: {line.measure} {value:.4f} (wanted {sign} {line.wanted}) in {minutes:.1f} minutes")
    for row in found:
        print("   ", row)
    return reached


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[[], *LINES])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("UNROLLED_DATA", "data")))
    parser.add_argument("--list", action="store_true")
    asked = parser.parse_args()
    if asked.list:
        for name, line in LINES.items():
            print(f"{name}: {line.command}")
        return
    reached = [rerun(name, asked.data) for name in asked.names or LINES]  # all of them run
    if not all(reached):
        sys.exit(1)


if __name__ == "__main__":
    main()
