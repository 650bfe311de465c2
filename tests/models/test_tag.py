"""Taggers without torch: the bits of the trained model, at every step what it says of the steps so far."""

import json
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
import torch

from unrolled import Tagger, runtime
from unrolled.errors import ConfigError, DataError, RunError
from unrolled.models import saved
from unrolled.tasks.forward import tensors

FEATURES = ("u", "v")
WORDS = ("go", "See", "mr", "paris", "Öl", "漢字", "x" * 70)
TAGS = ("B-LOC", "B-PER", "I-LOC", "I-PER", "O")
SMALL = {
    "hidden": 6,
    "epochs": 1,
    "bidirectional": False,
    "embedding_size": 5,
    "character_size": 3,
    "character_hidden": 4,
}
LSTM = {"cell": "lstm", "layers": 2, "learn_initial_state": True}
KINDS = {
    "words": {},
    "words-bound-rnn": {"cell": "rnn", "character_hidden": 0},
    "words-affixes": {"affix_size": 2, "word_dropout": 0.1, "character_dropout": 0.1, "character_hidden": 0},
    "words-affixes-crf": {"affix_size": 3, "crf": True},
    "words-crf": {"crf": True, "cell": "gru", "layer_norm": True, "zoneout": 0.1},
    "words-crf-free": {"crf": True, "constraints": False, "cell": "gru", "reset_after": False},
    "words-free": {"constraints": False, **LSTM, "peephole": True},
    "numbers": {"cell": "rnn", "nonlinearity": "relu", "constraints": False},
    "numbers-bound": {**LSTM, "layer_norm": True, "projection": 3},
    "numbers-crf": {"crf": True, "cell": "lstm", "cells_per_block": 2, "zoneout": 0.2},
    "numbers-crf-free": {"crf": True, "constraints": False, **LSTM, "coupled_input_forget": True},
}
PREDICTED = ("tag", "probability", "probabilities")


def frame(kind, seed=0, count=30):
    """Sequences of 1 to 9 steps, their tags as entities have them; of numbers a third is missing."""
    draw, rows = np.random.default_rng(seed), []
    for s in range(count):
        tag = "O"
        for _ in range(int(draw.integers(1, 10))):
            u, v = (None if draw.random() < 0.33 else float(draw.normal()) for _ in FEATURES)
            tag = str(draw.choice([one for one in TAGS if one[0] != "I" or one[2:] == tag[2:]]))
            rows.append((f"s{s}", str(draw.choice(WORDS)), u, v, tag))
    made = pl.DataFrame(rows, schema=["id", "word", *FEATURES, "tag"], orient="row")
    return made.drop(FEATURES if kind.startswith("words") else "word")


def sequences(kind, rows):
    """What a stream takes, for each sequence."""
    parts = [part for _, part in rows.group_by("id", maintain_order=True)]
    if kind.startswith("words"):
        return [part["word"].to_list() for part in parts]
    return [part.select(FEATURES).to_dicts() for part in parts]


def trained(kind, **options):
    """Weights are drawn anew, so that no tag and no transition is like another; inner tags, which are not
    allowed everywhere, are likely."""
    model = Tagger(target="tag", id="id", **{**SMALL, **KINDS[kind], **options}).fit(frame(kind))
    torch.manual_seed(7)
    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter.add_(torch.randn_like(parameter))
        model.network.head.bias.mul_(0.2)
        model.network.head.bias[[tag[0] == "I" for tag in model.tags]] += 1.5
    return model


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def model(kind):
    return trained(kind)


def answered(model, rows):
    """What the task says of each sequence, by the names of the runtime."""
    table, p = model.predict(rows), model.predict_proba(rows)
    parts = [part for _, part in table.group_by("name", maintain_order=True)]
    return [
        {"tag": part["tag"].to_numpy(), "probability": part["probability"].to_numpy(), "probabilities": own}
        for part, own in zip(parts, p, strict=True)
    ]


def assert_same(found, wanted):
    for name in PREDICTED:
        assert np.array_equal(found[name], wanted[name]), name


def test_whole_sequences_have_the_answers_of_the_task(kind, model, tmp_path):
    rows = frame(kind, seed=1)
    given, wanted = sequences(kind, rows), answered(model, rows)
    model.save(tmp_path / "run")
    made = runtime.load(tmp_path / "run")
    runtime.save(tmp_path / "model.unrolled", made)
    for one in (model.runtime(), made, runtime.load(tmp_path / "model.unrolled")):
        assert one.fingerprint == made.fingerprint and one.tags == model.tags
        for found, own in zip(one.predict(given), wanted, strict=True):
            assert_same(found, own)


