"""The forecaster as an estimator: what `forecast` adds to tasks/estimator.py, and generate."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.batching.windows import Batch
from unrolled.blocks.direct import Direct
from unrolled.blocks.forecaster import Recursive
from unrolled.errors import ConfigError, DataError
from unrolled.files import arrays
from unrolled.files.at_hand import InMemory
from unrolled.files.messages import counted, option
from unrolled.files.roles import ROWS
from unrolled.files.series import SeriesFile
from unrolled.models.forecast import check_reach
from unrolled.tasks.estimator import Estimator, Prepared
from unrolled.tasks.evaluation import MODEL
from unrolled.tasks.forecast import answers, covariates
from unrolled.tasks.forecast.config import ForecastConfig
from unrolled.tasks.forecast.data import (
    Source,
    check_alike,
    checksum,
    has_part,
    output_of,
    read,
    read_parts,
)
from unrolled.tasks.forecast.defaults import MOST_NAMED, ends_of, named_series
from unrolled.tasks.forecast.direct.reading import adjusted, block_of
from unrolled.tasks.forecast.direct.validation import mean_loss
from unrolled.tasks.forecast.direct.windows import Windowed, after_each_step
from unrolled.tasks.forecast.fitted import Fitted
from unrolled.tasks.forecast.judging.adaptive import adaptive_quantiles
from unrolled.tasks.forecast.judging.backtest import backtest, beside_baselines, find_origins
from unrolled.tasks.forecast.judging.evaluation import Evaluation, evaluate
from unrolled.tasks.forecast.network import Network
from unrolled.tasks.forecast.paths import Forecast, Predictor
from unrolled.tasks.forecast.prepared import prepare
from unrolled.tasks.forecast.recursive import windows as recursive
from unrolled.tasks.forecast.refits import Refit, check_refits, refits, refits_sentence, refitted_forecasts
from unrolled.tasks.forecast.seen import SeenSeries
from unrolled.tasks.forecast.targets import of_each, raised, require_outcomes, require_transformable
from unrolled.tasks.model import recurrent
from unrolled.tasks.seen import nothing_new, seen_sentences, validated_on_known
from unrolled.tasks.sources import Sources, files_of
from unrolled.tasks.trained import left_out_frame
from unrolled.training.batches import Step
from unrolled.training.history import kept_steps
from unrolled.training.progress import Reporter
from unrolled.training.state import State

MEASURES = {
    "point": "mean squared error of scaled values",
    "gaussian": "negative log-likelihood of scaled values",
    "studentt": "negative log-likelihood of scaled values",
    "quantiles": "pinball loss of scaled values",
    "lognormal": "negative log-likelihood of scaled logarithms",
    "bernoulli": "negative log-likelihood of a step",
    "poisson": "negative log-likelihood",
    "negbinomial": "negative log-likelihood",
}


class Forecaster(Estimator[ForecastConfig, SeriesFile, Fitted, Network]):
    """Forecasts one or more series. Options are the fields of ForecastConfig, each by its own name:

    forecaster = Forecaster(target="sales", horizon=24, output="gaussian").fit("sales.csv", out="run")
    forecaster.evaluation.table(); forecaster.predict(); Forecaster.load("run").predict("newer.csv")
    """

    task = "forecast"
    config_class = ForecastConfig
    codec_class = Fitted
    takes_answers = False
    seen_class = SeenSeries

    def evaluate(
        self,
        data: Source | None = None,
        *,
        include_training: bool = False,
        refit_every: int | None = None,
        report: Reporter | None = None,
    ) -> Evaluation:
        """A backtest on the test part of the training data, or on other data: on what comes after the
        training and the validation part of each series, or on all with `include_training`.

        `refit_every`: on the test part, with a model that is trained again every so many of its steps on all
        that is known by then, as this one was and for as many steps as its weights had; see refits.py.
        """
        if refit_every is not None:
            check_refits(refit_every, data is None)
        if data is None and self.judged is not self:
            before: Evaluation = (
                self._evaluation_before()
                if refit_every is None
                else self.judged.evaluate(refit_every=refit_every, report=report)
            )
            return before
        network, codec, options = self.network, self.codec.series, self.config.forecast
        plan, on_test = self.config.plan(), data is None
        file, begin, first, known = self._judged_steps(data, include_training)
        series = codec.encode_each(file.series, plan.steps)
        origins = find_origins(series, first, plan, options.most_origins)
        about = {"judged": "the test part" if on_test else "the data given", "season": plan.season}
        about |= {"seen": known, "left_out": 0 if include_training else known}
        sentences = seen_sentences("step", known, sum(map(len, series)) - sum(begin), include_training)
        if refit_every is None:
            test = backtest(self._predictor(network), series, origins, plan)
        else:
            trainings = list(refits(origins, first, refit_every))
            steps = kept_steps(self.rows, self.config.training)
            forecasts = self._refitted(trainings, steps, file, report or Reporter())
            test = beside_baselines(forecasts, series, origins, plan, codec.step.periods())
            about |= {"refit_every": refit_every, "trainings": len(trainings)}
            sentences.append(refits_sentence(refit_every, len(trainings), steps))
        levels, scaler = options.quantile_levels, codec.scalers["target"]
        evaluation = evaluate(
            replace(test, adaptive=adaptive_quantiles(test, levels, scaler)),
            codec.targets,
            levels,
            self.codec.naive_scale,
            scaler.deviation,
            about,
            file,
            self.codec.mean if options.output == "bernoulli" else None,
        )
        sentences += raised(file, codec)
        return evaluation.telling([*sentences, *file.told(), *file.unseen])

    def _judged_steps(
        self, data: Source | None, include_training: bool
    ) -> tuple[SeriesFile, list[int], list[int], int]:
        """The series of the test part or of other data, where each begins, from which step on it is judged,
        and how many steps were seen. DataError where nothing else is left."""
        on_test = data is None
        file = self._training_file() if data is None else self._new_file(data)
        if on_test and not has_part(file, self.config.data, "test"):
            raise ConfigError("no part of the training data was kept to judge on; give other data")
        begin = [end for _, end in ends_of(self.config.data, file)] if on_test else [0] * len(file.series)
        if on_test:
            first = self._first_tested(self.config, file, begin, self.seen)
        else:
            first = _first_new(file, begin, self.seen)
        known = sum(first) - sum(begin)
        if known and include_training:
            first = begin
        elif known:
            _require_new(file, begin, first, self.config.plan().horizon)
        return file, begin, first, known

    # The columns of what stands beside X in memory.
    _beside: ClassVar[str] = "y"

    def _table(self, source: Any, known: Sequence[str] = ()) -> Any:
        """Series in memory as the table that they are in a file: the columns of X are targets; with y, which
        are the targets, they are what is known up to the present beside them. Any other source as it is.
        `known` are the series that a model knows by name."""
        if isinstance(source, tuple) and isinstance(source[0], pl.DataFrame):
            if len(source) > 1:
                raise ConfigError(
                    f"X holds {len(source):,} frames; give one, with a column that tells their series apart"
                )
            return source[0]
        if not isinstance(source, InMemory):
            return source
        if source.is_frame:
            raise ConfigError(
                f"what y holds is a column of the table; name it ({option('target')}), and leave y out"
            )
        return arrays.long_table(source.X, source.y, source.lengths, self._beside, known)

    def _tables(self, sources: Sources) -> Sources:
        return Sources(*map(self._table, (sources.train, sources.validation, sources.test)))

    def _config_for(self, config: ForecastConfig, source: Any) -> ForecastConfig:
        """Of series in memory, which columns are what, where nothing else is said."""
        if not isinstance(source, InMemory):
            return config
        columns, data = self._table(source).columns, config.data
        targets = tuple(name for name in columns if name.startswith(self._beside))
        others = tuple(name for name in columns if name not in (arrays.SERIES, *targets))
        roles: dict[str, Any] = {"id": arrays.SERIES, "time": ROWS}
        if targets and not data.past + data.future:
            roles["past"] = others
        if not data.target:
            roles["target"] = targets or tuple(name for name in others if name not in data.past + data.future)
        return config.model_copy(update={"data": data.model_copy(update=roles)})

    def predict(
        self,
        X: Source | None = None,
        horizon: int | None = None,
        quantiles: Sequence[float] | None = None,
        *,
        lengths: Any = None,
    ) -> Any:
        """The steps after the end of every series: of files and tables as `frame` has them; of arrays alone,
        an array (N, horizon), or (N, horizon, K) of several targets."""
        source = self._source(X, None, lengths)
        table = self.frame(source, horizon, quantiles)
        return self._bare(source, table) if self._answers_bare(source) else table

    def _bare(self, source: Any, table: pl.DataFrame) -> NDArray[np.float64]:
        targets = self.codec.series.targets
        each = [table.filter(target=name)["forecast"].to_numpy() for name in targets]
        series = table["series"].n_unique() if "series" in table.columns else 1
        values = np.stack(each, -1).reshape(series, -1, len(targets))
        return values[..., 0] if len(targets) == 1 else values

    def score(self, X: Source, y: Any = None, *, lengths: Any = None) -> float:
        """The mean absolute error of a backtest on all of X, each target in its own unit, negative."""
        result = self.evaluate(self._source(X, y, lengths), include_training=True)
        return -float(np.mean([row["mae"] for row in result.rows if row["forecast"] == MODEL]))

    def frame(
        self,
        X: Source | None = None,
        horizon: int | None = None,
        quantiles: Sequence[float] | None = None,
    ) -> pl.DataFrame:
        """The steps after the end of every series of the training data, or of other data with the same
        columns; of a distribution with `quantiles`, or those that it was trained with.

        A row for every series, target and step; see answers.forecasts. ConfigError where the strategy cannot
        reach so far, or there are no such quantiles; DataError where a series is too short, or covariates of
        the steps to forecast are missing.
        """
        predictor, horizon = self._predictor(self.network), self._reach(horizon)
        if quantiles is not None:
            predictor = answers.at_levels(predictor, quantiles, horizon > self.config.plan().steps)
        return answers.forecasts(predictor, self._forecastable(X, horizon), horizon)

    def paths(
        self, count: int, data: Source | None = None, horizon: int | None = None, seed: int = 0
    ) -> pl.DataFrame:
        """`count` futures of every series, drawn from the distribution of each step with the draws before it
        fed back: what happens together in one is as likely as the model says.

        A row for every series, path, target and step; see answers.paths. ConfigError where the model gives no
        distribution, or one of each step by itself; other errors as of `predict`.
        """
        predictor, horizon = self._predictor(self.network), self._reach(horizon)
        answers.check_paths(predictor.output, count, horizon, self._feeds_back)
        return answers.paths(predictor, self._forecastable(data, horizon), horizon, count, seed)

    def notices(self, data: Source | None = None, quantiles: Sequence[float] = ()) -> list[str]:
        """Which series are left out, and why, which texts are no categories, and which of the quantiles that
        are asked for the network did not learn."""
        lines: list[str] = []
        codec = self.codec.series
        options = self.config.data
        if (
            options.skip_series
            or options.skip_wrong
            or codec.covariates.categories
            or codec.scalers["target"].curve
        ):
            file = self._forecastable(data, self.config.plan().horizon)
            lines += [*file.told(), *file.unseen, *raised(file, codec)]
        return [*lines, *answers.interpolated(self.network.block.output, quantiles)]

    @property
    def _feeds_back(self) -> bool:
        return self.config.forecast.strategy == "recursive" and not self.config.data.past

    def _reach(self, horizon: int | None) -> int:
        """The steps to forecast. ConfigError where the strategy cannot reach so far."""
        plan = self.config.plan()
        horizon = plan.horizon if horizon is None else horizon
        check_reach("horizon", horizon, None if self._feeds_back else plan.steps, self.config.data.past)
        return horizon

    def _forecastable(self, data: Source | None, horizon: int) -> SeriesFile:
        """What forecasts follow."""
        file = self._training_file() if data is None else self._new_file(data)
        skip = self.config.data.skip_series
        return answers.forecastable(self._predictor(self.network), file, horizon, skip)

    def generate(
        self,
        steps: int,
        prime: Source | None = None,
        *,
        sample: bool = False,
        temperature: float = 1.0,
        seed: int = 0,
    ) -> pl.DataFrame:
        """`steps` values, each fed back for the next, after the last window of `prime` (one series), or from
        zeros: a network without history, at the mean of the training data and the time where they end.

        Columns "step", "target" and "value". `sample` draws from the output's distribution, wider with the
        temperature.
        """
        predictor, past = self._predictor(self.network), self.config.data.past
        check_reach("length", steps, 1 if past else None, past)
        answers.check_sampling(predictor.output.is_distribution, sample, temperature)
        if prime is None:
            start = predictor.codec.blank(
                self.codec.last_time, self.codec.last_offset, steps + predictor.codec.steps
            )
        else:
            start = answers.primed(predictor, self._new_file(prime), steps)
        return answers.generate(predictor, start, steps, temperature if sample else None, seed)

    def _refitted(
        self, trainings: Sequence[Refit], steps: int, file: SeriesFile, report: Reporter
    ) -> list[Forecast]:
        """What models say that are trained as this one was, for so many gradient steps."""
        config = self._of_all(self.config, steps)
        config = config.model_copy(update={"data": config.data.model_copy(update={"sha256": None})})

        def train(known: SeriesFile) -> Predictor:
            model = type(self)(config)
            plan = replace(model._plan(config, known), notes=())
            model._take_over(self, plan.network)
            model._carry_out(plan, None, Reporter(), resume=False)
            return model._predictor(model.network)

        return refitted_forecasts(trainings, train, file, self.config.plan(), report.note)

    def _read(self, config: ForecastConfig, sources: Sources) -> tuple[ForecastConfig, SeriesFile]:
        sources = self._tables(sources)
        start = self._start  # which has its intervals already
        if start is None:
            file = read_parts(sources, config.data)
            file = covariates.fit(file, [end for end, _ in ends_of(config.data, file)])
        else:
            codec = start.codec.series
            file = read_parts(sources, config.data, codec.step, codec.covariates.categories)
            file = covariates.as_numbers(file, codec.covariates)
            file = replace(file, notes=(*file.notes, *file.unseen))
        if config.forecast.identity and start is None:
            _require_named(config, file)
        if config.forecast.calibrate and start is None and not has_part(file, config.data, "validation"):
            raise ConfigError(
                f"{option('calibrate')} needs a validation part, and {option('validation', 0)} leaves none; "
                "leave one out"
            )
        if start is None and config.forecast.transform:
            transforms = of_each("transform", config.forecast.transform, len(file.targets))
            require_transformable(file, [end for _, end in ends_of(config.data, file)], transforms)
        return config, require_outcomes(file, config.forecast.output)

    def _notes_of(self, config: ForecastConfig, data: SeriesFile) -> tuple[str, ...]:
        steps = counted(sum(len(s.target) for s in data.series), "step")
        steps += "" if data.step.unit == "number" and data.step.count == 1 else f" of {data.step.name}"
        series = f"{len(data.series):,} series, " if len(data.series) > 1 else ""
        return (*data.notes, f"data: {series}{steps}")

    def _read_all(
        self, config: ForecastConfig, data: SeriesFile, sources: Sources
    ) -> tuple[ForecastConfig, SeriesFile]:
        unchecked = config.data.model_copy(update={"sha256": None})
        series = tuple(replace(s, part="") for s in data.series)
        return config.model_copy(update={"data": unchecked}), replace(data, series=series)

    def _prepare(
        self, config: ForecastConfig, data: SeriesFile, start: Fitted | None
    ) -> Prepared[ForecastConfig, Fitted]:
        if start is not None:
            check_alike(data, start.series, "these data")
        return prepare(config, data, start)

    def _is_validated(self, config: ForecastConfig, data: SeriesFile) -> bool:
        return has_part(data, config.data, "validation")

    @classmethod
    def _network(cls, config: ForecastConfig, codec: Fitted) -> Network:
        options, series, plan = config.forecast, codec.series, config.plan()
        if codec.reading is not None:
            return Network(block_of(config.model, options, series, codec.reading, plan.window))
        layer = recurrent(config.model, series.width)
        output = output_of(series, options.output, options.quantile_levels)
        relative = tuple(level == "relative" for level in plan.level) or (False,) * len(series.targets)
        residual, dropout = bool(options.residual), config.model.output_dropout or 0.0
        return Network(Recursive.of(layer, output, series.steps, relative, residual, dropout))

    def _seen_by(self, config: ForecastConfig, data: SeriesFile) -> SeenSeries:
        ends = [end for _, end in ends_of(config.data, data)]
        series = [s for s, end in zip(data.series, ends, strict=True) if end]
        named = config.data.id is not None or config.data.wide is not None
        return SeenSeries.of_parts(series, list(filter(None, ends)), data.time is not None, named)

    def _overlap(self, config: ForecastConfig, data: SeriesFile, seen: SeenSeries) -> tuple[str, ...]:
        """Of whole series that are judged, and of a training that starts from a model, which may have seen
        what watches it and what is to be judged."""
        begin, ends = zip(*ends_of(config.data, data), strict=True)
        notes: tuple[str, ...] = ()
        if self._start is not None:
            first = _first_new(data, begin, self._start.seen)
            known = sum(min(at, end) for at, end in zip(first, ends, strict=True)) - sum(begin)
            notes = validated_on_known("step", known, sum(ends) - sum(begin))
        if not has_part(data, config.data, "test"):
            return notes
        return (*notes, *self._tested_on_known(config, data, seen, ends))

    @classmethod
    def _tested_on_known(
        cls, config: ForecastConfig, data: SeriesFile, seen: SeenSeries, begin: Sequence[int]
    ) -> tuple[str, ...]:
        first, lengths = cls._first_tested(config, data, begin, seen), [len(s.target) for s in data.series]
        known, total = sum(first) - sum(begin), sum(lengths) - sum(begin)
        horizon = config.plan().horizon
        if known and max(length - at for length, at in zip(lengths, first, strict=True)) < horizon:
            steps = f"{'all' if known == total else f'{known:,} of the'} {counted(total, 'step')}"
            wanted = f"wanted {horizon} or more that do not ({option('horizon')})"
            if config.training.start_from is None:
                raise DataError(
                    f"{steps} of the test files stand in the training or validation part; {wanted}; name "
                    f"others, or keep a part of the training files for it ({option('test', 0.2)})"
                )
            raise DataError(
                f"the model that this training starts from has seen {steps} of the test part; wanted "
                f"{horizon} or more that it has not ({option('horizon')}); give newer data, or leave the "
                f"test part out ({option('test', 0)})"
            )
        return tuple(f"test part: {line}" for line in seen_sentences("step", known, total, False))

    @staticmethod
    def _first_tested(
        config: ForecastConfig, data: SeriesFile, begin: Sequence[int], seen: SeenSeries
    ) -> list[int]:
        """The first step of each series' test part, from its `begin` on, that was not seen. Without a model
        that the training starts from, only whole series can have been seen before."""
        every = config.training.start_from is not None
        return [
            max(at, seen.first_new(s)) if every or s.part == "test" else at
            for s, at in zip(data.series, begin, strict=True)
        ]

    def _step(self, network: Network, prepared: Prepared[ForecastConfig, Fitted]) -> Step[Batch | Windowed]:
        options = prepared.config.forecast
        last_only, absolute = options.loss_at == "last", options.error == "absolute"

        def step(batch: Batch | Windowed, state: State) -> tuple[Tensor, State]:
            if isinstance(batch, Windowed):
                return mean_loss(network, batch, absolute), None
            return recursive.mean_loss(network, batch, last_only), None

        return step

    def _take_over(self, judged: Self, network: Network) -> None:
        if isinstance(network.block, Direct):
            with torch.no_grad():  # those of a model that was loaded are learnable
                for part, before in zip(adjusted(network), adjusted(judged.network), strict=True):
                    part.copy_(before)

    @property
    def loss_name(self) -> str:
        return MEASURES[self.config.forecast.output]

    def _draw(self, folder: Path) -> None:
        from unrolled.tasks.forecast import pictures  # matplotlib takes a while to import

        pictures.draw_evaluation(folder, self.evaluation, self._training_file())

    def _answers_about(self) -> dict[str, Any]:
        data = self.config.data
        time = None if data.time == ROWS else data.time
        notation = {"date_format": data.date_format, "decimal": data.decimal}
        about = {"window": self.config.plan().window, "time": time} | notation
        return about | super()._answers_about()

    def _rows(self, data: Source | None = None) -> list[NDArray[Any]]:
        """Each series, or its test part, in pieces as long as the window: what `predict` reads at once."""
        window = self.config.plan().window
        return [
            steps[at : at + window]
            for steps, begin in self._steps_of(data)
            for at in range(begin, len(steps), window)
        ]

    @property
    def reads_windows(self) -> bool:
        return isinstance(self.network.block, Direct)

    def _steps_of(self, data: Source | None) -> Iterator[tuple[NDArray[Any], int]]:
        """The steps of each series as the runtime's `encode` gives them, and where its test part begins, or
        what is to be verified of other data."""
        codec = self.codec.series
        file = self._training_file() if data is None else self._new_file(data)
        first = [0] * len(file.series)
        if data is None and has_part(file, self.config.data, "test"):
            first = [end for _, end in ends_of(self.config.data, file)]
        for series, begin in zip(file.series, first, strict=True):
            times, offsets, known, rows = codec.known_rows(series, codec.steps)
            T = min(len(series.target), rows)
            yield codec.packed(times[:T], offsets[:T], known[:T]), begin

    def _raw(self, rows: Sequence[NDArray[Any]], fill: float) -> list[NDArray[Any]]:
        lengths = torch.tensor([len(row) for row in rows])
        codec, block = self.codec.series, self.network.block
        before = np.zeros(len(codec.flagged), np.float32)
        if isinstance(block, Direct):
            filled = [codec.filled(row["x"], before)[0] for row in rows]
            return after_each_step(self.network, codec, filled, fill)
        x = torch.full((len(rows), int(lengths.max()), codec.width), fill)
        for padded, row in zip(x, rows, strict=True):
            padded[: len(row)] = torch.from_numpy(codec.filled(row["x"], before)[0].copy())
        with torch.no_grad():
            raw = self.network(x, lengths=lengths)[0].numpy()
        return [one[: len(row)] for one, row in zip(raw, rows, strict=True)]

    def _left_out(self) -> Mapping[str, str]:
        return {} if self._data is None else {**self._data.wrong_rows, **self._data.left_out}

    def left_out(self, data: Source | None = None) -> pl.DataFrame:
        """What `predict` leaves out of `data`, a row each: "name", of a series, or the place of a row, and
        "reason"; without data, of those that the model was trained on."""
        file = self._forecastable(data, self.config.plan().horizon)
        return left_out_frame({**file.wrong_rows, **file.left_out})

    def _training_file(self) -> SeriesFile:
        data = self.config.data
        if self._data is None and not data.files:
            raise ConfigError("this model was trained on a frame that is no longer here; give the data")
        if self._data is None:
            codec = self.codec.series
            file = read_parts(files_of(data), data, codec.step, codec.covariates.categories)
            file = covariates.as_numbers(file, codec.covariates)
            if checksum(file) != data.sha256:
                raise DataError(
                    f"{data.files[0]} has changed since the training; name it to use it as it is now"
                )
            self._data = file
        return self._data

    def _new_file(self, data: Source) -> SeriesFile:
        codec = self.codec.series
        file = read(
            self._table(self._source(data), codec.names),
            self.config.data,
            codec.step,
            codec.covariates.categories,
        )
        file = require_outcomes(file, self.config.forecast.output)
        file = covariates.as_numbers(file, codec.covariates)
        check_alike(file, codec, "these data")
        return file

    def _predictor(self, network: Network) -> Predictor:
        options = self.config.forecast
        window, seed = self.config.plan().window, self.config.training.seed
        return Predictor(network, self.codec.series, window, options.sample_paths, seed)


def _require_named(config: ForecastConfig, file: SeriesFile) -> None:
    """ConfigError where no series are known by their names."""
    ends = [end for end, _ in ends_of(config.data, file)]
    if not named_series(config.forecast, file, ends):
        raise ConfigError(
            f"{option('identity', config.forecast.identity)}: wanted 2 to {MOST_NAMED:,} series of one "
            f"target, each with a name of its own; got {sum(map(bool, ends)):,} series of "
            f"{counted(len(file.targets), 'target')}; leave it out"
        )


def _first_new(file: SeriesFile, begin: Sequence[int], seen: SeenSeries) -> list[int]:
    """The first step of each series, from its `begin` on, that was not seen."""
    return [max(at, seen.first_new(s)) for s, at in zip(file.series, begin, strict=True)]


def _require_new(file: SeriesFile, begin: Sequence[int], first: Sequence[int], horizon: int) -> None:
    """DataError where no series goes on for a horizon after what was seen of it."""
    lengths = [len(s.target) for s in file.series]
    if max(length - at for length, at in zip(lengths, first, strict=True)) < horizon:
        total, known = sum(lengths) - sum(begin), sum(first) - sum(begin)
        raise nothing_new("step", total - known, total, f"{horizon} steps or more (horizon)")
