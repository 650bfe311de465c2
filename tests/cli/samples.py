"""A small file for every task and format, as a newcomer would have it, and the options that train on it."""

import struct
import wave
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

LABELS = ("waltz", "Käse 漢")


class Sample(NamedTuple):
    """`write(folder, seed)` makes the file and says where; `options` choose one that trains in a second."""

    task: str
    write: Callable[[Path, int], Path]
    options: tuple[object, ...]


def long_rows(seed: int, regress: bool = False) -> list[list[str]]:
    """The rows of each of 30 sequences: id, time, two features (one with holes), answer; 1 to 9 steps."""
    draw = np.random.default_rng(seed)
    rows = []
    for number in range(30):
        kind, length = number % 2, int(draw.integers(1, 10)) if number else 1
        answer = f"{3.5 * kind - length:g}" if regress else LABELS[kind]
        values = draw.normal(2 * kind - 1, 0.7, (length, 2))
        holes = draw.random(length) < 0.2
        rows.append(
            [
                f"s{number:02},{t},{a:.4f},{'' if hole else format(b, '.4f')},{answer}"
                for t, ((a, b), hole) in enumerate(zip(values, holes, strict=True))
            ]
        )
    return rows


def write_long(path: Path, rows: list[str], header: str = "id,step,x,y,label") -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def long_table(folder: Path, seed: int, regress: bool = False) -> Path:
    lines = [line for rows in long_rows(seed, regress) for line in rows]
    return write_long(folder / f"moves{seed}.csv", lines)


def texts(folder: Path, seed: int) -> Path:
    draw = np.random.default_rng(seed)
    words = (["gut", "schön", "👍🏽", "ja!"], ["schlecht", "übel", "\u202ex", "nein?"])
    lines = [
        f"{' '.join(draw.choice(words[n % 2], draw.integers(1, 9)))}\t{LABELS[n % 2]}" for n in range(30)
    ]
    path = folder / f"reviews{seed}.tsv"
    path.write_text("\n".join(["text\tlabel", *lines]) + "\n")
    return path


