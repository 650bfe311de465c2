"""What epochs are chosen by is what `evaluate` says of the validation part, for each measure of each task."""

import numpy as np
import polars as pl
import pytest

import unrolled
from tests.scripts import script
from unrolled.errors import ConfigError
from unrolled.tasks.selection import MOST_JUDGED, by_answers, judged
from unrolled.training.history import kept_row

files = script("recorded_files").FILES

SMALL = {"hidden": 8, "epochs": 3, "batch_size": 4, "learning_rate": 0.02, "test": 0}
WORDS = ("one two three four five", "two one one three four", "five four three two one two")
PAIRS = [(text, " ".join(reversed(text.split()))) for text in WORDS * 8]
SLOW = {"learning_rate": 0.001}
CAPTIONS = pl.DataFrame({"class": ["a", "b", "c"] * 8, "caption": WORDS * 8})

# The estimator, its file, its options, the measure, and where `evaluate` has it.
CASES = [
    ("Classifier", "moves", {"select": "accuracy", "learning_rate": 0.001}, "accuracy"),
    ("Classifier", "moves", {"select": "macro-f1", "learning_rate": 0.001}, "macro-F1"),
    ("Tagger", "treebank", {"select": "accuracy", "learning_rate": 0.001}, "accuracy"),
    ("Tagger", "entities", {"epochs": 12}, "entity F1"),
    ("Tagger", "entities", {"epochs": 12, "crf": True}, "entity F1"),
    ("Tagger", "bioes", {"epochs": 12}, "entity F1"),
    ("Tagger", "phases", {"select": "accuracy", "bidirectional": False, "window": 3, **SLOW}, "accuracy"),
    ("Transcriber", "spelt", {"select": "label-error", "decoder": "greedy"}, "label error rate"),
    ("Transcriber", "spelt", {"select": "label-error", "hmm": True, "lm_order": 0}, "label error rate"),
    ("Translator", PAIRS, {"select": "bleu", "beam": 1, "source_tokens": "words"}, "BLEU"),
    ("Translator", PAIRS, {"select": "accuracy", "beam": 1, "epochs": 12}, "exact match"),
    ("Captioner", CAPTIONS, {"select": "bleu", "beam": 1, "code_size": 5}, "BLEU"),
]


def source(name, folder):
    return files[name](folder).path if isinstance(name, str) else name


@pytest.mark.parametrize(("kind", "name", "options", "column"), CASES)
def test_the_measure_of_the_kept_epoch_is_that_of_an_evaluation(kind, name, options, column, tmp_path):
    """The model holds the weights of the kept epoch, so an evaluation on the same data gives its measure
    again."""
    data = source(name, tmp_path)
    model = getattr(unrolled, kind)(**SMALL | {"validation": 0} | options)
    model.fit(data, validation=data)
    training = model.config.training
    select = training.select
    rows = [row for row in model.rows if row["kind"] == "epoch"]
    values = [row[f"validation_{select.replace('-', '_')}"] for row in rows]
    assert len(set(values)) > 1
    kept = kept_row(model.rows, training)
    assert kept["epoch"] == model.history.kept_epoch
    assert values[kept["epoch"] - 1] == (min if select == "label-error" else max)(values)
    evaluation = model.evaluate(data, include_training=True)
    assert evaluation.rows[0][column] == pytest.approx(values[kept["epoch"] - 1], rel=1e-12)


def test_entities_are_chosen_by_their_f1_and_other_tags_by_the_loss(tmp_path):
    entities, words = (files[name](tmp_path).path for name in ("entities", "treebank"))
    assert unrolled.Tagger(**SMALL | {"epochs": 1}).fit(entities).config.training.select == "entity-f1"
    assert unrolled.Tagger(**SMALL | {"epochs": 1}).fit(words).config.training.select == "loss"
    blind = unrolled.Tagger(**SMALL | {"epochs": 1, "validation": 0}).fit(entities)
    assert blind.config.training.select == "loss"
    again = unrolled.Tagger(**SMALL | {"epochs": 1, "refit": True}).fit(entities)
    assert again.judged.config.training.select == again.config.training.select == "entity-f1"


class TestWrongChoice:
    def test_entities_where_there_are_none(self, tmp_path):
        with pytest.raises(
            ConfigError, match=r"select='entity-f1' scores .* it has none .*'VERB'.*set select"
        ):
            unrolled.Tagger(select="entity-f1", **SMALL).fit(files["treebank"](tmp_path).path)

    def test_bleu_of_texts_that_are_too_short_for_it(self):
        pairs = [(f"{a} {b}", f"{b} {a}") for a in "abcdef" for b in "uvw"]
        with pytest.raises(ConfigError, match=r"select='bleu' counts four words .* set select='accuracy'"):
            unrolled.Translator(select="bleu", **SMALL).fit(pairs)

    def test_wrong_labels_of_empty_transcripts(self):
        steps = [np.full((4, 1), k) for k in range(12)]
        train, validation = (steps, ["a", ""] * 6), (steps[:3], ["", "", ""])
        with pytest.raises(ConfigError, match=r"select='label-error' counts wrong labels, .* are empty"):
            unrolled.Transcriber(select="label-error", **SMALL).fit(train, validation=validation)

    @pytest.mark.parametrize(
        ("kind", "select"),
        [("Classifier", "bleu"), ("Transcriber", "accuracy"), ("Translator", "macro-f1"), ("Tagger", "bleu")],
    )
    def test_a_measure_of_another_task(self, kind, select):
        with pytest.raises(ConfigError, match=f"select: wanted 'loss'.* got '{select}'"):
            getattr(unrolled, kind)(select=select)

    @pytest.mark.parametrize("kind", ["Regressor", "LanguageModel", "Forecaster", "Detector"])
    def test_a_task_that_has_its_loss_alone(self, kind):
        with pytest.raises(ConfigError, match="there is no option 'select'"):
            getattr(unrolled, kind)(select="loss")

    def test_without_a_validation_part(self, tmp_path):
        with pytest.raises(ConfigError, match="select='accuracy' needs a validation part"):
            unrolled.Classifier(select="accuracy", validation=0, epochs=1).fit(files["moves"](tmp_path).path)


def test_a_bounded_number_is_answered_and_told():
    assert judged(3) == [0, 1, 2]
    some = judged(10 * MOST_JUDGED + 7)
    assert len(some) == MOST_JUDGED == 500 and (some[0], some[-1]) == (0, 10 * MOST_JUDGED + 6)
    assert set(np.diff(some)) <= {10, 11}
    chosen = by_answers("bleu", lambda network: 2.5, 2900, "source")
    assert chosen.measures(None) == {"bleu": 2.5}
    assert chosen.notes == (
        "epochs are chosen by the bleu of greedy answers to 500 of 2,900 sources to validate",
    )
