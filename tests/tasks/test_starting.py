"""Trainings that start from a trained model, of every task: where they begin, what they repeat, what they
refuse."""

import random
import shutil

import numpy as np
import polars as pl
import pytest
import torch

from unrolled import load
from unrolled.errors import ConfigError, DataError, RunError
from unrolled.tasks import TASKS, config_class, estimator_class, pictures
from unrolled.tasks.config import sections
from unrolled.tasks.estimator import Estimator
from unrolled.tasks.forecast import pictures as forecast_pictures
from unrolled.tasks.starting import NOT_TAKEN, OF_TRAINING, changeable
from unrolled.training import checkpoints
from unrolled.training.progress import Reporter

from .forecast.cases import RECURSIVE, noisy
from .interrupted import StopOfAll, resumed

SMALL = {"hidden": 5, "epochs": 2, "batch_size": 8, "threads": 1}
FORECAST = {"target": "y", "window": 12, "horizon": 4, "season": 24, "refit": False}


def series(seed, path):
    """A day's wave with noise; that of seed n begins 40 n days later."""
    frame = noisy(240 if seed < 2 else 300, seed).with_columns(pl.col("time") + pl.duration(days=40 * seed))
    frame.write_csv(path / f"{seed}.csv")
    return path / f"{seed}.csv"


def moves(answer):
    def write(seed, path):
        draw, rows = np.random.default_rng(seed), []
        for i in range(40):
            up = i % 2
            steps = np.cumsum(draw.normal(up - 0.5, 1, 5 + i % 3))
            rows += [{"id": f"{seed}-{i}", "target": answer(up, i), "x": x} for x in steps]
        pl.DataFrame(rows).write_csv(path / f"{seed}.csv")
        return path / f"{seed}.csv"

    return write


def lines(seed, path):
    draw = random.Random(seed)
    rows = [
        (f"s{i}", word, "name" if word[0] in "ab" else "other")
        for i in range(40)
        for word in draw.choices(["anna", "ben", "goes", "sees", "eats"], k=draw.randint(5, 8))
    ]
    pl.DataFrame(rows, schema=["id", "word", "tag"], orient="row").write_csv(path / f"{seed}.csv")
    return path / f"{seed}.csv"


def text(seed, path):
    draw = random.Random(seed)
    (path / f"{seed}.txt").write_text("".join(draw.choices("abc d\n", k=2000)))
    return path / f"{seed}.txt"


def pairs(seed, path):
    draw = random.Random(seed)
    words = ["".join(draw.choices("abcd", k=draw.randint(3, 7))) for _ in range(50)]
    (path / f"{seed}.tsv").write_text("".join(f"{word}\t{word[::-1]}\n" for word in words))
    return path / f"{seed}.tsv"


def captions(seed, path):
    u, v = np.random.default_rng(seed).normal(0, 1, (2, 50))
    said = [
        f"{'above' if b > 0 else 'below'} {'right' if a > 0 else 'left'}" for a, b in zip(u, v, strict=True)
    ]
    pl.DataFrame({"u": u, "v": v, "caption": said}).write_csv(path / f"{seed}.csv")
    return path / f"{seed}.csv"


def strokes(seed, path):
    """Sequences of numbers, longer by the seed."""
    draw, rows = np.random.default_rng(seed), []
    for i in range(40):
        u = draw.normal()
        rows += [{"id": i, "u": u, "y": u * t + draw.normal(0, 0.1)} for t in range(3 + i % 3 + seed)]
    pl.DataFrame(rows).write_csv(path / f"{seed}.csv")
    return path / f"{seed}.csv"


LABELS = {"tokens": "characters", "lm_order": 1}
CASES = {
    "forecast": ("forecast", series, FORECAST),
    "forecast, recursive": ("forecast", series, FORECAST | RECURSIVE | {"level": "absolute"}),
    "detect": ("detect", series, {"target": "y", "window": 12, "season": 24}),
    "classify": ("classify", moves(lambda up, i: "up" if up else "down"), {}),
    "regress": ("regress", moves(lambda up, i: up + i / 50), {}),
    "tag": ("tag", lines, {"text": "word", "target": "tag", "id": "id", "embedding_size": 5}),
    "language": ("language", text, {"window": 20, "embedding_size": 5}),
    "translate": ("translate", pairs, {"source_tokens": "characters", "target_tokens": "characters"}),
    "transcribe": ("transcribe", moves(lambda up, i: "ab" if up else "b"), LABELS),
    "transcribe, hmm": (
        "transcribe",
        moves(lambda up, i: "ab" if up else "b"),
        LABELS | {"hmm": True, "states": 1},
    ),
    "caption": ("caption", captions, {"code_size": 6}),
    "caption, numbers": ("caption", strokes, {"code_size": 6, "id": "id", "target": "y", "features": "u"}),
}


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr(pictures, "draw_history", lambda *arguments: None)
    monkeypatch.setattr(forecast_pictures, "draw_evaluation", lambda *arguments: None)
    for task in TASKS:
        monkeypatch.setattr(estimator_class(task), "_draw", lambda *arguments: None)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """name -> (estimator's class, the folder of a run, its data, other data), each made once."""
    made = {}

    def run(name):
        if name not in made:
            task, write, options = CASES[name]
            folder, kind = tmp_path_factory.mktemp("start"), estimator_class(task)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(pictures, "draw_history", lambda *arguments: None)
                patch.setattr(kind, "_draw", lambda *arguments: None)
                kind(**SMALL | options).fit(write(0, folder), out=folder / "run")
            made[name] = kind, folder / "run", write(0, folder), write(1, folder)
        return made[name]

    return run


