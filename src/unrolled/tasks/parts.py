"""Tasks whose data are cut into a training, a validation and a test part before anything is fitted: the
parts, and what estimators of such tasks share. sections.py has the options that say how."""

import hashlib
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import nn

from unrolled.batching import splits
from unrolled.errors import ConfigError, DataError, UnrolledError
from unrolled.tasks.estimator import Codec, Estimator, Source, Sources
from unrolled.tasks.evaluation import Evaluation
from unrolled.tasks.sections import PartsConfig


class Data(Protocol):
    """What a task reads from one source, or from several of one kind."""

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
    """`test` is None where none was kept."""

    train: D
    validation: D
    test: D | None


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
    test = None if sources.test is None else read(sources.test)
    shares = (0 if validation is not None else config.validation, 0 if test is not None else config.test)
    train, own_validation, own_test = split(read(sources.train), *shares, config.split_seed)
    if test is None and len(own_test):
        test = own_test
    parts = Parts(train, own_validation if validation is None else validation, test)
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

    def evaluate(self, data: Source = None) -> Evaluation:
        """Judges beside the baselines: on the test part of the training data, or on all of other data."""
        _ = self.network
        if data is not None:
            return self._judge(self._read_new(data), {"judged": "all of the data given"})
        test = self._training_parts().test
        if test is None:
            raise ConfigError("no part of the training data was kept to judge on; give other data")
        return self._judge(test, {"judged": "the test part"})

    def _read_new(self, data: Source) -> D:
        """What a source holds that the trained network is judged on."""
        return self._read_source(self.config, data)

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

    def _training_parts(self) -> Parts[D]:
        """As they were trained on; read again after `load`."""
        if self._data is None:
            if not self.config.data.files:
                raise ConfigError("this model was trained on data that are no longer here; give the data")
            data = self.config.data
            given = (data.files, data.validation_files or None, data.test_files or None)
            self._data = self._read(self.config, Sources(*given))[1]
        return self._data
