"""A stream among missing, late, repeated and wild steps: what is filled, what is refused, and that it goes
on."""

import numpy as np
import polars as pl
import pytest

from unrolled import Forecaster, tasks
from unrolled.errors import ConfigError, DataError
from unrolled.streaming.gaps import POLICIES
from unrolled.streaming.sequences import Series
from unrolled.streaming.sessions import Options, Session
from unrolled.tasks.forecast import pictures

T, WINDOW = 120, 10
SMALL = {"target": "y", "window": WINDOW, "season": 4, "horizon": 2, "hidden": 4, "steps": 6, "threads": 1}
SMALL |= {"refit": False}
FILLING = ("forward", "zero", "mask", "model")


def fitted(frame, **options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks.pictures, "draw_history", lambda *arguments: None)
        patch.setattr(pictures, "draw_evaluation", lambda *arguments: None)
        return Forecaster(**(SMALL | options)).fit(frame).runtime()


def wave(n):
    return np.sin(np.arange(n) / 3) + np.arange(n) / 50


@pytest.fixture(scope="module", params=["recursive", "direct"])
def strategy(request):
    return request.param


@pytest.fixture(scope="module")
def years(strategy):
    """Trained without gaps; its times are whole numbers."""
    return fitted(pl.DataFrame({"t": np.arange(1, T + 1), "y": wave(T)}), time="t", strategy=strategy)


@pytest.fixture(scope="module")
def marked(strategy):
    """Trained with marked gaps."""
    y = np.where(np.arange(T) % 7 == 3, np.nan, wave(T))
    frame = pl.DataFrame({"t": np.arange(1, T + 1), "y": y})
    return fitted(frame, time="t", gaps="mask", strategy=strategy)


class Player:
    """A session that passes over what is wrong: `answers` by time, and `errors`."""

    def __init__(self, model, **options):
        self.session, self.line, self.answers, self.errors = Session(model, Options(**options)), 0, {}, {}

    def play(self, *records):
        for record in records:
            record = record if isinstance(record, dict) else {"t": record, "y": wave(10**4)[record % 10**4]}
            self.line += 1
            try:
                answer, key, row = self.session.answer(record, self.line)
            except DataError as error:
                self.errors[record["t"]] = str(error)
                self.session.pass_over(self.line, 0)
            else:
                self.session.commit(self.line, 0, key, row, b"")
                self.answers[record["t"]] = answer
        return self

    def restored(self):
        other = Player(self.session.model, gaps=self.session.options.gaps)
        other.session.restore(self.session.snapshot())
        return other


def forecast(answer):
    return answer["y"]["forecast"]


@pytest.mark.parametrize("gaps", FILLING)
def test_a_lost_step_is_filled_and_counted(years, marked, gaps):
    """As if it had been given with nothing in it."""
    model = marked if gaps == "mask" else years
    found = Player(model, gaps=gaps).play(1, 2, 3, 5, 6, 9)
    assert not found.errors and [one["filled"] for one in found.answers.values()] == [0, 0, 0, 1, 0, 2]
    assert not any(one["restarted"] for one in found.answers.values())
    given = Player(model, gaps=gaps).play(1, 2, 3, {"t": 4, "y": None}, 5, 6, {"t": 7, "y": "NA"})
    given.play({"t": 8, "y": ""}, 9)
    assert [one["filled"] for one in given.answers.values()] == [0, 0, 0, 1, 0, 0, 1, 1, 0]
    for t in (1, 2, 3, 5, 6, 9):
        assert forecast(found.answers[t]) == forecast(given.answers[t])
    whole = Player(model, gaps=gaps).play(1, 2, 3, 4, 5, 6)
    assert forecast(whole.answers[6]) != forecast(found.answers[6])


