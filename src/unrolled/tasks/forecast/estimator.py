"""The forecaster as an estimator: fit, predict, evaluate, generate, save, load."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import polars as pl
from torch import Tensor

from unrolled.batching.windows import Batch
from unrolled.errors import ConfigError, DataError, RunError
from unrolled.files.series import SeriesFile
from unrolled.runs import Run
from unrolled.tasks.config import from_options, from_sections, to_sections
from unrolled.tasks.forecast import answers, pictures
from unrolled.tasks.forecast.backtest import backtest, find_origins
from unrolled.tasks.forecast.config import ForecastConfig
from unrolled.tasks.forecast.data import Source, checksum, read
from unrolled.tasks.forecast.evaluation import Evaluation, evaluate
from unrolled.tasks.forecast.forecasting import Predictor
from unrolled.tasks.forecast.learning import mean_loss
from unrolled.tasks.forecast.preparation import Prepared, prepare
from unrolled.tasks.forecast.settle import ends_of
from unrolled.tasks.forecast.trained import Trained, read_trained, untrained, write_about
from unrolled.training.history import History, Row
from unrolled.training.loop import train
from unrolled.training.progress import Reporter
from unrolled.training.state import State

TASK = "forecast"


class Forecaster:
    """Forecasts one or more series. Options are the fields of ForecastConfig, each by its own name:

        forecaster = Forecaster(target="sales", horizon=24, output="gaussian").fit("sales.csv", out="run")
        forecaster.evaluation.table(); forecaster.predict(); Forecaster.load("run").predict("newer.csv")

    After `fit` or `load`, `config` is complete: training with it again gives the same bits. `rows` are the
    history as metrics.jsonl holds it, and after `fit`, `history` tells why the training ended.
    """

    def __init__(self, config: ForecastConfig | None = None, **options: Any) -> None:
        if config is not None and options:
            raise ConfigError(
                f"give a configuration or options, not both: got config and {', '.join(options)}"
            )
        self.config = self._asked = config or from_options(ForecastConfig, options)
        self.history: History | None = None
        self.rows: Sequence[Row] = ()
        self._trained: Trained | None = None
        self._file: SeriesFile | None = None
        self._evaluation: Evaluation | None = None

    def fit(
        self,
        data: Source | None = None,
        *,
        out: str | Path | None = None,
        resume: str | Path | None = None,
        report: Reporter | None = None,
    ) -> Self:
        """Trains on files or a polars frame (None: config.data.files). With `out`, writes a run folder as it
        goes; `resume` goes on with an interrupted one, whose options it takes.

        Raises before it writes anything: ConfigError for options that do not fit, DataError for what the data
        lack.
        """
        report = report or Reporter()
        run = None if resume is None else self._reopened(resume, out)
        asked = self._asked if run is None else _config(run)
        asked, file = _named(asked, asked.data.files if data is None else data)
        prepared = prepare(asked, file)
        trained = untrained(prepared)
        if out is not None:
            run = Run.create(out, to_sections(prepared.config), TASK)
        for note in prepared.notes:
            report.note(note)
        if run is not None:
            write_about(trained, run)
        self.history = _train(trained, prepared, run, resume is not None, report)
        self.config, self.rows = prepared.config, self.history.rows
        self._trained, self._file, self._evaluation = trained, file, None
        if run is not None:
            self._write(run)
        return self

    def evaluate(self, data: Source | None = None) -> Evaluation:
        """A backtest on the test part of the training data, or on all of other data."""
        trained, plan, options = self._fitted(), self.config.plan(), self.config.forecast
        file = self._training_file() if data is None else self._new_file(data)
        seen = checksum(file) == self.config.data.sha256
        if seen and not self.config.data.test:
            raise ConfigError("test is 0: no part of the training data was kept to judge on; give other data")
        first = [end for _, end in ends_of(self.config.data, file)] if seen else [0] * len(file.series)
        series = [trained.codec.encode(s, plan.steps) for s in file.series]
        origins = find_origins(series, first, plan, options.most_origins)
        return evaluate(
            backtest(self._predictor(), series, origins, plan),
            trained.codec.targets,
            options.quantile_levels,
            trained.naive_scale,
            trained.codec.scalers["target"].scale,
            {"judged": "the test part" if seen else "all of the data given", "season": plan.season},
        )

    @property
    def evaluation(self) -> Evaluation:
        """`evaluate()`, made when first asked for."""
        self._evaluation = self._evaluation or self.evaluate()
        return self._evaluation

    def predict(self, data: Source | None = None, horizon: int | None = None) -> pl.DataFrame:
        """The steps after the end of every series of the training data, or of other data with the same
        columns.

        A row for every series, target and step; see answers.forecasts. ConfigError where the strategy cannot
        reach so far; DataError where a series is too short, or covariates of the steps to forecast are
        missing.
        """
        self._fitted()
        plan, past = self.config.plan(), self.config.data.past
        horizon = plan.horizon if horizon is None else horizon
        fed_back = self.config.forecast.strategy == "recursive" and not past
        answers.check_reach("horizon", horizon, None if fed_back else plan.steps, past)
        file = self._training_file() if data is None else self._new_file(data)
        return answers.forecasts(self._predictor(), file, horizon)

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
        trained, past = self._fitted(), self.config.data.past
        answers.check_reach("steps", steps, 1 if past else None, past)
        answers.check_sampling(trained.network.output.is_distribution, sample, temperature)
        if prime is None:
            start = trained.codec.blank(trained.last_time, steps + trained.codec.steps)
        else:
            start = answers.primed(self._predictor(), self._new_file(prime), steps)
        return answers.generate(self._predictor(), start, steps, temperature if sample else None, seed)

    def save(self, folder: str | Path) -> None:
        """Writes a run folder."""
        trained, run = self._fitted(), Run.create(folder, to_sections(self.config), TASK)
        write_about(trained, run)
        self._write(run)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The forecaster of a finished run."""
        run = Run.open(folder)
        forecaster = cls(_config(run))
        forecaster._trained, forecaster.rows = read_trained(run, forecaster.config), run.read_metrics()
        return forecaster

    def _reopened(self, folder: str | Path, out: str | Path | None) -> Run:
        if out is not None or self._asked != ForecastConfig():
            raise ConfigError(
                "resume takes its folder and options from the run; leave out all others, or train anew"
            )
        run = Run.open(folder)
        if run.finished:
            raise RunError(
                f"{run.folder} is finished, there is nothing to resume; train anew in another folder"
            )
        return run

    def _training_file(self) -> SeriesFile:
        data = self.config.data
        if self._file is None and not data.files:
            raise ConfigError("this model was trained on a frame that is no longer here; give the data")
        if self._file is None:
            file = read(data.files, data)
            if checksum(file) != data.sha256:
                raise DataError(
                    f"{data.files[0]} has changed since the training; name it to use it as it is now"
                )
            self._file = file
        return self._file

    def _new_file(self, data: Source) -> SeriesFile:
        file, step = read(data, self.config.data), self._fitted().codec.step
        if file.step != step:
            raise DataError(
                f"these data have a step of {file.step.name}; the model was trained on {step.name}"
            )
        return file

    def _fitted(self) -> Trained:
        if self._trained is None:
            raise ConfigError("this forecaster is not trained; call fit, or load a run")
        return self._trained

    def _predictor(self) -> Predictor:
        trained, options = self._fitted(), self.config.forecast
        window, seed = self.config.plan().window, self.config.training.seed
        return Predictor(trained.network, trained.codec, window, options.sample_paths, seed)

    def _write(self, run: Run) -> None:
        """What is known at the end of a training; the weights last, which make the run finished."""
        run.write_metrics(self.rows)
        pictures.draw_history(run.plots, self.rows, self.config)
        if self.config.data.test:
            run.save_json("evaluation", self.evaluation.json())
            pictures.draw_evaluation(run.plots, self.evaluation, self._training_file())
        run.save_model(self._fitted().network.state_dict())


