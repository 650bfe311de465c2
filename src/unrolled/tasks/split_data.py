"""Tasks whose data are cut into a training, a validation and a test part before anything is fitted: the
parts, and what estimators of such tasks share. shared_options.py has the options that say how."""

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar, cast
from weakref import WeakKeyDictionary

import polars as pl
import torch
from torch import nn

from unrolled.batching.splits import Parts as Indices
from unrolled.batching.splits import by_sequence
from unrolled.codecs.heard import Heard
from unrolled.errors import ConfigError, DataError, UnrolledError
from unrolled.files import arrays
from unrolled.files.at_hand import InMemory
from unrolled.files.labels import Kind
from unrolled.files.left_out import told_rows
from unrolled.files.messages import counted, option
from unrolled.files.recordings import NOTE as HEARD
from unrolled.tasks import groups
from unrolled.tasks.estimator import Estimator, Prepared
from unrolled.tasks.evaluation import Evaluation
from unrolled.tasks.seen import SeenExamples, nothing_new, seen_sentences, validated_on_known
from unrolled.tasks.sources import Source, Sources, files_of, paths
from unrolled.tasks.trained import Codec, left_out_frame
from unrolled.training.batches import Batches
from unrolled.training.config import LEAST_VALIDATION, TrainingConfig
from unrolled.training.generators import own_generators
from unrolled.training.loop import Training
from unrolled.training.progress import Reporter


class Data(Protocol):
    """What a task reads from one source, or from several of one kind; `noun` is what it is counted in."""

    noun: ClassVar[str]

    def __len__(self) -> int: ...

    def checksum(self) -> str:
        """Of what was read, whatever the file's name and format."""


C = TypeVar("C")
D = TypeVar("D", bound=Data)
K = TypeVar("K", bound=Codec)
N = TypeVar("N", bound=nn.Module)
T = TypeVar("T")

# Of the validation and of the test part, what the draw follows from, and the groups, if any, that stay whole.
Shares = tuple[float, float, int, Sequence[str] | None]


@dataclass(frozen=True)
class Splits(Generic[D]):
    """`test` is None where none was kept. `separate_test`: it came in a source of its own, which may hold
    again what the others do; a part of the same source repeats only what repeats by its nature."""

    train: D
    validation: D
    test: D | None
    separate_test: bool = False

    @property
    def left_out(self) -> dict[str, str]:
        """By place why rows of its sources were left out."""
        parts = [part for part in (self.train, self.validation, self.test) if part is not None]
        return {place: why for part in parts for place, why in _left_out_of(part).items()}

    def encoded(self, encode: Callable[[D], T]) -> tuple[T, T]:
        """The training and the validation part as a network learns from them. The test part is encoded too:
        what is wrong with it comes out now, not after the training."""
        train = encode(self.train)
        validation = train if self.validation is self.train else encode(self.validation)
        if self.test is not None:
            encode(self.test)
        return train, validation

    def sizes(self, more: str = "") -> str:
        """How many examples each part has; `more` to tell of those to train on."""
        sizes = [f"{counted(len(self.train), self.train.noun)}{more} to train on"]
        sizes += [f"{len(self.validation):,} to validate"] if self.validation is not self.train else []
        return ", ".join(sizes + ([] if self.test is None else [f"{len(self.test):,} to test"]))


def _as_read(config: Any, data: Any) -> Any:
    """A configuration with what follows from the data of a training: the rate at which recordings are heard,
    also those of other parts."""
    rate_hz = getattr(data, "rate_hz", None)
    if rate_hz is None:
        return config
    return config.model_copy(update={"data": config.data.model_copy(update={"rate_hz": rate_hz})})


class _Read(NamedTuple):
    """Of what is judged or answered: which files, and how; notes on recordings, what of them is unlike the
    training, and what was left out."""

    how: Any
    heard: list[str]
    unlike: list[str]
    left_out: Mapping[str, str]


# What each estimator read last. An answer changes no estimator, so that it stands beside them.
_READ: WeakKeyDictionary[Any, _Read] = WeakKeyDictionary()


def _heard(notes: Sequence[str]) -> list[str]:
    """Those on recordings."""
    return [note for note in notes if note.startswith(HEARD)]


