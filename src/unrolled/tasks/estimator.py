"""What the estimators of all tasks share: fit, evaluate, save, load, and the run folder they write.

A task derives from Estimator and says, in this order, how its files are read (`_read`), what is fitted on the
training part and how batches are made of it (`_prepare`), what its network is (`_network`) and its loss
(`_step`), how a trained network is judged (`_judge`) and drawn (`_draw`); `predict` is its own.

    fit        _read -> _prepare -> _network -> the training loop with _step -> _judge, _draw
    evaluate   _read -> _judge
"""

import contextlib
import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

import polars as pl
import torch
from numpy.typing import NDArray
from torch import nn

from unrolled.blocks.block import write
from unrolled.errors import ConfigError, RunError
from unrolled.files import typed
from unrolled.files.messages import option
from unrolled.files.metrics import Row
from unrolled.models import saved
from unrolled.models.model import CODEC, Model
from unrolled.models.stream import Stream
from unrolled.runs import Run
from unrolled.tasks import pictures
from unrolled.tasks.config import from_options, from_sections, to_sections
from unrolled.training.checkpoints import Checkpoints
from unrolled.training.generators import own_generators
from unrolled.training.history import History
from unrolled.training.loop import Batches, Step, Training
from unrolled.training.progress import Reporter

# A path, a polars frame or several paths; a task may take more.
Source = Any


class Codec(Protocol):
    """What was fitted on the training part: how examples become numbers and numbers become answers."""

    def about(self) -> dict[str, Any]:
        """What `arrays` does not hold, in plain values; the class's restore(about, arrays) is the reverse."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Its arrays by name."""


C = TypeVar("C")  # configuration
D = TypeVar("D")  # what is read
K = TypeVar("K", bound=Codec)
N = TypeVar("N", bound=nn.Module)


@dataclass(frozen=True)
class Sources:
    """What `fit` was given: to train on, and to validate and judge on where these come in files of their
    own."""

    train: Source
    validation: Source = None
    test: Source = None


@dataclass(frozen=True)
class Prepared(Generic[C, K]):
    """`config` is complete; `batches` and `validate(network)` are for the training loop; notes tell what was
    chosen and why; `tuned(network)` gives the codec after the training, and what to tell of it."""

    config: C
    codec: K
    batches: Batches[Any]
    validate: Any
    notes: tuple[str, ...] = ()
    tuned: Callable[[Any], tuple[K, str]] | None = None