def test_what_stands_for_a_lost_step(years):
    values = {t: wave(10**4)[t] for t in (1, 2, 3, 5)}
    for gaps, instead in (("forward", values[3]), ("zero", 0.0)):
        found = Player(years, gaps=gaps).play(1, 2, 3, 5)
        own = Player(years).play(1, 2, 3, {"t": 4, "y": instead}, 5)
        assert forecast(found.answers[5]) == forecast(own.answers[5])
    stream = years.stream()
    for t in (1, 2, 3):
        answer = stream.step({"t": t, "y": values[t]})
    next_ = float(answer["forecast"][0, 0])
    own = Player(years).play(1, 2, 3, {"t": 4, "y": next_}, 5)
    found = Player(years, gaps="model").play(1, 2, 3, 5)
    assert forecast(found.answers[5]) == pytest.approx(
        forecast(own.answers[5]), rel=1e-5
    )  # once to float64 and back


def test_restart_begins_anew_behind_a_gap(years):
    found = Player(years, gaps="restart").play(1, 2, 3, 5, 6, {"t": 7, "y": None}, 8)
    assert [one["restarted"] for one in found.answers.values()] == [
        False,
        False,
        False,
        True,
        False,
        True,
        False,
    ]
    nothing = None if years.codec.steps == 1 else [None, None]
    assert forecast(found.answers[7]) == nothing and found.answers[7].keys() == found.answers[8].keys()
    fresh = Player(years).play(5, 6)
    assert forecast(found.answers[6]) == forecast(fresh.answers[6])
    assert forecast(found.answers[8]) == forecast(Player(years).play(8).answers[8])


def test_a_refused_gap_shuts_the_stream_for_one_line_alone(years):
    found = Player(years).play(1, 2, 3, 5, 6, 7)
    assert list(found.answers) == [1, 2, 3, 6, 7] and found.answers[6]["restarted"]
    assert found.errors[5] == (
        "1 missing step of 1 step between 3 and 5; send them, "
        "or choose --gaps forward, zero, restart or model"
    )
    found = Player(years).play(1, 2, {"t": 3, "y": None}, 4, 5)
    assert "column 'y': the value is missing; send it, or choose --gaps forward, zero" in found.errors[3]
    assert found.answers[4]["restarted"] and not found.answers[5]["restarted"]


@pytest.mark.parametrize("gaps", [*FILLING, "restart", "refuse"])
def test_late_repeated_and_wild_times_are_told_apart_and_none_shuts_the_stream(years, marked, gaps):
    model = marked if gaps == "mask" else years
    found = Player(model, gaps=gaps).play(*range(1, 21), 20, 15, 3000, 21, 22, -500, 23)
    assert found.errors == {
        20: "the step of 20 was given before; give each once",
        15: "the step of 15 is late, behind that of 20; give steps in order",
        3000: found.errors[3000],
        -500: "-500 is 522 steps of 1 step before 22; correct it (if the next line follows it, the "
        "series begins there again)",
    }
    assert "2,979 missing steps of 1 step between 20 and 3000" in found.errors[3000]
    whole = Player(model, gaps=gaps).play(*range(1, 24))
    for t in range(21, 24):
        assert found.answers[t] == whole.answers[t]  # nothing but the wrong lines is gone


@pytest.mark.parametrize("gaps", [*FILLING, "restart", "refuse"])
def test_a_long_outage_and_a_clock_that_was_set_anew_cost_one_line(years, marked, gaps):
    model = marked if gaps == "mask" else years
    found = Player(model, gaps=gaps).play(1, 2, 3, 5000, 5001, 5002, 7, 8, 9)
    assert list(found.errors) == [5000, 7] and list(found.answers) == [1, 2, 3, 5001, 5002, 8, 9]
    assert [one["restarted"] for one in found.answers.values()] == [0, 0, 0, 1, 0, 1, 0]
    assert forecast(found.answers[9]) == forecast(Player(model, gaps=gaps).play(8, 9).answers[9])


def test_how_many_steps_are_filled(years):
    assert not Player(years, gaps="forward").play(1, 2 + WINDOW).errors
    found = Player(years, gaps="forward").play(1, 3 + WINDOW)
    assert "11 missing steps of 1 step between 1 and 13, more than --longest-gap 10" in found.errors[13]
    assert not Player(years, gaps="forward", longest_gap=11).play(1, 3 + WINDOW).errors
    assert Player(years, gaps="forward", longest_gap=1).play(1, 4).errors


