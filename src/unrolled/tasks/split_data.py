"""Tasks whose data are cut into a training, a validation and a test part before anything is fitted: the
parts, and what estimators of such tasks share. shared_options.py has the options that say how."""

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import nn

from unrolled.batching import splits
from unrolled.errors import ConfigError, DataError, UnrolledError
from unrolled.files.messages import counted, option
from unrolled.tasks.estimator import Codec, Estimator, Source, Sources
from unrolled.tasks.evaluation import Evaluation
from unrolled.tasks.seen import Seen, SeenExamples, nothing_new, told
from unrolled.tasks.shared_options import PartsConfig


class Data(Protocol):
    """What a task reads from one source, or from several of one kind; `noun` is what it is counted in."""

    noun: ClassVar[str]

    def __len__(self) -> int: ...

    def checksum(self) -> str:
        """Of what was read, whatever the file's name and format."""


class Drawable(Data, Protocol):
    """Data whose examples do not follow one another."""

    def select(self, indices: NDArray[np.int64]) -> Self:
        """Those of `indices`, in their order."""


C = TypeVar("C")
D = TypeVar("D", bound=Data)
L = TypeVar("L", bound=Drawable)
K = TypeVar("K", bound=Codec)
N = TypeVar("N", bound=nn.Module)


@dataclass(frozen=True)
class Parts(Generic[D]):
    """`test` is None where none was kept. `apart`: it came in a source of its own, which may hold again what
    the others do; a part of the same source repeats only what repeats by its nature."""

    train: D
    validation: D
    test: D | None
    apart: bool = False


Split = Callable[[D, float, float, int], tuple[D, D, D]]


def selected(data: L, parts: splits.Parts) -> tuple[L, L, L]:
    """The examples of each part."""
    train, validation, test = (data.select(part) for part in parts)
    return train, validation, test


def by_lot(data: L, validation: float, test: float, seed: int) -> tuple[L, L, L]:
    """Training, validation and test part of sequences that do not follow one another."""
    return selected(data, splits.by_sequence(len(data), validation, test, seed))


def read_parts(
    config: PartsConfig, sources: Sources, read: Callable[[Source], D], split: Split[D]
) -> tuple[PartsConfig, Parts[D]]:
    """Reads and splits; a part whose share is 0 is empty. DataError where the checksum is another than
    `config` says; the configuration that comes back has it."""
    validation = None if sources.validation is None else read(sources.validation)
    test, apart = None if sources.test is None else read(sources.test), sources.test is not None
    shares = (0 if validation is not None else config.validation, 0 if test is not None else config.test)
    train, own_validation, own_test = split(read(sources.train), *shares, config.split_seed)
    if test is None and len(own_test):
        test = own_test
    parts = Parts(train, own_validation if validation is None else validation, test, apart)
    whole = [part.checksum() for part in (parts.train, parts.validation, parts.test) if part is not None]
    sha256 = hashlib.sha256(" ".join(whole).encode()).hexdigest()
    if config.sha256 not in (None, sha256):
        raise DataError(
            f"the data have changed: wanted sha256 {config.sha256}, got {sha256}; give the data that the "
            "configuration was made with, or delete its line 'sha256' to train on these"
        )
    return config.model_copy(update={"sha256": sha256}), parts


class PartsEstimator(Estimator[C, Parts[D], K, N]):
    """An estimator of such a task: it says how one source is read and how a part is judged."""

    seen_class: ClassVar[type[Seen[Any]]] = SeenExamples

    @abstractmethod
    def _read_source(self, config: C, source: Source) -> D:
        """What a source holds. DataError with its place for whatever is wrong with it."""

    @abstractmethod
    def _judge(self, data: D, about: dict[str, Any]) -> Evaluation:
        """The trained network beside the baselines; `about` goes into the evaluation."""

    def _split(self, config: C, data: D, validation: float, test: float, seed: int) -> tuple[D, D, D]:
        """By lot; otherwise where the parts must follow one another, or have their shares of something."""
        drawable: Any = data
        parts: tuple[D, D, D] = by_lot(drawable, validation, test, seed)
        return parts

    def evaluate(self, data: Source = None, *, include_training: bool = False) -> Evaluation:
        seen, parts = self.seen, self._training_parts() if data is None else None
        own = self._read_new(data) if parts is None else parts.test
        if own is None:
            raise ConfigError("no part of the training data was kept to judge on; give other data")
        whole = include_training or (parts is not None and not parts.apart)
        new = seen.new(own)
        known = len(own) - len(new)
        if not whole and not len(new):
            raise nothing_new(own.noun, 0, len(own), f"{own.noun}s")
        what = "the data given" if parts is None else "the test part"
        about = {"judged": what, "seen": known, "left_out": 0 if whole else known}
        found = self._judge(own if whole else new, about)
        blind = parts is None and not len(seen.prints)  # classes that are captioned, a text of a few words
        known_by_nothing = [f"which {own.noun}s training held is not known: all are judged"] if blind else []
        return found.telling([*told(own.noun, known, len(own), whole), *known_by_nothing])

    def _read_new(self, data: Source, answers: bool = True) -> D:
        """What a source holds that the trained network is judged on, or asked for answers alone."""
        return self._read_source(self.config, data)

    def _asked_for(self, data: Source) -> D:
        """What to predict: other data, or the test part of the training data, or all of them."""
        if data is not None:
            return self._read_new(data, answers=False)
        parts = self._training_parts()
        return parts.train if parts.test is None else parts.test

    def _read(self, config: C, sources: Sources) -> tuple[C, Parts[D]]:
        asked: Any = config
        data, parts = read_parts(
            asked.data, sources, partial(self._read_source, config), partial(self._split, config)
        )
        return asked.model_copy(update={"data": data}), parts

    def _train_part(self) -> tuple[D | None, list[str]]:
        """What baselines find their answers in; None, and a sentence that says so, where it is not here."""
        try:
            return self._training_parts().train, []
        except UnrolledError as error:
            return None, [f"there is no training part to compare with: {error}"]

    def _seen_by(self, config: C, data: Parts[D]) -> Seen[Any]:
        return self.seen_class.of(data.train, data.validation)

    @classmethod
    def _restore_seen(cls, arrays: Mapping[str, NDArray[Any]]) -> Seen[Any]:
        return cls.seen_class.restore(arrays)

    def _overlap(self, data: Parts[D], seen: Seen[Any]) -> tuple[str, ...]:
        if data.test is None:
            return ()
        total, new = len(data.test), len(seen.new(data.test))
        if data.apart and not new:
            raise DataError(
                f"all {counted(total, data.test.noun)} of the test files stand in the training or validation "
                f"part; name others, or keep a part of the training files for it ({option('test', 0.1)})"
            )
        return tuple(
            f"test part: {line}" for line in told(data.test.noun, total - new, total, not data.apart)
        )

    def _training_parts(self) -> Parts[D]:
        """As they were trained on; read again after `load`."""
        if self._data is None:
            if not self.config.data.files:
                raise ConfigError("this model was trained on data that are no longer here; give the data")
            data = self.config.data
            given = (data.files, data.validation_files or None, data.test_files or None)
            self._data = self._read(self.config, Sources(*given))[1]
        return self._data