class Estimator(ABC, Generic[C, D, K, N]):
    """After `fit` or `load`, `config` is complete: training with it again gives the same bits. `rows` are the
    history as metrics.jsonl holds it, and after `fit`, `history` tells why the training ended."""

    task: ClassVar[str]
    config_class: ClassVar[type[Any]]

    def __init__(self, config: C | None = None, **options: Any) -> None:
        if config is not None and options:
            raise ConfigError(
                f"give a configuration or options, not both: got config and {', '.join(options)}"
            )
        self.config: Any = config or from_options(self.config_class, options)
        self._asked = self.config
        self.history: History | None = None
        self.rows: Sequence[Row] = ()
        self._network_: N | None = None
        self._codec_: K | None = None
        self._seen_: Any = None
        self._data: D | None = None
        self._evaluation: Any = None

    def fit(
        self,
        data: Source = None,
        *,
        validation: Source = None,
        test: Source = None,
        out: str | Path | None = None,
        resume: str | Path | None = None,
        report: Reporter | None = None,
    ) -> Self:
        """Trains on files or on what is given in their place (None: those that the configuration names).
        `validation` and `test` are sources of their own; without, shares of `data` are. With `out`, writes a
        run folder as it goes; `resume` goes on with an interrupted one, whose options it takes.

        Raises before it writes anything: ConfigError for options that do not fit, DataError for what the data
        lack.
        """
        report = report or Reporter()
        with contextlib.ExitStack() as kept:
            run = None if resume is None else kept.enter_context(self._reopened(resume, out))
            asked = self._asked if run is None else self._config_of(run)
            asked, sources = self._named(asked, data, validation, test)
            asked, read = self._read(asked, sources)
            prepared = self._prepare(asked, read)
            config: Any = prepared.config
            seen = self._seen_by(config, read)
            notes = (*prepared.notes, *self._overlap(read, seen))
            with own_generators(torch.device("cpu"), config.training.seed):
                network = self._network(config, prepared.codec)
            if out is not None:
                run = kept.enter_context(Run.create(out, to_sections(config), self.task).kept())
            for note in notes:
                report.note(note)
            codec = self._trained(network, prepared, run, report, resume is not None)
            self._network_, self._codec_, self._seen_ = network, codec, seen
            self._data, self._evaluation = read, None
            if run is not None:
                self._write(run)
        return self

    def _trained(
        self, network: N, prepared: Prepared[C, K], run: Run | None, report: Reporter, resume: bool
    ) -> K:
        """Trains the network; the codec that is its own."""
        config: Any = prepared.config
        training = Training(
            network,
            self._batches(network, prepared),
            self._step(network, prepared),
            config.training,
            checkpoints=Checkpoints.of(run) if run else None,
            validate=lambda: prepared.validate(network),
            report=report,
        )
        self.history = training.run(resume)
        self.config, self.rows = config, self.history.rows
        if prepared.tuned is None:
            return prepared.codec
        codec, note = prepared.tuned(network)
        if note:
            report.note(note)
        return codec

    @abstractmethod
    def evaluate(self, data: Source = None, *, include_training: bool = False) -> Any:
        """Judges beside the baselines: on the test part of the training data, or on other data. What training
        or validation held is left out and counted, or judged too with `include_training`.

        DataError where nothing else is left.
        """

    def using(self, **options: Any) -> Self:
        """The same trained model with other options of its section `decoding`, which change no weight. What
        it was told of another way to answer, a beam or draws, is left with that way.

        ConfigError for a task without one, an unknown name or a wrong value.
        """
        values = to_sections(self.config)
        if options and "decoding" not in type(self.config).model_fields:
            names = ", ".join(map(option, options))
            raise ConfigError(f"task '{self.task}' has one way to answer; leave {names} out")
        if options:
            own: Any = self.config
            values["decoding"] = own.decoding.beside(options) | options
        other = copy.copy(self)
        other.config, other._evaluation = from_sections(self.config_class, values), None
        return other

    @property
    def evaluation(self) -> Any:
        """`evaluate()`, made when first asked for."""
        self._evaluation = self._evaluation or self.evaluate()
        return self._evaluation

    @property
    def has_test(self) -> bool:
        """Whether a part of the training data was kept to judge on."""
        return bool(self.config.data.test or getattr(self.config.data, "test_files", ()))

    @abstractmethod
    def predict(self, data: Source = None) -> pl.DataFrame:
        """A row for every answer."""

    def notices(self, data: Source = None) -> list[str]:
        """What is odd about data that an answer is asked for, a line each: for a person, beside `predict`."""
        return []

    def runtime(self) -> Model:
        """The same model without torch, to the bit: what `unrolled.runtime.load` makes of its run.

        ConfigError for one that only torch can run.
        """
        codec = {CODEC + name: array for name, array in self.codec.arrays().items()}
        weights = {name: tensor.numpy().copy() for name, tensor in self.network.state_dict().items()}
        return saved.model(f"this {type(self).__name__}", self._description(), weights | codec)

    def stream(self, rows: int | None = None, snapshot: bytes | None = None) -> Stream:
        """Goes on step by step, as `unrolled.runtime.Model.stream` says."""
        return self.runtime().stream(rows, snapshot)

    def save(self, folder: str | Path) -> None:
        """Writes a run folder; the evaluation on the test part too, where its data are in memory."""
        _ = self.codec
        with Run.create(folder, to_sections(self.config), self.task).kept() as run:
            self._write(run)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The estimator of a finished run."""
        run = Run.open(folder)
        estimator = cls(cls._config_of(run))
        run.require_finished()
        about, arrays, seen = run.load_json("data"), run.load_arrays("scalers"), run.load_arrays("seen")
        try:
            codec, estimator._seen_ = cls._restore(about, arrays), cls._restore_seen(seen)
            typed.require(codec, "the codec")
            typed.require(estimator._seen_, "what was seen")
            network = cls._network(estimator.config, codec)
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise RunError(
                f"{run.folder}: data.json, scalers.safetensors and seen.safetensors do not fit "
                f"({error!r:.80}); restore them, or train anew"
            ) from error
        run.load_into(network)
        estimator._network_, estimator._codec_, estimator.rows = network.eval(), codec, run.read_metrics()
        return estimator

    @property
    def network(self) -> N:
        """The trained network, in evaluation mode. ConfigError where there is none yet."""
        if self._network_ is None:
            raise ConfigError(f"this {type(self).__name__} is not trained; call fit, or load a run")
        return self._network_

    @property
    def codec(self) -> K:
        """What was fitted on the training part beside the network. ConfigError where nothing was yet."""
        if self._codec_ is None:
            raise ConfigError(f"this {type(self).__name__} is not trained; call fit, or load a run")
        return self._codec_

    @property
    def seen(self) -> Any:
        """What the network was trained and chosen on, see seen.py. ConfigError where there is none yet."""
        _ = self.network
        return self._seen_

    # What a task says of itself.

    @abstractmethod
    def _read(self, config: C, sources: Sources) -> tuple[C, D]:
        """All data of a training, and the configuration with what they are (their checksum)."""

    @abstractmethod
    def _prepare(self, config: C, data: D) -> Prepared[C, K]:
        """DataError for whatever the data lack; touches no file."""

    @classmethod
    @abstractmethod
    def _restore(cls, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> K:
        """The codec that about() and arrays() described. LookupError, TypeError or ValueError for others."""

    @abstractmethod
    def _seen_by(self, config: C, data: D) -> Any:
        """What a training on `data` sees."""

    @classmethod
    @abstractmethod
    def _restore_seen(cls, arrays: Mapping[str, NDArray[Any]]) -> Any:
        """What its arrays() described. LookupError or ValueError for others."""

    def _overlap(self, data: D, seen: Any) -> tuple[str, ...]:
        """What of the test part was seen, in a sentence. DataError where it is all of it."""
        return ()

    @classmethod
    @abstractmethod
    def _network(cls, config: C, codec: K) -> N:
        """A new network, its weights drawn from torch's generator."""

    def _batches(self, network: N, prepared: Prepared[C, K]) -> Batches[Any]:
        """The batches of the training: other than those prepared where they follow from the network too."""
        return prepared.batches

    @abstractmethod
    def _step(self, network: N, prepared: Prepared[C, K]) -> Step[Any]:
        """(batch, state) -> the loss and the state to carry on."""

    @abstractmethod
    def _loss_name(self) -> str:
        """What the plot of losses shows, with its unit."""

    def _draw(self, folder: Path) -> None:
        """The plots of `evaluation`."""

    # For `unrolled verify`.

    def _rows(self, data: Source = None) -> list[NDArray[Any]]:
        """(T_i, …) each sequence of `data`, or of the test part, as the runtime's `encode` gives it."""
        raise ConfigError(f"task '{self.task}' has no runtime to compare with; unrolled.runtime must know it")

    def _raw(self, rows: Sequence[NDArray[Any]], fill: float) -> list[NDArray[Any]]:
        """What the runtime's `outputs` gives for each row, from torch: all in one batch, padded with `fill`
        (of whole numbers with some valid one)."""
        raise ConfigError(f"task '{self.task}' has no runtime to compare with; unrolled.runtime must know it")

    def _answers_about(self) -> dict[str, Any]:
        """How answers are made of what the network says, in plain values."""
        return {}

    # The run folder.

    def _description(self) -> dict[str, Any]:
        network: Any = self.network
        about = {"format": saved.FORMAT, "task": self.task, "network": write(network.block)}
        return about | {"answers": self._answers_about(), "codec": self.codec.about()}

    def _write(self, run: Run) -> None:
        """What is known at the end of a training; the weights last, which make a run finished."""
        run.save_arrays("scalers", self.codec.arrays())
        run.save_arrays("seen", self.seen.arrays())
        run.save_json("data", self.codec.about())
        run.write_metrics(self.rows)
        pictures.draw_history(run.plots, self.rows, self._loss_name(), self.config.training.clip)
        if self.has_test and self._data is not None:
            run.save_json("evaluation", self.evaluation.json())
            run.save_table("evaluation", self.evaluation.frame())
            self._draw(run.plots)
        with contextlib.suppress(ConfigError):  # then only torch can run it
            run.save_json("runtime", self._description())
        run.save_model(self.network.state_dict())

    def _named(self, config: C, data: Source, validation: Source, test: Source) -> tuple[C, Sources]:
        """The sources to train on, and a configuration that names those that are files by absolute paths."""
        asked: Any = config
        given = {"files": data, "validation_files": validation, "test_files": test}
        used, names = {}, {}
        for field, source in given.items():
            own = getattr(asked.data, field, ())
            if source is not None and field not in type(asked.data).model_fields:
                raise ConfigError(
                    f"task '{self.task}' splits its data in time; leave {field.removesuffix('_files')} data "
                    "out"
                )
            used[field] = own or None if source is None else source
            names[field] = paths(used[field])
        if used["files"] is None or (isinstance(used["files"], list) and not used["files"]):
            raise ConfigError("there are no data to train on; name files, or give the data themselves")
        known = {field: value for field, value in names.items() if field in type(asked.data).model_fields}
        named = asked.model_copy(update={"data": asked.data.model_copy(update=known)})
        return named, Sources(*(used[field] for field in given))

    @contextlib.contextmanager
    def _reopened(self, folder: str | Path, out: str | Path | None) -> Iterator[Run]:
        if out is not None or self._asked != self.config_class():
            raise ConfigError(
                "resume takes its folder and options from the run; leave out all others, or train anew"
            )
        with Run.open(folder).kept() as run:
            if run.finished:
                raise RunError(
                    f"{run.folder} is finished, there is nothing to resume; train anew in another folder"
                )
            yield run

    @classmethod
    def _config_of(cls, run: Run) -> Any:
        if run.task != cls.task:
            raise RunError(
                f"{run.folder} is a run of task '{run.task}', not of '{cls.task}'; load it with unrolled.load"
            )
        return from_sections(cls.config_class, run.config)


def paths(source: Source) -> tuple[str, ...]:
    """The absolute paths of a source that is a file or files, () for any other."""
    several = source if isinstance(source, list | tuple) else [source]
    if not several or not all(isinstance(one, str | Path) for one in several):
        return ()
    return tuple(str(Path(one).absolute()) for one in several)
