"""Files as bytes and as UTF-8 text, or one line that says why not.

Only regular files are read: a pipe or a device may never answer, or never end. What is packed with gzip is
unpacked, up to the limit of what may be read.
"""

import errno
import gzip
import os
import stat
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from unrolled.errors import DataError
from unrolled.files.encodings import in_utf8, wrong_byte
from unrolled.files.left_out import WrongLineError
from unrolled.files.limits import VALUE_BYTES, require_few
from unrolled.files.messages import nearest, shown

GZIP = b"\x1f\x8b"

# First bytes of files that are often taken for text: what they are, and what to do.
FOREIGN = {
    GZIP: ("is compressed with gzip", "unpack it first"),
    b"\xff\xfe": ("is text in UTF-16", "save it as UTF-8"),
    b"\xfe\xff": ("is text in UTF-16", "save it as UTF-8"),
}
# First bytes of formats that are no text, whatever encoding is named: Parquet, recordings, IDX.
BINARY = (b"PAR1", b"RIFF", b"RF64", b"fLaC", b"OggS\0", b"ID3\3", b"ID3\4", b"\xff\xfb", b"FORM\0", b"\0\0")
# What is no regular file.
SPECIAL = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_CHUNK_BYTES = 1 << 20
BOM = b"\xef\xbb\xbf"


