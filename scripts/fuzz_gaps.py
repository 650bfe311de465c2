"""Reads random series with gaps, late, repeated and wild times, missing cells and clocks that change, and
streams them through models of every kind.

    python scripts/fuzz_gaps.py --cases 2000 --seed 1
    python scripts/fuzz_gaps.py --kinds stream --seed 217 --cases 1

    file     no traceback; what is refused is one line; what the file has is the outcome, what it has not is
    none;
             the inputs up to any step are those of a file that ends there
    stream   no traceback; no state that later good lines cannot leave; what was filled is counted; a snapshot
    at
             any moment goes on with the same answers

A case is told by its kind and seed. A short form is in tests/streaming/test_gaps.py.
"""

import argparse
import functools
import random
import time
from unittest import mock

import numpy as np
import polars as pl

from unrolled import Forecaster, tasks
from unrolled.errors import DataError, UnrolledError
from unrolled.files import zones
from unrolled.files.query import Query
from unrolled.files.series import read_series
from unrolled.models.forecast import Runtime
from unrolled.streaming.gaps import POLICIES
from unrolled.streaming.sessions import Options, Session
from unrolled.tasks.forecast import pictures
from unrolled.tasks.forecast.data import Codec

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata")
STEPS = {"15 minutes": 15, "1 hour": 60, "1 day": 1440}  # minutes
HOUR = np.timedelta64(1, "h")


def times_of(draw: random.Random, n: int) -> tuple[list[str], str | None]:
    """Times through a change of clocks as text, and the zone to name."""
    place, minutes = draw.choice(ZONES), draw.choice(list(STEPS.values()))
    begin = np.datetime64(draw.choice(["2026-10-22T03:00", "2026-03-05T00:00", "2026-03-26T22:00"]), "us")
    axis = begin + np.arange(n) * np.timedelta64(minutes, "m")
    form = draw.choice(["naive", "zone", "offsets"])
    if form == "naive":
        return [str(t)[:16] for t in axis], None
    if minutes == 1440:
        local, offsets = axis, zones.local_offsets(place, axis)[0]
    else:
        offsets = zones.offsets(place, axis)
        local = zones.shifted(axis, offsets)
    texts = [str(t)[:16] for t in local]
    if form == "zone":
        return texts, place
    named = draw.choice([None, place])
    return [t + zones.suffix(o) for t, o in zip(texts, offsets.tolist(), strict=True)], named


