"""Plain text in files that may be larger than memory: read in pieces, never held as a whole.

Text is UTF-8, or in another encoding (encodings.py). Every character of it counts, line ends as they stand in
the file; a byte order mark at the start of a file is none of it. Several files are one text, in their order.
A piece ends behind a line end, or behind another space where a line is longer than a piece, so that no word
is cut but one longer than a piece. What is packed with gzip is unpacked as it is read. Of JSON lines the text
is that of each object's field of texts, with a line end behind it.
"""

import codecs
import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, chain, count
from pathlib import Path
from typing import Any, ClassVar

from unrolled.errors import DataError
from unrolled.files import formats
from unrolled.files.columns import TEXTS, usual
from unrolled.files.encodings import UTF8, encoding_of, wrong_byte
from unrolled.files.json_lines import row_of
from unrolled.files.messages import either, shown
from unrolled.files.opening import FOREIGN, opened_unpacked, refuse_foreign

PIECE_BYTES = 1 << 20

# Files that are often taken for plain text, see opening.py.
_FOREIGN = FOREIGN | {
    b"PK\x03\x04": ("is a zip archive or a document of an office program", "save it as plain text"),
    b"%PDF": ("is a PDF", "save it as plain text"),
}


_ODD = re.compile("[\0\ud800-\udfff]")  # in no text