class Told(Reporter):
    """Keeps what a training says."""

    text = ""

    def note(self, line):
        self.text += f"{line}\n"


def weights(model):
    return model.network.state_dict()


def same(one, other):
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize(
    "name", [name for name in CASES if name != "detect"]
)  # which wants a validation part
def test_it_begins_where_the_old_run_ended(runs, name):
    """A step too small to change a float32 leaves the weights and the answers to the new data as they were,
    though the new data have another scale and seed."""
    kind, folder, _, data = runs(name)
    old = load(folder)
    new = kind(start_from=folder, steps=1, learning_rate=1e-12, validation=0, seed=9).fit(data)
    of_labels = {"prior", "stay", "pause"}  # what a hidden Markov model counts, in place of learning it
    assert all(
        torch.allclose(value, weights(new)[key], rtol=0, atol=1e-9)
        for key, value in weights(old).items()
        if key.split(".")[-1] not in of_labels
    )
    assert new.history.rows[-1]["step"] == 1
    for section in sections(type(old.config)):
        if section not in ("data", "training"):
            assert getattr(new.config, section) == getattr(old.config, section)
    rows = old._rows(data)[:3]
    if name != "transcribe, hmm":
        for a, b in zip(old._raw(rows, 0.0), new._raw(rows, 0.0), strict=True):
            np.testing.assert_allclose(np.asarray(a, float), np.asarray(b, float), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_it_repeats_and_resumes_to_the_same_bits_and_leaves_the_old_run_alone(
    runs, name, tmp_path, monkeypatch
):
    kind, folder, first, data = runs(name)
    before = files(folder)
    options = {"start_from": folder, "learning_rate": 0.01, "epochs": 1, "checkpoint_seconds": 0}
    new = kind(**options).fit(data, out=tmp_path / "new")
    assert files(folder) == before and not same(new, load(folder))
    loaded = load(tmp_path / "new")
    assert same(kind(loaded.config).fit(), new) and loaded.evaluate().json() == new.evaluation.json()
    other = resumed(kind(**options), data, tmp_path / "resumed", 2, monkeypatch)
    one, two = files(tmp_path / "new"), files(tmp_path / "resumed")
    assert same(other, new) and one.keys() == two.keys()
    assert all(one[file] == two[file] for file in one if file != "environment.json")

    for seen in (data, first):  # beside the parts that each of them kept to judge on
        assert new.evaluate(seen).about["left_out"] > 0
    assert load(folder).evaluate(data).about["left_out"] == 0


def test_options_are_the_old_ones_but_for_those_that_are_set(runs):
    kind, folder, _, data = runs("classify")
    new = kind(start_from=folder, noise=0.1, batch_size=5, hidden=5, steps=3).fit(data).config
    assert (new.model.hidden, new.model.noise, new.training.batch_size) == (5, 0.1, 5)
    assert (new.training.epochs, new.training.patience) == (None, 0), "a length is not taken over"
    assert new.training.start_from == str(folder) and len(new.training.start_sha256) == 64
    assert new.data.files == (str(data),)


def test_the_strategy_whose_options_are_set_is_that_of_the_old_run(runs):
    kind, folder, _, data = runs("forecast, recursive")
    new = kind(start_from=folder, loss_at="last", steps=1).fit(data).config.forecast
    assert (new.strategy, new.loss_at) == ("recursive", "last")
    kind, folder, _, data = runs("forecast")
    with pytest.raises(ConfigError, match=r"^loss_at belongs to strategy='recursive'"):
        kind(start_from=folder, loss_at="last", steps=1).fit(data)


def test_a_name_that_is_changeable_is_one_of_an_option():
    for task in TASKS:
        kinds = sections(config_class(task))
        fields = {name for kind in kinds.values() for name in kind.model_fields}
        assert fields >= {name for kind in kinds.values() for name in changeable(kind)}
    every = [sections(config_class(task)) for task in TASKS]
    assert set(OF_TRAINING) <= set().union(*every)
    for section, names in NOT_TAKEN.items():
        assert names <= set().union(*(kinds[section].model_fields for kinds in every))


REFUSED = {
    "forecast": {"horizon": 6, "gaps": "mask", "members": 3, "calibrate": False},
    "forecast, recursive": {"residual": False, "level": "relative", "output": "gaussian"},
    "classify": {"hidden": 6, "tokens": "bpe", "features": ["y"], "pooling": "mean", "zoneout": 0.1},
    "tag": {"crf": True, "least_count": 2, "character_hidden": 3},
    "language": {"tie": True, "tokens": "words"},
    "translate": {"attention": "none", "target_tokens": "words"},
    "transcribe": {"lm_order": 2, "mels": 10},
    "caption": {"condition": "state", "filters": 8},
}


@pytest.mark.parametrize("name, option", [(name, one) for name, some in REFUSED.items() for one in some])
def test_what_would_change_the_network_or_its_codec_is_refused(runs, name, option, tmp_path):
    kind, folder, _, data = runs(name)
    message = rf"{option}.* would change the network of {folder}, or how it reads its data \(there .*{option}"
    with pytest.raises(ConfigError, match=message):
        kind(start_from=folder, **{option: REFUSED[name][option]}).fit(data, out=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_all_options_that_are_refused_are_named(runs):
    kind, folder, _, data = runs("classify")
    with pytest.raises(ConfigError) as caught:
        kind(start_from=folder, hidden=6, layers=2).fit(data)
    assert str(caught.value) == (
        f"hidden=6 and layers=2 would change the network of {folder}, or how it reads its data "
        "(there hidden=5 and layers=1); leave them out, or train anew without start_from"
    )


UNKNOWN = {
    "classify": (lambda text: text.replace("up", "over"), "the classes 'over'; it knows 'down', 'up'"),
    "tag": (lambda text: text.replace("other", "verb"), "the tags 'verb'; it knows 'name', 'other'"),
    "transcribe": (lambda text: text.replace("ab", "cb"), "the labels 'c'; it knows 'b', 'a'"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_answers_that_the_model_cannot_give_are_refused(runs, name, tmp_path):
    kind, folder, _, data = runs(name)
    change, message = UNKNOWN[name]
    (tmp_path / "new.csv").write_text(change(data.read_text()))
    start = "new.csv.*: the model that this training starts from does not know "
    with pytest.raises(DataError, match=start + message):
        kind(start_from=folder, epochs=1).fit(tmp_path / "new.csv")


def test_columns_that_the_model_does_not_read_do_no_harm(runs, tmp_path):
    kind, folder, _, data = runs("classify")
    pl.read_csv(data).with_columns(w=1.0).write_csv(tmp_path / "more.csv")
    more = kind(start_from=folder, epochs=1).fit(tmp_path / "more.csv", out=tmp_path / "new")
    assert same(more, kind(start_from=folder, epochs=1).fit(data))
    assert load(tmp_path / "new").evaluate().table() == more.evaluation.table()
    pl.read_csv(data).rename({"x": "w"}).write_csv(tmp_path / "other.csv")
    with pytest.raises(DataError, match="the model reads feature 'x'"):
        kind(start_from=folder, epochs=1).fit(tmp_path / "other.csv")


def test_a_symbol_that_the_model_does_not_know_is_the_unknown_one(runs, tmp_path):
    kind, folder, _, data = runs("language")
    (tmp_path / "new.txt").write_text(data.read_text().replace("b", "é"))
    new = kind(start_from=folder, epochs=1).fit(tmp_path / "new.txt")
    assert new.codec.tokenizer.about() == load(folder).codec.tokenizer.about()
    assert new.evaluation.about["unknown"] > 0


def test_the_run_to_start_from_must_be_there_as_it_was(runs, tmp_path):
    kind, folder, first, data = runs("classify")
    old = tmp_path / "old"
    shutil.copytree(folder, old)
    new = kind(start_from=old, epochs=1).fit(data).config
    kind(epochs=1, hidden=5, seed=3).fit(first, out=tmp_path / "another")
    shutil.rmtree(old)
    with pytest.raises(RunError, match=f"start_from='{old}': there is no such folder; .* put it back there"):
        kind(new).fit()
    shutil.copytree(tmp_path / "another", old)
    with pytest.raises(RunError, match=f"{old} has changed: wanted .* delete its line 'start_sha256'"):
        kind(new).fit()
    (old / "model.safetensors").unlink()
    with pytest.raises(RunError, match=r"start_from: .* the training has not ended"):
        kind(start_from=old).fit(data)
    (old / "config.toml").unlink()
    with pytest.raises(RunError, match=r"start_from: .* is not a run"):
        kind(start_from=old).fit(data)
    wrong = f"start_from='{folder}': a run of task 'classify'; wanted one of 'regress'"
    with pytest.raises(ConfigError, match=wrong):
        estimator_class("regress")(start_from=folder).fit(data)
    with pytest.raises(ConfigError, match="start_sha256 belongs to start_from"):
        kind(start_sha256="0" * 64)


def test_both_trainings_of_a_refit_start_from_the_old_weights(runs):
    kind, folder, _, data = runs("classify")
    options = {"start_from": folder, "learning_rate": 1e-12, "steps": 1}
    new, old = kind(**options, refit=True).fit(data), weights(load(folder))
    for model in (new, new.judged):
        assert model is not new or model.judged is not model
        assert all(
            torch.allclose(old[key], value, rtol=0, atol=1e-9) for key, value in weights(model).items()
        )
    assert len(new.seen.prints) > len(new.judged.seen.prints) > len(load(folder).seen.prints)


@pytest.mark.parametrize("after", [3, 8])
def test_interrupted_in_either_training_of_a_refit_it_goes_on_to_the_same_bits(
    runs, tmp_path, monkeypatch, after
):
    kind, folder, _, data = runs("classify")
    monkeypatch.setattr(checkpoints, "SHARE", 1e9)
    options = {"start_from": folder, "epochs": 1, "checkpoint_seconds": 0, "refit": True}
    whole = kind(**options).fit(data)

    with pytest.raises(KeyboardInterrupt):
        kind(**options).fit(data, out=tmp_path / "run", report=StopOfAll(after))
    resumed_run = kind().fit(resume=tmp_path / "run")
    assert same(resumed_run, whole) and same(resumed_run.judged, whole.judged)


def test_what_the_old_run_saw_is_not_judged_in_the_new_test_part(tmp_path):
    """Of a series that has grown: the old model, of all data, saw the first half of the test part."""
    frame = noisy(300)
    frame.head(270).write_csv(tmp_path / "old.csv")
    frame.write_csv(tmp_path / "grown.csv")
    kind = estimator_class("forecast")
    options = SMALL | {"target": "y", "window": 12, "horizon": 4, "season": 24}
    old = kind(**options).fit(tmp_path / "old.csv", out=tmp_path / "old")
    assert old.seen.first_new(old._training_file().series[0]) == 270
    told = Told()
    new = kind(start_from=tmp_path / "old", epochs=1).fit(tmp_path / "grown.csv", report=told)
    assert "validation part: 30 of 30 steps were seen by the model that this training starts" in told.text
    assert "test part: left out: 30 of 60 steps, seen in training or validation" in told.text
    backtest, about = new.evaluation.backtest, new.evaluation.about
    assert min(backtest.origins) + 1 == 270 and (about["seen"], about["left_out"]) == (30, 30)
    assert "left out: 30 of 60 steps" in "".join(new.evaluation.verdict)
    with pytest.raises(DataError, match="has seen all 54 steps of the test part; wanted 4 or more"):
        kind(start_from=tmp_path / "old", epochs=1).fit(tmp_path / "old.csv")


def test_examples_that_the_old_run_saw_are_not_judged_in_the_new_test_part(runs):
    kind, folder, first, _ = runs("classify")
    told = Told()
    new = kind(start_from=folder, split_seed=5, test=10, epochs=1).fit(first, report=told)
    assert "4 sequences were seen by the model that this training starts" in told.text
    assert 0 < new.evaluation.about["left_out"] < 10
    test = len(load(folder)._splits().test)
    assert new.evaluation.about["sequences"] == 10 - new.evaluation.about["left_out"] <= test
    with pytest.raises(DataError, match="test part were seen by the model that this training starts from"):
        names = load(folder)._splits().train.names
        frame = pl.read_csv(first).filter(pl.col("id").is_in(names))
        kind(start_from=folder, epochs=1).fit(frame)


def test_data_of_another_step_are_refused(runs, tmp_path):
    kind, folder, _, data = runs("forecast")
    frame = pl.read_csv(data, try_parse_dates=True).gather_every(2)
    frame.write_csv(tmp_path / "other.csv")
    with pytest.raises(DataError, match="a step of 2 hours; the model was trained on 1 hour"):
        kind(start_from=folder, epochs=1).fit(tmp_path / "other.csv")


def test_every_task_is_tried():
    assert {task for task, *_ in CASES.values()} == set(TASKS)
    assert all(issubclass(estimator_class(task), Estimator) for task in TASKS)
    assert REFUSED.keys() | UNKNOWN.keys() <= CASES.keys()
