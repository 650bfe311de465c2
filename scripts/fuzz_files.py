"""Damages sound files of every format at random: each is read, or refused by one DataError of one line.

    python scripts/fuzz_files.py --cases 20000 --seed 1
    python scripts/fuzz_files.py --formats ts wav

A case is told by its format, seed and number, so that a failure can be repeated. A short form is in
tests/files/test_fuzz.py. A format is added as a row of FORMATS: a sound file, and what reads it.
"""

import argparse
import collections
import datetime
import gzip
import importlib.util
import io
import random
import struct
import sys
import tempfile
import time
import wave
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from PIL import Image

from unrolled.decoding.lexicon import Lexicon, read_words
from unrolled.errors import DataError
from unrolled.files import captioned
from unrolled.files.captions import read_captioned
from unrolled.files.examples import Sequences
from unrolled.files.pairs import read_pairs
from unrolled.files.query import Query
from unrolled.files.reading import read_sequences
from unrolled.files.series import read_series
from unrolled.files.tagging import read_tagged


class Format(NamedTuple):
    """`sound()` is the content of a file with this ending, `read(path)` reads one and asserts what holds."""

    ending: str
    sound: Callable[[], bytes]
    read: Callable[[Path], object]


def sound_frame() -> pl.DataFrame:
    """Two series of 40 hours with a gap, a covariate, a known-future covariate and quoted text."""
    hours = [datetime.datetime(2024, 3, 30) + datetime.timedelta(hours=h) for h in range(41) if h != 7]
    rows = [
        (shop, hour, None if h > 36 else h * 1.25 - 3, h % 5, h % 2, f'say "{h}",\n{shop};')
        for h, hour in enumerate(hours)
        for shop in ("nörd", "süd")
    ]
    return pl.DataFrame(rows, schema=["shop", "date", "sales", "price", "promo", "remark"], orient="row")


def series_csv() -> bytes:
    return as_csv(sound_frame())


def german_csv() -> bytes:
    """The same as people write it: newest first, days first, decimal commas, percents, money and truths."""
    frame = sound_frame().reverse()
    sales = [
        None if y is None else f"{1000 * y:,.2f} €".translate(str.maketrans(",.", ".,"))
        for y in frame["sales"]
    ]
    return (
        frame.with_columns(
            pl.Series("sales", sales),
            pl.col("date").dt.strftime("%d.%m.%Y %I:%M %p"),
            price=pl.format("{},5 %", "price"),
            promo=pl.when(pl.col("promo") == 1).then(pl.lit("yes")).otherwise(pl.lit("no")),
        )
        .write_csv(separator=";")
        .encode()
    )


def as_csv(frame: pl.DataFrame) -> bytes:
    memory = io.BytesIO()
    frame.write_csv(memory, datetime_format="%Y-%m-%dT%H:%M:%S")
    return memory.getvalue()


def as_parquet(frame: pl.DataFrame) -> bytes:
    memory = io.BytesIO()
    frame.write_parquet(memory)
    return memory.getvalue()


def long_frame() -> pl.DataFrame:
    """Three sequences of mixed rows, with times, a missing value and text that is no feature."""
    rows = [
        (f"sé{n % 3}", 50 - n, None if n == 4 else n / 3, n * n, f'"{n}",\n', "ab"[n % 3 % 2])
        for n in range(20)
    ]
    return pl.DataFrame(rows, schema=["id", "time", "x", "y", "remark", "label"], orient="row")


def transcripts_frame() -> pl.DataFrame:
    """The same with a transcript in each row, of one sequence an empty one."""
    said = pl.col("label").replace({"a": "né o", "b": ""})
    return long_frame().with_columns(said.alias("transcript")).drop("label")


def texts_csv() -> bytes:
    rows = [("Guten Tag, 世界", "ä"), ('say "x"\nand go', "b"), (" NA ", "ä"), ("🙂" * 9, "b")]
    return as_csv(pl.DataFrame(rows, schema=["text", "label"], orient="row"))


def idx(values: np.ndarray, code: int) -> bytes:
    return struct.pack(f">HBB{values.ndim}I", 0, code, values.ndim, *values.shape) + values.tobytes()