@dataclass(frozen=True)
class Text:
    """Characters `start` … `end`-1 of each of the `ranges` of the files' text, one after the other; of `held`
    where it came from no file. Ranges rise, and none is empty. These are no Examples (examples.py), which are
    held: a part of them is a selection, here it is other ranges."""

    noun: ClassVar[str] = "character"

    files: tuple[str, ...]
    encodings: tuple[str, ...] = ()
    held: str = ""
    ranges: tuple[tuple[int, int], ...] = ()

    def __len__(self) -> int:
        return sum(end - start for start, end in self.ranges)

    @property
    def name(self) -> str:
        """What errors call it."""
        return self.files[0] if self.files else "the text"

    def part(self, start: int, end: int) -> "Text":
        """Its characters `start` … `end`-1."""
        return self.parts([(start, end)])

    def parts(self, ranges: Iterable[tuple[int, int]]) -> "Text":
        """Its characters `start` … `end`-1 of each of these, which rise, one after the other."""
        begins = list(accumulate((end - start for start, end in self.ranges), initial=0))
        clipped = []
        for start, end in ranges:
            k = max(0, bisect_right(begins, start) - 1)
            while start < end and k < len(self.ranges):
                moved = self.ranges[k][0] - begins[k]
                clipped.append((start + moved, min(end, begins[k + 1]) + moved))
                start, k = begins[k + 1], k + 1
        return replace(self, ranges=tuple(clipped))

    def pieces(self) -> Iterator[str]:
        """The text in order. DataError where a file cannot be read, or is not what it was when it was
        opened."""
        return _whole(self._cut())

    def lines(self) -> Iterator[str]:
        """The lines without their ends: \\n, \\r\\n, \\r. The last need not have one."""
        rest = ""
        for piece in self.pieces():
            *whole, rest = (rest + piece).replace("\r\n", "\n").replace("\r", "\n").split("\n")
            yield from whole
        if rest:
            yield rest

    def checksum(self) -> str:
        """Of the characters, whatever the files' names and number."""
        return self._sha256

    @cached_property
    def _sha256(self) -> str:
        digest = hashlib.sha256()
        for piece in self._cut():
            digest.update(piece.encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    def _cut(self) -> Iterator[str]:
        """The pieces as they are read, those outside of the part left out."""
        at, k = 0, 0
        for piece in _read(self.files, self.encodings) if self.files else (self.held,):
            while k < len(self.ranges) and self.ranges[k][0] < at + len(piece):
                first, last = (place - at for place in self.ranges[k])
                yield piece[max(first, 0) : last]
                if last > len(piece):
                    break
                k += 1
            at += len(piece)
            if k == len(self.ranges):
                return
        raise DataError(f"{self.name}: shorter than a moment ago; leave the file alone while it is read")


def open_text(source: str | Path | Sequence[str | Path] | Text, encoding: str | None = None) -> Text:
    """The text of a file or of several, in UTF-8 or in this encoding (encodings.py). A Text is given back as
    it is.

    Raises DataError, one line with file, line and remedy, for a file that is missing, empty, in another
    encoding or no text.
    """
    if isinstance(source, Text):
        return source
    names = list(source) if isinstance(source, list | tuple) else [source]
    if not names or not all(isinstance(name, str | Path) for name in names):
        raise DataError(f"wanted text files by name, or text_of(…), got {shown(source)}")
    files = tuple(map(str, names))
    encodings = tuple(encoding_of(_pieces(file), encoding) for file in files)
    return Text(files, encodings, ranges=((0, sum(map(len, _read(files, encodings)))),))


def text_of(text: str) -> Text:
    """Text at hand. DataError where it is empty, or holds what a file could not."""
    if not text:
        raise DataError("the text is empty; wanted at least one character")
    if odd := _ODD.search(text):
        place = f"the text, line {text.count(chr(10), 0, odd.start()) + 1}"
        raise DataError(f"{place}: {_what(odd)}, which text does not hold; leave it out")
    return Text((), held=text, ranges=((0, len(text)),))


def _what(odd: re.Match[str]) -> str:
    return "a NUL" if odd[0] == "\0" else "a lone surrogate"


def _whole(pieces: Iterable[str]) -> Iterator[str]:
    """The same text in pieces that end behind a space, if there is any in two pieces."""
    rest = ""
    for piece in pieces:
        text = rest + piece
        end = _last_end(text)
        if end:
            yield text[:end]
        rest = text[end:]
    if rest:
        yield rest


def _last_end(text: str) -> int:
    """Where the last whole line ends, else the last word, else 0; all where that is too long to keep."""
    if end := text.rfind("\n") + 1:
        return end
    spaces = (at + 1 for at in range(len(text) - 1, -1, -1) if text[at].isspace() and text[at] != "\r")
    tail = next(spaces, 0)
    return tail or (len(text) - text.endswith("\r") if len(text) > PIECE_BYTES else 0)


def _read(files: Sequence[str], encodings: Sequence[str]) -> Iterator[str]:
    for file, encoding in zip(files, encodings, strict=True):
        pieces = _decoded(file, encoding)
        of_json = formats.format_of(Path(file), b"") == formats.JSON_LINES
        yield from _documents(file, pieces) if of_json else pieces


def _documents(name: str, pieces: Iterator[str]) -> Iterator[str]:
    """The texts of JSON lines."""
    rest, numbers = "", count(1)
    for piece in chain(pieces, ["\n"]):
        *lines, rest = (rest + piece).split("\n")
        for line in lines:
            number = next(numbers)
            if line.strip():
                yield _document(f"{name}, line {number}", line) + "\n"


def _document(place: str, line: str) -> str:
    row = row_of(place, line)
    field = usual(list(row), TEXTS, nested=True)
    text = None if field is None else row[field]
    if not isinstance(text, str):
        raise DataError(
            f"{place}: wanted a text in a field called {either(TEXTS)}, got {shown(line)}; call it so, or "
            "write the texts alone into a file"
        )
    if odd := _ODD.search(text):
        raise DataError(f"{place}: {_what(odd)}, which text does not hold; leave it out")
    return text


def _pieces(name: str) -> Iterator[bytes]:
    with opened_unpacked(Path(name), "a text file") as file:
        while data := file.read(PIECE_BYTES):
            yield data


def _decoded(name: str, encoding: str) -> Iterator[str]:
    decoder: Any = codecs.getincrementaldecoder(encoding)()
    line, empty = 1, True
    for number, data in enumerate(chain(_pieces(name), [b""])):
        if number == 0 and encoding == UTF8:
            refuse_foreign(name, data, _FOREIGN, "plain text in UTF-8")
        try:
            piece = decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            line += error.object.count(b"\n", 0, error.start)  # of the first byte that the decoder held
            called = "UTF-8" if encoding == UTF8 else encoding
            raise wrong_byte(name, line, error, called) from None
        if "\0" in piece:
            line += piece.count("\n", 0, piece.index("\0"))
            raise DataError(
                f"{name}, line {line}: a NUL byte, which text does not hold; is this another kind of file?"
            )
        line += piece.count("\n")
        if piece:
            empty = False
            yield piece
    if empty:
        raise DataError(f"{name}: the file is empty; wanted text")
