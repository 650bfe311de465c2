"""What a caller asks of a source, and how a table is searched for what was left open."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import polars as pl

from unrolled.errors import ConfigError, DataError
from unrolled.files.cells import MISSING
from unrolled.files.columns import names_group, usual
from unrolled.files.grouping import group_columns, split_note, taken_out
from unrolled.files.ids import JOINT, id_columns
from unrolled.files.images import Size
from unrolled.files.label_sets import as_text
from unrolled.files.left_out import offering_to_skip, usable_rows
from unrolled.files.messages import listed, option, shown
from unrolled.files.number_columns import is_missing
from unrolled.files.numerals import number
from unrolled.files.steps import Step
from unrolled.files.table import Table, open_table
from unrolled.files.tagged import Layout
from unrolled.files.wav import Audio

TARGETS = ("label", "class", "target", "answer", "y", "category", "sentiment")
LABEL_SETS = ("labels", "classes", "tags", "categories", "genres", "topics", *TARGETS)
TRANSCRIPTS = ("transcript", "transcription", "text", "sentence", "labels", *TARGETS)


@dataclass(frozen=True)
class Query:
    """What a caller asks of a source. Columns of a table, None or () where open:

    id, time       tells sequences apart, or names them, also several columns, "shop,article" (ids.py); puts
                   the steps of a sequence in order. Of series also several, "year,month,day" (time_parts.py),
                   or "rows": they are the steps
    target         of answers; `targets`: of captions, of the numbers of answers, or of series to forecast
    features       of numbers to keep, in this order; () keeps all. `known`: those that a model reads, taken
                   where none are named and a table has all of these
    text           of texts, or of words that are tagged
    group          of groups, each of which stays in one part of the data (grouping.py), also several. Of
                   CoNLL the name of a comment
    source         of the texts that a pair begins with
    image          of paths of pictures; `label` of the classes beside, or in place of, numbers
    past, future   of covariates of series: known up to the last target, and beyond it; `static`: of one value
                   a series. `texts`: those that hold texts, None where the table tells

    column         of tags in a CoNLL file; `layout`: that of the files that a model was trained on
    labels         the path of the IDX file of labels; None finds it by the usual name
    answers        False: the source may lack them
    transcripts    answers are transcripts: of other usual names, and "" is one
    multi_label    answers are sets of labels, also empty ones (label_sets.py); None where that is no option
    audio          how recordings become features; those that are shorter than `min_seconds` are left out
                   where they have answers to learn, and noted elsewhere
    channels, size how pictures are read; `alike` False: they may have several sizes, the caller looks
    gaps           whether steps and cells of series may be missing, which are NaN then
    skip           whether series that cannot be used are left out, where there are several
    fitted         whether a trained model asks, whose data may lack groups
    skip_wrong     whether rows that cannot be used are left out; None where that is no option
    no_header      the first line of a table is a row, and columns are named by their numbers from 1
    missing        words that say that there is no answer, or no number beside the usual words for that; where
                   all are numbers, which say so of numbers, those for answers are the usual ones too
    classes        answers that a model knows
    lines          a text of no known format may hold a text to answer in each line
    zone           such as Europe/Berlin: of times without an offset, and in which others are told
    date_format    in which dates are written (dates.py)
    decimal        mark, "point" or "comma", of columns of numbers that do not tell theirs
    encoding       of text that is not in UTF-8 (encodings.py)
    wide           "columns" or "rows", which are a series each; None: series stand one below the other
    step           the step of series, where their times can have it; None for the one that they show
    resample       the step of bins into which the rows of series are put, None for none; `aggregate`: what is
                   taken of those in one bin (resampling.py)
    """

    id: str | None = None
    time: str | None = None
    target: str | None = None
    targets: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    text: str | None = None
    group: str | None = None
    source: str | None = None
    image: str | None = None
    label: str | None = None
    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    texts: tuple[str, ...] | None = None
    column: str | None = None
    layout: Layout | None = None
    labels: str | Path | None = None
    answers: bool = True
    transcripts: bool = False
    multi_label: bool | None = None
    audio: Audio = field(default_factory=Audio)
    min_seconds: float = 0.0
    channels: str = "rgb"
    size: Size | None = None
    alike: bool = True
    gaps: bool = False
    skip: bool = False
    fitted: bool = False
    skip_wrong: bool | None = None
    no_header: bool = False
    missing: tuple[str, ...] = MISSING
    classes: tuple[str, ...] = ()
    lines: bool = False
    zone: str | None = None
    date_format: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    wide: str | None = None
    step: Step | None = None
    resample: Step | None = None
    aggregate: str = "mean"

    @property
    def usual_targets(self) -> tuple[str, ...]:
        """The usual names of the column of answers."""
        if self.multi_label:
            return LABEL_SETS
        return TRANSCRIPTS if self.transcripts else TARGETS

    @property
    def no_answer(self) -> tuple[str, ...]:
        """Words that say in the column of answers that there is none."""
        numbers = [word for word in self.missing if number(word) is not None]
        return (*MISSING, *numbers) if len(numbers) == len(self.missing) else self.missing

    @property
    def named(self) -> list[tuple[str, str]]:
        """(column, role) of every column that is named."""
        roles = ("time", "id", "source", "target", "text", "image")
        single = [*((getattr(self, role), role) for role in roles), (self.label, "class")]
        several = {"feature": self.features, "target": self.targets}
        several |= {
            "past covariate": self.past,
            "future covariate": self.future,
            "static column": self.static,
        }
        return [(name, role) for name, role in single if name is not None] + [
            (name, role) for role, names in several.items() for name in names
        ]

    @property
    def numbers(self) -> tuple[str, ...]:
        """(K + P + Q,) the columns of numbers of series: targets, past and future covariates."""
        return (*self.targets, *self.past, *self.future)

    def open(self, source: str | Path | pl.DataFrame, header: bool = True) -> Table:
        """The table of a source."""
        with offering_to_skip(self.skip_wrong):
            header, lists = header and not self.no_header, self.usual_targets if self.multi_label else ()
            lists = (self.target,) if self.multi_label and self.target else lists
            skip = bool(self.skip_wrong)
            table = open_table(source, self.decimal, header, skip, lists, self.encoding, self.missing)
        return self.with_groups(table)

    @property
    def grouped(self) -> bool:
        """Whether groups must be there."""
        return self.group is not None and not self.fitted

    def with_groups(self, table: Table) -> Table:
        """The table with its groups beside it, where some are asked for. ConfigError where their column is
        that of the answers."""
        if self.group is None or table.groups is not None:
            return table
        if self.group in (self.target, *self.targets):
            raise ConfigError(
                f"column {shown(self.group)} is named as target and again as group; name it once"
            )
        parts = () if self.id is None else id_columns(self.id, table.frame.columns)
        return taken_out(table, self.group, self.grouped, {*parts, *(column for column, _ in self.named)})

    def notes_on_groups(self, table: Table, taken: Sequence[str | None], id: str | None = None) -> list[str]:
        """What to say of columns that are not `taken` and look like groups, where none are asked for. `id` as
        of group_columns."""
        if self.group is not None or not self.answers:
            return []
        parts = () if self.id is None else id_columns(self.id, ())
        names = [part for part in parts if len(parts) > 1 and names_group(part)]
        left = [column for column in table.frame.columns if column not in taken]
        return split_note([*names, *group_columns(table, left, id)])

    def _with_names(self, table: Table) -> Table:
        """Where `id` names several columns (ids.py), a table with one of that name, and without those that
        have no other part."""
        names = () if self.id is None else id_columns(self.id, table.frame.columns)
        if self.id is None or len(names) == 1:
            return table
        for name in names:
            table.require(name)
        cells = [pl.col(name).cast(pl.String).str.strip_chars().replace("", None) for name in names]
        frame = table.frame.with_columns(pl.concat_str(cells, separator=JOINT).alias(self.id))
        named = {column for column, _ in self.named}
        return replace(table, frame=frame.drop([name for name in names if name not in named]))

    def unfolded(self, table: Table) -> Table:
        """The table whose series in fields are rows, with the names of series in one column. DataError as of
        usable_rows, and for a column of `id` that the table does not have."""
        table = self._with_names(table)
        columns = [name for name, _ in self.named]
        rows, why = usable_rows(table, self.skip_wrong, lambda some: some.unfolded(self.id, columns))
        return replace(rows, left_out=why)

    def check_roles(self) -> None:
        """ConfigError where a column has two roles."""
        roles: dict[str, str] = {}
        for column, role in self.named:
            if column in roles:
                raise ConfigError(
                    f"column {shown(column)} is named as {roles[column]} and again as {role}; name it once"
                )
            roles[column] = role

    def only(self, kind: str, *taken: str) -> None:
        """Raises ConfigError where a column is named that the source, a `kind`, cannot have."""
        for name in ("id", "time", "target", "text", "labels", *(["group"] if self.grouped else [])):
            value = getattr(self, name)
            if value is not None and name not in taken:
                known = f"takes {listed(taken)}" if taken else "has no columns to name"
                raise ConfigError(f"{option(name, str(value))}: {kind} {known}; leave it out")


OPEN = Query()


def find_target(table: Table, query: Query, taken: Sequence[str | None]) -> tuple[str | None, list[str]]:
    """The column of the answers and a note where it was found; None where the table may lack it and does.

    It is the one that was named, has a usual name, or, where answers are wanted, the only one that is neither
    taken nor of numbers.
    """
    if query.target is not None:
        if query.answers or query.target in table.frame.columns:
            table.require(query.target)
            return query.target, []
        return None, []
    left = [column for column in table.frame.columns if column not in (*taken, *query.known)]
    column = usual(left, query.usual_targets, nested=True)
    if query.answers and column in (None, "y", "Y"):  # y may well be a coordinate
        words = [name for name in left if name not in table.numeric]
        column = words[0] if len(words) == 1 else column
    if column is not None:
        return column, [f"answers: column {shown(column)}"]
    if not query.answers:
        return None, []
    remedy = f"name one of {listed(left)} with {option('target')}" if left else "add a column of answers"
    raise DataError(
        f"{table.name}: wanted a column of answers, found none by a usual name; {remedy}{table.or_no_header}"
    )


def written(
    table: Table,
    column: str,
    wanted: str,
    required: bool = True,
    may_be_empty: bool = False,
    words: tuple[str, ...] | None = None,
) -> pl.Series:
    """(rows,) the cells as text without blanks at their ends, null where they are missing: empty, or one of
    `words`, which a user may name (None: of MISSING). Of texts that `may_be_empty` only what does not stand
    there is missing: "" is one of them, and so is NA.

    DataError for values that are no names, and for the first missing one where they are `required`.
    """
    table.require(column)
    cells = table.frame[column]
    if not holds_names(cells):
        raise table.unlike(column, wanted)
    text = cells.cast(pl.String).str.strip_chars()
    blank = (text == "") & (cells.cast(pl.String) != "")
    missing = (
        (text.is_null() | blank) if may_be_empty else is_missing(text, MISSING if words is None else words)
    )
    if required:
        silence = ', write "" where it is empty' if may_be_empty else ""
        word = "" if may_be_empty or not missing.any() else text[int(missing.arg_max() or 0)]
        of_class = (
            f", or, where that is an answer, say what is none ({option('missing', '?')})" if word else ""
        )
        remedy = f"fill the cell{silence}, or delete the row{'' if words is None else of_class}"
        table.refuse(column, missing, f"wanted {wanted}, got {{}}", remedy)
    return pl.select(pl.when(~missing).then(text)).to_series()


def holds_names(cells: pl.Series) -> bool:
    """Whether the values can be names: text, numbers, truth or categories."""
    kind = cells.dtype
    return not (kind.is_temporal() or kind.is_nested() or kind in (pl.Binary, pl.Object))


def written_answers(table: Table, target: str, query: Query, wanted: str) -> pl.Series | None:
    """(rows,) the answer in each row; None where one is missing and none is required."""
    if query.multi_label:
        return _label_cells(table, target, query)
    wanted = "a transcript" if query.transcripts else wanted
    cells = written(table, target, wanted, query.answers, query.transcripts, query.no_answer)
    return None if cells.has_nulls() else cells


def _label_cells(table: Table, target: str, query: Query) -> pl.Series | None:
    """(rows,) the cells of label_sets.py, an empty one where there is no label."""
    table.require(target)
    cells = table.frame[target]
    if not holds_names(cells):
        raise table.unlike(target, "labels")
    text = cells.cast(pl.String).str.strip_chars().fill_null("")
    missing = is_missing(text, query.missing) & (text != "")
    if query.answers:
        remedy = f"write the labels, or, where that is one, say what is none ({option('missing', '?')})"
        table.refuse(target, missing, "wanted labels, or an empty cell, got {}", remedy)
    return None if missing.any() else text


def with_label_cells(table: Table, query: Query) -> Table:
    """The table whose lists of labels, or columns of 0 and 1 that are labels, are cells of text. DataError
    for lists of texts where one answer is wanted, and for other numbers than 0 and 1."""
    if query.multi_label and len(names := id_columns(query.target or "", table.frame.columns)) > 1:
        return _with_labels_of(table, str(query.target), names, query.answers)
    lists = [name for name, kind in table.frame.schema.items() if isinstance(kind, pl.List)]
    column = query.target or usual(table.frame.columns, query.usual_targets)
    if column is None and len(texts := [name for name in lists if _holds_texts(table.frame[name])]) == 1:
        column = texts[0]
    if column not in lists or query.multi_label is None:
        return table
    if not query.multi_label:
        _refuse_lists(table, column, query)
        return table
    cells = table.frame[column]
    if cells.null_count() == len(cells):
        raise DataError(
            f"{table.name}, column {shown(column)}: wanted lists of texts or of whole numbers, got none that "
            "can be read; write labels divided by a sign (a|b), or as such lists"
        )
    texts = ["" if cell is None else as_text(cell.to_list()) for cell in cells]
    return replace(table, frame=table.frame.with_columns(pl.Series(column, texts, pl.String)))


def _with_labels_of(table: Table, target: str, names: Sequence[str], answers: bool) -> Table:
    """The table with one column `target` of the names of those columns that hold 1, or true."""
    if not answers and not set(names) <= set(table.frame.columns):
        return table
    values = table.matrix(names).values
    if wrong := np.argwhere(~np.isin(values, (0, 1))).tolist():
        row, k = wrong[0]
        raise DataError(
            f"{table.place(row, names[k])}: wanted 1 where the label is right and 0 where not, got "
            f"{shown(table.frame[names[k]][row])}; correct it, or name one column of labels with "
            f"{option('target')}"
        )
    cells = [as_text(names[k] for k in np.flatnonzero(row).tolist()) for row in values]
    frame = table.frame.drop(names).with_columns(pl.Series(target, cells, pl.String))
    return replace(table, frame=frame)


def _refuse_lists(table: Table, column: str, query: Query) -> None:
    """DataError for lists of texts, unless there is one for each step of another list."""
    kinds, sizes = table.frame.schema.items(), pl.col(pl.List).list.len().fill_null(0)
    others = [name for name, kind in kinds if isinstance(kind, pl.List) and name != column]
    lengths = table.frame.select(sizes)
    for_each_step = any((lengths[column] == lengths[name]).all() for name in others)
    if query.answers and _holds_texts(table.frame[column]) and not for_each_step:
        raise DataError(
            f"{table.name}, column {shown(column)}: wanted one answer in each cell, got lists; say that "
            f"several labels may be right ({option('multi_label')}), or name another column"
        )


def _holds_texts(cells: pl.Series) -> bool:
    """Whether it is one of lists of texts."""
    return isinstance(cells.dtype, pl.List) and cells.dtype.inner == pl.String


def rows_answered(
    table: Table, query: Query, column: str, noun: str
) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None, list[str]]:
    """Of a table with an input of `column` in each row: the ids where there is a column of them, the answers
    where none is missing, and notes."""
    target, notes = find_target(table, query, [column, query.id])
    answers = None if target is None else written_answers(table, target, query, "an answer")
    notes += query.notes_on_groups(table, [column, query.id, target])
    ids = None if query.id is None else tuple(written(table, query.id, f"the name of a {noun}"))
    return ids, None if answers is None else tuple(answers), notes
