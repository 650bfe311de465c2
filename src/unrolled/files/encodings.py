"""Text in other encodings than UTF-8 -> UTF-8.

A byte order mark tells UTF-16. Any other encoding is named by the caller, and holds for files that are not
in UTF-8: by chance alone the bytes of another encoding hardly ever are. Nothing is guessed silently; a
refusal names the encoding that a file probably has, and shows what a line would be.
"""

import codecs
import re
from collections.abc import Iterable
from itertools import chain

from unrolled.errors import ConfigError, DataError
from unrolled.files.messages import option, shown

UTF8 = "utf-8-sig"  # without the byte order mark, if there is one
_UTF16 = "utf-16"
_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

# Whose letters beyond ASCII stand between others, as in café; and those in which they make whole words. The
# first of equal ones is proposed.
_LATIN = ("cp1252", "cp850", "mac_roman", "latin-1")
_OTHERS = ("shift_jis", "gb18030", "euc_kr", "cp1251", "cp1253", "cp1255", "cp1256")
_BEFORE = 12  # characters that are shown before the first that is not ASCII
_SIGNS = set("°€£§©®²³µ½¼“”„‘’–—…«»、。・")


def encoding_name(name: str) -> str:
    """What Python calls an encoding of text. ConfigError where none has this name."""
    try:
        "".encode(name)  # refuses codecs of other than text, too
        return codecs.lookup(name).name
    except (LookupError, ValueError, TypeError):
        wanted = "an encoding such as cp1252, cp1251, shift_jis or utf-16"
        raise ConfigError(f"{option('encoding')}: wanted {wanted}, got {shown(name)}") from None


def encoding_of(pieces: Iterable[bytes], named: str | None, cut: bool = False) -> str:
    """That of a file in `pieces`, which may be `cut` within a character: what its byte order mark says, else
    UTF-8 where it is in that beyond ASCII, else the one that is `named`."""
    several = iter(pieces)
    first = next(several, b"")
    if first.startswith(_MARKS):
        return _UTF16
    if named is None:
        return UTF8
    decoder, is_ascii = codecs.getincrementaldecoder(UTF8)(), True
    try:
        for piece in chain([first], several):
            decoder.decode(piece)
            is_ascii &= piece.isascii()
            if b"\0" in piece:
                return named
        decoder.decode(b"", not cut)
    except UnicodeDecodeError:
        return named
    return named if is_ascii else UTF8


def in_utf8(name: str, data: bytes, named: str | None, cut: bool = False) -> bytes:
    """The content of a text file, which may be `cut` within a character, in UTF-8. DataError where it is not
    in its encoding."""
    encoding = encoding_of([data], named, cut)
    if encoding == UTF8:
        return data
    try:
        return codecs.getincrementaldecoder(encoding)().decode(data, not cut).encode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise wrong_byte(name, line, error, encoding) from None


def wrong_byte(
    name: str, line: int, error: UnicodeDecodeError, encoding: str = "UTF-8", nameable: bool = True
) -> DataError:
    """Of a file that is not in its encoding from this line on; `error` holds that line. `nameable`: whether
    the caller can name another."""
    start = error.object.rfind(b"\n", 0, error.start) + 1
    end = error.object.find(b"\n", error.start)
    wrong = error.object[start : end if end >= 0 else len(error.object)].rstrip(b"\r")
    place = f"{name}, line {line}: byte {error.object[error.start]:#04x} is not {encoding}"
    if not nameable:
        return DataError(f"{place}; save the file as UTF-8")
    if encoding != "UTF-8":
        return DataError(f"{place}; name the encoding in which the file was saved ({option('encoding')})")
    likely = likely_encoding(wrong, error.object)
    if likely is None:
        return DataError(f"{place}; save the file as UTF-8, or name its encoding ({option('encoding')})")
    text, before = wrong.decode(likely), wrong[: error.start - start].decode(likely, "ignore")
    around = shown(text[max(0, len(before) - _BEFORE) :])
    return DataError(
        f"{place}; read as {likely} it says {around}: if that is right, say {option('encoding', likely)}, or "
        "save the file as UTF-8"
    )


def likely_encoding(line: bytes, data: bytes) -> str | None:
    """The one in which most that is not ASCII is letters. None where a line, or most of the data, cannot be
    in any."""
    odd = [len(run) for run in re.findall(rb"[\x80-\xff]+", data)]
    words = sum(n for n in odd if n > 2) > sum(odd) / 2
    scores = dict[str, float]()
    for encoding in (*_OTHERS, *_LATIN) if words else _LATIN:
        try:
            line.decode(encoding)
            text = [letter for letter in data.decode(encoding, "ignore") if not letter.isascii()]
        except UnicodeDecodeError:
            continue
        scores[encoding] = sum(letter.isalpha() or letter in _SIGNS for letter in text) / max(1, len(text))
    best = max(scores, key=scores.__getitem__, default=None)
    return best if best is not None and scores[best] > 0.5 else None
