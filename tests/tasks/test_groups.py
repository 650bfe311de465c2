"""Groups stay in one part, whatever the task; what is told of them; and figures of made persons whose best is
known: those that are announced are those of new persons."""

import io

import numpy as np
import polars as pl
import pytest
from sklearn.model_selection import GroupKFold, cross_val_score

from tests.scripts import BENCHMARKS, script
from tests.tasks.bumps import bumps
from unrolled import Captioner, Classifier, LanguageModel, Regressor, Tagger, Transcriber, Translator
from unrolled.errors import ConfigError, DataError
from unrolled.plots import figures
from unrolled.tasks import pictures
from unrolled.training.progress import Lines

QUICK = {"hidden": 4, "epochs": 1, "members": 1}
ONCE = QUICK | {"scale": "pooled", "front": "none"}


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr(pictures, "draw_history", lambda *arguments: None)
    monkeypatch.setattr(figures, "save", lambda *arguments: None)


def steps(persons=8, each=5, seed=0):
    """A long table of `each` sequences of every person."""
    draw, rows = np.random.default_rng(seed), []
    for person in range(persons):
        for k in range(each):
            for t in range(4):
                rows.append((f"{person}-{k}", person, draw.normal(), "ab"[k % 2], k / 2, "xy"[t % 2]))
    return pl.DataFrame(rows, ["id", "person", "x", "label", "amount", "tag"], orient="row")


def lines(pairs):
    """As a frame of two columns of texts and one of persons."""
    return pl.DataFrame(
        [(*one, k % 8) for k, one in enumerate(pairs)], ["source", "target", "person"], orient="row"
    )


WORDS = [(f"{'ab'[k % 2]} {k}", f"{'AB'[k % 2]}") for k in range(40)]
CASES = {
    "classify": lambda: (Classifier(**ONCE, target="label", group="person"), steps().drop("amount", "tag")),
    "regress": lambda: (Regressor(**ONCE, target="amount", group="person"), steps().drop("label", "tag")),
    "tag": lambda: (Tagger(**QUICK, target="tag", group="person"), steps().drop("label", "amount")),
    "transcribe": lambda: (
        Transcriber(**QUICK, target="label", group="person"),
        steps().drop("amount", "tag"),
    ),
    "translate": lambda: (Translator(**QUICK, group="person", source_tokens="words"), lines(WORDS)),
    "caption": lambda: (
        Captioner(**QUICK, group="person", features=("x", "z")),
        pl.DataFrame(
            {"x": range(40), "z": 1.5, "caption": ["a", "b"] * 20, "person": [k % 8 for k in range(40)]}
        ),
    ),
}


@pytest.mark.parametrize("task", CASES)
def test_every_task_keeps_groups_whole_and_tells_of_them(task):
    (model, frame), said = CASES[task](), io.StringIO()
    model.fit(frame, report=Lines(said))
    parts = [set(part.groups) for part in (model._data.train, model._data.validation, model._data.test)]
    assert sum(map(len, parts)) == 8 == len(set.union(*parts)) and list(map(len, parts)) == [6, 1, 1]
    assert "persons: 6 to train on, 1 to validate, 1 to test\n" in said.getvalue()
    assert "flatter" not in said.getvalue()
    evaluation = model.evaluation
    assert evaluation.about["groups"] == {"group": "person", "train": 6, "validation": 1, "test": 1}
    assert "judged on 1 person that neither trained nor validated" in evaluation.verdict
    new = frame.drop("person")
    assert len(model.predict(new)) == len(model.predict(frame)), "a trained model needs no groups"
    assert "groups" not in model.evaluate(frame, include_training=True).about


def test_a_run_keeps_its_groups(tmp_path):
    path, (model, frame) = tmp_path / "steps.csv", CASES["classify"]()
    frame.write_csv(path)
    model.fit(path, out=tmp_path / "run")
    assert 'group = "person"' in (tmp_path / "run" / "config.toml").read_text()
    loaded = Classifier.load(tmp_path / "run")
    assert loaded.evaluation.rows == model.evaluation.rows
    assert loaded.evaluation.about["groups"] == model.evaluation.about["groups"]
    other = Classifier(
        model.config.model_copy(update={"data": model.config.data.model_copy(update={"group": None})})
    )
    with pytest.raises(DataError, match="the data have changed"):
        other.fit(path)