def test_the_policy_of_the_training_is_that_of_the_stream(years, marked):
    assert Session(marked, Options()).kind.gaps.policy == "mask"
    assert Player(marked).play(1, 3).answers[3]["filled"] == 1
    with pytest.raises(ConfigError, match="--gaps mask: this model, trained with gaps refuse, has no input"):
        Session(years, Options(gaps="mask"))


def test_no_wild_value_makes_all_later_answers_nan(years):
    for wild in (1e30, 3e38):
        player = Player(years, gaps="forward")
        player.play({"t": 1, "y": wild}, {"t": 2, "y": -wild}, 3, 4)
        assert all("y" in player.errors[t] and "too far" in player.errors[t] for t in (1, 2))
        assert np.isfinite(player.answers[4]["y"]["forecast"]).all()


def test_what_was_refused_is_remembered_by_a_snapshot(years):
    player = Player(years, gaps="forward").play(1, 2, 3, 900)
    found = player.restored().play(901, 902)
    assert list(found.answers) == [901, 902] and found.answers[901]["restarted"]
    assert isinstance(player.session.kind, Series)
    assert not player.session.kind.sound("9") and not player.session.kind.sound(2**64)


def test_steps_between_the_steps_are_refused_until_two_agree():
    times = [f"2024-01-01 {h:02}:00" for h in range(24)] + [f"2024-01-02 {h:02}:00" for h in range(24)]
    model = fitted(pl.DataFrame({"t": times, "y": wave(48)}), time="t", window=5, calendar="none")
    found = Player(model, gaps="forward")
    found.play(*({"t": t, "y": 1.0} for t in [times[0], times[1], "2024-01-01 01:07", times[2]]))
    assert list(found.answers) == times[:3]
    assert "01:07:00 is no step of 1 hour after 2024-01-01 01:00:00" in found.errors["2024-01-01 01:07"]
    found.play(*({"t": t, "y": 1.0} for t in ["2024-01-01 03:07", "2024-01-01 04:07", "2024-01-01 05:07"]))
    assert found.answers["2024-01-01 04:07"]["restarted"]
    months = [f"{2000 + m // 12}-{m % 12 + 1:02}-01" for m in range(60)]
    model = fitted(pl.DataFrame({"t": months, "y": wave(60)}), time="t", window=5, calendar="none")
    found = Player(model, gaps="forward").play(*({"t": t, "y": 1.0} for t in [*months[:3], *months[5:7]]))
    assert [one["filled"] for one in found.answers.values()] == [0, 0, 0, 2, 0]
    assert "is no step of 1 month after" in found.play({"t": "2000-08-09", "y": 1.0}).errors["2000-08-09"]


def test_the_hour_that_comes_twice_is_read_in_order():
    hours = np.datetime64("2026-10-20", "us") + np.arange(96) * np.timedelta64(1, "h")
    texts = [str(t)[:16].replace("T", " ") for t in hours]
    frame = pl.DataFrame({"t": texts, "y": wave(96)})
    model = fitted(frame, time="t", zone="Europe/Berlin", validation=0.2)
    lines = [f"2026-10-25 {h}:00" for h in ("01", "02", "02", "03", "04")]
    found, filled = Player(model), []
    for line in lines:
        found.play({"t": line, "y": 1.0})
        filled.append(found.answers[line]["filled"])
    assert not found.errors and not any(one["restarted"] for one in found.answers.values())
    found.play({"t": "2026-10-25 02:00", "y": 1.0})
    assert "is late" in found.errors["2026-10-25 02:00"]


@pytest.mark.parametrize("seed", range(3))
def test_random_gaps_and_wild_times(years, marked, seed):
    """A short form of scripts/fuzz_gaps.py: every state is left again, and what was filled is counted."""
    draws = np.random.default_rng(seed)
    for gaps in POLICIES:
        found, now = Player(marked if gaps == "mask" else years, gaps=gaps), 1000
        for _ in range(30):
            now += int(draws.choice([1, 1, 1, 2, 5, 30, -3, -400, 0]))
            value = None if draws.random() < 0.2 else float(draws.standard_normal())
            found.play({"t": now, "y": value})
        row = found.session.sequences[None][0]
        assert all(np.isfinite(array).all() for name, array in row.state.items() if array.dtype.kind == "f")
        before = int(row.state["series.steps"][0])
        found.errors.clear()
        found.play(*range(10**5, 10**5 + 3))
        assert len(found.errors) <= 1 and found.answers[10**5 + 2]["filled"] == 0
        assert before >= 0


