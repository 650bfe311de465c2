"""Judges `unrolled train forecast` beside forecasters of others: same series, parts, origins and measures.

    python benchmarks/peers.py --environments ENVIRONMENTS --data DATA --work WORK --out OUT
    python benchmarks/peers.py airline nile 'nab-*' --seeds 0 --environments ENVIRONMENTS --data DATA …

ENVIRONMENTS is the folder that scripts/acceptance/peers.sh makes, DATA the folder that holds the data sets by
the names of their folders; without it there are the series that installed packages carry. WORK keeps every
forecast, so that an interrupted run goes on, and a later one trains again only what `--again` names.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from peer_models.job import Array, Job, JobError
from peers_runs import BENCHMARKS, PEERS, Answer, Kept, answered, fingerprint, python_of, require_no_leak
from peers_table import UNROLLED, document, figures, markdown

from unrolled import Forecaster
from unrolled.codecs.calendar import calendar_features
from unrolled.codecs.gaps import carried
from unrolled.files.atomic import write_text
from unrolled.tasks.baselines import BASELINES, SEASONAL
from unrolled.tasks.evaluation import MODEL
from unrolled.tasks.forecast.data import read
from unrolled.tasks.forecast.defaults import ends_of

WHEELS = "wheels"


@dataclass(frozen=True)
class DataSet:
    """A file with one series in the column `target`, and what else `train forecast` is told of it."""

    file: Path
    target: str
    horizon: int
    options: Mapping[str, Any] = field(default_factory=dict)


HORIZONS_OF_WHEELS = {
    "sunspots": 11,
    "airline": 12,
    "co2": 12,
    "elnino": 12,
    "nile": 5,
    "lynx": 10,
    "unemployment": 8,
}


def data_sets(wheels: Path, data: Path | None) -> dict[str, DataSet]:
    """By name. Without `data`, those of installed packages."""
    sets = {name: DataSet(wheels / f"{name}.csv", "value", h) for name, h in HORIZONS_OF_WHEELS.items()}
    if data is None:
        return sets
    sets["etth1"] = DataSet(data / "electricity-transformer" / "ETTh1.csv", "OT", 24)
    sets["taxi"] = DataSet(data / "nab" / "nyc_taxi.csv", "value", 48)
    loads = sorted((data / "nab" / "cloudwatch").glob("*.csv"))
    return sets | {f"nab-{path.stem}": DataSet(path, "value", 48, {"gaps": "mask"}) for path in loads}


def trained(name: str, data_set: DataSet, seed: int) -> tuple[Job, Answer]:
    """What `train forecast` makes of the file with its defaults, and the job that this is."""
    start = time.monotonic()
    options = {"target": data_set.target, "horizon": data_set.horizon, **data_set.options}
    forecaster = Forecaster(**options, seed=seed, threads=1, refit=False).fit(data_set.file)
    backtest = forecaster.evaluation.backtest
    minutes = (time.monotonic() - start) / 60
    forecasts = backtest.forecasts[MODEL].point[..., 0]
    return job_of(name, data_set, forecaster), Answer(forecasts, minutes, [])


def job_of(name: str, data_set: DataSet, forecaster: Forecaster) -> Job:
    """The parts, origins and features of the calendar that a trained forecaster has."""
    config, codec = forecaster.config, forecaster.codec
    file = read(data_set.file, config.data)
    [series], [(train_end, validation_end)] = file.series, ends_of(config.data, file)
    names, cycles = calendar_features(series.times, file.step)
    columns = [names.index(one) for one in codec.series.calendar]
    actual, plan = series.target[:, 0], config.plan()
    known = carried(actual, np.isnan(actual), np.array(np.nanmean(actual[:train_end])))
    return Job(
        name,
        plan.horizon,
        plan.season,
        plan.window,
        train_end,
        validation_end,
        float(codec.naive_scale[0]),
        forecaster.evaluation.backtest.origins,
        actual,
        known,
        cycles[:, columns],
        codec.series.calendar,
    )


@dataclass(frozen=True)
class Judging:
    """Which peers are judged beside unrolled, with which seeds. What `again` names is trained again; other
    forecasts are taken from those in `work` where they are there."""

    environments: Path
    work: Path
    peers: Sequence[str]
    seeds: Sequence[int]
    again: Sequence[str]

    def row(self, name: str, data_set: DataSet) -> dict[str, Any]:
        """Of the document."""
        job, ours = self.unrolled(name, data_set)
        answers = {UNROLLED: ours} | {peer: list(self._peer(peer, job)) for peer in self.peers}
        points = {one: [answer.forecasts for answer in each] for one, each in answers.items()}
        rows = figures(job, points | {one: [f] for one, f in naive(job).items()}, len(self.seeds))
        for one, each in answers.items():
            rows[one]["minutes"] = float(np.mean([answer.minutes for answer in each]))
            rows[one]["remarks"] = list(each[0].remarks)
        return about(job) | {"forecasts": rows}

    def unrolled(self, name: str, data_set: DataSet) -> tuple[Job, list[Answer]]:
        """The job of a data set, and unrolled's own answer with every seed."""
        kept = self._kept(name)
        job, answers = None if UNROLLED in self.again else kept.job(), []
        for seed in self.seeds:
            answer = kept.answer(f"{UNROLLED}-{seed}", job) if job else None
            if answer is None:
                other, answer = trained(name, data_set, seed)
                job = job or kept.keep_job(other)
                _require_same(job, other)
                kept.keep(f"{UNROLLED}-{seed}", job, answer)
                progress(name, UNROLLED, seed, answer)
            answers.append(answer)
        assert job is not None
        return job, answers

    def _kept(self, name: str) -> Kept:
        return Kept(self.work.resolve() / name)

    def _peer(self, peer: str, job: Job) -> Iterator[Answer]:
        kept = self._kept(job.name)
        for seed in self.seeds if PEERS[peer].drawn else self.seeds[:1]:
            stem = f"{peer}-{seed}" if PEERS[peer].drawn else peer
            answer = None if peer in self.again else kept.answer(stem, job)
            if answer is None:
                answer = answered(peer, job, kept.folder, seed, self.environments)
                kept.keep(stem, job, answer)
                progress(job.name, peer, seed, answer)
            yield answer


