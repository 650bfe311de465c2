"""Classes and numbers of whole sequences without torch: the bits of the trained model, however they come."""

import itertools
import json
import subprocess
import sys

import numpy as np
import pytest

from unrolled import Classifier, Regressor, runtime
from unrolled.codecs.levels import Level
from unrolled.errors import ConfigError, DataError, RunError
from unrolled.files.arrays import from_arrays
from unrolled.files.examples import Sequences
from unrolled.models import saved
from unrolled.plots import figures
from unrolled.streaming.records import TEXT
from unrolled.streaming.sequences import kind_of
from unrolled.tasks import levels, pictures

SMALL = {"hidden": 6, "epochs": 1, "batch_size": 16, "learning_rate": 0.02}
FORWARD = {"bidirectional": False, "subsample": 1, "members": 1}
SEVERAL = ("last", "max", "attention")
CELLS = {
    "rnn": {"cell": "rnn", "nonlinearity": "relu"},
    "gru": {"cell": "gru", "layers": 2, "learn_initial_state": True, "zoneout": 0.2, "reset_after": False},
    "lstm": {"cell": "lstm", "peephole": True, "layer_norm": True, "projection": 4},
    "blocks": {
        "cell": "lstm",
        "cells_per_block": 2,
        "layers": 2,
        "coupled_input_forget": True,
        "peephole": True,
        "layer_norm": True,
    },
}
# Each cell with each pooling, numbers and texts, classes and values by turns.
CASES = [
    (task, kind, {"pooling": pooling} | options)
    for k, (pooling, options) in enumerate(
        itertools.product(("last", "mean", "max", "attention", SEVERAL), CELLS.values())
    )
    for task, kind in [
        (("classify", "numbers"), ("regress", "text")),
        (("regress", "numbers"), ("classify", "text")),
    ][(k + k // 4) % 2]
]
# Ensembles, whose members carry states of the same names.
CASES += [
    ("classify", "numbers", {"pooling": "max", "cell": "lstm", "members": 3}),
    ("regress", "text", {"pooling": "attention", "cell": "gru", "members": 2, "layers": 2}),
]
# Several labels, as files, lists and arrays have them, and classes in an order.
CASES += [
    ("classify", "numbers", {"pooling": "last", "cell": "gru", "multi_label": True, "form": "cells"}),
    ("classify", "text", {"pooling": "max", "cell": "lstm", "multi_label": True, "form": "lists"}),
    ("classify", "numbers", {"pooling": "mean", "cell": "rnn", "multi_label": True, "form": "array"}),
    ("classify", "numbers", {"pooling": "attention", "cell": "mgu", "ordinal": True, "form": "ranks"}),
]
# Recordings, whose loudness is measured against the loudest so far.
CASES += [
    ("classify", "numbers", {"pooling": "mean", "cell": "gru", "level": "running"}),
    ("regress", "numbers", {"pooling": "last", "cell": "lstm", "level": "running", "scale": "running"}),
    ("classify", "numbers", {"pooling": "max", "cell": "mgu", "scale": "running"}),
]
NAMES = [
    f"{task}-{kind}-{options['cell']}-{''.join(options['pooling'])}{'-members' * ('members' in options)}"
    f"{options.get('form', '')}{options.get('level', '')}{options.get('scale', '')}"
    for task, kind, options in CASES
]
# Nothing of these can stream.
BACKWARD = {
    "both": {"bidirectional": True, "pooling": "last", "backward_hidden": 4},
    "merged": {"bidirectional": True, "merge": "product", "layers": 2, "pooling": "attention"},
    "reverse": {"reverse": True, "pooling": "last", "cell": "lstm"},
    "subsample": {"subsample": 3, "pooling": ("last", "mean")},
    "front": {"front": "conv", "subsample": 2, "bidirectional": True},
}
# Nor of these, which are for numbers.
WHOLE = {"scale": {"scale": "sequence"}, "level": {"level": "recording"}}
ESTIMATORS = {"classify": Classifier, "regress": Regressor}


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr(pictures, "draw_history", lambda *arguments: None)
    monkeypatch.setattr(figures, "save", lambda *arguments: None)


def numbers(N=40, seed=0):
    """(T_i, 3) of 1 to 23 steps; of the second feature values are missing, the first ones too."""
    draw = np.random.default_rng(seed)
    X = [draw.normal((5, -300, 0.01), (1, 40, 1e-3), (int(T), 3)) for T in draw.integers(1, 24, N)]
    for x in X:
        x[draw.random(len(x)) < 0.3, 1] = np.nan
    return X


def texts(N=40, seed=0):
    draw = np.random.default_rng(seed)
    words = ["Anna", "sees", "Bob", "漢字", "été", ",", "never"]
    return [" ".join(draw.choice(words, int(T))) for T in draw.integers(1, 24, N)]


def trained(task, kind, **options):
    """The estimator, its weights drawn, so that attention, which begins at zero, attends; and its inputs."""
    inputs = numbers() if kind == "numbers" else texts()
    if kind == "text":
        options |= {"embedding_size": 5, "tokens": "characters" if task == "classify" else "words"}
    y = [["b", "a", "Ö"][k % 3] if task == "classify" else k * 1e3 - 7 for k in range(len(inputs))]
    form = options.pop("form", None)
    if form is not None:
        sets = [["a"] * (k % 2) + ["Ö"] * (k % 3 > 0) for k in range(len(inputs))]
        forms = {"cells": ["|".join(one) for one in sets], "lists": sets, "ranks": [k % 4 for k in range(40)]}
        y = (forms | {"array": np.array([["a" in one, "Ö" in one] for one in sets])})[form]
        made = ESTIMATORS[task](least_count=1, **SMALL | FORWARD | options).fit(inputs, y)
    else:
        data: Sequences = from_arrays(inputs, y)
        with pytest.MonkeyPatch.context() as patch:
            if "level" in options:  # as if the arrays were recordings
                level = Level(options["level"], 40.0, 2.5)
                patch.setattr(levels, "fitted", lambda model, config, data: level)
            made = ESTIMATORS[task](least_count=1, **SMALL | FORWARD | options).fit(data)
    draw = np.random.default_rng(1)
    for parameter in made.network.parameters():
        parameter.data += made.network.head.weight.new_tensor(draw.normal(0, 0.3, parameter.shape))
    return made, inputs


@pytest.fixture(scope="module", params=CASES, ids=NAMES)
def case(request):
    task, kind, options = request.param
    return trained(task, kind, **options)


def prefixes(made, row):
    """The answers of torch to the first 1, 2, … steps of an encoded row, as the stream names them."""
    o = np.stack(made._raw([row[: t + 1] for t in range(len(row))], 0.0))
    return made.runtime()._answers(o) | {"output": o}


def assert_same(found, wanted):
    assert found.keys() == wanted.keys()
    for name in wanted:
        assert np.array_equal(found[name], wanted[name]), name


def test_a_run_and_a_file_give_the_answers_of_torch(case, tmp_path):
    made, inputs = case
    made.save(tmp_path / "run")
    loaded = runtime.load(tmp_path / "run")
    runtime.save(tmp_path / "model.unrolled", loaded)
    frame = made.frame(inputs)
    for one in (made.runtime(), loaded, runtime.load(tmp_path / "model.unrolled")):
        assert one.fingerprint == loaded.fingerprint and one.task == made.task
        found = one.predict(inputs)
        if made.task == "classify":
            assert np.array_equal(found["probabilities"], made.predict_proba(inputs))
            answers = made.predict(inputs)
            assert found["label"].tolist() == (answers if isinstance(answers, list) else answers.tolist())
            assert one.classes == made.classes
        else:
            assert np.array_equal(found["value"], frame["value"].to_numpy())


def test_the_answer_after_t_steps_is_that_to_these_steps_alone(case):
    made, inputs = case
    model, predict = made.runtime(), made.predict_proba if made.task == "classify" else made.predict
    for one, row in zip(inputs[:4], made._rows(inputs[:4]), strict=True):
        found = model.stream().feed(one)
        assert_same(found, prefixes(made, row))
        if isinstance(one, np.ndarray):
            alone = [predict([one[: t + 1]]) for t in range(len(one))]
            if made.task == "classify":
                assert np.array_equal(found["probabilities"], np.concatenate(alone))
            else:
                assert found["value"].tolist() == [one[0] for one in alone]


def test_padding_and_other_rows_change_nothing(case):
    made, inputs = case
    rows = made._rows(inputs)
    wanted = [made.runtime().outputs(row) for row in rows]
    for fill in (0.0, float("nan")):
        for found, own in zip(made._raw(rows, fill), wanted, strict=True):
            assert np.array_equal(found, own)


def test_any_chunks_and_a_snapshot_between_give_the_same_bits(case):
    made, inputs = case
    model, draw = made.runtime(), np.random.default_rng(0)
    steps = made._rows(inputs)
    given = np.concatenate(inputs[:6]) if steps[0].ndim > 1 else np.concatenate(steps[:6]).tolist()
    whole = model.stream().feed(given)
    for _ in range(8):
        stream, parts, at = model.stream(), [], 0
        while at < len(given):
            size = int(draw.integers(0, 9))
            parts.append(stream.feed(given[at : at + size]))
            at += size
            if draw.random() < 0.3:
                stream = model.stream(snapshot=stream.snapshot())
        assert_same({name: np.concatenate([part[name] for part in parts]) for name in whole}, whole)
    stream = model.stream()
    for t, one in enumerate(given):
        assert_same(stream.step(one), {name: array[t] for name, array in whole.items()})


def test_rows_come_and_go_and_change_no_neighbour(case):
    made, inputs = case
    model, draw = made.runtime(), np.random.default_rng(1)
    steps = made._rows(inputs)
    pool = np.concatenate(inputs) if steps[0].ndim > 1 else np.concatenate(steps).tolist()
    stream, alone = model.stream(rows=2), [model.stream(), model.stream()]
    for _ in range(40):
        kind, row = draw.random(), int(draw.integers(len(alone)))
        if kind < 0.2:
            stream.join()
            alone.append(model.stream())
        elif kind < 0.4 and len(alone) > 1:
            stream.leave([row])
            del alone[row]
        elif kind < 0.5:
            stream.reset([row])
            alone[row].reset()
        else:
            given = [pool[int(k)] for k in draw.integers(0, len(pool), len(alone))]
            found = stream.step(given)
            for r, (own, one) in enumerate(zip(alone, given, strict=True)):
                assert_same(own.step(one), {name: array[r] for name, array in found.items()})


@pytest.mark.parametrize("task", ESTIMATORS)
@pytest.mark.parametrize("name", [*BACKWARD, *WHOLE])
def test_models_that_read_backward_predict_and_do_not_stream(name, task):
    kind = "text" if name == "merged" or (name, task) == ("front", "regress") else "numbers"
    made, inputs = trained(task, kind, **(BACKWARD | WHOLE)[name])
    model, rows = made.runtime(), made._rows(inputs)
    wanted = np.stack([model.outputs(row) for row in rows])
    for fill in (0.0, float("nan")):
        assert np.array_equal(np.stack(made._raw(rows, fill)), wanted)
    assert np.array_equal(model.predict(inputs)["output"], wanted)
    with pytest.raises(ConfigError, match="train one with bidirectional=False and without reverse"):
        made.stream()


def test_last_takes_a_reversed_layer_after_its_last_step():
    made, inputs = trained("regress", "numbers", reverse=True, pooling="last")
    rows = [row for row in made._rows(inputs) if len(row) > 5]
    changed = [row.copy() for row in rows]
    for row in changed:
        row[0] += 1
    assert not any(map(np.array_equal, made._raw(rows, 0.0), made._raw(changed, 0.0)))
    for row in changed:
        row[0] -= 1
        row[-1] += 1
    assert not any(map(np.array_equal, made._raw(rows, 0.0), made._raw(changed, 0.0)))


def test_the_last_known_value_is_carried_from_chunk_to_chunk():
    made, _ = trained("regress", "numbers", pooling="mean")
    model, x = made.runtime(), np.array([[5, -300, 0.01], [4, np.nan, np.nan], [np.nan, -310, 0.02]])
    whole = model.stream().feed(x)["value"]
    stream = model.stream()
    for one, wanted in zip(x, whole, strict=True):
        stream = model.stream(snapshot=stream.snapshot())
        assert stream.step([None if np.isnan(v) else v for v in one])["value"] == wanted
    filled = np.where(np.isnan(x), [[0] * 3, [0, -300, 0.01], [4, 0, 0]], x)
    assert model.stream().feed(filled)["value"][1] != whole[1], "the flag of the second feature"
    assert stream.rows == 1


def test_steps_by_name():
    made, inputs = trained("classify", "numbers")
    named = dict(zip(reversed(made.codec.inputs.features), inputs[0][0, ::-1].tolist(), strict=True))
    assert_same(made.stream().step(named), made.stream().step(inputs[0][0]))


def test_texts_come_in_pieces_and_symbols_one_by_one():
    made, _ = trained("regress", "text")  # of words
    whole = made.runtime().predict(["Anna never sees Bob"])["value"][0]
    stream = made.stream()
    assert len(stream.feed("")["value"]) == 0
    stream.feed("Anna never ")
    stream.step("sees")
    assert stream.step(int(made.codec.inputs.tokenizer.encode("Bob")[0]))["value"] == whole
    with pytest.raises(DataError, match="'Anna sees' is 2 symbols"):
        stream.step("Anna sees")
    with pytest.raises(DataError, match="wanted a symbol or its number below"):
        stream.step(10**6)


def cells(made, x):
    """A line of a table: cells of text, empty where a value is missing."""
    shown = ("" if np.isnan(value) else repr(value) for value in x.tolist())
    return dict(zip(made.codec.inputs.features, shown, strict=True))


@pytest.mark.parametrize("task", ESTIMATORS)
@pytest.mark.parametrize("kind", ["numbers", "text"])
def test_lines_are_answered_as_predict_answers(task, kind):
    made, inputs = trained(task, kind)
    model = made.runtime()
    lines = kind_of(model)
    row, sequence = lines.begin(), max(inputs[:9], key=len)
    records = [{TEXT: sequence}] if kind == "text" else [cells(made, x) for x in sequence]
    for record in records:
        told, row = lines.answer(row, record)
    frame = made.frame([sequence])
    assert told == frame.drop("name").row(0, named=True)
    assert list(model.columns()) == ([] if kind == "text" else ["x0", "x1", "x2"])


def test_what_cannot_be_read_is_refused():
    made, _ = trained("classify", "numbers")
    model = made.runtime()
    for wrong, message in (
        ([1.0, 2.0], "wanted steps of 3 numbers"),
        ("abc", "wanted steps of 3 numbers"),
        ({"x0": 1.0}, "lacks 'x1', 'x2'"),
        ([1e300, 0.0, 0.0], "step 1, 'x0': 1e.300 is too far"),
        ([np.inf, 0.0, 0.0], "step 1, 'x0': inf is too far"),
    ):
        with pytest.raises(DataError, match=message):
            model.stream().step(wrong)
    with pytest.raises(DataError, match="sequence 1: wanted steps of 3 numbers"):
        model.predict([np.zeros((2, 3)), np.zeros((2, 2))])
    with pytest.raises(DataError, match="sequence 0 holds no step"):
        model.predict([np.zeros((0, 3))])
    with pytest.raises(DataError, match="there are no sequences"):
        model.predict([])


def test_descriptions_that_do_not_fit_are_refused():
    made, _ = trained("classify", "text", pooling="attention")
    good = made.runtime()
    for change in (
        {"pooling": "median"},
        {"pooling": None},
        {"forwards": 7},
        {"forwards": "x"},
        {"score": "head.weight"},
        {"score": "nowhere"},
        {"table": "head.weight"},
        {"table": None},
        {"head": "front.table.weight"},
        {"bias": "pooling.score.bias"},
    ):
        about = json.loads(json.dumps(good.about))
        about["network"] |= change
        with pytest.raises(RunError, match="restore it"):
            saved.model("here", about, good.arrays)
    for change in (
        {"classes": ["a", "b"]},
        {"classes": [1, 2, 3]},
        {"inputs": {"kind": "text"}},
        {"inputs": 3},
    ):
        about = json.loads(json.dumps(good.about))
        about["codec"] |= change
        with pytest.raises(RunError, match="restore it"):
            saved.model("here", about, good.arrays)


def test_what_baselines_need_is_left_out():
    for task in ESTIMATORS:
        made, _ = trained(task, "numbers")
        kept = {name for name in made.runtime().arrays if name.startswith("codec.")}
        own = {f"codec.{name}" for name in made.codec.arrays()}
        assert kept < own and all(name.startswith(("codec.features.", "codec.target.")) for name in kept)


def test_it_runs_without_torch(tmp_path):
    made, _ = trained("classify", "numbers")
    made.save(tmp_path / "run")
    program = (
        "import sys; from unrolled import runtime; "
        f"model = runtime.load({str(tmp_path / 'run')!r}); model.stream().step([5, None, 0.01]); "
        "heavy = {'torch', 'polars', 'pydantic', 'safetensors', 'typer'}; "
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
