"""Detectors without torch: the scores of the trained model, however a series comes."""

import math

import numpy as np
import polars as pl
import pytest

from unrolled import Detector, runtime
from unrolled.blocks.outputs import Output
from unrolled.errors import RunError
from unrolled.models import saved
from unrolled.models.detect import alarms, ranks, scores, smoothed
from unrolled.streaming.sequences import kind_of

T, WARMUP = 150, 12
SMALL = {"target": "y", "window": 12, "season": 6, "hidden": 5, "steps": 3, "warmup": WARMUP, "members": 1}
SMALL |= {"test": 0.3, "validation": 0.2}
RECURSIVE = {"strategy": "recursive", "level": "relative"}
KINDS = {
    "direct": {},
    "recursive": RECURSIVE | {"output": "gaussian"},
    "two targets": {"target": ("y", "p"), "output": "gaussian", "future": "f"},
    "smooth": {"smooth": 5, "target": ("y", "p")},
    "gaps": {"gaps": "mask", "target": ("y", "p")},
    "recursive gaps": RECURSIVE | {"gaps": "forward"},
}


def frame(gaps=False):
    draw = np.random.default_rng(3)
    t = np.arange(T)
    columns = {name: np.sin(t / 6 * 2 * np.pi + k) * (k + 1) for k, name in enumerate("ypf")}
    columns = {name: values + draw.normal(0, 0.2, T) for name, values in columns.items()}
    if gaps:
        columns["y"][[5, 40, 41, 60, 90, 120]] = columns["p"][[40, 70, 121]] = np.nan
    return pl.DataFrame({"t": t, **columns}).fill_nan(None)


class Case:
    def __init__(self, name):
        self.frame = frame("gaps" in name)
        options = SMALL | KINDS[name]
        self.model = Detector(time="t", **options).fit(self.frame)
        self.made = self.model.runtime()
        columns = ["t", *self.made.codec.targets]
        rows, self.steps = self.frame.to_dicts(), []
        for t, row in enumerate(rows[: T - len(self.made.codec.future)]):
            ahead = {name: rows[t + 1][name] for name in self.made.codec.future}
            self.steps.append({key: row[key] for key in columns} | ahead)


@pytest.fixture(scope="module", params=KINDS)
def case(request):
    return Case(request.param)


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[n], other[n], equal_nan=True) for n in one)


def test_a_stream_scores_as_the_estimator_does(case, tmp_path):
    """To the bit: from a frame in torch, and step by step without."""
    wanted = case.model.predict(case.frame)[: len(case.steps)]
    case.model.save(tmp_path / "run")
    runtime.save(tmp_path / "one", case.made)
    for made in (case.made, runtime.load(tmp_path / "run"), runtime.load(tmp_path / "one")):
        assert made.fingerprint == case.made.fingerprint
        answers = made.stream().feed(case.steps)
        for name in ("score", "rank"):
            assert np.array_equal(answers[name], wanted[name].fill_null(np.nan).to_numpy(), equal_nan=True)
        assert answers["alarm"].tolist() == wanted["alarm"].to_list()
    [whole] = case.made.predict([case.steps])
    assert same(whole, answers)


def test_what_is_missing_and_what_comes_first_has_no_score(case):
    answers = case.made.stream().feed(case.steps)
    targets = case.frame.select(case.made.codec.targets).to_numpy()[: len(case.steps)]
    none = (np.arange(len(case.steps)) < WARMUP) | np.isnan(targets.astype(float)).all(1)
    assert np.array_equal(np.isnan(answers["score"]), none)
    assert np.array_equal(np.isnan(answers["rank"]), none) and not answers["alarm"][none].any()


def test_any_chunks_and_a_snapshot_between_give_the_same_bits(case):
    draw, whole = np.random.default_rng(0), case.made.stream().feed(case.steps)
    for _ in range(3):
        stream, parts, at = case.made.stream(), [], 0
        while at < len(case.steps):
            size = int(draw.integers(0, 30))
            parts.append(stream.feed(case.steps[at : at + size]))
            at += size
            stream = case.made.stream(snapshot=stream.snapshot())
        assert same({name: np.concatenate([part[name] for part in parts]) for name in whole}, whole)


def test_rows_change_no_neighbour(case):
    whole = case.made.stream().feed(case.steps)
    stream = case.made.stream(rows=2)
    stream.feed([case.steps[:9], case.steps[20:29]])
    stream.leave([1])
    stream.join()
    rest = stream.feed([case.steps[9:90], case.steps[:81]])
    assert np.array_equal(rest["score"][:, 0], whole["score"][9:90], equal_nan=True)
    assert np.array_equal(rest["score"][:, 1], whole["score"][:81], equal_nan=True)


def test_torch_in_a_batch_scores_as_the_runtime_alone(case):
    rows = case.model._rows(case.frame)
    rows = [rows[0], rows[0][:40], rows[0][30:90]]
    for fill in (0.0, float("nan")):
        for score, row in zip(case.model._raw(rows, fill), rows, strict=True):
            assert np.array_equal(score, case.made.outputs(row), equal_nan=True)
            assert np.isfinite(score).any()
    assert len(case.model._rows()[0]) >= 0.3 * T


