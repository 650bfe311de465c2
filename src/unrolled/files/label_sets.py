"""Several labels of one sequence in one cell: a set of them, which may be empty.

    pop|rock             divided by a sign
    ["pop", "rock"]      a list as JSON has it, or as Python writes it: ['pop', 'rock']
    (nothing), []        no label

Blank labels are none, and one that stands twice counts once.
"""

import json
import re
from collections.abc import Iterable

from unrolled.errors import DataError
from unrolled.files import json_text
from unrolled.files.messages import shown

SIGNS = ("|", ";", ",")  # that divide labels where no sign is named: the first that stands in a cell

_QUOTED = r"""\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\s*"""
_QUOTED_LIST = re.compile(rf"\[{_QUOTED}(?:,{_QUOTED})*\]")


def as_text(labels: Iterable[object]) -> str:
    """The cell of a list."""
    return json.dumps([str(label) for label in labels if label is not None], ensure_ascii=False)


def labels_in(cell: str, sign: str) -> frozenset[str]:
    """DataError for what begins and ends as a list and is none."""
    labels = _listed(cell) if _is_list(cell) else cell.split(sign)
    return frozenset(label.strip() for label in labels) - {""}


def sign_in(cells: Iterable[str]) -> str | None:
    """The one of SIGNS that divides labels in cells that are no lists; None where none stands there."""
    texts = [cell for cell in cells if not _is_list(cell)]
    return next((sign for sign in SIGNS if any(sign in text for text in texts)), None)


def _is_list(cell: str) -> bool:
    return cell.startswith("[") and cell.endswith("]")


def _listed(cell: str) -> list[str]:
    try:
        values = json_text.parse(cell)
    except ValueError:
        values = None
    if isinstance(values, list) and not any(isinstance(one, list | dict) for one in values):
        return [str(one) for one in values if one is not None]
    if not _QUOTED_LIST.fullmatch(cell):
        raise DataError(f'wanted a list of labels such as ["a", "b"], got {shown(cell)}; correct it')
    return [re.sub(r"\\(.)", r"\1", quoted[1:-1]) for quoted in re.findall(_QUOTED, cell)]
