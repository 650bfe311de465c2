"""The options of `forecast`. None means: chosen from the data; a run's config.toml holds what was chosen."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from unrolled.errors import ConfigError
from unrolled.files.messages import listed, option
from unrolled.tasks.config import DateFormat, Decimal, Names, Section, several, validation_part
from unrolled.tasks.model import ModelConfig, require_forward
from unrolled.training.config import Refit, TrainingConfig

Levels = Annotated[tuple[Literal["absolute", "relative"], ...], BeforeValidator(several)]


class DataConfig(Section):
    """Which columns of which files are read, and how they are split in time."""

    changeable: ClassVar[tuple[str, ...]] = ("files", "time", "zone", "id", "validation", "test", "sha256")

    files: Names = Field(default=(), description="CSV or Parquet files")
    target: Names = Field(default=(), description="columns to forecast (the only numeric one)")
    time: str | None = Field(default=None, description="column of times, or several: year,month,day (found)")
    zone: str | None = Field(
        default=None,
        description="time zone, such as Europe/Berlin, of times without an offset from UTC; others are "
        "written in it, and the calendar read (that of a Parquet column, or the offsets of the times)",
    )
    date_format: DateFormat = None
    decimal: Decimal = None
    id: str | None = Field(default=None, description="column that tells several series in one file apart")
    past: Names = Field(default=(), description="columns known up to the present only")
    future: Names = Field(default=(), description="columns known for the time to forecast too")
    gaps: Literal["refuse", "forward", "zero", "mask"] = Field(
        default="refuse",
        description="what the network reads where a step or a cell is missing: nothing, which is refused, "
        "the last value, 0, or the last value and a mark; what is missing is never an outcome",
    )
    calendar: Literal["auto", "none"] = Field(
        default="auto",
        description="give the network hour, weekday and season of the time to forecast, where the "
        "training part covers such a cycle at least twice",
    )
    validation: float = validation_part("part before the test part", "steps")
    test: float = Field(
        default=0.2,
        ge=0,
        description="part at the end that the forecasts are judged on: a share, or steps from 1",
    )
    sha256: str | None = Field(
        default=None, pattern="^[0-9a-f]{64}$", description="refuse data that have another checksum than this"
    )


class ForecastOptions(Section):
    """What is forecast, from what, and in which form."""

    changeable: ClassVar[tuple[str, ...]] = ("loss_at", "season", "sample_paths", "most_origins")

    window: int | None = Field(
        default=None,
        ge=1,
        description="steps that a forecast looks back (two natural periods of the time step)",
    )
    horizon: int | None = Field(
        default=None, ge=1, description="steps to forecast (one natural period of the time step, or 10)"
    )
    strategy: Literal["recursive", "direct"] = Field(
        default="recursive", description="feed each forecast back for the next, or give all steps at once"
    )
    output: Literal["point", "gaussian", "studentt", "quantiles"] = Field(
        default="point", description="a number alone, or a distribution with intervals"
    )
    quantile_levels: tuple[float, ...] = Field(
        default=(0.05, 0.25, 0.5, 0.75, 0.95), description="quantiles that are reported; rising, with 0.5"
    )
    loss_at: Literal["every", "last"] = Field(
        default="every", description="steps of a window that the loss counts"
    )
    residual: bool = Field(
        default=True, description="let the network add to the current value, not replace it"
    )
    level: Levels | None = Field(
        default=None,
        description="absolute: values as they are; relative: less the first of the window, which forgets the "
        "level of slow series; for all targets or for each (relative where most variance is between windows)",
    )
    season: int | None = Field(
        default=None,
        ge=1,
        description="steps of a season, for the baselines; 1 is none (found in the training part)",
    )
    sample_paths: int = Field(
        default=200, ge=2, le=10**5, description="drawn futures from which recursive distributions are made"
    )
    most_origins: int = Field(
        default=500,
        ge=1,
        description="most points to judge forecasts from, of all series together; one of each at least",
    )

    @field_validator("quantile_levels")
    @classmethod
    def _levels(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        rising = all(low < high for low, high in pairwise(levels))
        if not (rising and len(levels) >= 3 and 0 < levels[0] < 0.5 < levels[-1] < 1 and 0.5 in levels):
            numbers = ", ".join(map(str, levels))
            raise ValueError(
                f"{option('quantile_levels')}: wanted rising numbers between 0 and 1, 0.5 among them, got "
                f"{numbers}"
            )
        return levels


class ForecastTraining(TrainingConfig):
    """How a model is trained."""

    refit: Refit = True


class ForecastConfig(Section):
    """All options of `forecast`."""

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    forecast: ForecastOptions = ForecastOptions()
    training: ForecastTraining = ForecastTraining()

    @model_validator(mode="after")
    def _together(self) -> Self:
        data, options = self.data, self.forecast
        require_forward(self.model, "forecast", "look into the future")
        if data.past and options.strategy == "recursive" and options.horizon != 1:
            raise ValueError(
                f"{option('strategy', 'recursive')} feeds forecasts back, and would have to know the past "
                f"columns ({listed(data.past)}) of those steps; set {option('strategy', 'direct')}, or "
                f"{option('horizon', 1)}, or leave {option('past')} out"
            )
        return self

    def plan(self) -> "Plan":
        """The sizes of a configuration without open choices, such as that of a run."""
        options = self.forecast
        sizes = {name: getattr(options, name) for name in ("window", "horizon", "season", "level")}
        if missing := [name for name, value in sizes.items() if value is None]:
            raise ConfigError(f"{option(missing[0])} is open; wanted a configuration as fit() completes it")
        return Plan(**sizes, steps=sizes["horizon"] if options.strategy == "direct" else 1)


@dataclass(frozen=True)
class Plan:
    """Sizes of a forecast, in steps. `steps` S: how many the network gives at once; `level` of each
    target."""

    window: int
    horizon: int
    season: int
    level: tuple[str, ...]
    steps: int