def write_wav(path: Path, samples: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes((samples * 32000).clip(-32768, 32767).astype("<i2").tobytes())


def recordings(folder: Path, seed: int) -> Path:
    """A list of paths and labels, and the recordings: tones of 0.1 to 0.2 s at 8 kHz."""
    draw = np.random.default_rng(seed)
    lines = []
    for number in range(20):
        time = np.arange(draw.integers(800, 1600)) / 8000
        tone = 0.5 * np.sin(2 * np.pi * (300 + 900 * (number % 2)) * time) + draw.normal(0, 0.01, len(time))
        name = f"tone{seed}_{number}.wav"
        write_wav(folder / name, tone)
        lines.append(f"{name},{LABELS[number % 2]}")
    path = folder / f"tones{seed}.csv"
    path.write_text("\n".join(["path,label", *lines]) + "\n")
    return path


def spoken(folder: Path, seed: int) -> Path:
    """A list of paths and transcripts, one of them empty: a low tone is an a, a high one a ß, at 8 kHz."""
    draw = np.random.default_rng(seed)
    lines = []
    for number in range(24):
        transcript = "".join(draw.choice(list("aß"), number % 4))
        parts = [draw.normal(0, 0.01, 800)]
        for label in transcript:
            time = np.arange(draw.integers(500, 900)) / 8000
            tone = 0.5 * np.sin(2 * np.pi * (300 if label == "a" else 1500) * time)
            parts += [tone, draw.normal(0, 0.01, draw.integers(200, 600))]
        write_wav(folder / f"said{seed}_{number}.wav", np.concatenate(parts))
        lines.append(f'said{seed}_{number}.wav,"{transcript}"')
    path = folder / f"said{seed}.csv"
    path.write_text("\n".join(["path,transcript", *lines]) + "\n")
    return path


def images(folder: Path, seed: int) -> Path:
    """IDX: 40 images of 7 × 5 pixels, bright above or below, and their labels beside them."""
    draw = np.random.default_rng(seed)
    labels = (np.arange(40) % 2).astype(np.uint8)
    pixels = draw.integers(0, 90, (40, 7, 5)).astype(np.uint8)
    pixels[labels == 0, :3] += 150
    pixels[labels == 1, 4:] += 150
    path = folder / f"part{seed}-images-idx3-ubyte"
    path.write_bytes(struct.pack(">BBBB3I", 0, 0, 8, 3, 40, 7, 5) + pixels.tobytes())
    beside = folder / f"part{seed}-labels-idx1-ubyte"
    beside.write_bytes(struct.pack(">BBBBI", 0, 0, 8, 1, 40) + labels.tobytes())
    return path


def archive(folder: Path, seed: int) -> Path:
    """A .ts file: two channels of unequal lengths, with missing values."""
    cases = []
    for rows in long_rows(seed):
        cells = [row.split(",") for row in rows]
        channels = [",".join(cell[k] or "?" for cell in cells) for k in (2, 3)]
        cases.append(":".join([*channels, "a" if cells[0][4] == LABELS[0] else "b"]))
    path = folder / f"moves{seed}.ts"
    head = "@problemName moves\n@timeStamps false\n@missing true\n@univariate false\n@dimensions 2\n"
    path.write_text(f"{head}@equalLength false\n@classLabel true a b\n@data\n" + "\n".join(cases) + "\n")
    return path


def book(folder: Path, seed: int) -> Path:
    draw = np.random.default_rng(seed)
    words = [
        "the",
        "cat",
        "sat",
        "on",
        "a",
        "mat",
        "while",
        "seven",
        "old",
        "ships",
        "sailed",
        "past",
        "über",
        "漢字",
        "and",
        "nobody",
        "sang",
    ]
    lines = [" ".join(draw.choice(words, draw.integers(0, 9))) for _ in range(120)]
    path = folder / f"book{seed}.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def treebank(folder: Path, seed: int) -> Path:
    """CoNLL-U: sentences of 1 to 7 words; one has a multi-word token and an empty node."""
    draw = np.random.default_rng(seed)
    words = (("ich", "PRON"), ("sehe", "VERB"), ("漢字", "NOUN"), ("schön", "ADJ"), (".", "PUNCT"))
    lines = []
    for number in range(30):
        lines.append(f"# sent_id = s{number}")
        if number == 3:
            lines += ["1-2\tzum" + "\t_" * 8, "0.1\tleer" + "\t_" * 8]
        for place, k in enumerate(draw.integers(0, 5, draw.integers(2, 8) if number else 1), 1):
            word, tag = words[k]
            lines.append(f"{place}\t{word}\t_\t{tag}\t_\t_\t{place - 1}\tdep\t_\t_")
        lines.append("")
    path = folder / f"bank{seed}.conllu"
    path.write_text("\n".join(lines) + "\n")
    return path


def entities(folder: Path, seed: int) -> Path:
    """CoNLL columns: names of persons in BIO, and a day, so that no sentence is seen again."""
    draw = np.random.default_rng(seed)
    sentences = (("Anna B-PER", "Lee I-PER", "liest O"), ("nur O", "Ötzi B-PER"), ("Regen O",))
    lines = ["\n".join((*sentences[k], f"am{day} O")) for k, day in draw.integers(0, (3, 999), (40, 2))]
    path = folder / f"names{seed}.txt"
    path.write_text("\n\n".join(lines) + "\n")
    return path


def phases(folder: Path, seed: int) -> Path:
    """A long table with a tag in every row."""
    rows = [row for sequence in long_rows(seed) for row in sequence]
    tagged = [f"{row.rsplit(',', 1)[0]},{'hoch' if float(row.split(',')[2]) > 0 else 'tief'}" for row in rows]
    return write_long(folder / f"phases{seed}.csv", tagged, "id,step,x,y,tag")


SMALL = ("--hidden", 5, "--epochs", 2, "--batch-size", 8)
LANGUAGE = (*SMALL, "--embedding-size", 6, "--window", 20)

SAMPLES = {
    "classify a long table": Sample("classify", long_table, SMALL),
    "classify texts": Sample("classify", texts, SMALL),
    "classify recordings": Sample("classify", recordings, SMALL),
    "classify images": Sample("classify", images, SMALL),
    "classify a .ts file": Sample("classify", archive, SMALL),
    "regress a long table": Sample(
        "regress", lambda folder, seed: long_table(folder, seed, regress=True), SMALL
    ),
    "tag words": Sample("tag", treebank, SMALL),
    "tag entities": Sample("tag", entities, (*SMALL, "--crf")),
    "tag steps of a table": Sample("tag", phases, SMALL),
    "transcribe recordings": Sample("transcribe", spoken, (*SMALL, "--subsample", 2)),
    "language of characters": Sample("language", book, LANGUAGE),
    "language of words": Sample("language", book, (*LANGUAGE, "--tokens", "words")),
    "language of byte pairs": Sample("language", book, (*LANGUAGE, "--tokens", "bpe", "--most-symbols", 300)),
}
