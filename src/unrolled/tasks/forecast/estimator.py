"""The forecaster as an estimator: fit, predict, evaluate, generate, save, load."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.batching.windows import Batch
from unrolled.errors import ConfigError, DataError, RunError
from unrolled.files.series import SeriesFile
from unrolled.runs import Run
from unrolled.tasks.config import from_options, from_sections, to_sections
from unrolled.tasks.forecast import answers
from unrolled.tasks.forecast.backtest import backtest, find_origins
from unrolled.tasks.forecast.config import ForecastConfig
from unrolled.tasks.forecast.data import Codec, Source, checksum, read
from unrolled.tasks.forecast.evaluation import Evaluation, evaluate
from unrolled.tasks.forecast.forecasting import Predictor
from unrolled.tasks.forecast.learning import mean_loss
from unrolled.tasks.forecast.network import Network
from unrolled.tasks.forecast.preparation import Prepared, prepare
from unrolled.tasks.forecast.settle import ends_of
from unrolled.tasks.model import build
from unrolled.tasks.outputs import OUTPUTS
from unrolled.training.generators import own_generators
from unrolled.training.history import History, Row
from unrolled.training.loop import train
from unrolled.training.progress import Reporter
from unrolled.training.state import State

TASK = "forecast"


@dataclass(frozen=True)
class Trained:
    """What a run holds besides its configuration. `naive_scale` (K,) is the unit of MASE; `last_time` where
    the last series of the training data ends, as a whole number."""

    network: Network
    codec: Codec
    naive_scale: NDArray[np.float64]
    last_time: int


class Forecaster:
    """Forecasts one or more series. Options are the fields of ForecastConfig, each by its own name:

        forecaster = Forecaster(target="sales", horizon=24, output="gaussian").fit("sales.csv", out="run")
        forecaster.evaluation.table(); forecaster.predict(); Forecaster.load("run").predict("newer.csv")

    After `fit` or `load`, `config` is complete: training with it again gives the same bits. After `fit`,
    `history` tells how the training went; `evaluation` is the backtest on the test part, made when first
    asked for.
    """

    def __init__(self, config: ForecastConfig | None = None, **options: Any) -> None:
        if config is not None and options:
            raise ConfigError(
                f"give a configuration or options, not both: got config and {', '.join(options)}"
            )
        self.config = config or from_options(ForecastConfig, options)
        self.history: History | None = None
        self.rows: list[Row] = []
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
        file = self._named(self.config.data.files if data is None else data)
        prepared = prepare(self.config, file)
        for note in prepared.notes:
            report.note(note)
        if out is not None:
            run = Run.create(out, to_sections(prepared.config), TASK)
        self.config, self._file, self._evaluation = prepared.config, file, None
        self._train(prepared, run, resume is not None, report)
        if run is not None:
            self._write(run)
        return self

    def evaluate(self, data: Source | None = None) -> Evaluation:
        """A backtest on the test part of the training data, or on all of other data."""
        trained, plan = self._fitted(), self.config.plan()
        file = self._training_file() if data is None else self._new_file(data)
        seen = checksum(file) == self.config.data.sha256
        first = [end for _, end in ends_of(self.config.data, file)] if seen else [0] * len(file.series)
        if seen and not self.config.data.test:
            raise ConfigError("test is 0: no part of the training data was kept to judge on; give other data")
        series = [trained.codec.encode(s, plan.steps) for s in file.series]
        origins = find_origins(series, first, plan, self.config.forecast.most_origins)
        return evaluate(
            backtest(self._predictor(), series, origins, plan),
            trained.codec.targets,
            self.config.forecast.quantile_levels,
            plan.season,
            trained.naive_scale,
            trained.codec.scalers["target"].scale,
        )

    @property
    def evaluation(self) -> Evaluation:
        """`evaluate()`, made once."""
        self._evaluation = self._evaluation or self.evaluate()
        return self._evaluation

    def predict(self, data: Source | None = None, horizon: int | None = None) -> pl.DataFrame:
        """The steps after the end of every series of the training data, or of other data with the same
        columns.

        A row for every series, target and step; see answers.forecasts. ConfigError where the strategy cannot
        reach so far, DataError where a series is too short, or covariates of the steps to forecast are
        missing.
        """
        self._fitted()
        plan, direct = self.config.plan(), self.config.forecast.strategy == "direct"
        horizon = plan.horizon if horizon is None else horizon
        self._check_reach("horizon", horizon, plan.steps if direct or self.config.data.past else None)
        file = self._training_file() if data is None else self._new_file(data)
        return answers.forecasts(self._predictor(), file, horizon, self.config.data.id)

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

        Columns "step" and the targets. `sample` draws from the output's distribution, wider with the
        temperature.
        """
        trained = self._fitted()
        if sample and not trained.network.output.is_distribution:
            raise ConfigError(
                "output 'point' has nothing to sample from; train with output gaussian, or do not sample"
            )
        if not sample and temperature != 1:
            raise ConfigError("temperature belongs to sampling; sample, or leave the temperature out")
        self._check_reach("steps", steps, 1 if self.config.data.past else None)
        if prime is None:
            start = trained.codec.blank(trained.last_time, steps + trained.codec.steps)
        else:
            [series, *others] = self._new_file(prime).series
            if others:
                raise DataError(
                    f"wanted one series to go on from, got {len(others) + 1}; choose the rows of one"
                )
            start = answers.continued(
                trained.codec, series, self.config.plan().window, steps + trained.codec.steps
            )
        return answers.generate(self._predictor(), start, steps, temperature if sample else None, seed)

    def save(self, folder: str | Path) -> None:
        """Writes a run folder."""
        self._fitted()
        self._write(Run.create(folder, to_sections(self.config), TASK))

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The forecaster of a finished run."""
        run = Run.open(folder)
        forecaster = cls._of(run)
        about = run.load_json("data")
        try:
            codec = Codec.restore(about, run.load_arrays("scalers"))
            scale, last_time = np.array(about["naive_scale"], np.float64), int(about["last_time"])
        except (LookupError, TypeError, ValueError) as error:
            raise RunError(
                f"{run.folder}: data.json does not fit ({error!r:.80}); restore it or train anew"
            ) from error
        network = _network(forecaster.config, codec)
        run.load_into(network)
        forecaster._trained = Trained(network.eval(), codec, scale, last_time)
        forecaster.rows = run.read_metrics()
        return forecaster

    @classmethod
    def _of(cls, run: Run) -> Self:
        if run.task != TASK:
            raise RunError(
                f"{run.folder} is a run of task '{run.task}', not of '{TASK}'; load it with unrolled.load"
            )
        return cls(from_sections(ForecastConfig, run.config))

    def _reopened(self, folder: str | Path, out: str | Path | None) -> Run:
        if out is not None or self.config != ForecastConfig():
            raise ConfigError(
                "resume takes its folder and options from the run; leave out all others, or train anew"
            )
        run = Run.open(folder)
        self.config = self._of(run).config
        if run.finished:
            raise RunError(f"{run.folder} is finished; there is nothing to resume")
        return run

    def _named(self, data: Source) -> SeriesFile:
        """The data to train on, noted in the configuration: files by their absolute paths."""
        files = () if isinstance(data, pl.DataFrame) else [data] if isinstance(data, str | Path) else data
        paths = tuple(str(Path(str(path)).absolute()) for path in files)
        if not paths and not isinstance(data, pl.DataFrame):
            raise ConfigError("there are no data to train on; name files, or give a polars frame")
        named = self.config.data.model_copy(update={"files": paths})
        self.config = self.config.model_copy(update={"data": named})
        return read(data, named)

    def _training_file(self) -> SeriesFile:
        if self._file is None:
            data = self.config.data
            if not data.files:
                raise ConfigError("this model was trained on a frame that is no longer here; give the data")
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
                f"the step of these data is {file.step.name}; this model was trained on {step.name}"
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

    def _check_reach(self, name: str, wanted: int, most: int | None) -> None:
        if wanted < 1:
            raise ConfigError(f"{name}: wanted 1 or more, got {wanted}")
        if most is None or wanted <= most:
            return
        past = ", ".join(self.config.data.past)
        reason = (
            f"the past columns ({past}) of the steps on the way are not known"
            if past
            else ("strategy 'direct' gives the steps that it was trained for; train with a longer horizon")
        )
        raise ConfigError(f"{name} {wanted}: {reason}; ask for {most} or fewer")

    def _train(self, prepared: Prepared, run: Run | None, resume: bool, report: Reporter) -> None:
        config = prepared.config
        last_only = config.forecast.loss_at == "last"
        with own_generators(torch.device("cpu"), config.training.seed):
            network = _network(config, prepared.codec)

        def step(batch: Batch, state: State) -> tuple[Tensor, State]:
            return mean_loss(network, batch, last_only), None

        self.history = train(
            network,
            prepared.windows,
            step,
            config.training,
            checkpoints=run.checkpoints if run else None,
            validate=lambda: prepared.validation(network),
            report=report,
            resume=resume,
        )
        self.rows = list(self.history.rows)
        self._trained = Trained(network, prepared.codec, prepared.naive_scale, prepared.last_time)

    def _write(self, run: Run) -> None:
        """Everything of a finished run, the model last."""
        from unrolled.tasks.forecast.pictures import draw_evaluation, draw_history

        trained = self._fitted()
        run.save_arrays("scalers", trained.codec.arrays())
        about = {"naive_scale": trained.naive_scale.tolist(), "last_time": trained.last_time}
        run.save_json("data", trained.codec.about() | about)
        run.write_metrics(self.rows)
        draw_history(run.plots, self.rows, self.config)
        if self.config.data.test:
            run.save_json("evaluation", self.evaluation.json())
            draw_evaluation(run.plots, self.evaluation, self._training_file())
        run.save_model(trained.network.state_dict())


def _network(config: ForecastConfig, codec: Codec) -> Network:
    options = config.forecast
    output = OUTPUTS[options.output](options.quantile_levels)
    layer, relative = build(config.model, codec.width), options.level == "relative"
    return Network(layer, output, len(codec.targets), codec.steps, options.residual, relative)