def test_lines_are_answered_by_score_rank_and_alarm():
    case = Case("direct")
    whole, kind = case.made.stream().feed(case.steps), kind_of(case.made)
    row = kind.begin()
    for t, step in enumerate(case.steps[:30]):
        answer, row = kind.answer(row, {name: str(cell) for name, cell in step.items()})
        assert list(answer) == ["filled", "restarted", "score", "rank", "alarm"]
        assert answer["alarm"] == whole["alarm"][t]
        assert answer["score"] == (None if t < WARMUP else whole["score"][t])


def test_a_line_without_a_value_has_no_score_and_the_next_has_one():
    case = Case("direct")
    kind = kind_of(case.made, gaps="forward")
    row = kind.begin()
    for step in case.steps[:20]:
        _, row = kind.answer(row, {name: str(cell) for name, cell in step.items()})
    answer, row = kind.answer(row, {"t": "20", "y": ""})
    assert (answer["filled"], answer["score"], answer["rank"], answer["alarm"]) == (1, None, None, False)
    answer, _ = kind.answer(row, {"t": "23", "y": "0.5"})
    assert answer["filled"] == 2 and math.isfinite(answer["score"])


def test_known_scores():
    """-ln p of two normal numbers, in units of the usual spreads of their series."""
    output = Output("gaussian", (0.1, 0.5, 0.9), framed=True)
    one = math.log(math.e - 1)  # nearly the raw number of a scale of 1
    first, second = (
        [[0.0, one, 5.0, 2.0], [1.0, one, 0.0, 10.0]],
        [[0.0, one, 5.0, 8.0], [1.0, one, 0.0, 10.0]],
    )
    raw = np.array([[first], [second], [second]])
    z = np.array([[[7.0, 10.0]], [[5.0, np.nan]], [[np.nan, np.nan]]], np.float32)
    behind, none = np.array([[4], [5], [6]]), np.zeros((1, 2))
    score, total = scores(output, raw, z, behind, 4, none)
    usual, standard = math.log(4), 0.5 * math.log(2 * math.pi)  # of 2 and 8, the geometric mean
    assert score[0, 0] == pytest.approx(2 * standard + 0.5, abs=4e-3), "one deviation away, and none"
    assert score[1, 0] == pytest.approx(standard + math.log(8) - usual, abs=2e-3)
    assert np.isnan(score[2, 0]) and total[0, 0] == pytest.approx(math.log(2 * 8 * 8))
    apart = [scores(output, raw[:1], z[:1], behind[:1], 4, none)]
    apart.append(scores(output, raw[1:], z[1:], behind[1:], 4, apart[0][1]))
    assert np.array_equal(np.concatenate([part[0] for part in apart]), score, equal_nan=True)
    assert np.isnan(scores(output, raw, z, behind, 9, none)[0]).all()


def test_known_means_of_scores():
    """Of all at first, then the newest has a weight of 1 / N; what is missing is passed over."""
    score = np.array([[3.0], [1.0], [np.nan], [8.0], [0.0]])
    means, after = smoothed(score, 2, np.zeros((1, 2)))
    assert np.array_equal(means, [[3.0], [2.0], [np.nan], [5.0], [2.5]], equal_nan=True)
    assert after.tolist() == [[2.5, 4.0]]
    rest, _ = smoothed(score[3:], 2, smoothed(score[:3], 2, np.zeros((1, 2)))[1])
    assert np.array_equal(rest, means[3:])
    assert np.array_equal(smoothed(score, 1, np.zeros((1, 2)))[0], score, equal_nan=True)


def test_ranks_and_alarms():
    known = np.arange(1.0, 100.0)  # 99 of them
    rank = ranks(np.array([0.0, 50.0, 99.0, 99.5, np.nan]), known)
    assert rank[:4].tolist() == [1.0, 0.51, 0.02, 0.01] and np.isnan(rank[4])
    assert alarms(rank, 0.01, 99).tolist() == [False, False, False, True, False]
    assert alarms(rank, 0.001, 99).tolist() == [False, False, False, True, False], "the lowest that there is"
    assert alarms(rank, 0.02, 99).tolist() == [False, False, True, True, False]


def test_descriptions_that_do_not_fit_are_refused():
    made = Case("direct").made
    name = "codec.scores.model"
    for change in (
        made.arrays[name][::-1].copy(),
        made.arrays[name][:0],
        made.arrays[name].astype(np.float32),
    ):
        with pytest.raises(RunError, match=r"^here: "):
            saved.model("here", made.about, made.arrays | {name: change})
    for key, value in (("warmup", 0), ("false_alarms", 2.0), ("warmup", "9"), ("smooth", 0)):
        about = made.about | {"answers": made.about["answers"] | {key: value}}
        with pytest.raises(RunError, match=r"^here: "):
            saved.model("here", about, made.arrays)
