"""The training loop: truncated backpropagation through time with exact resume.

    L_k, s_k = step(batch_k, s_{k-1})     s_0 = None at the start of an epoch
    θ ← update(θ, ∇L_k)                   see update.py
    s_k ← s_k cut from its history        no gradient reaches the batch before

Everything random follows from config.seed: torch's generators are seeded by it, kept in checkpoints, and
given back to the caller as they were. A training that was interrupted or killed and then resumed ends with
the bits of weights and history that it would have had without: on the same machine, with the same thread
count, and with batches and steps that draw on nothing but their arguments, torch's generators, and what the
batches keep in checkpoints themselves (Remembering).
"""

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from unrolled.errors import RunError, TrainingError
from unrolled.files.messages import counted, resuming
from unrolled.files.metrics import Row
from unrolled.interrupts import Interrupts
from unrolled.training.checkpoints import Checkpoint, Checkpoints
from unrolled.training.config import NO_LIMIT, TrainingConfig
from unrolled.training.generators import generator_states, own_generators, set_generator_states
from unrolled.training.history import History, Progress, step_stride
from unrolled.training.optimizers import learning_rate
from unrolled.training.progress import Pace, Reporter
from unrolled.training.state import State, carried, to_device
from unrolled.training.update import NotFiniteError, Update, first_not_finite

Batch = TypeVar("Batch")
BatchOut = TypeVar("BatchOut", covariant=True)
Step = Callable[[Batch, State], tuple[Tensor, State]]

# A checkpoint at the end of an epoch, but not of every epoch that takes milliseconds.
EPOCH_CHECKPOINT_SECONDS = 5.0


class Batches(Protocol[BatchOut]):
    """The examples of an epoch in order. What `batches` gives follows from its arguments alone."""

    @property
    def steps_per_epoch(self) -> int:
        """The number of batches of every epoch, at least 1."""

    def batches(self, epoch: int, skip: int = 0) -> Iterator[BatchOut]:
        """The batches of epoch 1, 2, …, without the first `skip`."""


@runtime_checkable
class Remembering(Protocol):
    """Batches that follow from what was found out on the way too, such as alignments: checkpoints keep it."""

    def kept(self) -> Mapping[str, Tensor]:
        """All of it."""

    def put_back(self, kept: Mapping[str, Tensor]) -> None:
        """What `kept` gave. LookupError, TypeError or ValueError for anything else."""