def test_no_step_is_missing_over_a_week_end():
    days = [str(day) for day in np.arange("2024-01-01", "2024-06-01", dtype="M8[D]") if np.is_busday(day)]
    model = fitted(pl.DataFrame({"t": days, "y": wave(len(days))}), time="t", window=5, calendar="none")
    found = Player(model, gaps="forward")
    found.play(*({"t": f"2024-06-{day:02}", "y": 1.0} for day in (6, 7, 8, 10, 13)))  # Thursday and Friday
    assert [one["filled"] for one in found.answers.values()] == [0, 0, 0, 2]
    assert found.errors == {
        "2024-06-08": "wanted a day from Monday to Friday, got 2024-06-08; give times as the training had "
        "them"
    }
    whole = Player(model, gaps="forward")
    whole.play(*({"t": f"2024-06-{day:02}", "y": 1.0} for day in (6, 7, 10)))
    assert whole.answers["2024-06-10"] == found.answers["2024-06-10"]


def test_each_line_is_of_the_series_that_its_id_names():
    """Two series of unlike bases: with --id, each is forecast as predict forecasts it, to the bit."""
    each = {"a": wave(300), "b": 5 + np.cos(np.arange(300) * np.pi / 2)}
    frames = [pl.DataFrame({"who": [who] * 300, "t": range(300), "y": y}) for who, y in each.items()]
    model = fitted(pl.concat(frames), id="who", time="t", window=5)
    found = Player(model).play(*({"who": who, "t": t, "y": 1.0} for t in (0, 1) for who in each))
    assert "and those of each series apart (--id who)" in found.errors[1]
    found = Player(model, id="who")
    for who, y in each.items():
        steps = [{"who": who, "t": t, "y": float(one)} for t, one in enumerate(y)]
        whole = model.predict([steps])["forecast"][0, :, 0].tolist()
        assert forecast(found.play(*steps).answers[299]) == whole
        unnamed = model.predict([[step | {"who": "new"} for step in steps]])["forecast"][0, :, 0].tolist()
        assert unnamed != whole  # the name counts
        # Steps that the model fills by its own forecasts are of that series too: as if these had been sent.
        filling = Player(model, id="who", gaps="model").play(*steps[:200], steps[202])
        sent = Player(model, id="who").play(*steps[:200])
        for t in (200, 201):
            sent.play(steps[t] | {"y": forecast(sent.answers[t - 1])[0]})
        assert filling.answers[202]["filled"] == 2
        later = forecast(filling.answers[202]), forecast(sent.play(steps[202]).answers[202])
        np.testing.assert_allclose(*later, rtol=1e-5)


def test_a_series_may_be_named_by_several_columns():
    each = {("a", "x"): wave(300), ("a", "y"): 5 + np.cos(np.arange(300) * np.pi / 2)}
    frames = [
        pl.DataFrame({"shop": [shop] * 300, "article": [article] * 300, "t": range(300), "y": y})
        for (shop, article), y in each.items()
    ]
    model = fitted(pl.concat(frames), id="shop,article", time="t", window=5)
    found = Player(model, id="shop,article")
    answers = []
    for (shop, article), y in each.items():
        steps = [{"shop": shop, "article": article, "t": t, "y": float(one)} for t, one in enumerate(y)]
        answers.append(found.play(*steps).answers[299])
        assert forecast(answers[-1]) == model.predict([steps])["forecast"][0, :, 0].tolist()
    assert [(one["shop"], one["article"]) for one in answers] == list(each)
    errors = found.play({"shop": "a", "t": 300, "y": 1.0}).errors
    assert errors[300].startswith("column 'shop,article': wanted an id")
