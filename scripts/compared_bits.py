"""Compares two records of record_bits.py: files by their formats alone, so that any version of the code may
have made either."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import load_file

PATTERNS = ("data/*", "run/*.safetensors", "*.state", "asked/*", "run/metrics.jsonl", "verified.json")
HISTORY = "*/run/metrics.jsonl"  # which every record of a run has
NOTES = "notes"  # of a snapshot: bytes, where lines and options of the stream are told too


class Difference(NamedTuple):
    """`renamed`: arrays of other names with the same content, which is none."""

    run: str
    what: str
    renamed: bool = False

    def __str__(self) -> str:
        return f"{self.run}: {self.what}"


def compare(before: Path, after: Path) -> list[Difference]:
    """What differs in the runs of `before`, and names of arrays that have changed."""
    found = list[Difference]()
    for place in sorted(path.parents[1] for path in before.glob(HISTORY)):
        other = after / place.name
        if not other.is_dir():
            found.append(Difference(place.name, "is not recorded again"))
            continue
        found += [one._replace(run=place.name) for one in _compared(place, other)]
    return found


def _compared(before: Path, after: Path) -> Iterator[Difference]:
    names = [
        sorted({path.relative_to(one) for pattern in PATTERNS for path in one.glob(pattern)})
        for one in (before, after)
    ]
    for path in sorted({*names[0], *names[1]}):
        if path not in names[1] or path not in names[0]:
            yield Difference("", f"{path} is only in {before if path in names[0] else after}")
        elif path.suffix in (".safetensors", ".state"):
            yield from compare_arrays(str(path), arrays(before / path), arrays(after / path))
        elif (one := _said_in(before / path)) != (other := _said_in(after / path)):
            yield Difference("", f"{path}: {_first_difference(one, other)}")


def arrays(path: Path) -> dict[str, np.ndarray]:
    found = load_file(path)
    found.pop(NOTES, None)
    return found


def compare_arrays(
    place: str, before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray]
) -> Iterator[Difference]:
    """By name; those that have no namesake by content."""
    for name in before.keys() & after.keys():
        if _content(before[name]) != _content(after[name]):
            yield Difference("", f"{place}: {name} differs, {_gap(before[name], after[name])}")
    gone = sorted(before.keys() - after.keys())
    fresh = {name: _content(after[name]) for name in sorted(after.keys() - before.keys())}
    for name in gone:
        content = _content(before[name])
        same = next((other for other, one in fresh.items() if one == content), None)
        if same is None:
            yield Difference("", f"{place}: {name} {before[name].shape} is gone, under any name")
        else:
            del fresh[same]
            yield Difference("", f"{place}: {name} is renamed {same}", renamed=True)
    for name in fresh:
        yield Difference("", f"{place}: {name} {after[name].shape} is new")


def _content(array: np.ndarray) -> tuple[str, tuple[int, ...], str]:
    return str(array.dtype), array.shape, hashlib.sha256(array.tobytes()).hexdigest()


def _gap(a: np.ndarray, b: np.ndarray) -> str:
    if (a.dtype, a.shape) != (b.dtype, b.shape):
        return f"{a.dtype} {a.shape} and {b.dtype} {b.shape}"
    return f"|Δ| up to {np.abs(a.astype(np.float64) - b.astype(np.float64)).max(initial=0):.3g}"


def _said_in(path: Path) -> str:
    """What a file says. Of an evaluation the figures: its sentences may be worded anew."""
    text = path.read_bytes().decode(errors="replace")
    if "-evaluate" not in path.name or not text.startswith("{"):
        return text
    return json.dumps(_figures(json.loads(text)))


def _figures(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _figures(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_figures(one) for one in value]
    return "…" if isinstance(value, str) and " " in value else value


def _first_difference(a: str, b: str) -> str:
    """Where they part."""
    at = next((k for k, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    first = max(0, at - 40)
    return f"character {at}: '{a[first : at + 30]}' and '{b[first : at + 30]}'"