def images() -> bytes:
    return idx(np.arange(30, dtype=">f4").reshape(5, 3, 2), 13)


def sound_wav() -> bytes:
    memory = io.BytesIO()
    with wave.open(memory, "wb") as file:
        file.setparams((2, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(range(48)))
    return memory.getvalue()


def piped_wav() -> bytes:
    """Floats of two channels in two chunks, the second without its size, and one of RF64 before them."""
    form = struct.pack("<HHIIHH", 3, 2, 8000, 64000, 8, 32)
    values = np.linspace(-1, 1, 24, dtype="<f4").tobytes()
    chunks = [b"ds64" + struct.pack("<IQQQ", 24, 0, 0, 0), b"fmt " + struct.pack("<I", 16) + form]
    chunks += [b"data" + struct.pack("<I", 48) + values[:48], b"data" + b"\xff" * 4 + values[48:]]
    return b"RF64" + b"\xff" * 4 + b"WAVE" + b"".join(chunks)


def encoded(form: str, subtype: str) -> Callable[[], bytes]:
    """A recording as libsndfile writes it."""

    def sound() -> bytes:
        import soundfile

        memory = io.BytesIO()
        values = np.sin(np.arange(3000) / 7).reshape(1500, 2) / 2
        soundfile.write(memory, values, 8000, format=form, subtype=subtype)
        return memory.getvalue()

    return sound


SOUND_TS = """# made by hand
@problemName Waves
@timeStamps false
@missing true
@univariate false
@dimensions 2
@equalLength false
@classLabel true calm störm 3
@data
0.5,?,-1e1:2,2.5,.5:störm
NaN:7:calm
1,2,3,4:5,6,7,8:3
"""
SOUND_TIMED_TS = """@timeStamps true
@univariate true
@equalLength true
@seriesLength 2
@targetLabel true
@data
(2016-01-11 17:00:00,1.5),(2016-01-11 18:00:00,2):-0.25
(1,5),(2.5,?) : 3e2
"""

SOUND_CONLL = """-DOCSTART- -X- O

# a comment of more words
EU NNP B-ORG
rejects VBZ O
bœuf NN B-MISC

# # O
"""
SOUND_CONLLU = """# sent_id = first
1-2	Vámonos	_	_	_	_	_	_	_	_
1	Vamos	ir	VERB	V	Mood=Imp	0	root	_	_
2	nos	nosotros	PRON	P	_	1	obj	_	_
2.1	gone	go	VERB	_	_	_	_	1:x	_
3	mar	mar	NOUN	N	_	1	obl	_	_

1	Sí	sí	INTJ	I	_	0	root	_	_

"""
SOUND_TRANSCRIPTS = """path,speaker,text
a.wav,x,"say ""one"", ä"
sub/../a.wav,y,""
a.wav,x,NA
"""
SOUND_TAGS = """sentence,step,word,x,tag
a,1,The,0.5,DET
a,2,"cat, ""she"" is",-1e3,NOUN
b,1,null,,X
b,2,löuft,7,VERB
"""


def check(data: Sequences) -> None:
    """What is true of all sequences of numbers and texts."""
    assert len(data.inputs) == len(data.names) == len(data.places) == len(data.answers or data.names) > 0
    for one in data.inputs:
        if isinstance(one, str):
            assert one.strip() and data.is_text
        else:
            assert one.ndim == 2 and len(one) and one.shape[1] == len(data.features) > 0
            assert not np.isinf(one).any()
    data.checksum()


def read_shops(path: Path) -> None:
    file = read_series(
        path, Query(targets=("sales",), time="date", id="shop", past=("price",), future=("promo",), gaps=True)
    )
    for series in file.series:
        assert len(series.times) == len(series.future) and len(series.target) == len(series.past)


def read_any(path: Path) -> None:
    check(read_sequences(path))


def read_images(path: Path) -> None:
    check(read_sequences(path, Query(answers=False)))


def read_labels(path: Path) -> None:
    beside = path.with_name("images")
    beside.write_bytes(images())
    check(read_sequences(beside, Query(labels=path)))


def read_recording(path: Path) -> None:
    beside = path.with_name("list.csv")
    beside.write_text(f"path,label\n{path.name},yes\n")
    check(read_sequences(beside))


def read_list(path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        path.with_name(name).write_bytes(sound_wav())
    check(read_sequences(path))


def read_transcripts(path: Path) -> None:
    data = read_sequences(path, Query(transcripts=True))
    check(data)
    assert all(one == one.strip() for one in data.answers or ())


def read_spoken(path: Path) -> None:
    path.with_name("a.wav").write_bytes(sound_wav())
    read_transcripts(path)


def read_tags(path: Path, **columns: str | tuple[str, ...]) -> None:
    data = read_tagged(path, Query(**columns))
    pairs = zip(data.inputs, data.answers or (), strict=True)
    assert all(len(x) == len(tags) > 0 for x, tags in pairs)
    data.checksum()


def read_both_sides(path: Path, beside: bytes | None = None) -> None:
    other = path.with_name("targets.txt")
    if beside is not None:
        other.write_bytes(beside)
    data = read_pairs(path if beside is None else [path, other])
    assert data.answers is not None and len(data) == len(data.answers) == len(data.places) > 0
    assert all(text.strip() for text in (*data.inputs, *data.answers))
    data.checksum()


def read_line_by_line(path: Path) -> None:
    read_both_sides(path, b"eins\nzwei\nd\xc3\xbcrfte\n")


def read_word_tags(path: Path) -> None:
    read_tags(path, id="sentence", time="step", text="word", target="tag")


def read_number_tags(path: Path) -> None:
    read_tags(path, id="sentence", time="step", features=("x",), target="tag")


def read_lexicon(path: Path) -> None:
    words = read_words(path)
    assert words and all(len(word.split()) == 1 and line > 0 for word, line in words.items())
    symbols = ("", *sorted(set("".join(words))))
    lexicon = Lexicon.spelled(symbols, words, str(path))
    assert all(lexicon.accepts(map(symbols.index, word)) for word in words)


def sound_picture(format: str) -> bytes:
    memory = io.BytesIO()
    levels = np.arange(15 * 11 * 3, dtype=np.uint32) ** 2 % 251
    Image.fromarray(levels.astype(np.uint8).reshape(15, 11, 3)).save(memory, format)
    return memory.getvalue()


def captions_csv() -> bytes:
    rows = [("a.png", "ein Würfel"), ("b.jpg", 'say "two",\nor three'), ("a.png", "ein roter Würfel")]
    return as_csv(pl.DataFrame(rows, schema=["image", "caption"], orient="row"))


def strokes_csv() -> bytes:
    rows = [(f"{n % 3}", 9 - n, "abc"[n % 3], n % 3 / 7, n / 3, -n) for n in range(9)]
    return as_csv(pl.DataFrame(rows, schema=["id", "step", "class", "slant", "x", "y"], orient="row"))


def check_captioned(data: captioned.Captioned) -> None:
    assert len(data) == len(data.names) == len(data.places) == len(data.answers or data.names) > 0
    for one in data.inputs:
        values = one.numbers if isinstance(one, captioned.Attributes) else one
        assert np.isfinite(values).all() and (not data.is_pictures or (values.ndim == 3 and values.size))
    for one in data.answers or ():
        assert one and all(isinstance(a, str) or (len(a) and np.isfinite(a).all()) for a in one)
    data.checksum()


def read_picture(path: Path) -> None:
    beside = path.with_name("list.csv")
    beside.write_text(f"image,caption\n{path.name},this\n{path.name},that\n")
    check_captioned(read_captioned(beside, Query()))


def read_pictures(path: Path) -> None:
    for name, format in (("a.png", "PNG"), ("b.jpg", "JPEG")):
        path.with_name(name).write_bytes(sound_picture(format))
    check_captioned(read_captioned(path, Query()))


def read_strokes(path: Path) -> None:
    asked = Query(id="id", time="step", label="class", features=("slant",), targets=("x", "y"))
    check_captioned(read_captioned(path, asked))


FORMATS = {
    "csv": Format("csv", series_csv, read_shops),
    "csv-german": Format("csv", german_csv, read_shops),
    "csv-gzip": Format("csv.gz", lambda: gzip.compress(series_csv(), mtime=0), read_shops),
    "parquet": Format("parquet", lambda: as_parquet(sound_frame()), read_shops),
    "long": Format("csv", lambda: as_csv(long_frame()), read_any),
    "texts": Format("csv", texts_csv, read_any),
    "idx": Format("idx3-ubyte", images, read_images),
    "idx-gzip": Format("gz", lambda: gzip.compress(images(), mtime=0), read_images),
    "idx-labels": Format("idx1-ubyte", lambda: idx(np.arange(5, dtype="u1"), 8), read_labels),
    "ts": Format("ts", SOUND_TS.encode, read_any),
    "ts-timed": Format("ts", SOUND_TIMED_TS.encode, read_any),
    "wav": Format("wav", sound_wav, read_recording),
    "wav-piped": Format("wav", piped_wav, read_recording),
    "wav-list": Format("tsv", lambda: b"path\tlabel\na.wav\tyes\nb.wav\tno\na.wav\tno\n", read_list),
    "transcripts": Format("csv", lambda: as_csv(transcripts_frame()), read_transcripts),
    "wav-transcripts": Format("csv", lambda: SOUND_TRANSCRIPTS.encode(), read_spoken),
    "conll": Format("conll", SOUND_CONLL.encode, read_tags),
    "conllu": Format("conllu", SOUND_CONLLU.encode, read_tags),
    "tagged-words": Format("csv", SOUND_TAGS.encode, read_word_tags),
    "tagged-numbers": Format("csv", SOUND_TAGS.encode, read_number_tags),
    "png": Format("png", lambda: sound_picture("PNG"), read_picture),
    "jpeg": Format("jpg", lambda: sound_picture("JPEG"), read_picture),
    "captions": Format("csv", captions_csv, read_pictures),
    "strokes": Format("csv", strokes_csv, read_strokes),
    "pairs": Format("tsv", 'the "cat"\tkočka\nNA\t-1,5\nthe "cat"\tkot\n'.encode, read_both_sides),
    "pairs-csv": Format("csv", 'src,n,tgt\n"a, b",1,ä\n"say ""x""\nand",2,NA\n'.encode, read_both_sides),
    "pairs-lines": Format("txt", "one\n2\n3 ÿ\n".encode, read_line_by_line),
    "words": Format("txt", "\ufeffab\r\n\r\nné\n ab \n日本\n".encode, read_lexicon),
    "long-parquet": Format("parquet", lambda: as_parquet(long_frame()), read_any),
}
# Where the decoders are installed (the extra [audio]).
ENCODED = {
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "aiff": ("AIFF", "PCM_16"),
    "wav-adpcm": ("WAV", "IMA_ADPCM"),
}
if importlib.util.find_spec("soundfile"):
    FORMATS |= {
        kind: Format(kind.partition("-")[0], encoded(*how), read_recording) for kind, how in ENCODED.items()
    }


def damaged(data: bytes, generator: random.Random) -> bytes:
    """`data` after 1 to 5 changes: a byte set, a bit turned, bytes cut, put in or repeated, the end lost."""
    body = bytearray(data)
    for _ in range(generator.choice([1, 1, 1, 2, 5])):
        at = generator.randrange(len(body) + 1)
        if generator.random() < 0.3:  # Parquet keeps its metadata at the end, others at the beginning
            at = generator.choice([max(0, len(body) - generator.randrange(600)), min(at, 60)])
        some = generator.randrange(1, 20)
        change = generator.randrange(6)
        if change == 0:
            body[at : at + 1] = generator.choice(b'\0\r\n",;\t.-+0129naNif\xff\xc3:?@()#').to_bytes(1, "big")
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
    path = folder / f"case.{FORMATS[kind].ending}"
    path.write_bytes(data)
    try:
        FORMATS[kind].read(path)
    except DataError as error:
        message = str(error)
        if len(message.splitlines()) != 1 or not message.isprintable() or str(folder) not in message:
            raise AssertionError(f"not one line with the file's name: {message!r}") from error
        return message.replace(str(folder), "")
    return "read"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--cases", type=int, default=2000, help="files of each format")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--formats", nargs="+", choices=FORMATS, default=[*FORMATS])
    chosen = options.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        for kind in chosen.formats:
            data, taken, slowest = FORMATS[kind].sound(), collections.Counter(), 0.0
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
