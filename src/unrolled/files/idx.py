"""Images and their labels in IDX files, each image a sequence of its rows.

    0 0 type dimensions | a size of 4 bytes for each dimension | the values        all big endian

N images of R rows and C columns -> N sequences (R, C); (N, R) -> (R, 1); further dimensions make longer rows.
The file may be compressed with gzip: no more is unpacked than the header asks for.

Source   LeCun, Cortes and Burges, The MNIST database of handwritten digits (1998): "the IDX file format"
"""

import gzip
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError
from unrolled.files.examples import Sequences
from unrolled.files.formats import IDX_TYPES, is_idx_start
from unrolled.files.limits import require_few
from unrolled.files.messages import counted, option
from unrolled.files.opening import GZIP, read_bytes, unpacking
from unrolled.files.query import Query

_DENSEST = 1032  # bytes that a byte of gzip can stand for, at most


def read_idx(path: Path, query: Query) -> Sequences:
    """The images of a file; their answers are in the file that `query` names, or the one of the usual name
    beside it (…-images-idx3-ubyte, …-labels-idx1-ubyte). DataError of one line for whatever is wrong."""
    query.only("an IDX file", "labels")
    images = read_array(path, "an IDX file of images")
    if images.ndim < 2 or not images.size:
        raise DataError(
            f"{path}: holds values of sizes {_sizes(images.shape)}; wanted images x rows x columns, none of "
            "them 0; give the file of the images"
        )
    N, R = images.shape[:2]
    images = images.reshape(N, R, -1)
    answers, notes = None, []
    if query.labels is not None or query.answers:
        labels = Path(query.labels) if query.labels is not None else _labels_beside(path)
        answers = _answers(labels, path, N)
        notes = [] if query.labels is not None else [f"answers: {labels.name}"]
    features = tuple(f"column{number}" for number in range(1, images.shape[2] + 1))
    names = tuple(str(number) for number in range(1, N + 1))
    places = tuple(f"{path}, image {name} of {N:,}" for name in names)
    return Sequences(tuple(images), features, answers, names, places, tuple(notes), named=False)


def read_array(path: Path, wanted: str) -> NDArray[Any]:
    """The values of an IDX file, in the machine's order of bytes. DataError for a file that is not whole, is
    longer than its header says, or holds infinite values."""
    data = read_bytes(path, wanted, unpack=False)
    if data.startswith(GZIP):
        with unpacking(path), gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            return _array(path, wanted, file, _DENSEST * len(data))
    return _array(path, wanted, io.BytesIO(data), len(data))


def _array(path: Path, wanted: str, file: gzip.GzipFile | io.BytesIO, most: int) -> NDArray[Any]:
    """`most`: no more bytes can follow."""
    start = file.read(4)
    if not is_idx_start(start):
        raise DataError(
            f"{path}: wanted {wanted}, which begins with 0 0, a type and a number of dimensions, got "
            f"{list(start)}; name another file"
        )
    kind, dimensions = np.dtype(IDX_TYPES[start[2]]), start[3]
    header = file.read(4 * dimensions)
    if not dimensions or len(header) < 4 * dimensions:
        raise DataError(
            f"{path}: the header is cut off (wanted {counted(dimensions, 'size')}, got {len(header)} bytes); "
            "copy or download it again"
        )
    shape = tuple(int(size) for size in np.frombuffer(header, ">u4"))
    values = math.prod(shape)
    size = values * kind.itemsize
    body = b""
    if size <= most:
        require_few(str(path), f"values of sizes {_sizes(shape)}", values, sequences=shape[0])
        body = file.read(size + 1)
    if len(body) != size:
        got = f"{len(body):,}" if len(body) < size <= most else "more" if len(body) > size else "fewer"
        raise DataError(
            f"{path}: the header says sizes {_sizes(shape)}, {size:,} bytes, and {got} follow; "
            "copy or download it again"
        )
    array = np.frombuffer(body, kind).reshape(shape).astype(kind.newbyteorder("="))
    if kind.kind == "f" and np.isinf(array).any():
        at = int(np.argmax(np.isinf(array)))
        raise DataError(
            f"{path}: value {at + 1:,} is infinite; wanted finite values, or NaN where one is missing"
        )
    return array


def _labels_beside(path: Path) -> Path:
    name = path.name.replace("images", "labels").replace("idx3", "idx1").removesuffix(".gz")
    if name == path.name.removesuffix(".gz"):
        raise DataError(
            f"{path}: wanted a file of labels, none is named and the name holds no 'images' to find it by; "
            f"name it with {option('labels')}"
        )
    paths = [
        path.with_name(name + ending) for ending in ("", ".gz") if path.with_name(name + ending).exists()
    ]
    if not paths:
        raise DataError(f"{path}: there is no {name} beside it; name it with {option('labels')}")
    return paths[0]


def _answers(labels: Path, images: Path, N: int) -> tuple[str, ...]:
    values = read_array(labels, "an IDX file of labels")
    if values.ndim != 1:
        raise DataError(f"{labels}: holds values of sizes {_sizes(values.shape)}; wanted one label an image")
    if len(values) != N:
        raise DataError(
            f"{labels}: {counted(len(values), 'label')} for the {counted(N, 'image')} of {images}; "
            "wanted as many, name the files that belong together"
        )
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise DataError(
            f"{labels}: label {int(np.argmax(np.isnan(values))) + 1:,} is missing; complete the file"
        )
    return tuple(str(value) for value in values.tolist())


def _sizes(shape: tuple[int, ...]) -> str:
    return " x ".join(str(size) for size in shape)
