"""What classifiers and regressors choose by themselves, by short trials, and on what data alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from unrolled.files.arrays import from_arrays
from unrolled.tasks import choice
from unrolled.tasks.classify import Classifier
from unrolled.tasks.inputs import PooledModelConfig
from unrolled.tasks.regress import Regressor
from unrolled.tasks.split_data import Splits
from unrolled.training.config import LEAST_VALIDATION


def shapes(N=400, T=12, seed=0):
    """Classes of the shape alone: each sequence has a level and a size of its own, from 1 to e^9."""
    draw = np.random.default_rng(seed)
    wave = np.sin(np.linspace(0, 2 * np.pi, T))
    X = [draw.normal() * 1e4 + np.exp(draw.uniform(0, 9)) * wave * (-1) ** k for k in range(N)]
    return X, ["down" if k % 2 else "up" for k in range(N)]


def splits(T=100, validation=50, N=90):
    part = from_arrays([np.zeros((T, 1))] * N, ["a"] * N)
    return Splits(part, from_arrays([np.zeros((T, 1))] * validation, ["a"] * validation), None)


def tried(**better):
    """Losses that are lower by what options have in their favour; what was asked for is kept in `asked`."""

    def losses(model, steps):
        asked.append((model.scale, model.subsample, model.front, steps))
        gain = sum(gains.get(getattr(model, name), 0) for name, gains in better.items())
        return 1 - gain + np.linspace(0, 0.1, 50)

    asked = losses.asked = []
    return losses


def test_without_a_trial_steps_are_as_many_as_suit_the_length():
    for T, front, k in ((1, "none", 1), (48, "none", 1), (79, "none", 2), (80, "conv", 1), (1460, "conv", 8)):
        model = choice.fixed(PooledModelConfig(), splits(T).train)
        assert (model.scale, model.front, model.subsample) == ("pooled", front, k)
    assert choice.fixed(PooledModelConfig(front="none"), splits(150).train).subsample == 4
    assert choice.fixed(PooledModelConfig(subsample=5), splits(150).train).front == "conv"
    assert [choice.fixed(PooledModelConfig(), splits(1, N=N).train).members for N in (299, 300)] == [3, 1]
    assert model.pooling == ("last", "mean", "max")
    texts = choice.fixed(PooledModelConfig(), from_arrays(["word " * 100], ["a"]))
    assert (texts.subsample, texts.front, texts.pooling) == (1, "none", ("attention", "max"))
    assert (texts.input_dropout, model.input_dropout) == (0.5, 0.0)
    many = (choice.fixed(PooledModelConfig(), from_arrays(["a"] * N, ["a"] * N)) for N in (4999, 5000))
    assert [one.members for one in many] == [3, 1]
    assert choice.fixed(PooledModelConfig(merge="sum"), splits().train).pooling == ("mean", "max")
    named = PooledModelConfig(
        scale="sequence", subsample=7, front="conv", pooling="max", members=2, input_dropout=0.2
    )
    assert choice.fixed(named, splits().train) == named


def test_recordings_are_scaled_by_themselves_without_a_trial():
    """The validation part has the voices of training, and cannot tell what others need."""
    data = splits(validation=LEAST_VALIDATION, N=999)
    heard = replace(data, train=replace(data.train, rate_hz=8000))
    losses = tried(scale={"pooled": 0.3})
    model, notes = choice.chosen(PooledModelConfig(), heard, 4000, losses)
    assert (model.level, model.scale, model.augment, model.members) == ("recording", "sequence", True, 3)
    assert {scale for scale, *_ in losses.asked} == {"sequence"} and len(notes) == 1
    steps = choice.fixed(PooledModelConfig(bidirectional=False, front="none", subsample=1), heard.train)
    assert (steps.level, steps.scale) == ("running", "running")
    plain = PooledModelConfig(level="none", scale="pooled", augment=False, members=1)
    named = choice.fixed(plain, heard.train)
    assert (named.level, named.scale, named.augment, named.members) == ("none", "pooled", False, 1)
    more = replace(splits(1, N=1000).train, rate_hz=8000)
    assert choice.fixed(PooledModelConfig(), more).members == 1
    other = choice.fixed(PooledModelConfig(), data.train)
    assert (other.level, other.scale, other.augment) == (None, "pooled", None)


def test_what_is_clearly_better_on_the_validation_part_is_taken():
    losses = tried(front={"none": 0.3})
    model, notes = choice.chosen(PooledModelConfig(), splits(200), 4000, losses)
    assert (model.scale, model.front, model.subsample) == ("pooled", "none", 5)
    assert losses.asked == [
        ("pooled", 2, "conv", 200),
        ("sequence", 2, "conv", 200),
        ("pooled", 5, "none", 200),
    ]
    assert notes == (
        "scale='sequence' is left out: validation loss 1.05 against 1.05 without, after 200 steps",
        "front='none' subsample=5 is taken: validation loss 0.75 against 1.05 without, after 200 steps",
    )
    losses = tried(scale={"sequence": 0.3}, front={"conv": 0.2})
    model, _ = choice.chosen(PooledModelConfig(subsample=1), splits(28), 10**6, losses)
    assert (model.scale, model.front, model.subsample) == ("sequence", "conv", 1)
    assert {steps for *_, steps in losses.asked} == {choice.MOST_STEPS}


def test_what_may_be_chance_is_left_out():
    def losses(model, steps):
        other = model.front == "none"
        return np.random.default_rng(int(other)).normal(1 - 0.1 * other, 1, 50)

    model, _ = choice.chosen(PooledModelConfig(), splits(), 4000, losses)
    assert losses(model.model_copy(update={"front": "none"}), 1).mean() < losses(model, 1).mean()
    assert model.front == "conv"


def test_named_options_are_kept_and_nothing_is_tried_of_few():
    named = {"scale": "pooled", "subsample": 3, "front": "none"}
    for options, data, steps in (
        (named, splits(), 4000),
        ({}, splits(validation=LEAST_VALIDATION - 1), 4000),
        ({}, splits(), choice.LEAST_TRIED - 1),
    ):
        losses = tried(scale={"sequence": 1})
        model, notes = choice.chosen(PooledModelConfig(**options), data, steps, losses)
        assert losses.asked == [] and notes == () and model.scale == "pooled"


@pytest.fixture
def brief(monkeypatch):
    monkeypatch.setattr(choice, "LEAST_TRIED", 60)
    monkeypatch.setattr(choice, "TRIAL_SHARE", 1.0)
    return {"hidden": 6, "steps": 60, "learning_rate": 0.02}


def test_a_classifier_finds_that_only_the_shape_of_a_sequence_matters(brief):
    classifier = Classifier(**brief).fit(shapes(), test=shapes(80, seed=1))
    assert classifier.config.model.scale == "sequence"
    assert classifier.evaluation.rows[0]["accuracy"] == 1.0
    repeated = Classifier(classifier.config).fit(shapes(), test=shapes(80, seed=1))
    assert same(repeated, classifier), "the configuration of a training repeats it without a trial"


@pytest.mark.parametrize("kind", [Classifier, Regressor])
def test_nothing_of_the_test_part_is_in_what_is_chosen_or_fitted(kind, brief):
    X, y = shapes()
    y = y if kind is Classifier else [np.ptp(x) for x in X]
    new = shapes(40, seed=2)[0]
    plain = kind(**brief).fit((X, y), test=(new, y[:40]))
    spoilt = kind(**brief).fit((X, y), test=([x * 1e6 for x in new], y[:40]))
    assert plain.config.model == spoilt.config.model and same(plain, spoilt)


def same(one, other):
    """Whether weights and codecs have the same bits."""
    weights = zip(*(each.network.state_dict().values() for each in (one, other)), strict=True)
    arrays = zip(one.codec.arrays().values(), other.codec.arrays().values(), strict=True)
    return all(torch.equal(a, b) for a, b in weights) and all(np.array_equal(a, b) for a, b in arrays)