def spoilt(draw: random.Random, rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """With rows lost, repeated, late or wild, or none of it."""
    kind = draw.choice(["none", "lost", "lost", "repeated", "late", "wild"])
    if kind == "lost":
        return [row for row in rows if draw.random() > 0.3]
    if kind == "repeated":
        rows = [row for row in rows for _ in range(1 + (draw.random() < 0.05))]
    elif kind == "late":
        i = draw.randrange(len(rows) - 3)
        rows[i], rows[i + 2] = rows[i + 2], rows[i]
    elif kind == "wild":
        rows[draw.randrange(len(rows))]["t"] = draw.choice(
            ["3026-01-01 00:00", "0001-01-01", "9999-12-31 23:45"]
        )
    return rows


def check_file(seed: int) -> str:
    draw, n = random.Random(seed), 40
    numbers = np.random.default_rng(seed)
    texts, zone = times_of(draw, n)
    rows = [
        {"t": t} | {name: None if draw.random() < 0.3 else float(numbers.standard_normal()) for name in "ypf"}
        for t in texts
    ]
    rows = spoilt(draw, rows)
    frame = pl.DataFrame(rows, schema={"t": pl.String, "y": pl.Float64, "p": pl.Float64, "f": pl.Float64})
    columns = {
        "targets": ("y",),
        "time": "t",
        "past": ("p",),
        "future": draw.choice([(), ("f",)]),
        "zone": zone,
    }
    try:
        file = read_series(frame, Query(gaps=True, **columns))
    except UnrolledError as error:
        assert "\n" not in str(error), error
        return "refused"
    series = file.series[0]
    found = series.target[:, 0][~np.isnan(series.target[:, 0])]
    assert np.array_equal(found, frame["y"].drop_nulls().to_numpy()), "outcomes are not those of the file"
    for gaps in ("forward", "zero", "mask"):
        try:
            codec = Codec.fit(file, [len(series.target)], (), draw.choice([1, 3]), gaps)
        except DataError:
            return "constant"
        whole = codec.encode(series, codec.steps)
        t = draw.randrange(len(whole))
        later = frame_after(frame, t, codec.steps, steps_of(frame, columns))
        part = codec.encode(read_series(later, Query(gaps=True, **columns)).series[0], codec.steps)
        assert np.array_equal(part.x[: t + 1], whole.x[: t + 1], equal_nan=True), "an input knows the future"
    return "read"


def frame_after(frame: pl.DataFrame, t: int, steps: int, at: list[int]) -> pl.DataFrame:
    """With noise for all that is not known at step t; `at`: the step of each row."""
    noise = np.random.default_rng(t).standard_normal((len(frame), 3))
    for k, name in enumerate("ypf"):
        last, cells = t + steps if name == "f" else t, frame[name].to_list()
        values = [float(noise[i, k]) if at[i] > last else cells[i] for i in range(len(frame))]
        frame = frame.with_columns(pl.Series(name, values, pl.Float64))
    return frame


def steps_of(frame: pl.DataFrame, columns: dict[str, object]) -> list[int]:
    """At which step of the series each row stands."""
    numbered = frame.with_columns(y=pl.int_range(len(frame)).cast(pl.Float64), p=0.0, f=0.0)
    known = read_series(numbered, Query(gaps=True, **columns)).series[0].target[:, 0]
    return [int(np.flatnonzero(known == row)[0]) for row in range(len(frame))]


@functools.cache
def models() -> dict[str, Runtime]:
    """One of each kind, on 120 steps."""
    n = 120
    draws = np.random.default_rng(0)
    y = np.sin(np.arange(n) / 3) + draws.standard_normal(n) / 5
    holes = np.where(np.arange(n) % 7 == 3, np.nan, y)
    hours = np.datetime64("2026-10-21T00:00", "us") + np.arange(n) * HOUR
    plain = pl.DataFrame({"t": np.arange(1, n + 1), "y": y, "p": draws.standard_normal(n), "f": y[::-1]})
    small = {
        "target": "y",
        "window": 8,
        "season": 1,
        "horizon": 3,
        "hidden": 3,
        "epochs": 1,
        "threads": 1,
        "time": "t",
        "strategy": "recursive",
        "refit": False,
    }
    direct = {"strategy": "direct", "window": 17, "steps": 4, "epochs": None}
    kinds = {
        "numbers": (plain, {}),
        "marked": (plain.with_columns(y=holes), {"gaps": "mask"}),
        "zero": (plain.with_columns(y=holes), {"gaps": "zero", "output": "gaussian"}),
        "covariates": (plain, direct | {"past": "p", "future": "f"}),
        "direct, marked": (plain.with_columns(y=holes), direct | {"gaps": "mask", "output": "gaussian"}),
        "direct, zone": (plain.with_columns(t=hours - 9 * 24 * HOUR), direct | {"zone": "Europe/Berlin"}),
        "calendar": (plain.with_columns(t=hours), {}),
        "zone": (plain.with_columns(t=hours - 9 * 24 * HOUR), {"zone": "Europe/Berlin"}),
    }
    with mock.patch.object(tasks.pictures, "draw_history"), mock.patch.object(pictures, "draw_evaluation"):
        return {name: Forecaster(**small | own).fit(frame).runtime() for name, (frame, own) in kinds.items()}


def line_of(model: Runtime, at: int, draw: random.Random, share: float = 0.15) -> dict[str, object]:
    """The step number `at`; so large a share of its values is missing."""
    codec = model.codec
    record: dict[str, object] = {"t": at}
    if codec.step.unit != "number":
        utc = np.array(["2026-10-25T00:00"], "datetime64[us]") + at * HOUR
        offset = zones.offsets_after(codec.zone, utc, codec.step, np.zeros(1, np.int64))
        record["t"] = str(zones.shifted(utc, offset)[0])[:16] + (
            zones.suffix(int(offset[0])) if codec.zone else ""
        )
    for name in (*codec.targets, *codec.past):
        record[name] = None if draw.random() < share else draw.gauss(0, 1)
    for name in codec.future:
        record[name] = [None if draw.random() < share else draw.gauss(0, 1) for _ in range(codec.steps)]
    return record


def step(session: Session, record: dict[str, object], line: int) -> dict[str, object] | None:
    """The answer to a line, None where it is refused."""
    try:
        answer, key, row = session.answer(record, line)
    except DataError as error:
        assert "\n" not in str(error), error
        session.pass_over(line, 0)
        return None
    session.commit(line, 0, key, row, b"{}\n")
    return answer


def check_stream(seed: int) -> str:
    draw = random.Random(seed)
    model = models()[draw.choice(list(models()))]
    policies = [one for one in POLICIES if one != "mask" or model.codec.gaps == "mask"]
    options = Options(gaps=draw.choice(policies), longest_gap=draw.choice([None, 1, 5, 40]), ahead=0)
    session, other = Session(model, options), None
    now, last, refused = draw.randrange(-50, 50), None, 0
    for line in range(1, draw.randrange(5, 60)):
        now += draw.choice([1] * 8 + [2, 3, 9, 50, 0, -1, -7, -300, 10**6])
        now = max(-(10**6), min(now, 5 * 10**6))
        record = line_of(model, now, draw)
        gone = any(None in (one if isinstance(one, list) else [one]) for one in record.values())
        answer = step(session, record, line)
        if other is not None:
            assert step(other, record, line) == answer, "a snapshot goes on otherwise"
        if draw.random() < 0.1:
            other = Session(model, options)
            other.restore(session.snapshot())
        if answer is None:
            refused += 1
            continue
        anew = answer["restarted"] or last is None
        wanted = (0 if anew else now - last - 1) + gone
        if options.gaps == "restart" and gone:
            wanted, now_known = 0, None
        else:
            now_known = now
        assert answer["filled"] == wanted, f"filled {answer['filled']}, wanted {wanted}"
        last = now_known
    row = session.sequences[None][0].state
    assert all(np.isfinite(a).all() for a in row.values() if a.dtype.kind == "f"), (
        "a state that is not finite"
    )
    begin, lost = draw.choice([now + 1, now + 2, 7, 4 * 10**6, -(10**6) + 5]), 0
    for k in range(60):
        lost += step(session, line_of(model, begin + k, draw, 0), 1000 + k) is None
    assert step(session, line_of(model, begin + 60, draw, 0), 2000) is not None, "a good line is refused"
    # One may be far, those within reach are late.
    assert lost <= 2 + session.kind.gaps.reach, f"{lost} good lines were refused"
    return "refused some" if refused else "took all"


KINDS = {"file": check_file, "stream": check_stream}


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--cases", type=int, default=500)
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    asked, began = made.parse_args(), time.monotonic()
    for kind in asked.kinds:
        counts: dict[str, int] = {}
        for seed in range(asked.seed, asked.seed + asked.cases):
            try:
                found = KINDS[kind](seed)
            except BaseException:
                print(f"--kinds {kind} --seed {seed} --cases 1")
                raise
            counts[found] = counts.get(found, 0) + 1
        print(f"{kind}: {counts}, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