def test_every_step_says_what_the_task_says_of_the_steps_so_far(kind, model):
    """Law 1, of every prefix; at least one answer of a chain must be revised by a later step."""
    rows = frame(kind, seed=2, count=20)
    numbered = rows.with_columns(step=pl.int_range(pl.len()).over("id"))
    made, given = model.runtime(), sequences(kind, rows)
    streams = {f"s{i}": made.stream().feed(steps) for i, steps in enumerate(given)}
    revised = 0
    for T in range(1, 10):
        prefix = numbered.filter((pl.col("step") < T) & (pl.len().over("id") >= T)).drop("step")
        if not prefix.height:
            continue
        names = prefix["id"].unique(maintain_order=True)
        for name, own in zip(names, answered(model, prefix), strict=True):
            found = {key: array[T - 1] for key, array in streams[name].items()}
            assert_same(found, {key: array[-1] for key, array in own.items()})
            revised += not np.array_equal(streams[name]["tag"][:T], own["tag"])
    free = "constraints" in KINDS[kind] and "crf" not in KINDS[kind]
    assert bool(revised) != free


def test_scores_are_those_of_torch_whatever_stands_beside(kind, model):
    rows = model._rows(frame(kind, seed=3))
    made = model.runtime()
    wanted = [made.outputs(row) for row in rows]
    for fill in (0.0, float("nan")):
        for found, own in zip(model._raw(rows, fill), wanted, strict=True):
            assert np.array_equal(found, own)
    for row, own in zip(rows, wanted, strict=True):
        assert np.array_equal(made.advance(row[:, None], made.start(1))[0]["scores"][:, 0], own)
    for row, steps in zip(rows, sequences(kind, frame(kind, seed=3)), strict=True):
        assert np.array_equal(made.encode(steps), row, equal_nan=True)


def long(kind, count=80):
    return [step for one in sequences(kind, frame(kind, seed=4, count=40)) for step in one][:count]


def test_any_chunks_and_a_snapshot_between_give_the_same_bits(kind, model):
    made, draw, steps = model.runtime(), np.random.default_rng(0), long(kind)
    whole = made.stream().feed(steps)
    for _ in range(12):
        stream, parts, at = made.stream(), [], 0
        while at < len(steps):
            size = int(draw.integers(0, 9))
            parts.append(stream.feed(steps[at : at + size]))
            at += size
            if draw.random() < 0.3:
                stream = made.stream(snapshot=stream.snapshot())
        for name, wanted in whole.items():
            assert np.array_equal(np.concatenate([part[name] for part in parts]), wanted)
    stream = made.stream()
    for t, step in enumerate(steps):
        found = stream.step(step)
        assert all(np.array_equal(found[name], whole[name][t]) for name in whole)


def test_rows_come_and_go_and_change_no_neighbour(kind, model):
    made, draw, steps = model.runtime(), np.random.default_rng(1), long(kind)
    stream, alone = made.stream(rows=2), [made.stream(), made.stream()]
    for _ in range(60):
        what = draw.random()
        if what < 0.2:
            stream.join()
            alone.append(made.stream())
        elif what < 0.4 and alone:
            row = int(draw.integers(len(alone)))
            stream.leave([row])
            del alone[row]
        elif what < 0.5 and alone:
            row = int(draw.integers(len(alone)))
            stream.reset([row])
            alone[row].reset()
        else:
            T = int(draw.integers(0, 4))
            given = [[steps[int(draw.integers(len(steps)))] for _ in range(T)] for _ in alone]
            found = stream.feed(given)
            for row, (own, one) in enumerate(zip(alone, given, strict=True)):
                for name, wanted in own.feed(one).items():
                    assert np.array_equal(found[name][:, row], wanted)


@pytest.mark.parametrize("kind", ["words-crf", "numbers-bound"])
def test_both_directions_are_predicted_and_not_streamed(kind):
    model = trained(kind, bidirectional=True)
    rows = frame(kind, seed=5)
    made = model.runtime()
    for found, own in zip(made.predict(sequences(kind, rows)), answered(model, rows), strict=True):
        assert_same(found, own)
    for padded, row in zip(model._raw(model._rows(rows), float("nan")), model._rows(rows), strict=True):
        assert np.array_equal(padded, made.outputs(row))
    for one in (model, made):
        with pytest.raises(ConfigError, match=r"from its end.*with bidirectional=False and without reverse"):
            one.stream()


