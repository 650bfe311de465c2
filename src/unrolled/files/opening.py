"""Files as bytes and as UTF-8 text, or one line that says why not."""

from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from unrolled.errors import DataError
from unrolled.files.wording import nearest

# First bytes of files that are often taken for text: what they are, and what to do.
FOREIGN = {
    b"\x1f\x8b": ("is compressed with gzip", "unpack it first"),
    b"\xff\xfe": ("is text in UTF-16", "save it as UTF-8"),
    b"\xfe\xff": ("is text in UTF-16", "save it as UTF-8"),
}
_BOM = b"\xef\xbb\xbf"


def read_bytes(path: Path, wanted: str = "a CSV or Parquet file", most: int = -1) -> bytes:
    """The file's content, or its first `most` bytes. DataError as of `opened`."""
    with opened(path, wanted) as file:
        return file.read(most)


def opened(path: Path, wanted: str) -> BinaryIO:
    """The file, to read bytes from. DataError, which says what was wanted, where there is none to read."""
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file{_neighbour(path)}; name {wanted}") from None
    except IsADirectoryError:
        raise DataError(f"{path}: is a folder; wanted {wanted}, name one in it") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}; check the file and its rights") from error
    except ValueError:
        raise DataError(f"{str(path)!r}: no name of a file; name {wanted}") from None


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


def clean_text(path: str, data: bytes, kind: str, content: str) -> bytes:
    """`data` without byte order mark, each line closed by a newline alone.

    Raises DataError with the line for a NUL byte, bytes that are not UTF-8, a lone carriage return, and for
    nothing but blank lines. `kind` says which file was wanted, `content` what it should hold.
    """
    nul = data.find(b"\0")
    if nul >= 0:
        raise DataError(
            f"{path}, line {line_at(data, nul)}: a NUL byte, which text does not hold; "
            f"wanted {kind}; is this another kind of file?"
        )
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}, line {line_at(data, error.start)}: byte {data[error.start]:#04x} at offset "
            f"{error.start} is not UTF-8; save the file as UTF-8"
        ) from None
    body = data.removeprefix(_BOM).replace(b"\r\n", b"\n")
    if not body.strip(b"\n"):
        raise DataError(f"{path}: the file is empty; wanted {content}")
    lone = body.find(b"\r")
    if lone >= 0:
        raise DataError(
            f"{path}, line {line_at(body, lone)}: a carriage return without a newline; "
            "save the file with Unix or Windows line ends"
        )
    return body if body.endswith(b"\n") else body + b"\n"


def line_at(data: bytes, offset: int) -> int:
    """The line, from 1, on which byte `offset` stands."""
    return data.count(b"\n", 0, offset) + 1