def _config(run: Run) -> ForecastConfig:
    if run.task != TASK:
        raise RunError(
            f"{run.folder} is a run of task '{run.task}', not of '{TASK}'; load it with unrolled.load"
        )
    return from_sections(ForecastConfig, run.config)


def _named(config: ForecastConfig, data: Source) -> tuple[ForecastConfig, SeriesFile]:
    """The data to train on, and a configuration that names their files by absolute paths."""
    files = () if isinstance(data, pl.DataFrame) else [data] if isinstance(data, str | Path) else data
    paths = tuple(str(Path(str(path)).absolute()) for path in files)
    if not paths and not isinstance(data, pl.DataFrame):
        raise ConfigError("there are no data to train on; name files, or give a polars frame")
    named = config.data.model_copy(update={"files": paths})
    return config.model_copy(update={"data": named}), read(data, named)


def _train(trained: Trained, prepared: Prepared, run: Run | None, resume: bool, report: Reporter) -> History:
    network, last_only = trained.network, prepared.config.forecast.loss_at == "last"

    def step(batch: Batch, state: State) -> tuple[Tensor, State]:
        return mean_loss(network, batch, last_only), None

    return train(
        network,
        prepared.windows,
        step,
        prepared.config.training,
        checkpoints=run.checkpoints if run else None,
        validate=lambda: prepared.validation(network),
        report=report,
        resume=resume,
    )