def _left_out_of(data: Any) -> Mapping[str, str]:
    """Of what a task reads, which may know of none."""
    left_out: Mapping[str, str] = getattr(data, "left_out", {})
    return left_out


class SplitEstimator(Estimator[C, Splits[D], K, N]):
    """An estimator of such a task: it says how one source is read and how a part is judged."""

    seen_class: ClassVar[type[Any]] = SeenExamples
    groups_examples = True

    @abstractmethod
    def _read_source(self, config: C, source: Source, answers: bool = True) -> D:
        """What files, frames or what was read already hold; where not `answers`, they may lack them.
        DataError with its place for whatever is wrong with it."""

    @abstractmethod
    def _of_arrays(self, X: Any, lengths: Any) -> D:
        """The inputs of data in memory."""

    @abstractmethod
    def _with_answers(self, data: D, y: Any, like: Kind | None) -> D:
        """`data` with the answers in memory, of the kind `like` where they can be."""

    @abstractmethod
    def _judge(self, data: D, about: dict[str, Any]) -> Evaluation:
        """The trained network beside the baselines; `about` goes into the evaluation."""

    def _split(self, config: C, data: D, shares: Shares) -> Indices:
        """Which examples train, validate and test: by lot, or so that all parts have shares of something."""
        return by_sequence(len(data), *shares)

    def _cut(self, config: C, data: D, shares: Shares) -> tuple[D, D, D]:
        """The parts of data whose examples do not follow one another."""
        examples: Any = data
        train, validation, test = map(examples.select, self._split(config, data, shares))
        return train, validation, test

    def _is_validated(self, config: C, data: Splits[D]) -> bool:
        return len(data.validation) > 0

    def _hardly_validated(self, codec: K, data: Splits[D]) -> str:
        number, what = self._judged_in(codec, data.validation)
        least = f"fewer than {LEAST_VALIDATION}, which is too few to choose an epoch by"
        return f"{counted(number, what)} to validate, {least}" if number < LEAST_VALIDATION else ""

    def _judged_in(self, codec: K, part: D) -> tuple[int, str]:
        """How much of a part is judged that does not repeat what else is, and what that is counted in."""
        return len(part), part.noun

    def _after_trial(self, config: C, codec: K, batches: Batches[Any], steps: int, share: float) -> N:
        """A new network after a training of so many steps, or of this share of the minutes that are named."""
        options: Any = config
        training: TrainingConfig = options.training
        minutes = training.minutes and training.minutes * share
        limits = {"steps": steps, "minutes": minutes, "epochs": None, "patience": 0, "keep": "last"}
        training = training.by_loss().model_copy(update=limits)
        config = options.model_copy(update={"training": training})
        with own_generators(torch.device("cpu"), training.seed):
            network = self._network(config, codec)
        step = self._step(network, Prepared(config, codec, batches, None))
        Training(network, batches, step, training, checkpoints=None, validate=None, report=Reporter()).run()
        return network

    def _preparable(self, data: Splits[D]) -> Splits[D]:
        return data if len(data.validation) else replace(data, validation=data.train)

    def evaluate(self, data: Source = None, *, include_training: bool = False) -> Evaluation:
        if data is None and self.judged is not self:
            before: Evaluation = self._evaluation_before()
            return before
        seen, splits = self.seen, self._splits() if data is None else None
        examples = self._new(data) if splits is None else self._test_part()
        keep_seen = include_training or (splits is not None and not self._may_be_known(self.config, splits))
        new, noun = seen.new(examples), examples.noun
        known = len(examples) - len(new)
        if not keep_seen and not len(new):
            raise nothing_new(noun, 0, len(examples), f"{noun}s")
        judged = "the data given" if splits is None else "the test part"
        about: dict[str, Any] = {"judged": judged, "seen": known, "left_out": 0 if keep_seen else known}
        about |= {} if splits is None else groups.about(self.config.data, splits)
        evaluation = self._judge(examples if keep_seen else new, about)
        read = _READ[self] if splits is None else _Read(None, [], self._unlike(examples), {})
        blind = splits is None and not len(seen.prints)  # classes that are captioned, a text of a few words
        sentence = [f"which {noun}s training held is not known: all are judged"] if blind else []
        seen_before = seen_sentences(noun, known, len(examples), keep_seen)
        new_groups = [] if splits is None else groups.sentences(self.config.data, splits)
        of_read = [*read.heard, *new_groups, *told_rows(read.left_out), *read.unlike]
        return evaluation.telling([*seen_before, *sentence, *of_read])

    def notices(self, data: Source = None) -> list[str]:
        """What was left out, what is odd about recordings, and what is unlike the training."""
        options: Any = self.config
        if data is None or not (self._hears() or getattr(options.data, "skip_wrong", False)):
            return []
        source = self._source(data)
        if not paths(source) or self not in _READ or _READ[self].how != self._how(source):
            self._data_for(source)
        read = _READ[self]
        return [*read.heard, *read.unlike, *told_rows(read.left_out)]

    def _hears(self) -> bool:
        """Whether the model reads recordings."""
        return getattr(getattr(self.codec, "inputs", None), "rate_hz", None) is not None

    def _unlike(self, data: Any) -> list[str]:
        """What of recordings is unlike those of the training."""
        heard: Heard | None = getattr(getattr(self.codec, "inputs", None), "heard", None)
        remark = None if heard is None else heard.remark(data.inputs)
        return [] if remark is None else [remark]

    def left_out(self, data: Source = None) -> pl.DataFrame:
        """What `predict` and `evaluate` leave out of `data`, a row each: "name", its place, and "reason";
        without data, of those that the model was trained on."""
        return left_out_frame(self._splits().left_out if data is None else _left_out_of(self._data_for(data)))

    def _notes_of(self, config: C, data: Splits[D]) -> tuple[str, ...]:
        options: Any = config
        return (*told_rows(data.left_out), *groups.notes(options.data, data))

    def _left_out(self) -> Mapping[str, str]:
        return {} if self._data is None else self._data.left_out

    def _test_part(self) -> D:
        """ConfigError where none was kept."""
        test = self._splits().test
        if test is None:
            raise ConfigError("no part of the training data was kept to judge on; give other data")
        return test

    def _read_new(self, data: Source, answers: bool = True) -> D:
        """What `_read_source` gives that the trained network is judged on, or asked for answers alone."""
        return self._read_source(self.config, data, answers)

    def _new(self, data: Source, answers: bool = True) -> D:
        """What a source of any kind holds that the trained network is judged on, or asked for answers."""
        source = self._source(data)
        read = self._held(source, self._read_new, answers, self._kind)
        heard = _heard(getattr(read, "notes", ()))
        _READ[self] = _Read(self._how(source), heard, self._unlike(read), _left_out_of(read))
        return read

    def _how(self, source: Source) -> Any:
        """Which files are read, and how."""
        options: Any = self.config
        return paths(source), options.data

    def _held(
        self,
        source: Any,
        read: Callable[[Source, bool], D],
        answers: bool = True,
        like: Kind | None = None,
    ) -> D:
        """What a source holds, `read` where it is no data in memory; answers in memory `like` those of a
        training that had them there."""
        if not isinstance(source, InMemory):
            return read(source, answers)
        data = read(source.X, False) if source.is_frame else self._of_arrays(source.X, source.lengths)
        if source.groups is not None:
            data = arrays.grouped(cast(Any, data), source.groups)
        return data if source.y is None else self._with_answers(data, source.y, like)

    @property
    def _kind(self) -> Kind | None:
        """The type of the labels that the model was trained with; None where a file or a table held them."""
        return getattr(self._codec_, "kind", None)

    def _answers_bare(self, source: Any) -> bool:
        """To frames too, where labels stood beside one in the training."""
        return super()._answers_bare(source) or (isinstance(source, pl.DataFrame) and self._kind is not None)

    def score(self, X: Source, y: Any = None, *, lengths: Any = None) -> float:
        return self._score(self._new(self._source(X, y, lengths)))

    @abstractmethod
    def _score(self, data: D) -> float:
        """How good the answers to `data` are, more is better."""

    def _data_for(self, data: Source) -> D:
        """What to predict: other data, or the test part of the training data, or all of them."""
        if data is not None:
            return self._new(data, answers=False)
        splits = self._splits()
        return splits.train if splits.test is None else splits.test

    def _read(self, config: C, sources: Sources) -> tuple[C, Splits[D]]:
        """A part whose share is 0 is empty. DataError where the checksum is another than `config` says; the
        configuration that comes back has it."""
        options: Any = config
        read = self._read_part(config, sources.train)
        config = options = _as_read(options, read)
        data = options.data
        validation, test = (
            None if source is None else self._read_part(config, source)
            for source in (sources.validation, sources.test)
        )
        shares = (data.validation if validation is None else 0, data.test if test is None else 0)
        drawn = (*shares, data.split_seed, groups.groups_of(data, read))
        train, validation_part, test_part = self._cut(config, read, drawn)
        splits = Splits(
            train,
            validation_part if validation is None else validation,
            test_part if test is None and len(test_part) else test,
            separate_test=test is not None,
        )
        checksums = [
            part.checksum() for part in (splits.train, splits.validation, splits.test) if part is not None
        ]
        sha256 = hashlib.sha256(" ".join(checksums).encode()).hexdigest()
        if data.sha256 not in (None, sha256):
            raise DataError(
                f"the data have changed: wanted sha256 {data.sha256}, got {sha256}; give the data that the "
                "configuration was made with, or delete its line 'sha256' to train on these"
            )
        return options.model_copy(update={"data": data.model_copy(update={"sha256": sha256})}), splits

    def _read_part(self, config: C, source: Source) -> D:
        """As the trained model reads it where the training starts from one."""
        options: Any = config
        if isinstance(source, InMemory) and source.y is None and self.takes_answers:
            raise DataError(
                f"a {type(self).__name__} requires y to be passed, but the target y is None; give the "
                "answers beside X"
            )
        if options.training.start_from is None:
            return self._held(source, partial(self._read_source, config))
        return (self._start or self)._new(source)

    def _read_all(self, config: C, data: Splits[D], sources: Sources) -> tuple[C, Splits[D]]:
        options: Any = config
        unchecked = options.data.model_copy(update={"sha256": None})
        return self._read(options.model_copy(update={"data": unchecked}), sources)

    def _train_part(self) -> tuple[D | None, list[str]]:
        """What baselines find their answers in; None, and a sentence that says so, where it is not here."""
        try:
            return self._splits().train, []
        except UnrolledError as error:
            return None, [f"there is no training part to compare with: {error}"]

    def _seen_by(self, config: C, data: Splits[D]) -> Any:
        return self.seen_class.of(data.train, data.validation)

    @staticmethod
    def _may_be_known(config: Any, data: Splits[D]) -> bool:
        """Whether what of the test part was seen is left out: it came from elsewhere, or an older training
        may have seen it."""
        return data.separate_test or config.training.start_from is not None

    def _overlap(self, config: C, data: Splits[D], seen: Any) -> tuple[str, ...]:
        return (*self._validated_on_known(data), *self._tested_on_known(config, data, seen))

    def _validated_on_known(self, data: Splits[D]) -> tuple[str, ...]:
        if self._start is None:
            return ()
        total, new = len(data.validation), len(self._start.seen.new(data.validation))
        return validated_on_known(data.validation.noun, total - new, total)

    def _tested_on_known(self, config: C, data: Splits[D], seen: Any) -> tuple[str, ...]:
        if data.test is None:
            return ()
        total, new = len(data.test), len(seen.new(data.test))
        if data.separate_test and not new:
            raise DataError(
                f"all {counted(total, data.test.noun)} of the test files stand in the training or validation "
                f"part; name others, or keep a part of the training files for it ({option('test', 0.1)})"
            )
        left_out = self._may_be_known(config, data)
        if left_out and not new:
            raise DataError(
                f"all {counted(total, data.test.noun)} of the test part were seen by the model that this "
                f"training starts from; name test files, or leave the test part out ({option('test', 0)})"
            )
        return tuple(
            f"test part: {line}" for line in seen_sentences(data.test.noun, total - new, total, not left_out)
        )

    def _splits(self) -> Splits[D]:
        """As they were trained on; read again after `load`."""
        if self._data is None:
            if not self.config.data.files:
                raise ConfigError("this model was trained on data that are no longer here; give the data")
            _, self._data = self._read(self.config, files_of(self.config.data))
        return self._data
