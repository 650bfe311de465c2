"""Damages sound files of every format at random: each is read, or refused by one DataError of one line.

    python scripts/fuzz_files.py --cases 20000 --seed 1

A case is told by its format, seed and number, so that a failure can be repeated. A short form is in
tests/files/test_fuzz.py.
"""

import argparse
import collections
import datetime
import io
import random
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

from unrolled.errors import DataError
from unrolled.files.asked import Asked
from unrolled.files.series import read_series
from unrolled.files.tagging import read_tagged


def sound_frame() -> pl.DataFrame:
    """Two series of 40 hours with a gap, a covariate, a known-future covariate and quoted text."""
    hours = [datetime.datetime(2024, 3, 30) + datetime.timedelta(hours=h) for h in range(41) if h != 7]
    rows = [
        (shop, hour, None if h > 36 else h * 1.25 - 3, h % 5, h % 2, f'say "{h}",\n{shop};')
        for h, hour in enumerate(hours)
        for shop in ("nörd", "süd")
    ]
    return pl.DataFrame(rows, schema=["shop", "date", "sales", "price", "promo", "remark"], orient="row")


def sound_files() -> dict[str, bytes]:
    frame, csv, parquet = sound_frame(), io.BytesIO(), io.BytesIO()
    frame.write_csv(csv, datetime_format="%Y-%m-%dT%H:%M:%S")
    frame.write_parquet(parquet)
    tagged = {kind: text.encode() for kind, (text, _, _) in TAGGED.items()}
    return {"csv": csv.getvalue(), "parquet": parquet.getvalue()} | tagged


CONLL = """-DOCSTART- -X- O

# a comment of more words
EU NNP B-ORG
rejects VBZ O
bœuf NN B-MISC

# # O
"""
CONLLU = """# sent_id = first
1-2	Vámonos	_	_	_	_	_	_	_	_
1	Vamos	ir	VERB	V	Mood=Imp	0	root	_	_
2	nos	nosotros	PRON	P	_	1	obj	_	_
2.1	gone	go	VERB	_	_	_	_	1:x	_
3	mar	mar	NOUN	N	_	1	obl	_	_

1	Sí	sí	INTJ	I	_	0	root	_	_

"""
LONG_TAGS = """sentence,step,word,x,tag
a,1,The,0.5,DET
a,2,"cat, ""she"" is",-1e3,NOUN
b,1,null,,X
b,2,löuft,7,VERB
"""
# Formats of tagged sequences: the sound file, its ending, and the names of columns.
TAGGED = {
    "conll": (CONLL, "conll", Asked()),
    "conllu": (CONLLU, "conllu", Asked()),
    "tagged words": (LONG_TAGS, "csv", Asked(id="sentence", time="step", text="word", target="tag")),
    "tagged numbers": (LONG_TAGS, "csv", Asked(id="sentence", time="step", features=("x",), target="tag")),
}


def damaged(data: bytes, generator: random.Random) -> bytes:
    """`data` after 1 to 5 changes: a byte set, a bit turned, bytes cut, put in or repeated, the end lost."""
    body = bytearray(data)
    for _ in range(generator.choice([1, 1, 1, 2, 5])):
        at = generator.randrange(len(body) + 1)
        if generator.random() < 0.3:  # Parquet keeps its metadata at the end
            at = max(0, len(body) - generator.randrange(600))
        some = generator.randrange(1, 20)
        change = generator.randrange(6)
        if change == 0:
            body[at : at + 1] = generator.choice(b'\0\r\n",;\t.-+0129naNif\xff\xc3').to_bytes(1, "big")
        elif change == 1 and at < len(body):
            body[at] ^= 1 << generator.randrange(8)
        elif change == 2:
            del body[at : at + some]
        elif change == 3:
            body[at:at] = generator.randbytes(some)
        elif change == 4:
            body[at:at] = body[at : at + some * 10]
        elif generator.random() < 0.2:
            del body[at:]
    return bytes(body)


def read_case(folder: Path, kind: str, data: bytes) -> str:
    """How a file was taken: "read", or the message of its DataError. All else that is raised is a failure."""
    path = folder / f"case.{TAGGED[kind][1] if kind in TAGGED else kind}"
    path.write_bytes(data)
    try:
        read_tagged_case(path, TAGGED[kind][2]) if kind in TAGGED else read_series_case(path)
    except DataError as error:
        message = str(error)
        if "\n" in message or str(path) not in message:
            raise AssertionError(f"not one line with the file's name: {message!r}") from error
        return message.replace(str(path), "")
    return "read"


def read_series_case(path: Path) -> None:
    file = read_series(
        path, targets=["sales"], time="date", id="shop", past=["price"], future=["promo"], gaps="linear"
    )
    for series in file.series:
        if len(series.times) != len(series.future) or len(series.target) != len(series.past):
            raise AssertionError("parts of unequal length")


def read_tagged_case(path: Path, asked: Asked) -> None:
    data = read_tagged(path, asked)
    parts = data.inputs, data.tags or (), data.lines
    if any(not len(x) == len(tags) == len(lines) > 0 for x, tags, lines in zip(*parts, strict=True)):
        raise AssertionError("parts of unequal length, or of none")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--cases", type=int, default=2000, help="files of each format")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--formats", nargs="+", default=list(sound_files()))
    chosen = options.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        for kind in chosen.formats:
            data, taken, slowest = sound_files()[kind], collections.Counter(), 0.0
            for number in range(chosen.cases):
                generator = random.Random(f"{chosen.seed} {number}")
                begin = time.perf_counter()
                try:
                    said = read_case(Path(folder), kind, damaged(data, generator))
                except BaseException as error:
                    if isinstance(error, KeyboardInterrupt):
                        raise
                    failures += 1
                    said = f"FAILED {type(error).__name__}"
                    print(f"{kind} seed {chosen.seed} case {number}: {type(error).__name__}: {error}")
                slowest = max(slowest, time.perf_counter() - begin)
                taken[said.partition(":")[2][:60] or said] += 1
            print(f"{kind}: {chosen.cases} cases, slowest {slowest:.2f} s")
            for said, number in taken.most_common(15):
                print(f"{number:8d}  {said}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
