"""Inputs of one step with an answer of any length: a picture, numbers, a class, or numbers and a class.

    text      a row is an input and its caption; rows of the same pixels, whatever their file, or of the same
              numbers, are one input with several right captions
    numbers   long: rows are the steps of an answer (id, [time], targets …), and the input is the same in all
              rows of an id

A class alone is not one input however often it comes: it would be in one part of the data only.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.files.examples import Examples, encoded
from unrolled.files.fingerprints import NONE, Prints, fingerprint
from unrolled.files.images import Pixels
from unrolled.files.messages import option

Numbers = NDArray[np.float64]


class Attributes(NamedTuple):
    """`numbers` (F,) of the features, and the class, None where there is none."""

    numbers: Numbers
    label: str | None


@dataclass(frozen=True, kw_only=True)
class Captioned(Examples[Pixels | Attributes, tuple[Any, ...]]):
    """Inputs are pictures (H, W, C) uint8, or Attributes; answers the right captions of each, one or more, or
    one sequence of numbers (T, D) each.

    class_column  name of the column of classes
    targets       (D,) names of the numbers of an answer; () where answers are text
    """

    noun: ClassVar[str] = "input"

    class_column: str | None = None
    targets: tuple[str, ...] = ()

    @property
    def is_pictures(self) -> bool:
        return not self.features and self.class_column is None

    @property
    def labels(self) -> list[str | None]:
        """(N,) the class of each input."""
        return [one.label if isinstance(one, Attributes) else None for one in self.inputs]

    def fingerprints(self) -> Prints:
        """(N,) of the inputs. Classes alone are in all parts: these are of their answers where they
        are sequences of numbers, and NONE where they are texts, which repeat."""
        if self.is_pictures or self.features:
            prints = (
                fingerprint(*one) if isinstance(one, Attributes) else fingerprint(one) for one in self.inputs
            )
        elif self.targets and self.answers is not None:
            prints = (fingerprint(answer) for (answer,) in self.answers)
        else:
            prints = (NONE for _ in self.inputs)
        return np.fromiter(prints, np.uint64)

    def _lacking(self) -> str:
        return f"there are no captions; name their column with {option('target')}"

    def _content(self) -> Iterator[bytes]:
        yield encoded((self.features, self.class_column, self.targets))
        for one, label in zip(self.inputs, self.labels, strict=True):
            array = one.numbers if isinstance(one, Attributes) else one
            yield encoded((array.shape, label))
            yield np.ascontiguousarray(array).tobytes()
        answers = self.answers or ()
        for answer in chain.from_iterable(answers):
            yield encoded(answer if isinstance(answer, str) else (answer.shape, answer.tobytes()))
        yield encoded([len(several) for several in answers])
