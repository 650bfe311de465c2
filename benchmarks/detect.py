"""Detectors beside their baselines on series of the Numenta Anomaly Benchmark, all by one recipe.

python benchmarks/detect.py FOLDER [--half chosen] [--seed 0]     FOLDER holds *.csv, anomaly-windows.csv

The recipe was chosen on every second series in the order of their names (`chosen`), and is judged on the
others. A series trains on its first quarter, thresholds are of the tenth after it, the rest is judged.
"""

import argparse
import tempfile
from pathlib import Path

import polars as pl

from unrolled import Detector
from unrolled.tasks.detect.measures import Counts

RECIPE = {"validation": 0.1, "test": 0.65, "gaps": "forward", "smooth": 24, "false_alarms": 0.0025}


def on_grid(path: Path, folder: Path) -> tuple[Path, int]:
    """The series with each step once, at its place, and the steps of a day."""
    frame, time = pl.read_csv(path, try_parse_dates=True), pl.col("timestamp")
    step = frame["timestamp"].diff().drop_nulls().mode()[0]
    at = ((time - time.first()) / step).round().cast(pl.Int64)
    frame = frame.with_columns(time.first() + at * step)
    frame.unique("timestamp", keep="first", maintain_order=True).write_csv(folder / path.name)
    return folder / path.name, round(24 * 3600 / step.total_seconds())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--half", choices=("chosen", "judged"), default="judged")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    windows = asked.folder / "anomaly-windows.csv"
    paths = sorted(set(asked.folder.rglob("*.csv")) - {windows}, key=lambda path: path.name)
    precisions, totals = dict[str, list[float]](), dict[str, Counts]()
    for path in paths[asked.half == "judged" :: 2]:
        with tempfile.TemporaryDirectory() as folder:
            file, day = on_grid(path, Path(folder))
            options = {"season": day, "windows": str(windows), "seed": asked.seed, **RECIPE}
            evaluation = Detector(target="value", **options).fit(file).evaluation
        print(path.stem, *evaluation.rows)
        for row in evaluation.rows:
            name, before = row["model"], totals.get(row["model"], Counts(0, 0, 0, 0))
            totals[name] = Counts(*map(sum, zip(before, evaluation.details.totals[name], strict=True)))
            if "average precision" in row:
                precisions.setdefault(name, []).append(row["average precision"])
    for name, each in precisions.items():
        mean, f1 = sum(each) / len(each), totals[name].f1
        print(f"{name}: average precision {mean:.3f} of {len(each)} series, F1 {f1:.3f}, {totals[name]}")


if __name__ == "__main__":
    main()
