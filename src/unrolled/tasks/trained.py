"""What a trained model of any task holds, and the run folder that it is saved in and loaded from."""

import contextlib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

import polars as pl
from numpy.typing import NDArray
from torch import nn

from unrolled.blocks.block import write
from unrolled.errors import ConfigError, RunError, not_fitted
from unrolled.files import at_hand, typed
from unrolled.files.cells import beside_usual
from unrolled.files.metrics import Row
from unrolled.models import saved
from unrolled.models.model import CODEC, Model
from unrolled.models.stream import Stream
from unrolled.runs import Run
from unrolled.tasks import pictures
from unrolled.tasks.config import from_sections, to_sections
from unrolled.tasks.parameters import OF_DATA, Parameters
from unrolled.tasks.sources import Source
from unrolled.training.history import History

JUDGED = "judged"  # the folder, within a run, of the model that was judged where another is used

AGAIN = "these figures are of the model before it was trained again on all data"


class Codec(Protocol):
    """What was fitted on the training part: how examples become numbers and numbers become answers."""

    def about(self) -> dict[str, Any]:
        """What `arrays` does not hold, in plain values."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Its arrays by name."""

    @classmethod
    def restore(cls, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The reverse of both. LookupError, TypeError or ValueError for what they did not give."""


C = TypeVar("C")  # configuration
D = TypeVar("D")  # what is read
K = TypeVar("K", bound=Codec)
N = TypeVar("N", bound=nn.Module)
T = TypeVar("T")


def tested(config: Any) -> bool:
    """Whether a part of the training data is kept to judge on."""
    return bool(config.data.test or getattr(config.data, "test_files", ()))


def left_out_frame(left_out: Mapping[str, str]) -> pl.DataFrame:
    """A row for each series or row that was left out: "name" or place, and "reason"."""
    columns = {"name": list(left_out), "reason": list(left_out.values())}
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


class Trained(Parameters[C], Generic[C, D, K, N]):
    """After `fit` or `load`, `config` is complete: training with it again gives the same bits. `rows` are the
    history as metrics.jsonl holds it, and after `fit`, `history` tells why the training ended."""

    task: ClassVar[str]
    config_class: ClassVar[type[Any]]
    codec_class: ClassVar[type[Any]]
    seen_class: ClassVar[type[Any]]
    exponential: ClassVar[str] = ""  # what the exponential of the loss is called, where it is shown

    def __init__(self, config: C | None = None, **options: Any) -> None:
        super().__init__(config, **options)
        self._history: History | None = None
        self._history_rows: Sequence[Row] = ()
        self._network_: N | None = None
        self._codec_: K | None = None
        self._seen_: Any = None
        self._data: D | None = None
        self._evaluation: Any = None
        self._judged: Self | None = None
        self._start: Self | None = None  # whose weights and codec a training starts from, while it is made
        self._folder: Path | None = None

    def __sklearn_is_fitted__(self) -> bool:
        return self._network_ is not None

    def _repr_html_(self) -> str:
        from unrolled.tasks import notebook  # only notebooks need it

        return notebook.html(self)

    def _source(self, X: Source, y: Any = None, lengths: Any = None) -> Any:
        """What was handed over, see files/at_hand.py; the same where it went through here before."""
        return at_hand.resolved(X, y, lengths, self._are_files, self._paths_column)

    _paths_column: ClassVar[str] = "path"

    def _are_files(self, texts: Sequence[str]) -> bool:
        """Whether texts in a list are paths: where no text can be read."""
        return not self.reads_texts

    @property
    def history(self) -> History | None:
        return self._history

    @property
    def rows(self) -> Sequence[Row]:
        return self._history_rows

    @abstractmethod
    def evaluate(self, data: Source = None, *, include_training: bool = False) -> Any:
        """Judges beside the baselines: on the test part of the training data, or on other data. What training
        or validation held is left out and counted, or judged too with `include_training`.

        DataError where nothing else is left.
        """

    @property
    def evaluation(self) -> Any:
        """`evaluate()`, made when first asked for."""
        self._evaluation = self._evaluation or self.evaluate()
        return self._evaluation

    @property
    def judged(self) -> Self:
        """The model that the test part judges: this one, or, where it was trained again on all data, the one
        before."""
        if not self.config.training.refit:
            return self
        if self._judged is None:
            self._judged = type(self).load(self._fitted(self._folder) / JUDGED)
        return self._judged

    def _evaluation_before(self) -> Any:
        """Of the model that was judged before this one was trained again on all data."""
        return self.judged.evaluation.telling([AGAIN])

    @property
    def has_test(self) -> bool:
        """Whether a part of the training data was kept to judge on."""
        return tested(self.config)

    def runtime(self) -> Model:
        """The same model without torch, to the bit: what `unrolled.runtime.load` makes of its run.

        ConfigError for one that only torch can run.
        """
        codec = {CODEC + name: array for name, array in self.codec.arrays().items()}
        weights = {name: tensor.numpy().copy() for name, tensor in self.network.state_dict().items()}
        return saved.model(f"this {type(self).__name__}", self._description(), weights | codec)

    def stream(
        self, rows: int | None = None, snapshot: bytes | None = None, rate_hz: int | None = None
    ) -> Stream:
        """Goes on step by step, as `unrolled.runtime.Model.stream` says."""
        return self.runtime().stream(rows, snapshot, rate_hz)

    def save(self, folder: str | Path) -> None:
        """Writes a run folder; the evaluation on the test part too, where its data are in memory."""
        _ = self.codec
        with Run.create(folder, to_sections(self.config), self.task).locked() as run:
            if self.judged is not self:
                config = to_sections(self.judged.config)
                self.judged._write(Run.create(run.folder / JUDGED, config, self.task), draw=False)
            self._write(run)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The estimator of a finished run."""
        run = Run.open(folder)
        estimator = cls(cls._config_of(run))
        estimator._folder = run.folder.absolute()
        estimator._set = {name: value for name, value in estimator._set.items() if name not in OF_DATA}
        run.require_finished()
        about, arrays, seen = run.load_json("data"), run.load_arrays("scalers"), run.load_arrays("seen")
        try:
            codec, estimator._seen_ = cls.codec_class.restore(about, arrays), cls.seen_class.restore(seen)
            typed.require(codec, "the codec")
            typed.require(estimator._seen_, "what was seen")
            network = cls._network(estimator.config, codec)
        except ConfigError:  # such as for a library that is not installed
            raise
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise RunError(
                f"{run.folder}: data.json, scalers.safetensors and seen.safetensors do not fit "
                f"({error!r:.80}); restore them, or train anew"
            ) from error
        run.load_into(network)
        estimator._network_, estimator._codec_, estimator._history_rows = (
            network.eval(),
            codec,
            run.read_metrics(),
        )
        return estimator

    @property
    def network(self) -> N:
        """The trained network, in evaluation mode. NotFittedError where there is none yet."""
        return self._fitted(self._network_)

    @property
    def codec(self) -> K:
        """What was fitted on the training part beside the network. NotFittedError where nothing was yet."""
        return self._fitted(self._codec_)

    @property
    def seen(self) -> Any:
        """What the network was trained and chosen on, see seen.py. NotFittedError where there is none yet."""
        return self._fitted(self._seen_)

    def _fitted(self, value: T | None) -> T:
        if value is None:
            raise not_fitted(f"this {type(self).__name__} is not trained; call fit, or load a run")
        return value

    @classmethod
    @abstractmethod
    def _network(cls, config: C, codec: K) -> N:
        """A new network, its weights drawn from torch's generator."""

    @property
    @abstractmethod
    def loss_name(self) -> str:
        """What the plot of losses shows, with its unit."""

    def _draw_history(self, folder: Path) -> None:
        """loss and gradient_norm of the training."""
        measures = self.loss_name, self.exponential
        pictures.draw_history(folder, self.rows, *measures, self.config.training)

    def _draw(self, folder: Path) -> None:
        """The plots of `evaluation`."""

    # For `unrolled verify`.

    @property
    def reads_windows(self) -> bool:
        """Whether each answer is computed anew from a window, so that a step costs as much as a window."""
        return False

    @abstractmethod
    def _rows(self, data: Source = None) -> list[NDArray[Any]]:
        """(T_i, …) each sequence of `data`, or of the test part, as the runtime's `encode` gives it."""

    @abstractmethod
    def _raw(self, rows: Sequence[NDArray[Any]], fill: float) -> list[NDArray[Any]]:
        """What the runtime's `outputs` gives for each row, from torch: all in one batch, padded with `fill`
        (of whole numbers with some valid one)."""

    def _answers_about(self) -> dict[str, Any]:
        """How answers are made of what the network says, and values of lines, in plain values."""
        options: Any = self.config
        words = beside_usual(getattr(options.data, "missing", ()))
        return {"missing": list(words)} if words else {}

    # The run folder.

    def _left_out(self) -> Mapping[str, str]:
        """By name or place why series or rows of the data in memory were left out."""
        return {}

    def _description(self) -> dict[str, Any]:
        network: Any = self.network
        about = {"format": saved.FORMAT, "task": self.task, "network": write(network.block)}
        return about | {"answers": self._answers_about(), "codec": self.codec.about()}

    def _write(self, run: Run, draw: bool = True) -> None:
        """What is known at the end of a training; the weights last, which make a run finished. `draw`: what
        was judged and drawn too."""
        run.save_arrays("scalers", self.codec.arrays())
        run.save_arrays("seen", self.seen.arrays())
        run.save_json("data", self.codec.about())
        run.write_metrics(self.rows)
        if left_out := self._left_out():
            run.save_table("left_out", left_out_frame(left_out))
        if draw:
            judged = self.judged
            judged._draw_history(run.plots)
            if self.has_test and judged._data is not None:
                run.save_json("evaluation", self.evaluation.json())
                run.save_table("evaluation", self.evaluation.frame())
                judged._draw(run.plots)
        with contextlib.suppress(ConfigError):  # then only torch can run it
            run.save_json("runtime", self._description())
        run.save_model(self.network.state_dict())

    @classmethod
    def _config_of(cls, run: Run) -> Any:
        if run.task != cls.task:
            raise RunError(
                f"{run.folder} is a run of task '{run.task}', not of '{cls.task}'; load it with unrolled.load"
            )
        return from_sections(cls.config_class, run.config)