def _require_same(job: Job, other: Job) -> None:
    """Another seed may choose another window, and nothing else that the peers read."""
    if fingerprint(replace(other, window=job.window)) != fingerprint(job):
        raise JobError(
            f"{job.name}: its data, parts or origins have changed since; run it with --again {UNROLLED}"
        )


def naive(job: Job) -> dict[str, Array]:
    """unrolled's own baselines, as its evaluation has them."""
    names = ["persistence", *([SEASONAL] if job.season > 1 else [])]
    y = job.actual[:, None]
    return {one: BASELINES[one](y, job.origins, job.horizon, job.season)[..., 0] for one in names}


def about(job: Job) -> dict[str, Any]:
    parts = {"train": job.train_end, "validation": job.validation_end - job.train_end}
    sizes = {"steps": len(job.actual), **parts, "test": len(job.actual) - job.validation_end}
    more = {"horizon": job.horizon, "season": job.season, "window": job.window, "origins": len(job.origins)}
    return {"name": job.name, **sizes, **more}


def progress(name: str, who: str, seed: int, answer: Answer) -> None:
    print(f"{name}: {who}, seed {seed}, {answer.minutes:.1f} minutes", flush=True)


def wheel_series(environments: Path, folder: Path) -> None:
    """Writes the series of installed packages, once."""
    if not all((folder / f"{name}.csv").exists() for name in HORIZONS_OF_WHEELS):
        python = python_of(environments, PEERS["AutoETS"])
        subprocess.run([python, "-m", "peer_models.wheels", folder.resolve()], cwd=BENCHMARKS, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="data sets, or patterns of their names (all)"
    )
    parser.add_argument("--data", type=Path, help="folder of the public data sets")
    parser.add_argument("--environments", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder that keeps all forecasts")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--again", nargs="+", choices=[UNROLLED, *PEERS], default=[])
    parser.add_argument("--out", type=Path, help="writes OUT.json and OUT.md (prints the latter)")
    parser.add_argument(
        "--leaks",
        action="store_true",
        help="also fails where a peer's forecast reads what comes after its origin",
    )
    parser.add_argument("--list", action="store_true", help="prints the names of the data sets")
    asked = parser.parse_args()
    try:
        judge(asked)
    except JobError as error:
        sys.exit(str(error))


def judge(asked: argparse.Namespace) -> None:
    for peer in asked.peers:
        python_of(asked.environments, PEERS[peer])
    wheel_series(asked.environments, asked.work / WHEELS)
    sets = data_sets(asked.work / WHEELS, asked.data)
    for pattern in asked.names:
        if not any(fnmatchcase(name, pattern) for name in sets):
            raise JobError(f"no data set is called {pattern!r}; there are {', '.join(sets)}")
    chosen = [one for one in sets if not asked.names or any(fnmatchcase(one, each) for each in asked.names)]
    if asked.list:
        print(*chosen, sep="\n")
        return
    judging = Judging(asked.environments, asked.work, asked.peers, asked.seeds, asked.again)
    if asked.leaks:
        for name in chosen:
            job, _ = judging.unrolled(name, sets[name])
            for peer in asked.peers:
                require_no_leak(peer, job, asked.environments)
                print(f"{name}: {peer} reads nothing after its origin", flush=True)
    measured = document([judging.row(name, sets[name]) for name in chosen], asked.seeds)
    if asked.out is None:
        print(markdown(measured))
        return
    write_text(asked.out.with_name(f"{asked.out.name}.json"), json.dumps(measured, indent=1) + "\n")
    write_text(asked.out.with_name(f"{asked.out.name}.md"), markdown(measured))


if __name__ == "__main__":
    main()
