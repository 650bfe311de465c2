"""The small words of messages: one line whatever the file held."""

import difflib
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

# What a terminal obeys, ends a line, turns the direction of writing, or stands in no text: control
# characters, separators, marks of direction, halves of surrogate pairs.
CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


# Whether who reads the messages has typed a command.
_command_line = ContextVar("command_line", default=False)


@contextmanager
def for_the_command_line() -> Iterator[None]:
    """Inside, `option` spells options as commands take them."""
    before = _command_line.set(True)
    try:
        yield
    finally:
        _command_line.reset(before)


def option(name: str, value: object = None) -> str:
    """An option as the caller writes it: option("top_k", 3) is `--top-k 3` on the command line, `top_k=3` in
    Python; on the command line True and False are on and off."""
    if not _command_line.get():
        return name if value is None else f"{name}={value!r}"
    dashed = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        value = "on" if value else "off"
    return dashed if value is None else f"{dashed} {shlex.quote(str(value))}"


def resuming(folder: object) -> str:
    """The command that goes on with the training in a run folder, as a shell takes it."""
    return f"unrolled train --resume {shlex.quote(str(folder))}"


def visible(text: str, but: str = "") -> str:
    """`text` with every control character, `but` those, written as Python would: \\x1b."""
    return CONTROL.sub(lambda found: found[0] if found[0] in but else repr(found[0])[1:-1], text)


def shown(value: object, limit: int = 40) -> str:
    """`value` as Python would write it, on one line, cut to `limit` characters."""
    text = re.sub("\n *", " ", repr(value))  # arrays are written on several
    return text if len(text) <= limit else f"{text[: limit - 2]}…{text[-1]}"


def cut(text: str, longest: int) -> str:
    """`text` on one line, every control character visible, without its middle where it is longer."""
    text, half = visible(text), longest // 2
    return text if len(text) <= longest else f"{text[:half]}…{text[-half:]}"


def natural(name: str) -> list[tuple[int, str]]:
    """A key to sort names by, their numbers by value: p1, p2, p10."""
    parts = (part.lstrip("0") if k % 2 else part for k, part in enumerate(re.split("([0-9]+)", name)))
    return [*((len(part) if k % 2 else 0, part) for k, part in enumerate(parts)), (0, name)]


def counted(number: int, noun: str) -> str:
    """counted(1, "gap") -> "1 gap"; counted(1200, "gap") -> "1,200 gaps"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def rounded(value: float, digits: int = 4) -> str:
    """So many digits, and never fewer than stand before the point: 9304 beside 14130, not 1.413e+04."""
    whole = f"{value:.0f}"
    return whole if len(whole.lstrip("-")) > digits and abs(value) < 1e9 else f"{value:.{digits}g}"


def listed(names: Sequence[str], limit: int = 12) -> str:
    """The names in quotes, the first `limit` of them."""
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(shown(name) for name in names[:limit]) + rest


def either(names: Sequence[str]) -> str:
    """either(["a", "b", "c"]) -> "a, b or c"."""
    return _joined(names, "or")


def every(names: Sequence[str]) -> str:
    """every(["a", "b", "c"]) -> "a, b and c"."""
    return _joined(names, "and")


def _joined(names: Sequence[str], word: str) -> str:
    return f" {word} ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def nearest(name: str, names: Sequence[str]) -> str:
    """ " (did you mean 'sales'?)" where a name comes near, whatever its case, else ""."""
    folded = {other.casefold(): other for other in reversed(names)}
    close = difflib.get_close_matches(name.casefold(), list(folded), 1)
    return f" (did you mean {shown(folded[close[0]])}?)" if close else ""
