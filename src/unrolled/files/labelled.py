"""Lines of texts.

    fastText    __label__calm Well, well      what stands behind __label__, anywhere in a line, is the label;
                                              several, or none, where sets of labels are read
    first tab   calm<TAB>Well, well           a label and a text, divided by the first tab
    plain       Well, well                    a text to answer; only to predict

Quotes are plain characters. An empty line of the first two is no text; in plain lines it is wrong, so that
answers stand beside their lines.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from unrolled.errors import DataError
from unrolled.files.columns import IDS
from unrolled.files.examples import Sequences
from unrolled.files.formats import LABEL
from unrolled.files.label_sets import as_text
from unrolled.files.left_out import offering_to_skip, or_skip_wrong
from unrolled.files.limits import require_few
from unrolled.files.messages import counted, listed, option, shown
from unrolled.files.numerals import NUMERAL
from unrolled.files.opening import clean_text
from unrolled.files.query import Query

SAMPLE = 1000  # lines that tell how all are divided

_LABELS = re.compile(rf"(?:^|(?<=\s)){re.escape(LABEL)}(\S+)(?:\s+|$)")

Pair = tuple[str | None, str]


class Lines(NamedTuple):
    """How lines are divided into the answer and the text, and how that is told."""

    kind: str
    note: str
    divide: Callable[[str, Query], Pair]
    blank: bool = True  # whether an empty line is none


def _by_label(line: str, query: Query) -> Pair:
    labels, text = _LABELS.findall(line), _LABELS.sub("", line).strip()
    if query.multi_label:
        return as_text(labels), text
    if len(labels) > 1:
        several = option("multi_label")
        remedy = "keep one" if query.multi_label is None else f"keep one, or read all of them ({several})"
        raise DataError(f"wanted one label, got {len(labels)} ({listed(labels)}); {remedy}")
    return labels[0] if labels else None, text


def _by_tab(line: str, query: Query) -> Pair:
    label, tab, text = line.partition("\t")
    if not tab:
        raise DataError(f"wanted a label, a tab and a text, got no tab in {shown(line)}; put one in")
    return label.strip() if query.multi_label else label.strip() or None, text.strip()


FASTTEXT = Lines("lines of fastText", f"each line is read as a label behind {LABEL} and a text", _by_label)
FIRST_TAB = Lines(
    "lines of a label and a text", "each line is read as a label and, behind the first tab, a text", _by_tab
)
PLAIN = Lines(
    "lines of texts", "each line is read as a text", lambda line, query: (None, line.strip()), False
)
NOTES = tuple(one.note for one in (FASTTEXT, FIRST_TAB, PLAIN))


def read_lines(name: str, data: bytes, lines: Lines, query: Query) -> Sequences:
    """The texts, named by the numbers of their lines. DataError with the line for what is wrong."""
    wrong = dict[str, str]() if query.skip_wrong else None
    with offering_to_skip(query.skip_wrong):
        body = clean_text(name, data, "texts in UTF-8", "a text in each line", wrong).decode()
    rows = list[tuple[str | None, str, int]]()
    for number, line in enumerate(body.rstrip("\n").split("\n"), 1):
        place = f"{name}, line {number}"
        if place in (wrong or ()) or (lines.blank and not line.strip()):
            continue
        try:
            answer, text = lines.divide(line, query)
            _check(answer, text, lines, query)
            rows.append((answer, text, number))
        except DataError as error:
            if wrong is None:
                raise DataError(f"{place}: {error}{or_skip_wrong(query.skip_wrong)}") from None
            wrong[place] = str(error).partition("; ")[0]
    if not rows:
        raise DataError(f"{name}: no line can be used; wanted a text in each")
    require_few(name, counted(len(rows), "text"), 0, sequences=len(rows))
    answers = tuple(answer for answer, _, _ in rows if answer is not None)
    return Sequences(
        tuple(text for _, text, _ in rows),
        (),
        answers if len(answers) == len(rows) else None,
        tuple(str(number) for _, _, number in rows),
        tuple(f"{name}, line {number}" for _, _, number in rows),
        (lines.note,),
        left_out=wrong or {},
    )


def _check(answer: str | None, text: str, lines: Lines, query: Query) -> None:
    if not text:
        raise DataError("wanted a text, got nothing; write it, or delete the line")
    if answer is None and query.answers:
        wanted = f"{LABEL}x" if lines is FASTTEXT else "a label before the tab"
        raise DataError(f"wanted {wanted}, got no label; write it, or delete the line")


def divided_by_tab(sample: Sequence[str], query: Query, names: Sequence[str]) -> bool:
    """Whether lines hold a label, a tab and a text, and the first is no header, which holds one of the usual
    `names` of columns. What stands before the tab must come again, or be known, or be a number; what stands
    behind it must be no table: one tab in every line, or in some more."""
    filled = [line for line in sample if line.strip()][:SAMPLE]
    divided = [line.partition("\t") for line in filled if "\t" in line]
    if not divided or "\t" not in filled[0] or 2 * len(divided) <= len(filled):
        return False
    fields = [field.strip().casefold() for field in filled[0].split("\t")]
    if set(fields) & {*IDS, *names}:
        return False
    tabs = {line.count("\t") for line in filled if "\t" in line}
    texts = sum(any(letter.isalpha() for letter in text) for _, _, text in divided)
    heads = [head.strip() for head, _, _ in divided]
    known = heads[0] in (*heads[1:], *query.classes) or all(re.match(NUMERAL, head) for head in heads)
    return (known or bool(query.multi_label)) and 2 * texts > len(divided) and (tabs == {1} or len(tabs) > 1)
