"""The detector as an estimator: a forecaster one step ahead, judged and asked by the scores of every step."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unrolled.errors import ConfigError, DataError
from unrolled.files import arrays
from unrolled.files.at_hand import InMemory
from unrolled.files.messages import option, shown
from unrolled.files.roles import ROWS
from unrolled.files.series import SeriesFile
from unrolled.runs import Run
from unrolled.tasks.detect import evaluation
from unrolled.tasks.detect.config import DetectConfig
from unrolled.tasks.detect.episodes import Flags
from unrolled.tasks.detect.evaluation import Judged
from unrolled.tasks.detect.fitted import Scored
from unrolled.tasks.detect.listed import listed_episodes, listed_steps
from unrolled.tasks.detect.scores import every_score, of_one
from unrolled.tasks.detect.truth import Known
from unrolled.tasks.estimator import Plan, Prepared
from unrolled.tasks.evaluation import MODEL, Evaluation
from unrolled.tasks.forecast.config import ForecastConfig
from unrolled.tasks.forecast.data import Source
from unrolled.tasks.forecast.defaults import ends_of
from unrolled.tasks.forecast.estimator import Forecaster
from unrolled.tasks.forecast.fitted import Fitted
from unrolled.tasks.forecast.network import Network
from unrolled.tasks.forecast.paths import Predictor
from unrolled.tasks.seen import seen_sentences
from unrolled.tasks.sources import Sources, files_of
from unrolled.training.progress import Reporter

Scores = Mapping[str, list[NDArray[np.float64]]]

LEAST_WARMUP = 2


class Detector(Forecaster):
    """Tells how unusual each step of one or more series is. Options are the fields of DetectConfig:

    detector = Detector(target="load", false_alarms=0.01).fit("load.csv", out="run")
    detector.evaluation.table(); detector.predict("newer.csv"); detector.predict("newer.csv", episodes=True)
    """

    task = "detect"
    config_class: ClassVar[type[Any]] = DetectConfig
    codec_class = Scored
    codec: Any  # a Scored

    def evaluate(  # type: ignore[override]
        self, data: Source | None = None, *, include_training: bool = False
    ) -> Evaluation:
        """Scores of the test part of the training data, or of other data, beside those of the baselines: on
        what comes after the training and the validation part of each series, or on all with
        `include_training`."""
        if data is None and self.judged is not self:
            before: Evaluation = self._evaluation_before()
            return before
        file, begin, first, known = self._judged_steps(data, include_training)
        usual = [end for end, _ in ends_of(self.config.data, file)] if data is None else first
        of_model = self._scores(self._predictor(self.network), file, usual)
        judged = {
            name: Judged(
                [_from(score, at) for score, at in zip(each, first, strict=True)], self.codec.scores[name]
            )
            for name, each in of_model.items()
        }
        about = {
            "judged": "the test part" if data is None else "the data given",
            "season": self.config.forecast.season,
        }
        about |= {"seen": known, "left_out": 0 if include_training else known}
        truths = file.truths if isinstance(file, Known) else None
        result = evaluation.evaluate(judged, truths, self.config.detect, file, about)
        total = sum(len(s.target) for s in file.series) - sum(begin)
        sentences = seen_sentences("step", known, total, include_training)
        return result.telling([*sentences, *file.told()])

    _beside = "truth"

    def _config_for(self, config: Any, source: Any) -> Any:
        """In memory y says which steps are known to be unusual."""
        if not isinstance(source, InMemory):
            return config
        columns = self._table(source).columns
        roles: dict[str, Any] = {"id": arrays.SERIES, "time": ROWS}
        roles |= {"truth": self._beside} if self._beside in columns else {}
        if not config.data.target:
            roles["target"] = tuple(name for name in columns if name not in (arrays.SERIES, self._beside))
        return config.model_copy(update={"data": config.data.model_copy(update=roles)})

    def predict(  # type: ignore[override]
        self, X: Source | None = None, *, episodes: bool = False, lengths: Any = None
    ) -> Any:
        """Of files and tables as `frame` has it; of arrays alone a list of arrays (T_i,), 1 where a step
        alarms and 0 elsewhere."""
        source = self._source(X, None, lengths)
        table = self.frame(source, episodes=episodes)
        return self._bare(source, table) if self._answers_bare(source) and not episodes else table

    def _bare(self, source: Any, table: pl.DataFrame) -> Any:
        each = table.partition_by("series", maintain_order=True) if "series" in table.columns else [table]
        return [one["alarm"].cast(pl.Int64).to_numpy() for one in each]

    def score(self, X: Source, y: Any = None, *, lengths: Any = None) -> float:
        """The average precision of the steps, where those that are unusual are known."""
        result = self.evaluate(self._source(X, y, lengths), include_training=True)
        if "average precision" not in result.rows[0]:
            raise ConfigError(f"a score needs what is known to be unusual; give y, or {option('truth')}")
        return float(result.rows[0]["average precision"])

    def frame(  # type: ignore[override]
        self, X: Source | None = None, *, episodes: bool = False
    ) -> pl.DataFrame:
        """A row for every step of the test part, or of other data, with its score, rank and whether it
        alarms; or one for every one of the `episodes` of alarms. See listed.py."""
        file = self._training_file() if X is None else self._new_file(X)
        tested = X is None and self.has_test
        first = [end for _, end in ends_of(self.config.data, file)] if tested else [0] * len(file.series)
        each = self._scores(self._predictor(self.network), file, first)[MODEL]
        judged = Judged(
            [_from(score, at) for score, at in zip(each, first, strict=True)], self.codec.scores[MODEL]
        )
        options = self.config.detect
        columns = judged.scores, judged.ranks(), judged.alarms(options.false_alarms)
        if episodes:
            return listed_episodes(file, *columns, options.join)
        return listed_steps(file, first, *columns)

    def notices(self, data: Source | None = None, quantiles: Sequence[float] = ()) -> list[str]:
        return []

    def _read(self, config: ForecastConfig, sources: Sources) -> tuple[ForecastConfig, SeriesFile]:
        sources = self._tables(sources)
        config, file = super()._read(config, sources)
        options: Any = config
        known = Known.of(sources, options.data, file)
        if options.data.truth is not None and known.truths is None:
            raise DataError(
                f"wanted a column {shown(options.data.truth)} ({option('truth')}) in all files, found none; "
                "correct the name"
            )
        return config, known

    def _training_file(self) -> Known:
        file = super()._training_file()
        if not isinstance(file, Known):
            data = self.config.data
            self._data = file = Known.of(files_of(data), data, file)
        return file

    def _new_file(self, data: Source) -> Known:
        source = self._table(self._source(data), self.codec.series.names)
        return Known.of(Sources(source), self.config.data, super()._new_file(source))

    def _prepare(
        self, config: ForecastConfig, data: SeriesFile, start: Fitted | None
    ) -> Prepared[ForecastConfig, Fitted]:
        prepared = super()._prepare(config, data, start)
        options: Any = prepared.config
        ends = ends_of(options.data, data)
        middle = int(np.median([end for end, _ in ends if end]))
        window = options.plan().window
        warmup = options.detect.warmup or max(LEAST_WARMUP, min(window, (middle - 1) // 3))
        if self._is_validated(options, data):
            usual = sum(map(np.sum, _usual(data, [(max(train, warmup), end) for train, end in ends])))
            if not usual:
                raise DataError(
                    f"no series goes on after {warmup} steps ({option('warmup')}) within its validation part "
                    "with a step that is not known to be unusual, whose scores tell what is; give longer "
                    f"series, or lower {option('warmup')}"
                )
        options = options.model_copy(update={"detect": options.detect.model_copy(update={"warmup": warmup})})
        return replace(prepared, config=options, notes=(*prepared.notes, f"warmup: {warmup}"))

    def _trained(
        self,
        plan: Plan[ForecastConfig, SeriesFile, Fitted, Network],
        run: Run | None,
        report: Reporter,
        resume: bool,
    ) -> Fitted:
        fitted = super()._trained(plan, run, report, resume)
        if not self._is_validated(plan.prepared.config, plan.data):
            # Trained again on all data: what is unusual, the scores of the model before tell.
            return Scored(**vars(fitted), scores=self.judged.codec.scores)
        options = plan.config.forecast
        predictor = Predictor(plan.network, fitted.series, plan.config.plan().window, options.sample_paths, 0)
        ends = ends_of(plan.config.data, plan.data)
        each = self._scores(predictor, plan.data, [end for end, _ in ends])
        usual, known = _usual(plan.data, ends), {}
        for name, of_series in each.items():
            pooled = np.concatenate([score[one] for score, one in zip(of_series, usual, strict=True)])
            known[name] = np.sort(pooled[~np.isnan(pooled)])
        return Scored(**vars(fitted), scores=known)

    def _scores(self, predictor: Predictor, file: SeriesFile, usual: Sequence[int]) -> Scores:
        """Of every step of each series by the name of the model; `usual`: how many of its steps tell a
        baseline what is usual."""
        plan, options = self.config.plan(), self.config.detect
        coded = predictor.codec.encode_each(file.series, plan.steps)
        each = [every_score(predictor, s, plan, options, at) for s, at in zip(coded, usual, strict=True)]
        return {name: [one[name] for one in each] for name in each[0]}

    def _draw(self, folder: Path) -> None:
        from unrolled.tasks.detect import pictures  # matplotlib takes a while to import

        pictures.draw_episodes(folder, self.evaluation.details)

    def _answers_about(self) -> dict[str, Any]:
        options = self.config.detect
        names = "warmup", "smooth", "false_alarms"
        return super()._answers_about() | {name: getattr(options, name) for name in names}

    def _rows(self, data: Source | None = None) -> list[NDArray[Any]]:
        """Each series, or its test part and a window before it."""
        window = self.config.plan().window
        return [steps[max(0, begin - window) :] for steps, begin in self._steps_of(data)]

    def _raw(self, rows: Sequence[NDArray[Any]], fill: float) -> list[NDArray[Any]]:
        """The scores."""
        output, K, each = self.network.block.output, len(self.codec.series.targets), []
        for raw, row in zip(super()._raw(rows, fill), rows, strict=True):
            score = np.full(len(row), np.nan)
            score[1:] = of_one(output, raw[:-1, 0], row["x"][1:, :K], 1, self.config.detect)
            each.append(score)
        return each


def _from(score: NDArray[np.float64], first: int) -> NDArray[np.float64]:
    """NaN before the step `first`."""
    return np.where(np.arange(len(score)) < first, np.nan, score)


def _usual(file: SeriesFile, parts: Sequence[tuple[int, int]]) -> list[Flags]:
    """Of each series the steps from the first number of its part up to the second that are not known to be
    unusual."""
    truths = file.truths if isinstance(file, Known) else None
    masks = []
    for k, (series, (begin, end)) in enumerate(zip(file.series, parts, strict=True)):
        at = np.arange(len(series.target))
        inside = (begin <= at) & (at < end)
        masks.append(inside if truths is None else inside & ~truths[k])
    return masks
