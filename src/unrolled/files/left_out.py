"""Series and rows that cannot be used: where that is allowed they are left out, with the reason, else the
first is an error."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError
from unrolled.files.messages import counted, listed, natural, option, shown

if TYPE_CHECKING:
    from unrolled.files.table import Table

T = TypeVar("T")

MOST_REASONS = 20  # that are told, one a line


class WrongLineError(DataError):
    """A line of a text that no reader can use, where others may be of use."""


@contextmanager
def offering_to_skip(skip: bool | None) -> Iterator[None]:
    """Inside, the error of a wrong line says that such lines may be left out, where that is an option."""
    try:
        yield
    except WrongLineError as error:
        raise DataError(f"{error}{or_skip_wrong(skip)}") from None


class WrongRowsError(DataError):
    """Rows of a table that no reader can use: `rows` says of each whether it is one, `reason(row)` why."""

    def __init__(self, message: str, rows: NDArray[np.bool_], reason: Callable[[int], str]) -> None:
        super().__init__(message)
        self.rows, self.reason = rows, reason


def usable_rows(
    table: "Table", skip: bool | None, read: Callable[["Table"], T], id: str | None = None
) -> tuple[T, dict[str, str]]:
    """What `read` makes of the rows that it can use, and of others, where they may be left out, by their
    places why: with a row all those go that have the same `id`. DataError for the first where none may be
    left out (`skip` None: there is no such option here), and where no row is left."""
    why = dict(table.left_out)
    while True:
        try:
            return read(table), dict(sorted(why.items(), key=lambda one: natural(one[0])))
        except WrongRowsError as error:
            if not skip:
                raise DataError(f"{error}{or_skip_wrong(skip)}") from None
            why |= {
                f"{table.name}, {table.row(row)}": error.reason(row)
                for row in np.flatnonzero(error.rows).tolist()
            }
            table = table.without(error.rows, id)
            if not table.frame.height:
                place, reason = next(iter(why.items()))
                raise DataError(
                    f"{table.name}: no row can be used; the first: {place}: {reason}; correct the rows"
                ) from None


def below_header(
    path: str,
    lines: Sequence[str],
    begin: int,
    comment: str,
    noun: str,
    read: Callable[[str], T],
    wrong: dict[str, str] | None,
) -> tuple[list[T], list[int]]:
    """What `read` makes of the lines from index `begin` on, without blank ones and comments, and the numbers
    of these lines (from 1). A line that is a ValueError to it goes to `wrong` with the reason, by its place;
    where that is None, it is a DataError, and so is no line at all."""
    rows, numbers = list[T](), list[int]()
    for number, line in enumerate(lines[begin:], begin + 1):
        if not line.strip() or line.startswith(comment):
            continue
        place = f"{path}, line {number}"
        try:
            rows.append(read(line))
            numbers.append(number)
        except ValueError as error:
            if wrong is None:
                raise WrongLineError(f"{place}: {error}; correct the {noun}") from None
            wrong[place] = str(error)
    if not rows:
        raise DataError(f"{path}: no {noun} below @data; wanted at least one")
    return rows, numbers


def joined_reason(before: str | None, reason: str) -> str:
    """Why a row was left out, where there may be other reasons."""
    return reason if before is None or before == reason else f"{before}; {reason}"


def joined_reasons(several: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """By place all reasons."""
    why: dict[str, str] = {}
    for one in several:
        why |= {place: joined_reason(why.get(place), reason) for place, reason in one.items()}
    return why


def or_skip_wrong(skip: bool | None) -> str:
    """The remedy for a row that cannot be used, behind others; `skip` None: there is no such option here."""
    return "" if skip is None else f"; or leave such rows out ({option('skip_wrong')})"


def told_rows(why: Mapping[str, str]) -> Sequence[str]:
    """Lines on the rows that were left out, of very many the reasons of the first."""
    lines = [f"left out: {counted(len(why), 'wrong row')}"] if why else []
    lines += [f"left out: {place}: {reason}" for place, reason in list(why.items())[:MOST_REASONS]]
    others = len(why) - MOST_REASONS
    return (*lines, *([f"left out: {others:,} more"] if others > 0 else []))


class UnusableError(DataError):
    """No series can be used, or one that may not be left out cannot."""


@dataclass(frozen=True)
class LeftOut:
    """Of several series, `allowed` says whether some may be left out, `why` which are, with the reasons."""

    several: bool
    allowed: bool
    why: dict[str, str] = field(default_factory=dict)

    def each(
        self, names: Iterable[str], use: Callable[[str], T], refused: type[DataError] = DataError
    ) -> dict[str, T]:
        """What `use` gives of each series but those of which it raises `refused`. UnusableError of the first
        where it may not be left out, and where no series is left."""
        usable = {}
        for name in names:
            try:
                usable[name] = use(name)
            except refused as error:
                if not (self.several and self.allowed):
                    more = or_skip(self.several)
                    raise UnusableError(f"{str(error).removesuffix(more)}{more}") from None
                self.why[name] = without_remedy(str(error))
        if not usable:
            first = next(iter(self.why.values()))
            raise UnusableError(f"none of {len(self.why):,} series can be used; the first: {first}")
        return usable


def or_skip(several: bool) -> str:
    """The remedy for one of several series that cannot be used, behind others."""
    return f", or leave such series out ({option('skip_series')})" if several else ""


def told(why: Mapping[str, str], used: int) -> Sequence[str]:
    """Lines on what was left out beside so many series that were used: reasons, of very many those of the
    first, and the names of all."""
    if not why:
        return ()
    lines = [f"left out: {len(why):,} of {used + len(why):,} series"]
    lines += [f"left out: {shown(name)}: {reason}" for name, reason in list(why.items())[:MOST_REASONS]]
    others = list(why)[MOST_REASONS:]
    return (*lines, *([f"left out too: {listed(others, len(others))}"] if others else []))


def without_remedy(error: str) -> str:
    """The complaint of an error alone."""
    complaint, _, remedy = error.rpartition("; ")
    return complaint or remedy
