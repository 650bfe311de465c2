"""Inputs of one step with an answer of any length: a picture, numbers, a class, or numbers and a class.

    text      a row is an input and its caption; rows of the same pixels, whatever their file, or of the same
              numbers, are one input with several right captions
    numbers   long: rows are the steps of an answer (id, [time], targets …), and the input is the same in all
              rows of an id

A class alone is not one input however often it comes: it would be in one part of the data only.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.files.fingerprints import NONE, Prints, fingerprint
from unrolled.files.images import Pixels, Size

Numbers = NDArray[np.float64]


class Given(NamedTuple):
    """`numbers` (F,) of the features, and the class, None where there is none."""

    numbers: Numbers
    label: str | None


@dataclass(frozen=True)
class Query:
    """Names of columns, None or () where open; `channels` and `size` say how pictures are read. `answers`
    False: the source may lack them. `alike` False: pictures may have several sizes, the caller looks."""

    image: str | None = None
    features: tuple[str, ...] = ()
    given: str | None = None
    target: tuple[str, ...] = ()
    id: str | None = None
    time: str | None = None
    answers: bool = True
    channels: str = "rgb"
    size: Size | None = None
    alike: bool = True


@dataclass(frozen=True)
class Captioned:
    """N inputs of one source.

    inputs    pictures (H, W, C) uint8, or Given
    features  (F,) names of the columns of numbers; `given` the name of that of classes
    answers   (N,) the right captions of each, one or more; of numbers one (T, D) each. None where the source
              holds none
    columns   (D,) names of the numbers of an answer; () where answers are text
    names     (N,) what the source calls each; places (N,) where each stands, for errors
    notes     what the reader found and chose
    """

    noun: ClassVar[str] = "input"

    inputs: tuple[Pixels | Given, ...]
    features: tuple[str, ...]
    given: str | None
    answers: tuple[tuple[Any, ...], ...] | None
    columns: tuple[str, ...]
    names: tuple[str, ...]
    places: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def is_pictures(self) -> bool:
        return not self.features and self.given is None

    def __len__(self) -> int:
        return len(self.inputs)

    def select(self, indices: Sequence[int] | NDArray[np.int64]) -> "Captioned":
        """Those of `indices`, in their order."""
        at = [int(i) for i in indices]
        own: dict[str, Any] = {
            field: tuple(getattr(self, field)[i] for i in at) for field in ("inputs", "names", "places")
        }
        answers = None if self.answers is None else tuple(self.answers[i] for i in at)
        return replace(self, answers=answers, **own)

    def fingerprints(self) -> Prints:
        """(N,) of the inputs. Classes alone are in all parts: these are of their answers where they
        are sequences of numbers, and NONE where they are texts, which repeat."""
        if self.is_pictures or self.features:
            found = (fingerprint(*one) if isinstance(one, Given) else fingerprint(one) for one in self.inputs)
        elif self.columns and self.answers is not None:
            found = (fingerprint(answer) for (answer,) in self.answers)
        else:
            found = (NONE for _ in self.inputs)
        return np.fromiter(found, np.uint64)

    def checksum(self) -> str:
        """SHA-256 of the inputs, the answers and the names of their columns."""
        digest = hashlib.sha256(repr((self.features, self.given, self.columns)).encode())
        for one in self.inputs:
            array = one.numbers if isinstance(one, Given) else one
            label = one.label if isinstance(one, Given) else None
            digest.update(repr((array.shape, label)).encode("utf-8", "surrogatepass"))
            digest.update(np.ascontiguousarray(array).tobytes())
        for answer in (answer for several in self.answers or () for answer in several):
            whole = answer if isinstance(answer, str) else (answer.shape, answer.tobytes())
            digest.update(repr(whole).encode("utf-8", "surrogatepass"))
        digest.update(repr([len(several) for several in self.answers or ()]).encode())
        return digest.hexdigest()
