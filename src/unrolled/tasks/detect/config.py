"""The options of `detect`: those of a forecaster one step ahead, and what an alarm is."""

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from unrolled.files.messages import option
from unrolled.tasks.config import PathName, Section
from unrolled.tasks.forecast.config import (
    DataConfig,
    ForecastConfig,
    ForecastOptions,
    ForecastTraining,
    Transforms,
)
from unrolled.training.config import Refit

HIDDEN: Any = {"hidden": True}


class DetectData(DataConfig):
    """What is read, and what is known to be unusual in it."""

    in_short: ClassVar[tuple[str, ...]] = ("target", "time", "id", "truth", "windows", "test")
    changeable: ClassVar[tuple[str, ...]] = ("truth", "windows")

    truth: str | None = Field(
        default=None,
        description="column that is 1 where a step is known to be unusual, else 0; only judges, and "
        "changes no score",
    )
    windows: PathName | None = Field(
        default=None,
        description="file of times that are known to be unusual, to judge by, which changes no score: a "
        "table whose columns are the file or the series (left out where there is one), where each begins "
        "and where it ends",
    )


class DetectForecast(ForecastOptions):
    """The forecast that steps are compared with."""

    in_short: ClassVar[tuple[str, ...]] = ("window", "output")

    horizon: Literal[1] = Field(default=1, description="steps to forecast", json_schema_extra=HIDDEN)
    output: Literal["gaussian", "studentt"] = Field(
        default="gaussian",
        description="distribution that steps are compared with; studentt expects odd values more often, "
        "and finds fewer steps unusual",
    )
    members: int = Field(
        default=1,
        ge=1,
        le=64,
        description="direct: networks whose forecasts are combined, as of forecast; more give steadier "
        "scores and take longer",
    )
    transform: Transforms = Field(
        default=("none",),
        description="read values, logarithms, square roots or powers, as of forecast: a change then counts "
        "by its share of the level",
    )
    scale: Literal["window", "series", "pooled"] = Field(
        default="window",
        description="direct: what a window is scaled by, as of forecast, and so what counts as a large "
        "change",
    )
    calibrate: Literal[False] | None = Field(default=None, description="not used", json_schema_extra=HIDDEN)
    error: Literal["squared"] | None = Field(default=None, description="not used", json_schema_extra=HIDDEN)
    quantile_levels: tuple[float, ...] = Field(
        default=(0.05, 0.5, 0.95), description="not used", json_schema_extra=HIDDEN
    )
    sample_paths: int = Field(default=200, description="not used", json_schema_extra=HIDDEN)
    most_origins: int = Field(default=500, description="not used", json_schema_extra=HIDDEN)


class DetectTraining(ForecastTraining):
    """How a model is trained."""

    refit: Refit = False


class DetectOptions(Section):
    """What is an alarm, and what an episode."""

    in_short: ClassVar[tuple[str, ...]] = ("false_alarms", "smooth", "join")
    changeable: ClassVar[tuple[str, ...]] = ("false_alarms", "smooth", "join", "warmup")

    false_alarms: float = Field(
        default=0.01,
        gt=0,
        lt=1,
        description="share of usual steps that may alarm; more finds more and alarms in vain more often: "
        "an alarm has a score that so few of the validation part reach",
    )
    smooth: int = Field(
        default=1,
        ge=1,
        le=10**6,
        description="scores whose mean is taken for one, which finds what lasts rather than what is short",
    )
    join: int = Field(
        default=10,
        ge=0,
        description="alarms with at most so many steps between them are one episode; more makes fewer, "
        "longer ones",
    )
    warmup: int | None = Field(
        default=None,
        ge=1,
        description="steps of a series before its first score; fewer score sooner, from less (the window, "
        "at most a third of the middle training part)",
    )


class DetectConfig(ForecastConfig):
    """All options of `detect`."""

    data: DetectData = DetectData()
    forecast: DetectForecast = DetectForecast()
    training: DetectTraining = DetectTraining()
    detect: DetectOptions = DetectOptions()

    @model_validator(mode="after")
    def _validated(self) -> Self:
        if not (self.data.validation or self.data.validation_files):
            raise ValueError(
                f"{option('validation', 0)}: alarms are told by the scores of the validation part; wanted a "
                "share, or steps from 1"
            )
        if self.data.truth is not None and self.data.windows is not None:
            raise ValueError(
                f"wanted {option('truth')} or {option('windows')}, got both; leave one of them out"
            )
        if self.data.truth is not None and self.data.wide is not None:
            raise ValueError(
                f"{option('truth')} is a column beside those of one series, and "
                f"{option('wide', self.data.wide)} has none; tell it by {option('windows')}"
            )
        return self