class Training(Generic[Batch]):
    """Trains `model` in place. `report` tells how it goes.

    `step(batch, state)` gives the loss () and the state to carry on (None where there is none). `validate()`
    gives the loss that early stopping watches; it runs in evaluation mode without gradients after every
    epoch, and after the part of an epoch that the minutes cut short.
    """

    def __init__(
        self,
        model: nn.Module,
        batches: Batches[Batch],
        step: Step[Batch],
        config: TrainingConfig,
        *,
        checkpoints: Checkpoints | None,
        validate: Callable[[], float],
        report: Reporter,
    ) -> None:
        self.model, self.batches, self.step, self.config = model, batches, step, config
        self.checkpoints, self.validate, self.report = checkpoints, validate, report
        self.update = Update(model, config)
        self.device = next(model.parameters()).device
        self.steps = batches.steps_per_epoch
        self.stride = step_stride(self.steps)
        self.progress, self.rows = Progress(), list[Row]()
        self.state: State = None
        self.best: Mapping[str, Tensor] | None = None
        self.since = time.monotonic()

    def run(self, resume: bool = False) -> History:
        """Leaves the model with the weights of the best epoch, in evaluation mode. `resume` goes on from the
        last checkpoint, or from the beginning where none was written.

        Raises TrainingError where a loss, gradient or weight is not finite, RunError where a checkpoint
        cannot be read or written, and after a checkpoint KeyboardInterrupt on SIGINT, SystemExit on SIGTERM
        or SIGHUP.
        """
        if resume and self.checkpoints is None:
            raise ValueError("resume=True goes on from a checkpoint; pass checkpoints")
        seeded = own_generators(self.device, self.config.seed)
        with seeded, _threads(self.config.threads), self.report, Interrupts() as interrupts:
            if resume and self._restore():
                done = counted(self.progress.steps_done(self.steps), "step")
                self.report.note(f"goes on from the last checkpoint, after {done}")
            else:
                self._save()
            return self._run(interrupts)

    def _run(self, interrupts: Interrupts) -> History:
        epochs = None if self.config.epoch_limit == NO_LIMIT else self.config.epoch_limit
        done, seconds = self.progress.steps_done(self.steps), self.progress.seconds
        self.report.start(Pace(self.steps, epochs, self.config.minutes, done, seconds))
        self.model.train()
        while (stopped := self._ended()) is None:
            self._epoch(interrupts)
        self._save()
        if self.progress.step:
            self._close()
        interrupts.leave()
        return self._finish(stopped)

    def _epoch(self, interrupts: Interrupts) -> None:
        """Trains to the end of the running epoch, or until the minutes are over."""
        for batch in self.batches.batches(self.progress.epoch, skip=self.progress.step):
            self._step(batch)
            self._save_where_due(interrupts, self.config.checkpoint_seconds)
            if self._out_of_time():
                break
        if self.progress.step == self.steps:
            self._end_epoch()
            self._save_where_due(interrupts, min(EPOCH_CHECKPOINT_SECONDS, self.config.checkpoint_seconds))
        elif not self._out_of_time():
            raise ValueError(
                f"batches gave {self.progress.step} batches in epoch {self.progress.epoch}, "
                f"steps_per_epoch promised {self.steps}"
            )

    def _step(self, batch: Batch) -> None:
        progress = self.progress
        loss, state = self.step(batch, self.state)
        try:
            value, norm = self.update(loss, self._learning_rate(progress.steps_done(self.steps)))
        except NotFiniteError as error:
            place = f"epoch {progress.epoch}, step {progress.step + 1} of {self.steps}"
            raise TrainingError(f"{place}: {error}; {_blame(batch) or self._remedy()}") from None
        self.state = carried(state)
        progress.count(value, norm, self.config.clip)
        done = progress.steps_done(self.steps)
        if progress.step % self.stride == 0:
            row: Row = {"kind": "step", "epoch": progress.epoch, "step": done, "loss": value}
            self.rows.append(row | {"gradient_norm": norm})
        self.report.step(progress.epoch, done, value)

    def _end_epoch(self) -> None:
        progress = self.progress
        loss = self._validation_loss()
        rate = self._learning_rate(progress.steps_done(self.steps) - 1)
        row = progress.epoch_row(loss, rate, self.steps)
        self.rows.append(row)
        best = progress.next_epoch(loss)
        if best:
            self.best = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
        self.report.epoch(row, best)
        self.state = None

    def _validation_loss(self) -> float:
        self.model.eval()
        with torch.no_grad():
            loss = float(self.validate())
        self.model.train()
        if not math.isfinite(loss):
            raise TrainingError(
                f"epoch {self.progress.epoch}: the validation loss is {loss}; {self._remedy()}"
            )
        return loss

    def _close(self) -> None:
        """Ends an epoch that the minutes cut short.

        last.safetensors stays within the epoch: a resume with more minutes goes on as if never stopped.
        """
        self._end_epoch()
        if self.checkpoints is not None:
            self.checkpoints.publish(self.best, self.progress, self.rows)

    def _finish(self, stopped: str) -> History:
        progress = self.progress
        assert self.best is not None and progress.best_epoch is not None and progress.best_loss is not None
        self.model.load_state_dict(self.best)
        self.model.eval()
        self.report.note(
            f"stopped: {stopped}; kept epoch {progress.best_epoch}, validation loss {progress.best_loss:.4g}"
        )
        return History(tuple(self.rows), progress.best_epoch, progress.best_loss, stopped, self._seconds())

    def _ended(self) -> str | None:
        """Why the training is over, in words; None while it is not."""
        config, progress = self.config, self.progress
        if 0 < config.patience <= progress.epochs_since_best:
            return f"no lower validation loss for {config.patience} epochs"
        if progress.epoch > config.epoch_limit:
            return f"epochs = {config.epoch_limit} reached"
        return f"minutes = {config.minutes:g} reached" if self._out_of_time() else None

    def _out_of_time(self) -> bool:
        """At least one step is done, however short the time."""
        minutes, done = self.config.minutes, self.progress.steps_done(self.steps)
        return minutes is not None and done > 0 and self._seconds() >= 60 * minutes

    def _learning_rate(self, step: int) -> float:
        return learning_rate(self.config, step, self.steps)

    def _seconds(self) -> float:
        return self.progress.seconds + time.monotonic() - self.since

    def _save_where_due(self, interrupts: Interrupts, seconds: float) -> None:
        if interrupts.received is not None:
            self._save()
            interrupts.leave()
        if self.checkpoints is not None and self.checkpoints.due(seconds):
            self._save()

    def _save(self) -> None:
        if self.checkpoints is None:
            return
        self.progress.seconds, self.since = self._seconds(), time.monotonic()
        self.checkpoints.save(
            Checkpoint(
                weights=self.model.state_dict(),
                best=self.best,
                moments=self.update.moments(),
                random=generator_states(self.device),
                kept=self.batches.kept() if isinstance(self.batches, Remembering) else {},
                state=self.state,
                progress=self.progress,
                rows=self.rows,
                recipe=self._recipe(),
            )
        )

    def _restore(self) -> bool:
        """Goes back to the last checkpoint. False where there is none."""
        assert self.checkpoints is not None
        last = self.checkpoints.load(self.model.state_dict(), self._recipe())
        if last is None:
            return False
        try:
            self.update.load_moments(last.moments)
            set_generator_states(self.device, last.random)
            if isinstance(self.batches, Remembering):
                self.batches.put_back(last.kept)
        except (LookupError, TypeError, ValueError, RuntimeError) as error:
            raise RunError(
                f"{self.checkpoints.last} holds no state of this optimizer, random generator or data; "
                "train anew in another folder"
            ) from error
        self.model.load_state_dict(last.weights)
        self.best, self.progress, self.rows = last.best, last.progress, last.rows
        self.state = to_device(last.state, self.device)
        return True

    def _recipe(self) -> dict[str, Any]:
        """What the bits of a training depend on and a resume must not change; the rest may be corrected."""
        fixed = self.config.model_dump(include={"seed", "batch_size", "optimizer", "momentum"})
        return fixed | {"steps_per_epoch": self.steps, "device": self.device.type}

    def _remedy(self) -> str:
        clip = f"now {self.config.clip:g}" if self.config.clip else "now off"
        remedy = f"lower learning_rate (now {self.config.learning_rate:g}) or clip ({clip})"
        if self.checkpoints is None:
            return remedy
        folder = self.checkpoints.folder
        return f"{remedy} in {folder}/config.toml, and go on before it: {resuming(folder)}"


def _blame(batch: object) -> str:
    """Which field of the batch, a NamedTuple or dataclass, is not finite itself; empty where none is."""
    names = [field.name for field in fields(batch)] if is_dataclass(batch) else getattr(batch, "_fields", ())
    values = ((name, getattr(batch, name)) for name in names)
    name = first_not_finite((name, value) for name, value in values if isinstance(value, Tensor))
    return f"'{name}' of this batch holds NaN or infinity: look at the data" if name else ""


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    """Sets torch's thread count for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