@pytest.mark.parametrize("kind", ["words-free", "numbers", "numbers-bound"])
def test_windows_are_answered_each_by_itself(kind, tmp_path):
    """What is missing is carried across their borders; the state of the layers is not."""
    model = trained(kind, bidirectional=True, window=3, lookahead=1)
    rows = frame(kind, seed=5)
    model.save(tmp_path / "run")
    model_alone = runtime.load(tmp_path / "run")
    for bare, with_torch in zip(
        model_alone.predict(sequences(kind, rows)), answered(model, rows), strict=True
    ):
        assert_same(bare, with_torch)
    encoded, steps = model._rows(rows), model.codec.steps(model._data_for(rows))
    for i, (padded, row) in enumerate(zip(model._raw(encoded, float("nan")), encoded, strict=True)):
        assert np.array_equal(padded, model_alone.outputs(row))
        assert np.array_equal(model._raw([row], 0.0)[0], padded)
        for first in range(0, len(row), 3):
            begin, last = max(0, first - 1), min(len(row), first + 3)
            window = steps.cut([slice(begin, last + 1)], [i]).batch([0])
            with torch.no_grad():
                o = model.network(tensors(window))[0][0]
            assert np.array_equal(padded[first:last], o[first - begin : last - begin].numpy())
    assert model_alone.outputs(encoded[0][:0]).shape == (0, len(model.tags))
    with pytest.raises(ConfigError, match="one with bidirectional=False"):
        model_alone.stream()
    for wrong in ({"steps": 0, "margin": 1}, {"steps": 3}, 3):
        about = {**model_alone.about, "answers": {**model_alone.about["answers"], "lookahead": wrong}}
        with pytest.raises(RunError, match="here: the description does not fit"):
            saved.model("here", about, model_alone.arrays)


def test_what_is_no_step_is_refused_in_one_line():
    words, numbers = trained("words").stream(), trained("numbers").stream()
    for stream, wrong, told in (
        (words, [3], "step 1: wanted a word, got 3"),
        (words, "go see", "wanted a list of words, got the text 'go see'"),
        (numbers, [{"u": 1.0}], "step 1 lacks 'v'; give every feature"),
        (numbers, [[1.0, 2.0, 3.0]], "wanted steps of 2 numbers \\('u', 'v'\\), got an array of \\(1, 3\\)"),
        (numbers, [1.0], "wanted steps of 2 numbers"),
        (numbers, [["a", 1.0]], "wanted steps of 2 numbers"),
        (numbers, [[1.0], [1.0, 2.0]], "wanted steps of 2 numbers"),
        (numbers, [[0.0, 1.0], [1e300, 0.0]], "the chunk, step 2, 'u': 1e\\+300 is too far"),
        (numbers, [[float("inf"), 0.0]], "too far"),
    ):
        before = stream.snapshot()
        with pytest.raises(DataError, match=told):
            stream.feed(wrong)
        assert stream.snapshot() == before


def test_steps_of_one_feature_may_stand_alone_and_columns_in_any_order():
    rows = frame("numbers").drop("v")
    model = Tagger(target="tag", id="id", **SMALL).fit(rows)
    wanted = model.stream().feed([{"other": 9.0, "u": 1.5}, {"u": None}])
    for given in ([1.5, None], [[1.5], [float("nan")]], np.array([1.5, np.nan]), np.array([[1.5], [np.nan]])):
        found = model.stream().feed(given)
        assert all(np.array_equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("name", ["head.weight", "encoder.table.weight", "crf.transitions", "crf.end"])
def test_an_array_of_another_size_is_refused(name):
    made = trained("words-crf").runtime()
    for wrong in (
        made.arrays[name][:-1],
        made.arrays[name].astype(np.float64)[..., :-1],
        made.arrays[name][0],
    ):
        with pytest.raises(RunError, match="here: the description does not fit"):
            saved.model("here", made.about, {**made.arrays, name: wrong})


@pytest.mark.parametrize(
    ("way", "value"),
    [
        (("network", "encoder", "table", "rows"), 5),
        (("network", "encoder", "letters"), None),
        (("network", "encoder", "spelling"), None),
        (("network", "encoder"), {"block": "Numbers", "size": 13}),
        (("network", "crf"), None),
        (("network", "crf", "tags"), 4),
        (("network", "head", "outputs"), 4),
        (("codec", "tags"), ["O"]),
        (("codec", "inputs", "kind"), "text"),
        (("codec", "inputs", "words"), ["<unk>", "go"]),
        (("codec", "inputs", "characters"), ["<unk>", "g"]),
        (("codec", "inputs", "affixes"), None),
        (("codec", "inputs", "affixes"), [["<unk>"]] * 8),
        (("codec", "inputs", "affixes"), [["<unk>"]] * 9),
        (("codec", "allowed"), {"start": [True] * 5, "transitions": [[True] * 5] * 5}),
        (("network", "encoder", "affixes"), []),
    ],
    ids=str,
)
def test_a_description_that_does_not_fit_is_refused(way, value):
    made = trained("words-affixes-crf").runtime()
    about = json.loads(json.dumps(made.about))
    place = about
    for key in way[:-1]:
        place = place[key]
    place[way[-1]] = value
    with pytest.raises(RunError, match=r"^here: [^\n]*$"):
        saved.model("here", about, made.arrays)


def test_importing_it_loads_no_torch():
    program = (
        "import sys, unrolled.models.tag\n"
        "sys.exit(bool({'torch', 'polars', 'pydantic', 'typer', 'safetensors'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
