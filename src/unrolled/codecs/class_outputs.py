"""What the outputs of a classifier say of C classes. Without torch.

    multiclass   p = softmax(o)                   the likeliest class, the first of equals        o (…, C)
    multilabel   p_k = σ(o_k)                     every class k with p_k ≥ τ_k                    o (…, C)
    ordinal      c_1 = o_1                        the median: the first class with P(y > k) ≤ ½   o (…, C - 1)
                 c_k = c_{k-1} - ς(o_k)
                 P(y > k) = σ(c_k),   p_k = σ(c_{k-1}) - σ(c_k) = σ(c_{k-1}) σ(-c_k) σ(o_k)

σ is the logistic function and ς(a) = ln(1 + e^a). The cut points c fall by positive steps, so that no class
has a negative probability; at both ends of the order the factors that are not there are 1.

Source   McCullagh 1980, doi:10.1111/j.2517-6161.1980.tb01109.x, cumulative logits
Differs  the steps between the cut points follow from the sequence too, not its level alone

Shapes   o (…, O) -> p (…, C) float64; chosen (…) numbers of classes, of multilabel (…, C) truth values
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unrolled.files import labels
from unrolled.files.labels import Kind, SetKind
from unrolled.kernels.numpy import heads

Array = NDArray[Any]

HALF = 0.5


@dataclass(frozen=True)
class ClassOutput(ABC):
    """`names` (C,) of the classes; `kind`: the type that the caller had the labels in, None where a file held
    them."""

    names: tuple[str, ...]
    kind: Kind | SetKind | None = None
    output: ClassVar[str]

    @property
    def size(self) -> int:
        """O."""
        return len(self.names)

    @property
    def classes(self) -> Array:
        """(C,) in their own type. ValueError where they are of another."""
        kind = self.kind
        if isinstance(kind, SetKind):
            kind = kind.kind if kind.columns is None else "int64"
        return labels.given_back(self.names, kind)

    @abstractmethod
    def probabilities(self, o: Array) -> Array:
        """p."""

    @abstractmethod
    def chosen(self, o: Array, p: Array) -> Array:
        """The answer, of outputs and their probabilities."""

    @abstractmethod
    def label(self, chosen: Array) -> Array:
        """The answer in its own type, (…) of objects; of an indicator array its rows (…, C)."""

    @abstractmethod
    def text(self, chosen: Array) -> Array:
        """The answer as a row of a table has it, (…) of objects."""

    def about(self) -> dict[str, Any]:
        """In plain values, what `restore` takes; `classes` and `kind` as they have always stood there."""
        kind = {} if self.kind is None else {"kind": self.kind}
        return {"classes": list(self.names)} | kind


@dataclass(frozen=True)
class Multiclass(ClassOutput):
    """One class of several."""

    output: ClassVar[str] = "multiclass"

    def probabilities(self, o: Array) -> Array:
        return heads.softmax(_wide(o))

    def chosen(self, o: Array, p: Array) -> Array:
        return np.asarray(p.argmax(-1))

    def label(self, chosen: Array) -> Array:
        return self._objects[chosen]

    def text(self, chosen: Array) -> Array:
        return self.label(chosen)

    @cached_property
    def _objects(self) -> Array:
        return _objects(self.classes.tolist())


@dataclass(frozen=True)
class Ordinal(Multiclass):
    """One class of several in an order, that of `names`."""

    output: ClassVar[str] = "ordinal"

    @property
    def size(self) -> int:
        return len(self.names) - 1

    def probabilities(self, o: Array) -> Array:
        cuts, steps = self._cuts(o), log_sigmoid(_wide(o)[..., 1:])
        end = np.zeros_like(cuts[..., :1])
        above = np.concatenate([end, log_sigmoid(cuts)], -1)
        below = np.concatenate([log_sigmoid(-cuts), end], -1)
        between = np.concatenate([end, steps, end], -1)
        return heads.exp(above + below + between)

    def chosen(self, o: Array, p: Array) -> Array:
        return np.asarray((self._cuts(o) > 0).sum(-1))

    def about(self) -> dict[str, Any]:
        return super().about() | {"output": self.output}

    def _cuts(self, o: Array) -> Array:
        """c (…, C - 1)."""
        o = _wide(o)
        return np.cumsum(np.concatenate([o[..., :1], log_sigmoid(-o[..., 1:])], -1), -1)


@dataclass(frozen=True)
class Multilabel(ClassOutput):
    """Any number of classes. `thresholds` (C,) τ; `sign` divides labels in the cells of files."""

    thresholds: tuple[float, ...] = ()
    sign: str = "|"
    output: ClassVar[str] = "multilabel"

    def probabilities(self, o: Array) -> Array:
        return heads.exp(log_sigmoid(_wide(o)))

    def chosen(self, o: Array, p: Array) -> Array:
        return np.asarray(p >= np.array(self.thresholds))

    def label(self, chosen: Array) -> Array:
        if not isinstance(self.kind, SetKind):
            return self.text(chosen)
        back = labels.sets_given_back(chosen.reshape(-1, len(self.names)), self.names, self.kind)
        return back.reshape(chosen.shape) if self.kind.columns else _objects(back).reshape(chosen.shape[:-1])

    def text(self, chosen: Array) -> Array:
        return _objects(self.joined(chosen.reshape(-1, len(self.names)))).reshape(chosen.shape[:-1])

    def joined(self, chosen: Array) -> list[str]:
        """chosen (N, C) -> (N,) cells."""
        return [self.sign.join(self.names[k] for k in np.flatnonzero(row)) for row in chosen]

    def given_back(self, chosen: Array) -> Any:
        """chosen (N, C) as the caller had labels: an indicator array, lists, or an array of cells."""
        if isinstance(self.kind, SetKind):
            return labels.sets_given_back(chosen, self.names, self.kind)
        return np.array(self.joined(chosen), np.str_)

    def about(self) -> dict[str, Any]:
        about = super().about() | {"output": self.output, "thresholds": list(self.thresholds)}
        if isinstance(self.kind, SetKind):
            about |= {"kind": self.kind.kind, "columns": self.kind.columns or 0}
        return about | {"sign": self.sign}


def restored(about: Mapping[str, Any]) -> ClassOutput:
    """What about() described. LookupError, TypeError or ValueError for anything else."""
    names, kind = tuple(about["classes"]), about.get("kind")
    if not names or len(set(names)) < len(names):
        raise ValueError(f"classes {names!s:.40}; wanted each once")
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"classes {names!s:.40} that are no texts")
    match about.get("output", Multiclass.output):
        case Multiclass.output:
            output: ClassOutput = Multiclass(names, kind)
        case Ordinal.output:
            output = Ordinal(names, kind)
        case Multilabel.output:
            output = _multilabel(names, kind, about)
        case other:
            raise ValueError(f"an output {other!r:.40}")
    _ = output.classes  # ValueError where they are of another kind
    return output


def log_sigmoid(o: Array) -> Array:
    """ln σ(o)."""
    return -heads.logaddexp(np.zeros((), o.dtype), -o)


def _multilabel(names: tuple[str, ...], kind: Any, about: Mapping[str, Any]) -> Multilabel:
    thresholds, sign, columns = tuple(about["thresholds"]), about["sign"], about.get("columns")
    if len(thresholds) != len(names) or not all(type(one) is float and 0 < one < 1 for one in thresholds):
        raise ValueError(f"thresholds {thresholds!s:.40}; wanted {len(names)} between 0 and 1")
    if type(sign) is not str or not sign or any(sign in name for name in names):
        raise ValueError(f"labels {names!s:.40} are not divided by {sign!r:.20}")
    if columns is not None:
        if type(columns) is not int or columns not in (0, len(names)):
            raise ValueError(f"an indicator array of {columns!r:.20} columns for {len(names)} labels")
        kind = SetKind(kind, columns or None)
    return Multilabel(names, kind, thresholds, sign)


def _wide(o: Array) -> Array:
    return np.asarray(o, np.float64)


def _objects(values: Any) -> Array:
    """(N,) of Python."""
    array = np.empty(len(values), np.object_)
    array[:] = values
    return array