def read_bytes(
    path: Path, wanted: str = "a CSV or Parquet file", most: int = -1, unpack: bool = True
) -> bytes:
    """The file's content, unpacked where it is packed with gzip, or its first `most` bytes. DataError as of
    `opened`, and for a file that is too large or damaged."""
    with opened(path, wanted) as file:
        if most < 0:
            size = os.fstat(file.fileno()).st_size
            require_few(str(path), f"its {size:,} bytes", size // VALUE_BYTES)
        packed = unpack and file.read(len(GZIP)) == GZIP
        file.seek(0)
        return _unpacked(path, file, most) if packed else file.read(most)


def read_text(path: Path, wanted: str, encoding: str | None = None) -> bytes:
    """The content of a file, in UTF-8 where it is text: see encodings.py. DataError as of `read_bytes`, and
    for text that is not in its encoding."""
    data = read_bytes(path, wanted)
    return data if data.startswith(BINARY) else in_utf8(str(path), data, encoding)


def read_start(path: Path, wanted: str, encoding: str | None, most: int) -> tuple[bytes, bool]:
    """The first `most` bytes as of `read_text`, and whether there may be more."""
    data = read_bytes(path, wanted, most)
    cut = len(data) == most
    return data if data.startswith(BINARY) else in_utf8(str(path), data, encoding, cut), cut


@contextmanager
def unpacking(path: Path) -> Iterator[None]:
    """Inside, what is wrong with a file that is packed with gzip is a DataError."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: damaged gzip file ({error}); copy or download it again") from error


@contextmanager
def opened_unpacked(path: Path, wanted: str) -> Iterator[BinaryIO]:
    """As of `opened`, unpacked as it is read where it is packed with gzip. DataError for a damaged one."""
    with opened(path, wanted) as file, unpacking(path):
        packed = file.read(len(GZIP)) == GZIP
        file.seek(0)
        yield cast(BinaryIO, gzip.GzipFile(fileobj=file)) if packed else file


def plain_name(path: Path) -> Path:
    """The name of what is packed: sales.csv of sales.csv.gz."""
    return path.with_suffix("") if path.suffix.lower() == ".gz" else path


def _unpacked(path: Path, file: BinaryIO, most: int) -> bytes:
    """In pieces, since some kilobytes can stand for any number of bytes."""
    pieces, size = list[bytes](), 0
    with unpacking(path), gzip.GzipFile(fileobj=file) as packed:
        while piece := packed.read(_CHUNK_BYTES if most < 0 else most - size):
            pieces.append(piece)
            size += len(piece)
            require_few(str(path), f"its {size:,} or more bytes, unpacked,", size // VALUE_BYTES)
    return b"".join(pieces)


def opened(path: Path, wanted: str) -> BinaryIO:
    """The file, to read bytes from. DataError, which says what was wanted, where there is none to read."""
    try:
        return regular(path)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file{_neighbour(path)}; name {wanted}") from None
    except IsADirectoryError:
        raise DataError(f"{path}: is a folder; wanted {wanted}, name one in it") from None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise DataError(f"{shown(str(path))}: too long for the name of a file; name {wanted}") from None
        remedy = (
            "write it to a file first" if error.errno == errno.EINVAL else "check the file and its rights"
        )
        raise DataError(f"{path}: cannot be read: {error.strerror}; {remedy}") from error
    except ValueError:
        raise DataError(f"{shown(str(path))}: no name of a file; name {wanted}") from None


def regular(path: Path) -> BinaryIO:
    """The regular file at `path`, to read from. OSError, whose strerror says why, where there is none."""
    descriptor = os.open(
        path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    )  # a pipe without a writer would wait
    try:
        require_regular(os.fstat(descriptor).st_mode)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: Path, most: int) -> bytes:
    """Its content. OSError as of `regular`, and where it has more than `most` bytes: none of them is read."""
    with regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read() if size <= most else b""  # not most + 1: room for so many would be made
    if max(size, len(data)) > most:
        raise OSError(errno.EFBIG, f"it has {size:,} bytes, and at most {most:,} are read")
    return data


def require_regular(mode: int) -> None:
    """OSError where what has this mode is no regular file."""
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        what = SPECIAL.get(stat.S_IFMT(mode), "something else")
        raise OSError(errno.EINVAL, f"it is {what}, and only regular files are taken")


def refuse_foreign(name: str, data: bytes, kinds: Mapping[bytes, tuple[str, str]], wanted: str) -> None:
    """DataError where `data` begins as a file of these kinds does."""
    for start, (kind, remedy) in kinds.items():
        if data.startswith(start):
            raise DataError(f"{name}: the file {kind}; wanted {wanted}; {remedy}")


def _neighbour(path: Path) -> str:
    try:
        return nearest(path.name, [other.name for other in path.parent.iterdir()])
    except OSError:
        return ""


def clean_text(
    path: str,
    data: bytes,
    kind: str,
    content: str,
    wrong: dict[str, str] | None = None,
    nameable: bool = True,
) -> bytes:
    """`data` without byte order mark, each line closed by a newline alone.

    Raises DataError with the line for a NUL byte, bytes that are not UTF-8, a lone carriage return, and for
    nothing but blank lines. `kind` says which file was wanted, `content` what it should hold. Where `wrong`
    is given, a line with such a byte becomes blank, and stands there by its place with the reason.
    `nameable`: whether the caller can name another encoding.
    """
    if wrong is not None:
        data = _without_odd_lines(path, data, wrong)
    nul = data.find(b"\0")
    if nul >= 0:
        raise WrongLineError(
            f"{path}, line {line_at(data, nul)}: a NUL byte, which text does not hold; "
            f"wanted {kind}; is this another kind of file?"
        )
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = line_at(data, error.start)
        raise WrongLineError(str(wrong_byte(path, line, error, nameable=nameable))) from None
    body = data.removeprefix(BOM).replace(b"\r\n", b"\n")
    if not body.strip(b"\n"):
        raise DataError(f"{path}: the file is empty; wanted {content}")
    lone = body.find(b"\r")
    if lone >= 0:
        raise DataError(
            f"{path}, line {line_at(body, lone)}: a carriage return without a newline; "
            "save the file with Unix or Windows line ends"
        )
    return body if body.endswith(b"\n") else body + b"\n"


def _without_odd_lines(path: str, data: bytes, wrong: dict[str, str]) -> bytes:
    """With a blank line in place of each that is no text."""
    if b"\0" not in data and _is_utf8(data):
        return data
    lines = data.split(b"\n")
    for k, line in enumerate(lines):
        if b"\0" in line or not _is_utf8(line):
            wrong[f"{path}, line {k + 1}"] = "a NUL byte" if b"\0" in line else "a byte that is not UTF-8"
            lines[k] = b""
    return b"\n".join(lines)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def line_at(data: bytes, offset: int) -> int:
    """The line, from 1, on which byte `offset` stands."""
    return data.count(b"\n", 0, offset) + 1
