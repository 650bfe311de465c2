"""Which sentences of a CoNLL file belong together, by their comments.

# speaker = anna          above a sentence: its own
# newdoc id = news-7      of all sentences to the next such line; newpar likewise
-DOCSTART-                the same as newdoc
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from unrolled.errors import DataError
from unrolled.files.conll import DOCUMENT, raw_lines
from unrolled.files.messages import option
from unrolled.files.tagged import Tagged

_LASTING = ("newdoc", "newpar")


def grouped(sentences: Tagged, path: str, data: bytes, key: str, needed: bool) -> Tagged:
    """The sentences of a file with the groups that comments of this `key` tell. DataError with the line for
    one without, where groups are `needed`."""
    every = list(_values(raw_lines(path, data), key))
    lines = [int(place.rpartition(" ")[2]) for place in sentences.places]
    groups = [every[line - 1] for line in lines]
    if None in groups:
        if not needed:
            return sentences
        wanted = f"# {key} id = …" if key in _LASTING else f"# {key} = …"
        raise DataError(
            f"{sentences.places[groups.index(None)]}: wanted a comment '{wanted}' above the sentence "
            f"({option('group', key)}), got none; write it"
        )
    return replace(sentences, groups=tuple(map(str, groups)))


def _values(lines: Sequence[str], key: str) -> Iterator[str | None]:
    """What the comments say at each line; of a document without an id, the number of its line."""
    comment = re.compile(rf"#\s*{re.escape(key)}(?:\s+id)?\s*(?:=\s*(.*\S))?\s*")
    value: str | None = None
    for number, line in enumerate(lines, 1):
        if match := comment.fullmatch(line):
            value = match[1] or (str(number) if key in _LASTING else None)
        elif key == "newdoc" and line.startswith(DOCUMENT):
            value = str(number)
        elif not line.strip() and key not in _LASTING:
            value = None
        yield value
