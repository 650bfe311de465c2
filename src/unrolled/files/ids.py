"""The name of a series, which one column holds, or several: "shop,article" names two, and a series of theirs
is called "Berlin, apples". Needs no library.
"""

from collections.abc import Container, Mapping
from typing import Any

JOINT = ", "


def id_columns(id: str, columns: Container[str] = ()) -> tuple[str, ...]:
    """The columns that `id` names: one where `columns` has one of just this name."""
    return (id,) if "," not in id or id in columns else tuple(part.strip() for part in id.split(","))


def id_of(record: Mapping[str, Any], id: str) -> Any:
    """The name in a record; None where it has none, or not all of it."""
    names = id_columns(id, record)
    values = [record.get(name) for name in names]
    if len(names) == 1:
        return values[0]
    return None if any(value in (None, "") for value in values) else JOINT.join(map(str, values))