def test_groups_of_test_files_that_train_too_are_told():
    frame, said = steps(), io.StringIO()
    (model, _), test = CASES["classify"](), steps(persons=3, seed=1)
    model.fit(frame, test=test, report=Lines(said))
    assert "persons: 7 to train on, 1 to validate, 3 to test\n" in said.getvalue()
    assert (
        "test part: 3 of 3 persons stand in another part too: figures flatter the model where it is asked "
        "for new persons\n"
    ) in said.getvalue()
    assert not any("neither trained" in line for line in model.evaluation.verdict)


def test_groups_in_memory_are_named_as_scikit_learn_names_them():
    X, y = bumps(60)
    groups = np.repeat(np.arange(10), 6)
    model, said = Classifier(**ONCE), io.StringIO()
    model.fit(X, y, groups=groups, report=Lines(said))
    assert "groups: 8 to train on, 1 to validate, 1 to test\n" in said.getvalue()
    assert len({*model._data.test.groups} & {*model._data.train.groups}) == 0
    numbered = model.config.data.sha256
    model.fit(X, y, groups=[f"{one}" for one in groups])
    assert model.config.data.sha256 == numbered, "a number and its name are one group"
    folds, options = GroupKFold(3), ONCE | {"test": 0}
    each = cross_val_score(Classifier(**options), X, y, groups=groups, cv=folds, params={"groups": groups})
    assert len(each) == 3


@pytest.mark.parametrize("task", ["tag", "translate", "caption"])
def test_groups_in_memory_of_other_tasks(task):
    groups = [k % 5 for k in range(30)]
    if task == "tag":
        model = Tagger(**QUICK).fit([["a", "b"]] * 30, [["x", "y"]] * 30, groups=groups)
    elif task == "translate":
        model = Translator(**QUICK).fit([f"a {k}" for k in range(30)], ["b"] * 30, groups=groups)
    else:
        model = Captioner(**QUICK).fit([[k, 1.0] for k in range(30)], ["b", "c"] * 15, groups=groups)
    assert set(model._data.train.groups).isdisjoint(model._data.test.groups)


@pytest.mark.parametrize(
    "groups, said",
    [
        ([1, 2], "groups: wanted 60 names or numbers, one for each sequence, got 2"),
        ("person", "groups: wanted 60 names or numbers, one for each sequence, got 'person'"),
        ([*range(59), None], "groups of sequence 59: wanted a name or a number, got None"),
        ([*range(59), float("nan")], "groups of sequence 59: wanted a name or a number, got nan"),
    ],
)
def test_wrong_groups_in_memory(groups, said):
    with pytest.raises(DataError) as error:
        Classifier(**ONCE).fit(*bumps(60), groups=groups)
    assert str(error.value) == said


def test_groups_that_go_with_nothing_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="of a file or a table name their column \\(group='subject'\\)"):
        Classifier(**ONCE).fit(steps(), groups=[1])
    with pytest.raises(DataError, match="wanted groups \\(group='person'\\), got data without"):
        Classifier(**ONCE, group="person").fit(*bumps(60))
    with pytest.raises(
        ConfigError, match=r"language draws no parts.*leave group out, and name .* test_files"
    ):
        LanguageModel(group="author")
    with pytest.raises(DataError, match="2 groups for 3 parts"):
        Classifier(**ONCE).fit(*bumps(60), groups=["a", "b"] * 30)


def test_figures_of_persons_are_those_of_new_persons():
    """With a best that is known; parts by lot announce what holds for known persons alone."""
    benchmark = script("unseen_persons", BENCHMARKS)
    train, new = benchmark.persons(0, 100, 10), benchmark.persons(benchmark.NEW, 200, 10)
    options = ONCE | {"hidden": 64, "epochs": 30, "subsample": 3, "learning_rate": 0.01, "test": 0.3}
    announced, unseen = benchmark.figures(train, new, "person", **options)
    assert abs(announced - unseen) <= 0.03
    assert benchmark.BEST - 0.1 < unseen < benchmark.BEST + 0.02
    by_lot, flattered = benchmark.figures(train, new, None, **options)
    assert by_lot - flattered > 0.15, "or this data could not tell"
