"""Groups, each whole in one part of the data (files/grouping.py, batching/group_splits.py): what is told."""

from collections.abc import Mapping, Sequence
from typing import Any

from unrolled.errors import DataError
from unrolled.files.messages import counted, option

PARTS = {"train": "to train on", "validation": "to validate", "test": "to test"}


def groups_of(options: Any, data: Any) -> Sequence[str] | None:
    """(N,) of data to train on, `options` the section that says how they are read. DataError where groups
    are asked for and there are none."""
    name, groups = _name(options), getattr(data, "groups", None)
    if name is not None and groups is None:
        raise DataError(
            f"{data.places[0]}: wanted groups ({option('group', name)}), got data without; name a column "
            "that these have"
        )
    return groups


def notes(options: Any, splits: Any) -> tuple[str, ...]:
    """How many groups each part has, and how many of those that judge train too."""
    groups = _groups(splits)
    noun, known, lines = _noun(options), set[str](), [*sizes(options, groups)]
    for part, names in groups.items():
        if again := names & known:
            lines.append(
                f"{part} part: {len(again):,} of {counted(len(names), noun)} stand in another part too: "
                f"figures flatter the model where it is asked for new {noun}s"
            )
        known |= names
    return tuple(lines)


def sizes(options: Any, groups: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    """How many groups each part has that has some."""
    each = [f"{len(names):,} {PARTS[part]}" for part, names in groups.items() if names]
    return (f"{_noun(options)}s: {', '.join(each)}",) if each else ()


def about(options: Any, splits: Any) -> dict[str, Any]:
    """For an evaluation on the test part."""
    groups = _groups(splits)
    counts = {part: len(names) for part, names in groups.items()}
    return {"groups": {"group": _name(options)} | counts} if groups else {}


def sentences(options: Any, splits: Any) -> list[str]:
    """The same for a person, where each group is in one part."""
    groups = _groups(splits)
    others = set[str]().union(*(names for part, names in groups.items() if part != "test"))
    if "test" not in groups or len(groups) < 2 or groups["test"] & others:
        return []
    return [f"judged on {counted(len(groups['test']), _noun(options))} that neither trained nor validated"]


def _groups(splits: Any) -> dict[str, frozenset[str]]:
    """Of each part that has some."""
    several = {part: getattr(splits, part) for part in PARTS}
    each = {part: getattr(data, "groups", None) for part, data in several.items()}
    return {part: frozenset(groups) for part, groups in each.items() if groups}


def _name(options: Any) -> str | None:
    name: str | None = getattr(options, "group", None)
    return name


def _noun(options: Any) -> str:
    """The column's name, where it reads as a word."""
    name = _name(options)
    return name if name is not None and name.isalpha() and not name.endswith("s") else "group"
