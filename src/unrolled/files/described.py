"""JSON from files that anybody may have written, checked before anything is made of it.

What a text of N bytes becomes takes several N bytes of memory, so callers bound N; here the number and the
depth of tables and lists are bounded, keys stand once, and there is neither NaN nor infinity.
"""

import json
import re
from itertools import accumulate
from typing import Any

MOST_LISTS = 1 << 18
DEEPEST = 32

# A string, or what begins one that never ends.
STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def parse(data: bytes, most_lists: int = MOST_LISTS) -> Any:
    """The values of a JSON text. ValueError, whose message is short, for whatever is none as above."""
    brackets = STRING.sub(b"", data).translate(None, ALL_BUT_BRACKETS)
    if len(brackets) > 2 * most_lists:
        raise ValueError(f"more than {most_lists} lists and tables")
    if max(accumulate(1 if one in b"[{" else -1 for one in brackets), default=0) > DEEPEST:
        raise ValueError(f"lists and tables more than {DEEPEST} deep")
    return json.loads(
        data.decode(), object_pairs_hook=_distinct, parse_constant=_refused, parse_float=_finite
    )


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name stands twice")
    return made


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant:.40} is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if abs(number) == float("inf"):
        _refused(text)
    return number
