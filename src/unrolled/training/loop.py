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
from typing import Any, Generic

import torch
from torch import Tensor, nn

from unrolled.errors import RunError, TrainingError
from unrolled.files.messages import counted, resuming
from unrolled.files.metrics import Row
from unrolled.interrupts import Interrupts
from unrolled.training.average import Average
from unrolled.training.batches import Batch, Batches, Remembering, Step
from unrolled.training.checkpoints import Checkpoint, Checkpoints
from unrolled.training.config import COOLDOWN, LEAST_VALIDATION, TrainingConfig
from unrolled.training.generators import generator_states, own_generators, set_generator_states
from unrolled.training.history import History, Progress, best_row, kept_row, step_stride
from unrolled.training.optimizers import learning_rate
from unrolled.training.progress import Pace, Reporter
from unrolled.training.selection import LOSS, MEASURES, Validated, measures_of, measures_text
from unrolled.training.state import State, carried, to_device
from unrolled.training.update import NotFiniteError, Update, first_not_finite

# A checkpoint at the end of an epoch, but not of every epoch that takes milliseconds.
EPOCH_CHECKPOINT_SECONDS = 5.0
# A loss that is higher by this share is as good.
AS_GOOD = 0.05


class Training(Generic[Batch]):
    """Trains `model` in place. `report` tells how it goes.

    `step(batch, state)` gives the loss () and the state to carry on (None where there is none). `validate()`
    gives what early stopping watches, the measure that `config` selects epochs by among it; it runs in
    evaluation mode without gradients after every epoch, and after the part of an epoch that the minutes or
    steps cut short; None where there is no validation part. `validated` names its loss where that is another
    than the training's.
    """

    def __init__(
        self,
        model: nn.Module,
        batches: Batches[Batch],
        step: Step[Batch],
        config: TrainingConfig,
        *,
        checkpoints: Checkpoints | None,
        validate: Callable[[], Validated] | None,
        report: Reporter,
        validated: str = "",
    ) -> None:
        self.validated = "" if validate is None else validated
        self.model, self.batches, self.step = model, batches, step
        self.checkpoints, self.validate, self.report = checkpoints, validate, report
        self.steps = batches.steps_per_epoch
        self.config = config = config.settled(self.steps, validate is not None)
        self.limit = config.step_limit(self.steps)
        self.update = Update(model, config)
        self.average = Average(model) if config.keep == "average" else None
        self.device = next(model.parameters()).device
        self.stride = step_stride(self.steps)
        self.progress, self.rows = Progress(), list[Row]()
        self.state: State = None
        self.best: Mapping[str, Tensor] | None = None
        self.since = time.monotonic()

    def run(self, resume: bool = False) -> History:
        """Leaves the model with the weights that config.keep says, in evaluation mode. `resume` goes on from
        the last checkpoint, or from the beginning where none was written.

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
        done, seconds = self.progress.steps_done(self.steps), self.progress.seconds
        self.report.start(Pace(self.steps, self.limit, self.config.minutes, done, seconds))
        self.model.train()
        while (stopped := self._ended()) is None:
            if self._waited():
                self._cool_down()
            self._epoch(interrupts)
        self._save()
        if self.progress.step:
            self._close()
        interrupts.leave()
        return self._finish(stopped)

    def _epoch(self, interrupts: Interrupts) -> None:
        """Trains to the end of the running epoch, or until the steps or minutes are over."""
        for batch in self.batches.batches(self.progress.epoch, skip=self.progress.step):
            self._step(batch)
            self._save_where_due(interrupts, self.config.checkpoint_seconds)
            if self._limit_reached():
                break
        if self.progress.step == self.steps:
            self._end_epoch()
            self._save_where_due(interrupts, min(EPOCH_CHECKPOINT_SECONDS, self.config.checkpoint_seconds))
        elif not self._limit_reached():
            raise ValueError(
                f"batches gave {self.progress.step} batches in epoch {self.progress.epoch}, "
                f"steps_per_epoch promised {self.steps}"
            )

    def _step(self, batch: Batch) -> None:
        progress = self.progress
        rate = learning_rate(self.config, self._share())
        loss, state = self.step(batch, self.state)
        try:
            value, norm = self.update(loss, rate)
        except NotFiniteError as error:
            place = f"epoch {progress.epoch}, step {progress.step + 1} of {self.steps}"
            raise TrainingError(f"{place}: {error}; {_blame(batch) or self._remedy()}") from None
        self.state = carried(state)
        progress.count(value, norm, self.config.clip, rate)
        done = progress.steps_done(self.steps)
        if self.average is not None:
            self.average.add(done)
        if progress.step % self.stride == 0:
            row: Row = {"kind": "step", "epoch": progress.epoch, "step": done, "loss": value}
            self.rows.append(row | {"gradient_norm": norm})
        self.report.step(progress.epoch, done, value)

    def _end_epoch(self) -> None:
        progress = self.progress
        with self.average.applied() if self.average else contextlib.nullcontext():
            row = progress.epoch_row(self._validated(), self.steps, self.validated)
            self.rows.append(row)
            best = progress.next_epoch(row, self.config.measure)
            if best and self.config.keep != "last":
                weights = self.model.state_dict()
                self.best = {name: tensor.detach().clone() for name, tensor in weights.items()}
        self.report.epoch(row, best)
        self.state = None

    def _validated(self) -> Validated | None:
        if self.validate is None:
            return None
        self.model.eval()
        with torch.no_grad(), self.report.busy("validating"):
            validated = self.validate()
        self.model.train()
        if not math.isfinite(validated.loss):
            raise TrainingError(
                f"epoch {self.progress.epoch}: the validation loss is {validated.loss}; {self._remedy()}"
            )
        return validated

    def _close(self) -> None:
        """Ends an epoch that the minutes or steps cut short.

        last.safetensors stays within the epoch: a resume with more of them goes on as if never stopped.
        """
        self._end_epoch()
        if self.checkpoints is not None:
            self.checkpoints.publish(self.best, self.progress, self.rows)

    def _finish(self, stopped: str) -> History:
        row, last = kept_row(self.rows, self.config), self.progress.epoch - 1
        kept, loss = row["epoch"], row["validation_loss"]
        if self.best is not None:
            self.model.load_state_dict(self.best)
        elif self.average is not None:
            self.model.load_state_dict(self.model.state_dict() | self.average.weights)
        self.model.eval()
        weights = "the average up to " if self.average else ""
        name = self.validated or "loss"
        validation = "" if loss is None else f", validation {name} {loss:.4g}{measures_text(row)}"
        self.report.note(f"stopped: {stopped}; kept {weights}epoch {kept} of {last}{validation}")
        if self.best is not None and last > 1 and kept in (1, last):
            self.report.note(self._at_an_end(row))
        if self.config.keep == "last" and loss is not None:
            self._tell_of_a_better(row)
        return History(tuple(self.rows), kept, loss, stopped, self._seconds())

    def _tell_of_a_better(self, kept: Row) -> None:
        """Why the last epoch is kept, where another was clearly better on the validation part."""
        measure, last = self.config.measure, dict[str, Any](kept)
        best = best_row(self.rows, measure)
        clearly = best["validation_loss"] < (1 - AS_GOOD) * last["validation_loss"]
        if clearly or measures_of(best).get(measure) != measures_of(kept).get(measure):
            self.report.note(
                f"the last epoch is kept (keep = last, as where fewer than {LEAST_VALIDATION} examples "
                f"validate), though epoch {best['epoch']} had validation loss {best['validation_loss']:.4g}"
                f"{measures_text(best)}"
            )

    def _at_an_end(self, kept: Row) -> str:
        """What it means that the first or the last epoch was the best."""
        if kept["epoch"] == 1:
            return (
                "the first epoch was the best: what came after fits the training part alone; lower "
                f"learning_rate (now {self.config.learning_rate:g}), or give more data"
            )
        if self.config.schedule == "cosine" or self.progress.cooled_from is not None:
            return "the last epoch was the best, as it is meant to be where the learning rate falls to zero"
        if measures_of(kept).get(self.config.measure) == 1 and MEASURES[self.config.measure]:
            return f"the last epoch was the best by its loss; its {self.config.measure} is 1, and cannot rise"
        if self.config.measure != LOSS:
            return f"the last epoch was the best by its {self.config.measure}; train longer"
        return "the last epoch was the best: the loss was still falling; train longer"

    def _waited(self) -> bool:
        """Whether patience is over. No more where the learning rate falls at the end of the training."""
        if self.progress.step or not self.validate or not self.config.patience:
            return False
        without = self.progress.steps_done(self.steps) - self.progress.best_step
        return without >= self.config.patience and not (self._cools and self._share() >= 1 - COOLDOWN)

    @property
    def _cools(self) -> bool:
        return self.config.schedule == "cooldown"

    def _cool_down(self) -> None:
        """From here on the learning rate falls; from the best weights, where those are kept."""
        progress, waited = self.progress, self._in_vain()
        progress.cooled_from = progress.steps_done(self.steps)
        where = ""
        if self.best is not None and self.config.keep == "best":
            self.model.load_state_dict(self.best)
            progress.undone = progress.cooled_from - progress.best_step
            where = f"goes back to epoch {progress.best_epoch}, and "
        epochs = counted(self._cooldown() // self.steps, "epoch")
        self.report.note(f"{waited}: {where}lets the learning rate fall to zero in {epochs}")

    def _cooldown(self) -> int:
        """Steps in which the learning rate falls after patience: COOLDOWN of those that count, in epochs."""
        progress = self.progress
        counts = (progress.cooled_from or 0) - progress.undone
        return self.steps * max(1, round(counts * COOLDOWN / (1 - COOLDOWN) / self.steps))

    def _in_vain(self) -> str:
        """No lower validation loss for 200 steps."""
        better = "higher" if MEASURES.get(self.config.measure) else "lower"
        steps = counted(self.progress.steps_done(self.steps) - self.progress.best_step, "step")
        return f"no {better} validation {self.config.measure} for {steps}"

    def _ended(self) -> str | None:
        """Why the training is over, in words; None while it is not."""
        config, progress, done = self.config, self.progress, self.progress.steps_done(self.steps)
        if self._waited() and not self._cools:
            return self._in_vain()
        if progress.cooled_from is not None and done >= progress.cooled_from + self._cooldown():
            return "the learning rate has fallen to zero"
        if self.limit is not None and done >= self.limit:
            by_epochs = config.epochs is not None and self.limit == config.epochs * self.steps
            return f"epochs = {config.epochs} reached" if by_epochs else f"steps = {config.steps} reached"
        return f"minutes = {config.minutes:g} reached" if self._limit_reached() else None

    def _limit_reached(self) -> bool:
        """Whether the steps or the minutes are over. At least one step is done, however short the time."""
        return self.progress.steps_done(self.steps) > 0 and self._share() >= 1

    def _share(self) -> float:
        """How much of the training is over, by its steps or its minutes."""
        minutes, done = self.config.minutes, self.progress.steps_done(self.steps)
        by_steps = done / self.limit if self.limit else 0.0
        share = max(by_steps, self._seconds() / (60 * minutes) if minutes else 0.0)
        if self.progress.cooled_from is None:
            return share
        cooled = (done - self.progress.cooled_from) / self._cooldown()
        return max(share, 1 - COOLDOWN + COOLDOWN * cooled)

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
                average=self.average.weights if self.average else {},
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
            if self.average is not None:
                self.average.load(last.average)
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
        fixed = self.config.model_dump(include={"seed", "batch_size", "optimizer", "momentum", "keep"})
        about = {"select": self.config.measure, "steps_per_epoch": self.steps}
        about |= {"validated": self.validated} if self.validated else {}
        return fixed | about | {"device": self.device.type}

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
