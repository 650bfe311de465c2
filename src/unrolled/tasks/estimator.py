"""What the estimators of all tasks share: fit, evaluate, save and load.

A task derives from Estimator and says, in this order, how its files are read (`_read`), what is fitted on the
training part and how batches are made of it (`_prepare`), what its network is (`_network`) and its loss
(`_step`), how a trained network is judged (`_judge`) and drawn (`_draw`); `frame` has its answers in a table,
`predict` those alone where data in memory ask for them.

    fit        _read -> _prepare -> _network -> the training loop with _step -> _judge, _draw
    evaluate   _read -> _judge
"""

import contextlib
import copy
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Self, cast

import polars as pl
import torch

from unrolled.errors import ConfigError, RunError
from unrolled.files import at_hand
from unrolled.files.messages import counted, option
from unrolled.runs import Run
from unrolled.tasks.config import from_sections, to_sections
from unrolled.tasks.ensemble import spread
from unrolled.tasks.sources import Source, Sources, joined, named_sources
from unrolled.tasks.starting import started
from unrolled.tasks.trained import JUDGED, C, D, K, N, Trained, tested
from unrolled.training import first_weights
from unrolled.training.batches import Batches, Step
from unrolled.training.checkpoints import Checkpoints
from unrolled.training.generators import own_generators
from unrolled.training.history import kept_steps
from unrolled.training.loop import Training
from unrolled.training.progress import Reporter
from unrolled.training.selection import Validated

# The options that keep data from the training, as a training on all data has them.
NOTHING_KEPT = {"validation": 0.0, "test": 0.0, "validation_files": (), "test_files": ()}
PREPARING = "preparing the training"


@dataclass(frozen=True)
class Prepared(Generic[C, K]):
    """`config` is complete but for its training; `batches` and `validate(network)` are for the training loop;
    notes tell what was chosen and why; `tuned(network)` gives the codec after the training, and what to tell
    of it; `begin(network)` puts in what is fitted without a training. `validate` and `tuned` are left alone
    where there is no validation part. `validated` names the measure of `validate` where it is another than
    the loss of the training."""

    config: C
    codec: K
    batches: Batches[Any]
    validate: Callable[[Any], Validated] | None
    notes: tuple[str, ...] = ()
    tuned: Callable[[Any], tuple[K, str]] | None = None
    begin: Callable[[Any], None] | None = None
    validated: str = ""


@dataclass(frozen=True)
class Plan(Generic[C, D, K, N]):
    """All that a training needs before it writes anything. `config` is complete, and `prepared` has that of
    this training, which is another where a model is trained again on all data."""

    config: Any
    data: D
    prepared: Prepared[C, K]
    seen: Any
    network: N
    notes: tuple[str, ...]


