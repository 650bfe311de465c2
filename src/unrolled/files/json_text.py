"""JSON that anybody may have written, checked before anything is made of it.

What a text of N bytes becomes takes several N bytes of memory, so callers bound N; here the number and the
depth of tables and lists are bounded, keys stand once, whole numbers are of 64 bits, and there is neither NaN
nor infinity.
"""

import json
import re
from itertools import accumulate
from typing import Any

MOST_LISTS = 1 << 18
DEEPEST = 32
MOST_DIGITS = 20

# A string, or what begins one that never ends.
STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def parse(data: bytes | str, most_lists: int = MOST_LISTS) -> Any:
    """The values of a JSON text. ValueError, whose message is short, for whatever is none as above."""
    text = data if isinstance(data, str) else data.decode()
    if text.count("[") + text.count("{") > DEEPEST:  # else neither can be too many
        _require_bounded(text.encode(errors="surrogatepass"), most_lists)
    return _DECODER.decode(text)


def _require_bounded(data: bytes, most_lists: int) -> None:
    brackets = STRING.sub(b"", data).translate(None, ALL_BUT_BRACKETS)
    if len(brackets) > 2 * most_lists:
        raise ValueError(f"more than {most_lists} lists and tables")
    if max(accumulate(1 if one in b"[{" else -1 for one in brackets), default=0) > DEEPEST:
        raise ValueError(f"lists and tables more than {DEEPEST} deep")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a name stands twice")
    return table


def _refused(constant: str) -> Any:
    raise ValueError(f"no number that is read: {constant:.20}")


def _finite(text: str) -> float:
    number = float(text)
    if abs(number) == float("inf"):
        _refused(text)
    return number


def _whole(text: str) -> int:
    number = int(text) if len(text) <= MOST_DIGITS else _refused(text)
    if not -(2**63) <= number < 2**64:
        _refused(text)
    return number


_DECODER = json.JSONDecoder(
    object_pairs_hook=_distinct, parse_constant=_refused, parse_float=_finite, parse_int=_whole
)
