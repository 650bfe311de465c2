"""Series that cannot be used: where that is allowed they are left out, with the reason, else the first is an
error."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from unrolled.errors import DataError
from unrolled.files.messages import listed, option, shown

T = TypeVar("T")

MOST_REASONS = 20  # that are told, one a line


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
                self.why[name] = _complaint(error)
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


def _complaint(error: DataError) -> str:
    """Without the remedy."""
    complaint, _, remedy = str(error).rpartition("; ")
    return complaint or remedy
