"""Small files that declare random, often huge sizes: each is read, or refused by one DataError of one line,
and neither takes more memory than the limit on values allows.

    python scripts/fuzz_bombs.py --cases 200 --seed 1

Each case runs in a process of its own, whose greatest memory is read when it ends. A short form is in
tests/files/test_limits.py, which knows what each kind is refused with.
"""

import argparse
import gzip
import multiprocessing
import random
import resource
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from unrolled.errors import DataError
from unrolled.files.limits import set_most_values
from unrolled.files.pairs import read_pairs
from unrolled.files.query import Query
from unrolled.files.reading import read_sequences
from unrolled.files.series import read_series
from unrolled.files.tagging import read_tagged

MOST_VALUES = 1 << 22
# A value is 8 bytes; a table stands three times while it changes hands, and as Python's objects once.
MOST_BYTES = 400 * 2**20 + MOST_VALUES * 8 * 8


def parquet(path: Path, draw: random.Random) -> None:
    """Equal values, which take no room in the file: numbers, texts, lists."""
    rows, columns = int(10 ** draw.uniform(0, 8)), int(10 ** draw.uniform(0, 2))
    rows = min(rows, 10**8 // columns)
    values = {
        "numbers": lambda: pl.repeat(1.5, rows, eager=True),
        "texts": lambda: pl.repeat("a" * int(10 ** draw.uniform(0, 5)), min(rows, 10**6), eager=True),
        "lists": lambda: pl.Series([[0.5] * int(10 ** draw.uniform(0, 6))] * min(rows, 5)),
        "counts": lambda: pl.Series(np.arange(min(rows, 10**7))),
    }
    made = {f"c{c}": values[draw.choice(list(values))]() for c in range(columns)}
    least = min(map(len, made.values()))
    frame = pl.DataFrame({name: one.head(least) for name, one in made.items()})
    names = draw.sample(["id", "text", "source", "word", "label", "time"], min(columns, 3))
    frame.rename(dict(zip(frame.columns, names, strict=False))).write_parquet(path)


def idx(path: Path, draw: random.Random) -> None:
    """Zeros, which gzip packs a thousandfold; the sizes are true, or are not."""
    sizes = [int(10 ** draw.uniform(0, 4)) for _ in range(draw.randint(1, 3))]
    said = [draw.choice([size, 2**31]) if draw.random() < 0.1 else size for size in sizes]
    with gzip.open(path, "wb", 1) as file:
        file.write(bytes([0, 0, draw.choice([8, 14]), len(said)]) + struct.pack(f">{len(said)}I", *said))
        for _ in range(min(200, int(np.prod(sizes)) >> 20)):
            file.write(bytes(1 << 20))


def sparse(path: Path, draw: random.Random) -> None:
    """A file with a sound beginning whose rest is a hole."""
    with path.open("wb") as file:
        file.write(draw.choice([b"id,x,label\na,1,b\n", b"RIFF", b"PAR1", b"@problemname x\n"]))
        file.truncate(int(10 ** draw.uniform(1, 12)))


def wide(path: Path, draw: random.Random) -> None:
    """A CSV of many columns."""
    columns = int(10 ** draw.uniform(0, 6))
    path.write_text(",".join(f"c{c}" for c in range(columns)) + "\n" + "1," * (columns - 1) + "1\n")


MAKERS: dict[str, Callable[[Path, random.Random], None]] = {
    ".parquet": parquet,
    "-images-idx3-ubyte.gz": idx,
    ".csv": wide,
    ".ts": sparse,
    ".wav": sparse,
    ".tsv": sparse,
}
READERS: dict[str, Callable[[Path], object]] = {
    "sequences": lambda path: read_sequences(path, Query(answers=False)),
    "series": lambda path: read_series(path, Query(targets=(), time="rows")),
    "pairs": lambda path: read_pairs(path, Query(answers=False)),
    "tagged": lambda path: read_tagged(path, Query(answers=False)),
}


def attempt(path: Path, reader: str, answer: "multiprocessing.Queue[tuple[str, int]]") -> None:
    """What came of it, and the process' greatest memory, its own and its children's."""
    set_most_values(MOST_VALUES)
    try:
        READERS[reader](path)
        said = "read"
    except DataError as error:
        said = "refused" if "\n" not in str(error) else f"more than a line: {error}"
    except BaseException as error:
        said = f"{type(error).__name__}: {error}"
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    answer.put((said, max(resource.getrusage(kind).ru_maxrss for kind in kinds) * 1024))


def main() -> None:
    """Exit status 1 where a case failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    outcomes, failed, greatest, begun = dict[str, int](), 0, 0, time.monotonic()
    for number in range(asked.cases):
        draw = random.Random(f"{asked.seed} {number}")
        ending, reader = draw.choice(list(MAKERS)), draw.choice(list(READERS))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"bomb{ending}"
            # A process begins with its parent's greatest memory, so this one makes no files.
            maker = spawn.Process(target=MAKERS[ending], args=(path, draw))
            maker.start()
            maker.join()
            answer = spawn.Queue()
            process = spawn.Process(target=attempt, args=(path, reader, answer))
            process.start()
            process.join(120)
            said, most = answer.get(timeout=1) if process.exitcode == 0 else (f"status {process.exitcode}", 0)
            process.kill()
        outcomes[said] = outcomes.get(said, 0) + 1
        greatest = max(greatest, most)
        if said not in ("read", "refused") or most > MOST_BYTES:
            failed += 1
            print(f"{ending} by {reader}, seed {asked.seed}, case {number}: {said}, {most / 2**20:,.0f} MiB")
    print(f"{outcomes}; at most {greatest / 2**20:,.0f} MiB; {time.monotonic() - begun:.0f} s")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