class Estimator(Trained[C, D, K, N]):
    """What `fit` does, and what a task says of itself for it; see trained.py for what comes of it."""

    def fit(
        self,
        X: Source = None,
        y: Any = None,
        *,
        lengths: Any = None,
        sample_weight: Any = None,
        groups: Any = None,
        validation: Source = None,
        test: Source = None,
        out: str | Path | None = None,
        resume: str | Path | None = None,
        report: Reporter | None = None,
    ) -> Self:
        """Trains on files or on what is given in their place (None: those that the configuration names), see
        files/at_hand.py: `y` are the answers to X in memory, `lengths` the true ones where it is padded,
        `sample_weight` (N,) what each sequence counts in the loss, of tasks with one answer for each;
        `groups` (N,) name what each is of: those of one group stay in one part of the data.
        `validation` and `test` are sources of their own, in memory (X, y) or (X, y, lengths); without, shares
        of X are. With `out`, writes a run folder as it goes; `resume` goes on with an interrupted one, whose
        options it takes.

        With `start_from` the training goes on from the model of a run, see starting.py.

        With `refit` the model is trained again on all data, for as many steps as were found: that is the
        model of the run, and the one before, in its folder JUDGED, is judged on the test part.

        Raises before it writes anything: ConfigError for options that do not fit, DataError for what the data
        lack.
        """
        report = report or Reporter()
        with contextlib.ExitStack() as stack:
            run = None if resume is None else stack.enter_context(self._reopened(resume, out))
            config: Any = self._options if run is None else self._config_of(run)
            if config.training.start_from is not None:
                config, self._start = started(type(self), config)
            untrained = type(self)(self._options)  # what an older model reads does not count
            train = self._weighted(untrained._source(X, y, lengths), sample_weight)
            train = self._grouped(train, groups)
            parts = train, *map(untrained._source, (validation, test))
            config, sources = named_sources(self._config_for(config, parts[0]), self.task, *parts)
            if self._start is not None:
                self._start.config = config  # it reads the new data
            with report.busy("reading the data"):
                config, read = self._read(config, sources)
            if self._start is not None:
                report.note(f"starts from the model in {config.training.start_from}")
            for note in self._notes_of(config, read):
                report.note(note)
            with report.busy(PREPARING):
                plan = self._plan(config, read)
            config = plan.config
            every = joined(sources) if config.training.refit else sources
            if out is not None:
                run = stack.enter_context(Run.create(out, to_sections(config), self.task).locked())
            if config.training.refit:
                judged = self._judged_first(plan, run, report)
                steps = kept_steps(judged.rows, judged.config.training)
                with report.busy(PREPARING):
                    plan = self._plan_again(plan, every, steps)
                self._take_over(judged, plan.network)
                report.note(f"training again on all data, for {counted(steps, 'step')}")
            self._carry_out(plan, run, report, resume is not None)
        self._start = None
        return self

    def _weighted(self, source: Any, weights: Any) -> Any:
        """What was handed over, with weights where there are any. ConfigError where they fit nothing."""
        if weights is None:
            return source
        if not self.weighs:
            raise ConfigError(f"task '{self.task}' weighs no examples; leave sample_weight out")
        if not isinstance(source, at_hand.InMemory):
            raise ConfigError(
                "sample_weight goes with X and y in memory, and these data come without y; give both, or "
                "leave sample_weight out"
            )
        return replace(source, weights=weights)

    def _grouped(self, source: Any, groups: Any) -> Any:
        """What was handed over, with groups where there are any. ConfigError where they fit nothing."""
        if groups is None:
            return source
        if not self.groups_examples:
            raise ConfigError(f"task '{self.task}' does not split its data by groups; leave groups out")
        if not isinstance(source, at_hand.InMemory):
            raise ConfigError(
                "groups go with X and y in memory; of a file or a table name their column "
                f"({option('group', 'subject')})"
            )
        return replace(source, groups=groups)

    def _plan(self, config: C, data: D) -> Plan[C, D, K, N]:
        start = self._start
        codec = None if start is None else start.codec
        prepared = self._settled(self._prepare(config, self._preparable(data), codec), data)
        complete: Any = prepared.config
        seen = self._seen_by(complete, data)
        if start is not None:
            seen = start.seen.joined(seen)
        notes = (*prepared.notes, *self._overlap(complete, data, seen))
        with own_generators(torch.device("cpu"), complete.training.seed):
            network = self._network(complete, prepared.codec)
            first_weights.draw(network, complete.training, prepared.batches)
        if prepared.begin is not None:
            prepared.begin(network)
        if start is not None:
            network.load_state_dict(start.network.state_dict())
        return Plan(complete, data, prepared, seen, network, notes)

    def _carry_out(
        self, plan: Plan[C, D, K, N], run: Run | None, report: Reporter, resume: bool, draw: bool = True
    ) -> None:
        """Trains the network, and writes what came of it."""
        for note in plan.notes:
            report.note(note)
        codec = self._trained(plan, run, report, resume)
        self._network_, self._codec_, self._seen_ = plan.network, codec, plan.seen
        self._data, self._evaluation = plan.data, None
        if run is not None:
            with report.busy("judging and writing" if draw else "writing"):
                self._write(run, draw)

    def _judged_first(self, plan: Plan[C, D, K, N], run: Run | None, report: Reporter) -> Self:
        """The model that is judged on the test part, trained or gone on with in its folder."""
        config: Any = plan.config
        minutes = config.training.minutes and config.training.minutes / 2  # the other half is for all data
        training = config.training.model_copy(update={"minutes": minutes, "refit": False})
        config = config.model_copy(update={"training": training})
        plan = replace(plan, config=config, prepared=replace(plan.prepared, config=config))
        self._judged = judged = type(self)(config)
        if run is None:
            judged._carry_out(plan, None, report, resume=False)
            return judged
        folder = run.folder / JUDGED
        begun = (folder / "config.toml").exists()
        inner = Run.open(folder) if begun else Run.create(folder, to_sections(config), self.task)
        if inner.finished:
            self._judged = judged = type(self).load(folder)
            judged._data = plan.data
            return judged
        with inner.locked():
            judged._carry_out(plan, inner, report, begun, draw=False)
        return judged

    def _plan_again(self, plan: Plan[C, D, K, N], sources: Sources, steps: int) -> Plan[C, D, K, N]:
        """With all data to train on, for `steps`."""
        again = self._plan(*self._read_all(self._of_all(plan.config, steps), plan.data, sources))
        return replace(again, config=plan.config, notes=())

    @staticmethod
    def _of_all(config: Any, steps: int) -> Any:
        """To train on all data for `steps`."""
        keep = "average" if config.training.keep == "average" else "last"
        limits = {"steps": steps, "epochs": None, "minutes": None, "patience": None}
        training = config.training.by_loss().model_copy(update=limits | {"keep": keep})
        options = NOTHING_KEPT.keys() & type(config.data).model_fields.keys()
        data = config.data.model_copy(update={name: NOTHING_KEPT[name] for name in options})
        return config.model_copy(update={"training": training, "data": data})

    def _take_over(self, judged: Self, network: N) -> None:
        """What a training on all data takes from the one that was judged beside its length: what only a
        validation part tells."""

    def _trained(self, plan: Plan[C, D, K, N], run: Run | None, report: Reporter, resume: bool) -> K:
        """Trains the network, and gives the codec that fits it."""
        prepared, network, validate = plan.prepared, plan.network, plan.prepared.validate
        config: Any = prepared.config
        report.exponential = self.exponential
        training = Training(
            network,
            self._batches(network, prepared),
            self._step(network, prepared),
            config.training,
            checkpoints=Checkpoints.of(run) if run else None,
            validate=None if validate is None else lambda: validate(network),
            report=self._reporter(plan, run, report),
            validated=prepared.validated,
        )
        self._history = training.run(resume)
        self.config, self._history_rows = plan.config, self._history.rows
        if validate is not None and len(getattr(network, "ensemble", ())) > 1:
            with report.busy("judging each member on the validation part"):
                note = spread(cast(Any, network), validate)
            report.note(note)
        if prepared.tuned is None:
            return prepared.codec
        with report.busy("judging on the validation part"):
            codec, note = prepared.tuned(network)
        if note:
            report.note(note)
        return codec

    def _settled(self, prepared: Prepared[C, K], data: D) -> Prepared[C, K]:
        """With the length of the training, and what follows from a validation part where there is one."""
        config: Any = prepared.config
        validated = self._is_validated(config, data)
        few = self._hardly_validated(prepared.codec, data) if validated else ""
        training = config.training.settled(prepared.batches.steps_per_epoch, validated, bool(few))
        if few and config.training.keep is None and training.keep == "last":
            prepared = replace(prepared, notes=(*prepared.notes, f"{few}: the last weights answer"))
        if not (validated or tested(config)):  # it is trained on all data at once
            training = training.model_copy(update={"refit": False})
        prepared = replace(prepared, config=config.model_copy(update={"training": training}))
        return prepared if validated else replace(prepared, validate=None, tuned=None)

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
            values["decoding"] = self.config.decoding.beside(options) | options
        other = copy.copy(self)
        other.config, other._evaluation = from_sections(self.config_class, values), None
        if options and self.judged is not self:
            other._judged = self.judged.using(**options)
        return other

    def predict(self, X: Source = None, *, lengths: Any = None) -> Any:
        """The answers to inputs in memory as arrays, of the labels' own type; to files, and to tables where a
        table held the labels too, as `frame` has them. Without X, to the test part of the training data."""
        source = self._source(X, None, lengths)
        table = self.frame(source)
        return self._bare(source, table) if self._answers_bare(source) else table

    def reading(self, **how: Any) -> Self:
        """The same trained model that reads other data so, as skip_wrong=True and encoding="cp1252" say.
        ConfigError for an option that the task does not have."""
        data = self.config.data
        for name in how:
            if name not in type(data).model_fields:
                raise ConfigError(f"task '{self.task}' has no {option(name)}; leave it out")
        other = copy.copy(self)
        data = data.model_copy(update=how)
        other.config, other._evaluation = self.config.model_copy(update={"data": data}), None
        return other

    @abstractmethod
    def frame(self, X: Source = None) -> pl.DataFrame:
        """A row for every answer."""

    @abstractmethod
    def score(self, X: Source, y: Any = None, *, lengths: Any = None) -> float:
        """How good the answers are, more is better: to inputs in memory with the right answers `y`, or to
        files that hold them."""

    def _answers_bare(self, source: Any) -> bool:
        """Whether the answers to what was handed over come without a table."""
        return at_hand.is_bare(source)

    @abstractmethod
    def _bare(self, source: Any, table: pl.DataFrame) -> Any:
        """The answers of `frame` alone, as arrays."""

    def notices(self, data: Source = None) -> list[str]:
        """What is odd about data that an answer is asked for, a line each: for a person, beside `predict`."""
        return []

    # What a task says of itself.

    @abstractmethod
    def _read(self, config: C, sources: Sources) -> tuple[C, D]:
        """All data of a training, and the configuration with what they are (their checksum)."""

    def _notes_of(self, config: C, data: D) -> tuple[str, ...]:
        """What to tell of the data before anything is made of them."""
        return ()

    def _read_all(self, config: C, data: D, sources: Sources) -> tuple[C, D]:
        """The same data, all to train on, as `config` has it."""
        return config, data

    @abstractmethod
    def _prepare(self, config: C, data: D, start: K | None) -> Prepared[C, K]:
        """DataError for whatever the data lack; touches no file. `start`: the codec of the model that the
        training starts from."""

    def _is_validated(self, config: C, data: D) -> bool:
        """Whether there is a validation part."""
        options: Any = config
        return bool(options.data.validation)

    def _hardly_validated(self, codec: K, data: D) -> str:
        """That the validation part is too small to end a training; empty where it is not."""
        return ""

    def _preparable(self, data: D) -> D:
        """With something in place of a validation part that is empty; nothing is validated then."""
        return data

    @abstractmethod
    def _seen_by(self, config: C, data: D) -> Any:
        """What a training on `data` sees, a seen_class."""

    def _overlap(self, config: C, data: D, seen: Any) -> tuple[str, ...]:
        """What of the test part was seen, in a sentence. DataError where it is all of it."""
        return ()

    def _batches(self, network: N, prepared: Prepared[C, K]) -> Batches[Any]:
        """The batches of the training: other than those prepared where they follow from the network too."""
        return prepared.batches

    @abstractmethod
    def _step(self, network: N, prepared: Prepared[C, K]) -> Step[Any]:
        """(batch, state) -> the loss and the state to carry on; `mean_step` where batches do not follow one
        another."""

    def _reporter(self, plan: Plan[C, D, K, N], run: Run | None, report: Reporter) -> Reporter:
        """What tells how the training goes: the one given, or one that does more."""
        return report

    def _config_for(self, config: C, source: Any) -> C:
        """With what follows from the kind of a source to train on."""
        return config

    @contextlib.contextmanager
    def _reopened(self, folder: str | Path, out: str | Path | None) -> Iterator[Run]:
        if out is not None or self._options != self.config_class():
            raise ConfigError(
                "resume takes its folder and options from the run; leave out all others, or train anew"
            )
        with Run.open(folder).locked() as run:
            if run.finished:
                raise RunError(
                    f"{run.folder} is finished, there is nothing to resume; train anew in another folder"
                )
            yield run
