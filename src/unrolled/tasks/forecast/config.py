"""The options of `forecast`. None means: chosen from the data; a run's config.toml holds what was chosen."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from unrolled.blocks.outputs import DISCRETE
from unrolled.errors import ConfigError
from unrolled.files.messages import listed, option
from unrolled.files.steps import parse_step
from unrolled.tasks.config import (
    DateFormat,
    Decimal,
    Encoding,
    Missing,
    Names,
    NoHeader,
    Rate,
    Section,
    several,
    validation_part,
)
from unrolled.tasks.model import ModelConfig, require_forward
from unrolled.training.config import NO_LIMIT, BatchSize, LearningRate, Refit, TrainingConfig

# Gradient steps of small and of large data.
FEWEST_STEPS, MOST_STEPS = 400, 1500
# Outputs whose values have a form already.
OF_THEIR_KIND = (*DISCRETE, "lognormal")
# Horizons of a validation part that calibrate intervals.
LEAST_HORIZONS = 3
# Series from which on a training lessens absolute errors.
MANY = 30

# Options that one strategy alone has.
OF_STRATEGY = {
    "direct": ("members", "identity", "error", "scale"),
    "recursive": ("loss_at", "residual", "level"),
}

Levels = Annotated[tuple[Literal["absolute", "relative"], ...], BeforeValidator(several)]
Transforms = Annotated[
    tuple[Literal["none", "nonnegative", "log", "sqrt", "boxcox"], ...], BeforeValidator(several)
]


class DataConfig(Section):
    """Which columns of which files are read, and how they are split in time."""

    in_short: ClassVar[tuple[str, ...]] = ("target", "time", "id", "future", "resample", "test")
    changeable: ClassVar[tuple[str, ...]] = (
        *("files", "validation_files", "test_files", "validation", "test", "sha256"),
        *("time", "zone", "date_format", "decimal", "no_header", "encoding", "missing"),
        *("id", "wide", "group", "skip_series", "skip_wrong"),
    )

    files: Names = Field(default=(), description="CSV or Parquet files")
    validation_files: Names = Field(
        default=(),
        description="files of whole series to choose the best weights on, in place of a part of the "
        "others; take such as will be asked for",
    )
    test_files: Names = Field(
        default=(),
        description="files of whole series that the figures are made on, in place of a part of the others; "
        "they change no forecast",
    )
    target: Names = Field(
        default=(), description="columns to forecast (the only numeric one); several are forecast together"
    )
    time: str | None = Field(
        default=None,
        description="column of times, or several: year,month,day (found); tells the order, the length of a "
        "step and the calendar",
    )
    no_header: NoHeader = False
    encoding: Encoding = None
    zone: str | None = Field(
        default=None,
        description="time zone, such as Europe/Berlin, of times without an offset from UTC; others are "
        "written in it, and the calendar read (that of a Parquet column, or the offsets of the times)",
    )
    date_format: DateFormat = None
    decimal: Decimal = None
    missing: Missing = ()
    id: str | None = Field(
        default=None,
        description="column that tells several series in one file apart, or several: shop,article; one model "
        "learns from all and forecasts each",
    )
    wide: Literal["columns", "rows"] | None = Field(
        default=None,
        description="read every column of numbers, or every row, as a series to forecast: their names are "
        "those of the columns, or stand in the id column (the first without numbers)",
    )
    past: Names = Field(
        default=(),
        description="columns, of numbers or texts, that are known up to the present only; forecasts follow "
        "from them too",
    )
    future: Names = Field(
        default=(),
        description="columns, of numbers or texts, that are known for the time to forecast too, such as "
        "prices or plans; forecasts follow from them, and need them",
    )
    static: Names = Field(
        default=(),
        description="columns, of numbers or texts, with one value a series, such as a shop's size: like "
        "series are forecast alike",
    )
    holidays: str | None = Field(
        default=None,
        description="mark the holidays of a country, such as DE, or of a part of it, such as DE-BY, so "
        "that these days are forecast as such; of steps of a day or less",
    )
    resample: str | None = Field(
        default=None,
        description="put rows at irregular times into steps of this length, such as 15min, 1h, 1d, 1w or "
        "1month, each named by its begin; steps without a row are gaps; a stream is given such steps",
    )
    aggregate: Literal["mean", "sum", "last", "first", "min", "max"] = Field(
        default="mean",
        description="what is taken of the rows of one step (resample), and so what is forecast",
    )
    gaps: Literal["refuse", "forward", "zero", "mask"] = Field(
        default="refuse",
        description="what the network reads where a step or a cell is missing: nothing, which is refused, "
        "the last value, 0, or the last value and a mark; what is missing is never an outcome",
    )
    group: str | None = Field(
        default=None,
        description="column of what several series belong to, such as a region, or several: shop,town; whole "
        "series are validated and tested on, all of a group in one part: the figures are those of new ones",
    )
    skip_series: bool = Field(
        default=False,
        description="of several series leave out those that cannot be used (too short, constant, empty, "
        "irregular, or with gaps that are refused), and say which and why",
    )
    skip_wrong: bool = Field(
        default=False,
        description="leave out rows that cannot be read (no time, of another width, no UTF-8) and cells that "
        "are no numbers: their steps are missing; left_out.csv in the run says which and why",
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
        description="part at the end that the figures are made on: a share, or steps from 1; 0 = none",
    )
    sha256: str | None = Field(
        default=None,
        pattern="^[0-9a-f]{64}$",
        description="refuse data that have another checksum than this, of which another model would come",
    )

    @field_validator("resample")
    @classmethod
    def _step(cls, resample: str | None) -> str | None:
        try:
            return resample and parse_step(resample).written
        except ValueError as error:
            raise ValueError(f"{option('resample')}: {error}") from None

    @model_validator(mode="after")
    def _aggregated(self) -> Self:
        if self.resample is None and self.aggregate != "mean":
            raise ValueError(
                f"{option('aggregate', self.aggregate)} is of rows in one step; name the step with "
                f"{option('resample', '1h')}, or leave it out"
            )
        return self


class ForecastOptions(Section):
    """What is forecast, from what, and in which form."""

    in_short: ClassVar[tuple[str, ...]] = ("horizon", "window", "output", "members")
    changeable: ClassVar[tuple[str, ...]] = ("loss_at", "season", "sample_paths", "most_origins")

    window: int | None = Field(
        default=None,
        ge=1,
        description="steps that a forecast looks back; more sees longer patterns, and needs longer series "
        "(direct: four seasons; recursive: two natural periods of the time step)",
    )
    horizon: int | None = Field(
        default=None,
        ge=1,
        description="steps to forecast; the model is trained and judged that far ahead (one natural period "
        "of the time step, or 10)",
    )
    strategy: Literal["direct", "recursive"] | None = Field(
        default=None,
        description="give all steps at once, of a window by its own scale, as what a closed-form base "
        "leaves; or feed each forecast back for the next (direct; recursive for bernoulli)",
    )
    members: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="direct: networks whose forecasts are combined, more for steadier forecasts in more "
        "time; by turns one that reads segments of a window as steps, one that reads every step and, of "
        "points of one target in few series, one that reads its own forecasts for the next (one of each); "
        "the second comes first where columns or holidays are known of the time to forecast",
    )
    identity: int = Field(
        default=0,
        ge=0,
        le=1024,
        description="direct: numbers that tell the network which of the known series a window is of, where "
        "the same covariate means other things in each (0: none)",
    )
    error: Literal["squared", "absolute"] | None = Field(
        default=None,
        description="direct: what the training of points lessens: squared forecasts means, absolute "
        "medians, which odd values move less (squared; absolute for many series or columns)",
    )
    output: Literal[
        "point", "gaussian", "studentt", "quantiles", "lognormal", "bernoulli", "poisson", "negbinomial"
    ] = Field(
        default="point",
        description="a number alone, or a distribution with intervals; lognormal: of targets above 0; "
        "bernoulli: of 0 or 1, whose forecasts are probabilities; poisson, negbinomial: of counts, the "
        "second where they vary more than their mean",
    )
    calibrate: bool | None = Field(
        default=None,
        description="direct: intervals by the errors of forecasts in the validation part, where outputs have "
        f"their own these corrected (on of points where that part is {LEAST_HORIZONS} horizons long)",
        json_schema_extra={"unset": True},
    )
    quantile_levels: tuple[float, ...] = Field(
        default=(0.05, 0.25, 0.5, 0.75, 0.95),
        description="quantiles that are forecast and reported; rising, with 0.5",
    )
    loss_at: Literal["every", "last"] = Field(
        default="every",
        description="recursive: steps of a window that the loss counts; last: as forecasts are made, from "
        "a whole window, and slower to learn",
    )
    residual: bool | None = Field(
        default=None,
        description="recursive: let the network add to the current value, not replace it: forecasts begin "
        "where the series is (on; off for bernoulli and counts)",
        json_schema_extra={"unset": True},
    )
    level: Levels | None = Field(
        default=None,
        description="recursive: absolute: values as they are; relative: less the first of the window, which "
        "forgets the level of slow series; for all targets or for each (relative where most variance is "
        "between windows)",
    )
    transform: Transforms | None = Field(
        default=None,
        description="read and forecast values, their logarithms, square roots or powers (boxcox, found in "
        "the training part), for all targets or for each: forecasts stay above 0, and a season or noise may "
        "grow with the level; nonnegative: values as they are, forecasts and quantiles from 0 on (direct: "
        "what forecasts the validation part best, nonnegative where many values are 0 and none is below; "
        "none)",
    )
    scale: Literal["window", "series", "pooled"] | None = Field(
        default=None,
        description="direct: scale every window by its own mean and spread, by those of the training part of "
        "its series, or all alike (what forecasts the validation part best; window)",
    )
    season: int | None = Field(
        default=None,
        ge=1,
        description="steps of a season, for the baselines that forecasts are compared with; 1 is none "
        "(found in the training part)",
    )
    sample_paths: int = Field(
        default=200,
        ge=2,
        le=10**5,
        description="drawn futures from which recursive distributions are made; more make intervals less "
        "random, and take longer",
    )
    most_origins: int = Field(
        default=500,
        ge=1,
        description="most points to judge forecasts from, of all series together; one of each at least; "
        "more make figures surer, and take longer",
    )

    @property
    def is_discrete(self) -> bool:
        return self.output in DISCRETE

    @property
    def is_direct(self) -> bool:
        return (self.strategy or ("recursive" if self.output == "bernoulli" else "direct")) == "direct"

    def refuse_of_other_strategy(self) -> None:
        """ValueError for an option that is not of this strategy and has another value than a run has it."""
        other = "recursive" if self.is_direct else "direct"
        defaults = type(self)().model_copy(update={"residual": True})
        for name in OF_STRATEGY[other]:
            if getattr(self, name) not in (None, getattr(defaults, name)):
                raise ValueError(
                    f"{option(name)} belongs to {option('strategy', other)}; set that, or leave "
                    f"{option(name)} out"
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


class ForecastModel(ModelConfig):
    """The recurrent layers."""

    in_short: ClassVar[tuple[str, ...]] = ("hidden",)

    output_dropout: Rate | None = Field(
        default=None,
        description="share of what the recurrent layers say that is left out by chance in training; more "
        "learns small data less by heart (0.3; recursive: 0; bernoulli: 0.5)",
    )


class ForecastTraining(TrainingConfig):
    """How a model is trained."""

    in_short: ClassVar[tuple[str, ...]] = ("minutes",)

    refit: Refit = True
    steps: int | None = Field(
        default=None,
        ge=1,
        le=NO_LIMIT,
        description="most gradient steps; too few know little, too many learn small data by heart "
        f"({FEWEST_STEPS} to {MOST_STEPS:,}, by the size of the data)",
    )
    patience: int = Field(
        default=0,
        ge=0,
        description="stop after this many gradient steps without a lower validation loss: sooner done, and "
        "perhaps too soon; 0 = never",
    )
    keep: Literal["best", "last", "average"] = Field(
        default="average",
        description="weights that forecast: of the lowest validation loss; of the last step; or an average "
        "over the last steps, which varies less, the best one",
    )
    batch_size: BatchSize = 64
    optimizer: Literal["adam", "adamw", "sgd"] = Field(
        default="adamw",
        description="rule that updates the weights: adamw, which decays weights apart from gradients, and "
        "adam suit most; sgd needs its learning rate found",
    )
    learning_rate: LearningRate = 0.002
    weight_decay: float = Field(
        default=0.05,
        ge=0,
        le=1000,
        description="pull of the weights towards zero; more forecasts small data more carefully",
    )
    schedule: Literal["constant", "cosine"] = Field(
        default="cosine",
        description="learning rate over time; cosine falls to zero at the end of the training, so that the "
        "weights settle",
    )


class ForecastConfig(Section):
    """All options of `forecast`."""

    data: DataConfig = DataConfig()
    model: ForecastModel = ForecastModel()
    forecast: ForecastOptions = ForecastOptions()
    training: ForecastTraining = ForecastTraining()

    @model_validator(mode="after")
    def _together(self) -> Self:
        data, options = self.data, self.forecast
        require_forward(self.model, "forecast", "look into the future")
        if options.calibrate and not options.is_direct:
            raise ValueError(
                f"{option('calibrate')} belongs to {option('strategy', 'direct')}, which tells how its "
                "forecasts of each step were met; set that, or leave it out"
            )
        if options.is_direct and options.is_discrete:
            useless = {
                "error": options.error == "absolute",
                "calibrate": bool(options.calibrate),
                "scale": options.scale not in (None, "window"),
            }
            for name in useless:
                if useless[name]:
                    raise ValueError(
                        f"{option(name, getattr(options, name))} has no use with "
                        f"{option('output', options.output)}, whose distribution follows from the mean of a "
                        f"window; leave {option(name)} out"
                    )
        if options.strategy or self.training.start_from is None:  # else it is that of the run
            options.refuse_of_other_strategy()
        for name, wrong in (("residual", options.residual), ("level", options.level)):
            if options.is_discrete and wrong and not options.is_direct:
                raise ValueError(
                    f"{option(name)} has no use with {option('output', options.output)}, to which no "
                    "current value is added; leave it out"
                )
        curved = [one for one in options.transform or () if one != "none"]
        if curved and options.output in OF_THEIR_KIND:
            raise ValueError(
                f"{option('transform', curved[0])} has no use with {option('output', options.output)}, which "
                "has a form of its own; leave one of them out"
            )
        if {"log", "boxcox"} & set(curved) and data.gaps == "zero":
            raise ValueError(
                f"{option('transform', curved[0])} wants numbers above 0, and {option('gaps', 'zero')} puts "
                f"0 in place of what is missing; set {option('gaps', 'forward')}, or "
                f"{option('transform', 'sqrt')}"
            )
        if data.past and not options.is_direct and options.horizon != 1:
            raise ValueError(
                f"{option('strategy', 'recursive')} feeds forecasts back, and would have to know the past "
                f"columns ({listed(data.past)}) of those steps; set {option('strategy', 'direct')}, or "
                f"{option('horizon', 1)}, or leave {option('past')} out"
            )
        return self

    def plan(self) -> "Plan":
        """The sizes of a configuration without open choices, such as that of a run."""
        options = self.forecast
        sizes = {name: getattr(options, name) for name in ("window", "horizon", "season")}
        if missing := [name for name, value in sizes.items() if value is None]:
            raise ConfigError(f"{option(missing[0])} is open; wanted a configuration as fit() completes it")
        steps = sizes["horizon"] if options.is_direct else 1
        return Plan(**sizes, level=options.level or (), steps=steps)


@dataclass(frozen=True)
class Plan:
    """Sizes of a forecast, in steps. `steps` S: how many the network gives at once; `level` of each
    target, where forecasts are fed back and a level can be taken off."""

    window: int
    horizon: int
    season: int
    level: tuple[str, ...]
    steps: int

    @property
    def least(self) -> int:
        """How many steps a forecast needs behind it."""
        return self.window if self.level else 1
