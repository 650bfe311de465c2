"""What a backtest says in words: which forecasts to trust, and what is noise (noise.py)."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from unrolled.files.messages import counted, every, rounded

Row = dict[str, Any]


def verdict(rows: Sequence[Row], about: Mapping[str, Any]) -> list[str]:
    """Sentences on every target: which baselines the model loses to on RMSE, or by how much it beats the
    best; how many of several series it serves; whether its intervals hold what they should; and from how many
    origins this is told."""
    sentences = []
    for target in dict.fromkeys(row["target"] for row in rows):
        model, *others = (row for row in rows if row["target"] == target)
        if all(math.isnan(row["rmse"]) for row in others):
            sentences.append(
                f"{target}: no value of it was observed where it is judged, and no figure tells of it"
            )
            continue
        said = [_of_errors(model, others)]
        if "beats naive" in model:
            said.append(_of_series(model, others, about["naive"]))
        if "coverage" in model:
            said.append(_of_intervals(model, about["nominal_coverage"]))
            if math.isfinite(model.get("adaptive_coverage", math.nan)):
                shares = every([f"{100 * share:.1f} %" for share in _shares(model, "adaptive_coverage")])
                said.append(f"widened and narrowed with the errors as they become known, {shares} are")
            if middle := about["middle_coverage"].get(target):
                low, high = (f"{100 * share:.1f} %" for share in middle)
                said.append(f"in the middle half of the series {low} to {high} of the outcomes are in it")
        said += _undefined(model)
        sentences += [f"{target}: {sentence}" for sentence in said]
    return [*sentences, _of_origins(about)]


def _of_errors(model: Row, others: Sequence[Row]) -> str:
    rmse, best = model["rmse"], min(others, key=lambda row: float(row["rmse"]))
    name, noise = best["forecast"], best["rmse_noise"]
    if not math.isfinite(rmse):
        return f"the model's forecasts grow without bound when fed back; use {name}"
    lost = [row for row in others if rmse - row["rmse"] > row["rmse_noise"]]
    if lost:
        each = every([f"to {row['forecast']} by {_share(rmse, row['rmse'])}" for row in lost])
        return f"the model loses {each} on RMSE; until it wins, use {name}"
    if best["rmse"] - rmse > noise:
        return f"the model beats every baseline on RMSE, the best ({name}) by {_share(rmse, best['rmse'])}"
    both = f"RMSE {rounded(rmse)} against {rounded(best['rmse'])}"
    if not math.isfinite(noise):
        return f"too few origins to compare the model with the best baseline, {name}: {both}"
    compared = f"no clear difference between the model and the best baseline, {name}: {both}"
    return f"{compared}; up to {rounded(noise, 2)} is noise"


def _of_series(model: Row, others: Sequence[Row], naive: str) -> str:
    """`own` is pooled over all series, of whose errors the largest make most."""
    share = model["beats naive"]
    other = next(row for row in others if row["forecast"] == naive)
    medians = f"{model['median mase']:.3g}, of {naive} {other['median mase']:.3g}"
    only = "only " if share < 0.5 else ""
    owa = model.get("owa", math.nan)
    beside = f", its OWA {owa:.3g}, where Naive2 has 1" if math.isfinite(owa) else ""
    return (
        f"{only}{100 * share:.0f} % of {model['series']:,} series are forecast better than by their {naive}; "
        f"the median MASE of a series is {medians}{beside}"
    )


def _of_intervals(model: Row, nominal: float) -> str:
    coverage, noise = model["coverage"], model["coverage_noise"]
    inside = f"{100 * coverage:.1f} % of the outcomes are in the {percent(nominal)} interval"
    inner = zip(_inner(model), _shares(model, "coverage")[1:], strict=True)
    within = ", ".join(f"{100 * share:.1f} % in that of {percent(float(name))}" for name, share in inner)
    inside += f" ({within})" if within else ""
    if noise >= nominal:  # any share would pass
        return f"{inside}; too few origins to say whether it is right"
    if abs(coverage - nominal) <= noise:
        return f"{inside}, as many as should be (± {100 * noise:.1f} % is noise)"
    return (
        f"{inside}: it is too {'narrow' if coverage < nominal else 'wide'} (± {100 * noise:.1f} % is noise)"
    )


def _inner(model: Row) -> list[str]:
    """The intervals within the outermost, as `evaluation.py` names them: "0.5"."""
    head = "coverage_"
    return [key.removeprefix(head) for key in model if key.startswith(head) and key != "coverage_noise"]


def _shares(model: Row, head: str) -> list[float]:
    """Of each interval, the outermost first."""
    return [model[head], *(model[f"{head}_{name}"] for name in _inner(model))]


def _undefined(model: Row) -> list[str]:
    """Which figures the outcomes do not admit, and why."""
    if not math.isfinite(model["rmse"]):
        return []
    missing = {name for name in ("wape", "nse", "kge") if math.isnan(model.get(name, 0))}
    said = ["WAPE and relative bias do not exist: all outcomes are 0"] if "wape" in missing else []
    if "nse" in missing:
        return [*said, "NSE and KGE do not exist: all outcomes are the same"]
    why = "all forecasts are the same, or the mean of the outcomes is 0"
    return [*said, f"KGE does not exist: {why}"] if "kge" in missing else said


def _of_origins(about: Mapping[str, Any]) -> str:
    origins, series, stride = about["origins"], about["series"], about["stride"]
    where = f" of {series:,} series" if series > 1 else ""
    share = "every possible one" if stride == 1 else f"one of every {stride:,} that are possible"
    ahead, judged = counted(about["horizon"], "step"), counted(origins, "origin")
    return f"judged {ahead} ahead from {judged}{where}, {share}"


def percent(share: float) -> str:
    return f"{100 * share:.6g} %"


def _share(error: float, baseline: float) -> str:
    """By how much two errors differ, in per cent of the baseline's."""
    return f"{100 * abs(error - baseline) / baseline:.1f} %" if baseline else f"{rounded(error)} against 0"
