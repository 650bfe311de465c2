"""IDX: what is written comes back in every type and shape; headers that do not fit are refused."""

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.files.refusing import refused
from unrolled.errors import ConfigError, DataError
from unrolled.files.idx import read_array
from unrolled.files.query import Query
from unrolled.files.reading import read_sequences

CODES = {"u1": 8, "i1": 9, ">i2": 11, ">i4": 12, ">f4": 13, ">f8": 14}
IMAGES = np.arange(30, dtype="u1").reshape(5, 3, 2)


def idx(values) -> bytes:
    code = CODES[values.dtype.str.lstrip("|")]
    return struct.pack(f">HBB{values.ndim}I", 0, code, values.ndim, *values.shape) + values.tobytes()


@pytest.fixture
def images(tmp_path):
    """5 images of 3 rows, and their labels beside them."""
    (tmp_path / "some-labels-idx1-ubyte").write_bytes(idx(np.array([3, 0, 3, 1, 0], "u1")))
    path = tmp_path / "some-images-idx3-ubyte"
    path.write_bytes(idx(IMAGES))
    return path


def test_images_are_sequences_of_rows(images):
    data = read_sequences(images)
    assert np.array_equal(data.inputs, IMAGES) and data.inputs[0].dtype == np.uint8
    assert data.features == ("column1", "column2") and data.answers == ("3", "0", "3", "1", "0")
    assert data.names == ("1", "2", "3", "4", "5") and data.places[3] == f"{images}, image 4 of 5"
    assert data.notes == ("answers: some-labels-idx1-ubyte",)


@pytest.mark.parametrize("shape, wanted", [((4, 3), (3, 1)), ((2, 3, 5), (3, 5)), ((2, 3, 4, 2), (3, 8))])
def test_further_dimensions_make_longer_rows(tmp_path, shape, wanted):
    values = np.arange(0, 300 * np.prod(shape), 300).astype(">i2").reshape(shape)
    (tmp_path / "x").write_bytes(idx(values))
    data = read_sequences(tmp_path / "x", Query(answers=False))
    assert data.answers is None and data.inputs[1].shape == wanted
    assert np.array_equal(data.inputs[1].ravel(), values[1].ravel())


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from(sorted(CODES)), st.booleans())
def test_every_type_comes_back(tmp_path_factory, data, kind, packed):
    shape = data.draw(arrays.array_shapes(max_dims=4, max_side=5, min_side=0))
    values = data.draw(
        arrays.arrays(kind, shape, elements={"allow_infinity": False} if "f" in kind else None)
    )
    path = tmp_path_factory.mktemp("idx") / "x"
    path.write_bytes(gzip.compress(idx(values)) if packed else idx(values))
    read = read_array(path, "a file")
    assert read.dtype == values.dtype.newbyteorder("=") and np.array_equal(
        read, values, equal_nan="f" in kind
    )


def test_labels_may_be_named_and_packed(images):
    other = images.with_name("odd.gz")
    other.write_bytes(gzip.compress(idx(np.array([-1.5, 2, 0, 7, 1e9], ">f8"))))
    data = read_sequences(images, Query(labels=other))
    assert data.answers == (
        "-1.5",
        "2.0",
        "0.0",
        "7.0",
        "1000000000.0",
    )
    images.with_name("some-labels-idx1-ubyte").unlink()
    assert "there is no some-labels-idx1-ubyte beside it" in refused(images)
    other.rename(images.with_name("some-labels-idx1-ubyte.gz"))
    assert read_sequences(images).answers[0] == "-1.5"


WRONG_LABELS = {
    "fewer": (np.zeros(4, "u1"), "4 labels for the 5 images of"),
    "one": (np.zeros(1, "u1"), "1 label for the 5 images of"),
    "images": (IMAGES, "holds values of sizes 5 x 3 x 2; wanted one label an image"),
    "missing": (np.array([0, 1, np.nan, 2, 3], ">f4"), "label 3 is missing"),
}


@pytest.mark.parametrize("case", WRONG_LABELS)
def test_labels_that_do_not_belong_are_refused(images, case):
    values, said = WRONG_LABELS[case]
    path = images.with_name("other")
    path.write_bytes(idx(values))
    message = refused(images, labels=path)
    assert said in message and str(path) in message


WHOLE = idx(IMAGES)
WRONG = {
    "empty values": (idx(IMAGES[:0]), "sizes 0 x 3 x 2"),
    "labels": (idx(IMAGES[0, 0]), "holds values of sizes 2; wanted images"),
    "cut off": (WHOLE[:-1], "the header says sizes 5 x 3 x 2, 30 bytes, and 29 follow"),
    "too long": (WHOLE + b"\0", "30 bytes, and more follow"),
    "cut header": (WHOLE[:9], "the header is cut off (wanted 3 sizes, got 5 bytes)"),
    "no dimension": (b"\0\0\x08\0", "the header is cut off (wanted 0 sizes"),
    "greater than any file": (b"\0\0\x0e\x03" + b"\xff" * 12, "and fewer follow"),
    "infinite": (idx(np.array([[1, np.inf]], ">f4")), "value 2 is infinite"),
    "packed and cut off": (gzip.compress(WHOLE)[:-9], "damaged gzip file"),
    "packed with a wrong sum": (gzip.compress(WHOLE)[:-8] + b"12345678", "damaged gzip file"),
    "packed table": (gzip.compress(b"a,b\n1,2\n"), "wanted a column that tells which rows are one sequence"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_header_that_does_not_fit_is_refused(tmp_path, case):
    content, said = WRONG[case]
    path = tmp_path / "x"
    path.write_bytes(content)
    message = refused(path, answers=False)
    assert message.startswith(f"{path}: ") and said in message


def test_no_more_is_unpacked_than_the_header_asks_for(tmp_path, monkeypatch):
    path, asked = tmp_path / "x", []
    path.write_bytes(gzip.compress(WHOLE + bytes(10_000_000)))
    read = gzip.GzipFile.read
    monkeypatch.setattr(gzip.GzipFile, "read", lambda file, size: asked.append(size) or read(file, size))
    with pytest.raises(DataError, match="30 bytes, and more follow"):
        read_array(path, "a file")
    assert asked == [4, 12, 31]


def test_columns_cannot_be_named(images):
    assert refused(images, ConfigError, id="x") == "id='x': an IDX file takes 'labels'; leave it out"
