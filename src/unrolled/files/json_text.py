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
WORDS = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    bool: "true or false",
    dict: "a table",
    None: "null",
}

# A string, or what begins one that never ends.
STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def parse(data: bytes | str, most_lists: int = MOST_LISTS) -> Any:
    """The values of a JSON text. ValueError, whose message is short, for whatever is none as above."""
    text = data if isinstance(data, str) else data.decode()
    if text.count("[") + text.count("{") > DEEPEST:  # else neither can be too many
        _require_bounded(text.encode(errors="surrogatepass"), most_lists)
    return _DECODER.decode(text)


def require(value: Any, form: Any, place: str = "it") -> None:
    """ValueError, which names the place inside `value`, unless it has this form:

    int, str, bool      such a value; float: a number, whole or not; dict: any table; None: null
    [form]              a list of such
    {name: form, …}     a table of exactly these names
    {str: form}         a table of any names
    (form, form, …)     one of these
    """
    if isinstance(form, tuple):
        if not any(_has(value, one) for one in form):
            raise _unlike(value, form, place)
    elif isinstance(form, list):
        if type(value) is not list:
            raise _unlike(value, form, place)
        for n, one in enumerate(value):
            require(one, form[0], f"{place}[{n}]")
    elif isinstance(form, dict):
        names = value.keys() if type(value) is dict and str in form else form.keys()
        if type(value) is not dict or value.keys() != names:
            raise _unlike(value, form, place)
        for name in names:
            require(value[name], form[str] if str in form else form[name], f"{place}.{name!a:.40}")
    elif not (value is None if form is None else type(value) in ((int, float) if form is float else (form,))):
        raise _unlike(value, form, place)


def _has(value: Any, form: Any) -> bool:
    try:
        require(value, form)
    except ValueError:
        return False
    return True


def _unlike(value: Any, form: Any, place: str) -> ValueError:
    return ValueError(f"{place}: wanted {_spoken(form)}, got {value!a:.40}")


def _spoken(form: Any) -> str:
    if isinstance(form, tuple):
        return " or ".join(map(_spoken, form))
    if isinstance(form, list):
        return f"a list of {_spoken(form[0])}"
    if isinstance(form, dict):
        return "a table" if str in form else f"a table of {', '.join(form)}"
    return WORDS[form]


def _require_bounded(data: bytes, most_lists: int) -> None:
    brackets = STRING.sub(b"", data).translate(None, ALL_BUT_BRACKETS)
    if len(brackets) > 2 * most_lists:
        raise ValueError(f"more than {most_lists} lists and tables")
    if max(accumulate(1 if one in b"[{" else -1 for one in brackets), default=0) > DEEPEST:
        raise ValueError(f"lists and tables more than {DEEPEST} deep")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name stands twice")
    return made


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
