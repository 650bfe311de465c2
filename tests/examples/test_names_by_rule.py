"""Data whose rule is known: the names of the test part are new, and small taggers find the rule."""

import runpy
from pathlib import Path

import pytest

from unrolled import Tagger
from unrolled.files.query import Query
from unrolled.files.tagging import read_tagged
from unrolled.tasks.entities import entities

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "names_by_rule.py"))
SMALL = {
    "hidden": 32,
    "bidirectional": False,
    "embedding_size": 16,
    "character_hidden": 0,
    "affix_size": 6,
    "input_dropout": 0.0,
    "output_dropout": 0.0,
    "character_dropout": 0.0,
    "learning_rate": 0.01,
    "batch_size": 16,
    "epochs": 12,
    "patience": 0,
}


def names(file):
    data = read_tagged(file, Query())
    spans = ((words, entities(tags)) for words, tags in zip(data.inputs, data.truth, strict=True))
    return {words[at].lower() for words, each in spans for one in each for at in range(one.first, one.end)}


@pytest.mark.parametrize("rule", ["context", "spelling", "both"])
def test_a_small_tagger_finds_the_rule_in_names_that_it_has_not_seen(rule, tmp_path):
    SCRIPT["write"](tmp_path, rule, 800, 0.0, 3)
    train, test = tmp_path / "train.conll", tmp_path / "test.conll"
    assert not names(train) & names(test)
    model, usual, _ = Tagger(**SMALL).fit(train, test=test).evaluation.rows
    assert model["entity F1"] > 0.95 > 0.1 > usual["entity F1"]


def test_noise_changes_what_decides_nothing():
    maker = SCRIPT["Maker"](1, test=False)
    tagged = [maker.sentence("both", 1.0) for _ in range(200)]
    named = [one for each in tagged for one, tag in each if tag != "O"]
    assert {one.isupper() for one in named} == {False, True}
    assert all(one in (one.lower(), one.upper()) and one.lower().endswith(("ik", "or")) for one in named)
    assert any(before in SCRIPT["AGREE"] for each in tagged for before in (one.lower() for one, _ in each))


def test_the_same_seed_makes_the_same_files(tmp_path):
    for folder in ("a", "b"):
        SCRIPT["write"](tmp_path / folder, "context", 20, 0.3, 7)
    for name in ("train.conll", "test.conll"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
