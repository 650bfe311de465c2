"""Files that declare more than may be read are refused before the memory is taken, and read where the limit
is raised. Each file here is small; what it declares is not."""

import gzip
import io
import struct
import tracemalloc
import wave

import numpy as np
import polars as pl
import pytest

from unrolled.errors import ConfigError, DataError
from unrolled.files import limits
from unrolled.files.captions import read_captioned
from unrolled.files.idx import read_idx
from unrolled.files.limits import set_most_values
from unrolled.files.pairs import read_pairs
from unrolled.files.query import Query
from unrolled.files.reading import read_sequences
from unrolled.files.series import read_series
from unrolled.files.table import open_table
from unrolled.files.tagging import read_tagged
from unrolled.files.text import open_text


@pytest.fixture(autouse=True)
def limit():
    """A small one, so that the tests are quick."""
    yield set_most_values(100_000)
    set_most_values(limits.MOST_VALUES)


def parquet(path, **columns):
    pl.DataFrame(columns).write_parquet(path)
    return path


def packed(path, data):
    path.write_bytes(gzip.compress(data))
    return path


def idx(path, *sizes):
    with gzip.open(path, "wb") as file:
        file.write(bytes([0, 0, 8, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes))
        file.write(bytes(min(10**6, int(np.prod(sizes)))))
    return path


def recording(path, samples):
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 1, 8000, 0, "NONE", ""))
        file.writeframes(bytes(samples))
    return path


def tabled(path, text):
    path.write_text(text)
    return path


def recordings(folder):
    recording(folder / "a.wav", 40_000)
    return tabled(folder / "list.csv", "path,label\n" + "a.wav,x\n" * 20)


def pictures(folder):
    from PIL import Image

    for name in "abc":
        Image.new("RGB", (400, 400)).save(folder / f"{name}.png")
    return tabled(folder / "list.csv", "image,caption\na.png,x\nb.png,y\nc.png,z\n")


BOMBS = {
    "rows": (lambda f: parquet(f / "t.parquet", x=np.zeros(200_000)), open_table, "200,000 rows of 1 column"),
    "columns": (
        lambda f: parquet(f / "t.parquet", **{f"c{i}": [1.0] for i in range(30)}),
        open_table,
        "1 row of 30 columns",
    ),
    "texts": (
        lambda f: parquet(f / "t.parquet", x=["a" * 10**6] * 5),
        open_table,
        "5 rows of 1 column with 5,000,000 bytes of text",
    ),
    "csv columns": (
        lambda f: tabled(f / "t.csv", ",".join(map(str, range(30))) + "\n" + "1," * 29 + "1\n"),
        open_table,
        "2 rows of 30 columns",
    ),
    "csv of nothing": (lambda f: tabled(f / "t.csv", "\0" * 10**6), open_table, "its 1,000,000 bytes"),
    "packed csv": (
        lambda f: packed(f / "t.csv.gz", b"x\n" + b"1\n" * 3_000_000),
        open_table,
        "its 1,048,576 or more bytes, unpacked,",
    ),
    "idx": (
        lambda f: idx(f / "images-idx3-ubyte.gz", 1, 1000, 1000),
        lambda p: read_idx(p, Query(answers=False)),
        "values of sizes 1 x 1000 x 1000",
    ),
    "idx of many": (
        lambda f: idx(f / "images-idx3-ubyte.gz", 5_000, 2, 2),
        lambda p: read_idx(p, Query(answers=False)),
        "values of sizes 5000 x 2 x 2",
    ),
    "sequences": (
        lambda f: parquet(f / "t.parquet", id=np.arange(3_000), x=np.zeros(3_000), label=["a"] * 3_000),
        read_sequences,
        "3,000 sequences",
    ),
    "series": (
        lambda f: parquet(
            f / "t.parquet", id=np.arange(4_000) // 2, t=np.arange(4_000) % 2, x=np.zeros(4_000)
        ),
        lambda p: read_series(p, Query(targets="x", time="t", id="id")),
        "2,000 sequences",
    ),
    "text rows": (
        lambda f: parquet(f / "t.parquet", text=["a"] * 3_000, label=["b"] * 3_000),
        read_sequences,
        "3,000 texts",
    ),
    "pairs": (
        lambda f: parquet(f / "t.parquet", source=["a"] * 3_000, target=["b"] * 3_000),
        read_pairs,
        "3,000 pairs",
    ),
    "tags": (
        lambda f: parquet(f / "t.parquet", id=np.arange(3_000), word=["a"] * 3_000, tag=["b"] * 3_000),
        lambda p: read_tagged(p, Query()),
        "3,000 sequences",
    ),
    "one recording often": (recordings, read_sequences, "features of recordings"),
    "samples": (
        lambda f: recording(f / "a.wav", 150_000),
        lambda p: read_sequences(p, Query(answers=False)),
        "150,000 frames of 1 channel",
    ),
    "pictures": (pictures, lambda p: read_captioned(p, Query()), "960,000 bytes of pictures"),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_small_file_that_declares_much_is_refused_and_read_where_the_limit_is_raised(kind, tmp_path):
    make, read, said = BOMBS[kind]
    path = make(tmp_path)
    tracemalloc.start()
    with pytest.raises(DataError) as error:
        read(path)
    assert tracemalloc.get_traced_memory()[1] < 40 * 10**6
    tracemalloc.stop()
    message = str(error.value)
    assert said in message and "at most 100,000 are read" in message and "\n" not in message
    while message:  # what several files come to is known only once they are read
        set_most_values(int(message.partition("--most-values ")[2].split()[0]))
        try:
            read(path)
            message = ""
        except DataError as other:
            message = str(other)
            assert "at most" in message or kind == "csv of nothing"
            message = message if "at most" in message else ""


def test_columns_of_lists_are_not_read_and_keep_their_type():
    frame = pl.DataFrame({"x": [1.0, 2.0], "many": [[1.0], [2.0, 3.0]]})
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    from unrolled.files.parquet import read_parquet

    found = read_parquet("t.parquet", buffer.getvalue())
    assert found["x"].to_list() == [1.0, 2.0]
    assert found.schema == frame.schema and found["many"].null_count() == 2


def test_text_may_be_larger_than_the_limit_as_it_is_never_held(tmp_path):
    assert len(open_text(tabled(tmp_path / "a.txt", "ab\n" * 400_000))) == 1_200_000


def test_a_limit_is_one_or_more():
    with pytest.raises(ConfigError, match="wanted 1 or more, got 0"):
        set_most_values(0)
