"""Names of columns: those by which some are found where none are named, and what is no name."""

import re
from collections.abc import Sequence

from unrolled.files.dates import is_time

IDS = ("id", "sequence", "sequence_id", "series", "series_id", "case", "case_id")
TEXTS = ("text", "sentence", "review", "message", "tweet", "comment", "document", "content")
# Who or what a sequence comes from, whose sequences are alike; also with "id", "number" or "name" behind.
GROUPS = (
    *("subject", "person", "participant", "patient", "user", "speaker", "volunteer", "individual", "animal"),
    *("driver", "rider", "operator", "customer", "client", "author", "machine", "device", "sensor", "engine"),
    *("unit", "vehicle", "robot", "house", "household", "site", "session", "day", "group"),
)

_VALUE = re.compile(r"[+-]?\d+([.,]\d*)?(e[+-]?\d+)?|\d{4}-\d\d(-\d\d)?([T ].*)?", re.IGNORECASE)


def is_value(name: str) -> bool:
    """Whether it is a number or a time, as names rarely are."""
    return bool(_VALUE.fullmatch(name)) or is_time(name)


def names_group(name: str) -> bool:
    """Whether it is one of GROUPS: "subject", "Subject ID", "user_no", "meta.speaker"."""
    word = re.sub(r"[^a-z]", "", name.rpartition(".")[2].casefold())
    return word in GROUPS or re.sub(r"(id|nr|no|num|number|name)$", "", word) in GROUPS


def usual(columns: Sequence[str], names: Sequence[str], nested: bool = False) -> str | None:
    """The column that has one of the names, in any case; of several the one whose name stands first.
    `nested`: else one that has it behind its last point, as parts of a field of JSON lines do."""
    folded = {column.casefold(): column for column in reversed(columns)}
    if nested:
        folded = {name.rpartition(".")[2]: column for name, column in folded.items()} | folded
    return next((folded[name] for name in names if name in folded), None)
