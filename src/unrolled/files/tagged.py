"""Sequences with an answer at every step, as the readers of all formats give them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from unrolled.files.examples import Examples, Numbers, encoded
from unrolled.files.fingerprints import Prints, fingerprints
from unrolled.files.messages import option

Words = tuple[str, ...]


class Layout(NamedTuple):
    """How the lines of a file of words are made: so many columns, with tabs or blanks between them."""

    columns: int
    tabs: bool


@dataclass(frozen=True)
class Tagged(Examples[Words | Numbers, Words]):
    """Inputs are words (T_i,) or numbers (T_i, F), answers tags (T_i,); a place is that of the first step.
    `layout` is of CoNLL files with tags."""

    layout: Layout | None = None

    @property
    def lengths(self) -> list[int]:
        return [len(one) for one in self.inputs]

    def cut(self, parts: Sequence[slice]) -> Self:
        """The steps `parts` (N,) of each sequence."""
        answers = self.answers and tuple(one[part] for one, part in zip(self.answers, parts, strict=True))
        inputs = tuple(one[part] for one, part in zip(self.inputs, parts, strict=True))
        return replace(self, inputs=inputs, answers=answers)

    def fingerprints(self) -> Prints:
        return fingerprints((" ".join(one),) if isinstance(one, tuple) else (one,) for one in self.inputs)

    def _lacking(self) -> str:
        return f"there are no tags; name their column ({option('column')} or {option('target')})"

    def _content(self) -> Iterator[bytes]:
        yield encoded(self.answers)
        if self.is_text:
            yield encoded(self.inputs)
        else:
            yield Examples(self.inputs, self.features, None, (), ()).checksum().encode()
