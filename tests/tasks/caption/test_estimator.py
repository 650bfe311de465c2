"""The captioner from inputs to answers of each kind: learns, keeps the bits of an answer in any batch,
resumes, loads, refuses."""

import io
import json
import random

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from tests.tasks.caption.cases import SMALL, classes, fitted, gathered, lines, pictures, points
from tests.tasks.interrupted import resumed
from unrolled import Captioner, load, runtime
from unrolled.errors import ConfigError, DataError
from unrolled.files.captioned import Attributes
from unrolled.training.progress import Lines

PICTURES = {
    "convolution": {"condition": "both", "attention": "none"},
    "attention": {"condition": "input", "cell": "lstm", "decoder_hidden": 24},
    "rows": {
        "encoder": "rows",
        "condition": "state",
        "bidirectional": True,
        "attention": "dot",
        "epochs": 12,
    },
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    own = {
        kind: fitted(pictures(400), out=folder / kind, **({"epochs": 8} | options))
        for kind, options in PICTURES.items()
    }
    own["points"] = fitted(points(300), epochs=30, code_size=32, hidden=32, condition="state")
    return own


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "lines"
    return fitted(lines(300), out=folder, id="id", epochs=40, noise=0.02, hidden=24)


@pytest.fixture(scope="module")
def drawn():
    return fitted(lines(100), id="id", epochs=2, output="gaussian")


def test_of_classes_alone_it_is_told_that_what_was_seen_is_not_known():
    made = fitted(classes(40), epochs=1)
    said = "which inputs training held is not known: all are judged"
    assert said in made.evaluate(classes(40)).verdict and said not in made.evaluate().verdict
    assert said not in fitted(points(40), epochs=1).evaluate(points(40, seed=1)).verdict


def test_a_bleu_of_0_for_all_is_not_told():
    model = fitted(
        gathered([Attributes(np.empty(0), "ab"[n % 2]) for n in range(40)], ["one two"] * 40, (), "kind"),
        epochs=1,
    )
    assert not any("BLEU" in row for row in model.evaluation.rows)
    assert ["BLEU" in line for line in model.evaluation.verdict] == [False]


def test_an_unsure_model_answers_no_worse_than_greedy(tmp_path):
    """By ln p alone a beam of 5 gives empty captions; by the mean of a symbol one of the two classes'."""
    draw, rows = random.Random(1), []
    words = ["the", "a", "cat", "dog", "sleeps", "barks", "now"]
    for _ in range(120):
        kind = draw.choice(["cat", "dog"])
        usual = {"cat": "the cat sleeps", "dog": "a dog barks loudly"}[kind]
        other = [draw.choice(words) for _ in range(draw.randint(1, 5))] if draw.random() >= 0.7 else None
        rows.append((kind, " ".join(other) if other else usual))
    data, said = pl.DataFrame(rows, schema=["class", "caption"], orient="row"), io.StringIO()
    data.write_csv(tmp_path / "captions.csv")
    made = Captioner(epochs=8, schedule="constant", hidden=16, code_size=16, given="class")
    made.fit(tmp_path / "captions.csv", report=Lines(said), out=tmp_path / "run")
    exact = {
        name: made.using(**how).evaluate().rows[0]["exact match"]
        for name, how in {
            "plain": {"beam": 5, "length_penalty": 0.0},
            "mean": {"beam": 5},
            "greedy": {"beam": 1},
        }.items()
    }
    assert "" in made.using(beam=5, length_penalty=0.0).predict()["caption"].to_list()
    assert made.evaluation.rows[0]["exact match"] == exact["greedy"] == 1 > exact["mean"] > exact["plain"]
    assert (
        "\nanswers are greedy: on 2 inputs of the validation part a beam of 5 has exact " in said.getvalue()
    )
    again, bare = load(tmp_path / "run"), runtime.load(tmp_path / "run")
    assert again.codec.beam == bare.how.beam == 1 and again.predict().equals(made.predict())
    answers = [several[0].text for several in bare.predict(["cat", "dog"])]
    assert answers == ["the cat sleeps", "a dog barks loudly"]


@pytest.mark.parametrize("kind", [*PICTURES, "points"])
def test_each_kind_of_input_is_put_into_words(made, kind):
    own, usual, nearest = made[kind].evaluation.rows
    assert own["exact match"] > 0.9 and own["word error rate"] < 0.05 and own["BLEU"] > 90
    assert usual["model"] == "most frequent caption" and usual["exact match"] < 0.5
    assert nearest["model"] == "nearest training input" and nearest["exact match"] >= 0.4
    asked = pictures(5, seed=3) if kind != "points" else points(5, seed=3)
    found = made[kind].predict(asked)
    assert found.columns == ["name", "rank", "caption", "score"] and found["name"].to_list() == list("12345")
    truths = [[made[kind].codec.texts.side.written(text) for text in several] for several in asked.answers]
    assert sum(text in several for text, several in zip(found["caption"], truths, strict=True)) >= 4


@pytest.mark.parametrize("kind", [*PICTURES, "points"])
@pytest.mark.parametrize("how", [{"beam": 1}, {"beam": 4, "best": 3}, {"sample": True, "best": 2}])
def test_answers_have_the_same_bits_alone_and_in_any_batch(made, kind, how):
    own = made[kind].using(**how)
    asked = pictures(7, seed=5) if kind != "points" else points(7, seed=5)
    together = own.predict(asked).rows()
    alone = [row for i in range(7) for row in own.predict(asked.select([i])).rows()]
    assert alone == together
    other = own.predict(asked.select([6, 2, 2, 0])).rows()
    best = how.get("best", 1)
    assert other[:best] == together[6 * best :] and other[-best:] == together[:best]


def test_a_class_says_its_most_frequent_caption_and_is_one_question(tmp_path):
    made = fitted(classes(270), epochs=12, test=30)
    found = made.predict(classes(3))
    assert found["name"].to_list() == ["1", "2", "3"]
    assert found["caption"].to_list() == ["it purrs", "it barks", "it bites"]
    own, _, usual = made.evaluation.rows
    assert usual["model"] == "most frequent of the class" and own["exact match"] == usual["exact match"] == 1
    parts = made._splits()
    cats = [[one.label for one in part.inputs].count("cat") for part in (parts.train, parts.test)]
    assert abs(cats[0] - 71) <= 1 and abs(cats[1] - 10) <= 1, "each class has its share of each part"


def test_numbers_follow_class_and_slope_and_end_in_time(written):
    own, *baselines = written.evaluation.rows
    assert [row["model"] for row in baselines] == [
        "mean sequence",
        "mean sequence of the class",
        "nearest training input",
    ]
    assert own["RMSE"] < 0.35 * baselines[1]["RMSE"] and own["length"] < 0.1
    assert own["RMSE of z"] == pytest.approx(100 * own["RMSE of y"], rel=0.5)
    asked = lines(6, seed=4)
    found = written.predict(asked)
    assert found.columns == ["name", "step", "y", "z"]
    for name, (truth,) in zip(asked.names, asked.answers, strict=True):
        one = found.filter(pl.col("name") == name)
        assert one["step"].to_list() == list(range(1, len(truth) + 1))
        assert np.abs(one["y"].to_numpy() - truth[:, 0]).max() < 1
    alone = pl.concat([written.predict(asked.select([i])) for i in range(6)])
    assert alone.equals(found)


def test_drawn_numbers_follow_from_the_seed_and_the_input(drawn):
    own, asked = drawn.using(sample=True), lines(5, seed=6)
    whole = own.predict(asked)
    assert pl.concat([own.predict(asked.select([i])) for i in range(5)]).equals(whole)
    assert not own.using(sample_seed=1).predict(asked).equals(whole)
    twice = own.predict(asked.select([0, 0]))
    assert twice["y"].n_unique() == twice.height, "equal inputs draw on their own"


def test_a_run_is_read_back(made, written, tmp_path_factory):
    base = tmp_path_factory.getbasetemp()
    for own, name, asked in ((made["rows"], "rows", pictures(9, 7)), (written, "lines", lines(9, 7))):
        folder = next(base.glob(f"runs*/{name}"))
        loaded = load(folder)
        assert loaded.predict(asked).equals(own.predict(asked))
        assert (folder / "plots" / "answers.png").stat().st_size > 5000
        judged = json.loads((folder / "evaluation.json").read_text())
        assert judged["table"][0] == own.evaluation.rows[0] and judged["inputs"] == len(own._splits().test)
        assert (folder / "runtime.json").exists()
        assert "no longer here" in loaded.evaluate(asked).verdict[-1]


@pytest.mark.parametrize("answers", ["captions", "numbers"])
def test_an_interrupted_training_goes_on_to_the_same_bits(tmp_path, monkeypatch, answers):
    rows = [(f"i{n}", n % 3, n % 7 / 7, s, n % 3 + s * n % 7) for n in range(40) for s in range(n % 3 + 2)]
    frame = pl.DataFrame(rows, schema=["id", "class", "slant", "step", "y"], orient="row")
    options = SMALL | {"epochs": 3, "checkpoint_seconds": 0.0, "given": "class", "features": "slant"}
    options |= {"id": "id", "target": "y", "noise": 0.2} if answers == "numbers" else {"decoder_dropout": 0.3}
    if answers == "captions":
        frame = frame.group_by("id", "class", "slant", maintain_order=True).len()
        frame = frame.with_columns(
            caption=pl.col("class").cast(pl.String) + " and " + pl.col("len").cast(pl.String)
        )
    frame.write_csv(tmp_path / "rows.csv")
    whole = Captioner(**options).fit(tmp_path / "rows.csv", out=tmp_path / "whole")
    again = resumed(Captioner(**options), tmp_path / "rows.csv", tmp_path / "cut", 4, monkeypatch)
    assert again.rows == whole.rows
    weights = again.network.state_dict()
    assert all(torch.equal(weight, weights[name]) for name, weight in whole.network.state_dict().items())


def test_files_of_pictures_train_and_are_answered(tmp_path):
    data = pictures(30)
    for n, pixels in enumerate(data.inputs):
        Image.fromarray(pixels).save(tmp_path / f"{n}.png")
    rows = [f"{n}.png,{text}" for n, several in enumerate(data.answers) for text in several[:1]]
    (tmp_path / "list.csv").write_text("path,caption\n" + "\n".join(rows) + "\n")
    made = fitted(tmp_path / "list.csv", channels="grey", image_size="10x12", tokens="characters")
    assert made.network.encoder.position.shape[0] == 2 * 3
    (tmp_path / "new.csv").write_text("path\n3.png\n4.png\n")
    assert made.predict(tmp_path / "new.csv")["name"].to_list() == ["3.png", "4.png"]
    kept = fitted(tmp_path / "list.csv")
    Image.new("RGB", (9, 9)).save(tmp_path / "square.png")
    (tmp_path / "new.csv").write_text("path\nsquare.png\n")
    with pytest.raises(DataError, match=r"new.csv, line 2: a picture of 9x9; the model reads 8x9; resize it"):
        kept.predict(tmp_path / "new.csv")
    (tmp_path / "new.csv").write_text("path\nsquare.png\n3.png\n")
    with pytest.raises(DataError, match=r"new.csv, line 2: a picture of 9x9; the model reads 8x9; resize it"):
        kept.predict(tmp_path / "new.csv")


WRONG = [
    ({"beam": 0}, "beam: "),
    ({"image_size": "32"}, "image_size: wanted HEIGHTxWIDTH, such as 32x48, got '32'"),
    ({"encoder": "rows", "merge": "sum", "bidirectional": True}, "set merge='concat'"),
    ({"bidirectional": True}, "bidirectional is for layers that read rows; set encoder='rows'"),
    ({"stages": 4}, "stages=4 halves pictures of 8x9 to nothing; set stages=3"),
    ({"output": "gaussian"}, "output is for answers that are sequences of numbers; name the column"),
    ({"id": "id", "beam": 3}, "beam is for captions, and id asks for sequences of numbers"),
    ({"id": "id", "best": 2}, "best is for captions, and id asks for sequences of numbers"),
    ({"id": "id", "attention": "dot"}, "attention is for captions, and id asks for sequences of numbers"),
    (
        {"id": "id", "sample": True},
        "output='point' has no distribution to draw from; leave sample out, or train with output='gaussian'",
    ),
]


@pytest.mark.parametrize("options, said", WRONG)
def test_options_that_do_not_fit_are_refused_before_anything_is_written(tmp_path, options, said):
    with pytest.raises(ConfigError, match=said):
        fitted(pictures(30), out=tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_data_that_do_not_fit_are_refused(made, written, tmp_path):
    with pytest.raises(ConfigError, match="attention='dot' looks at places of a picture"):
        fitted(points(30), out=tmp_path / "run", attention="dot")
    for name, value in (("encoder", "rows"), ("image_size", "8x9"), ("channels", "grey")):
        with pytest.raises(ConfigError, match=f"{name}='{value}' is for pictures, and these are numbers or"):
            fitted(points(30), out=tmp_path / "run", **{name: value})
    wrong = gathered(
        [Attributes(np.array([1.0, 2.0]), "star"), Attributes(np.array([1.0, 3.0]), "sun")],
        "ab",
        ("u", "v"),
        "kind",
    )
    with pytest.raises(
        DataError, match=r"input 2: class 'sun' is not in the training part; it holds 'dot', 'star'"
    ):
        made["points"].predict(wrong)
    with pytest.raises(
        DataError, match=r"input 1: the model reads pictures, got columns of numbers or classes"
    ):
        made["rows"].predict(wrong)
    with pytest.raises(DataError, match=r"input 1: pictures; the model reads columns 'slope', 'kind'"):
        written.predict(pictures(2))
    far = gathered([Attributes(np.array([1e300]), "long")], [np.ones((2, 2))], ("slope",), "kind", ("y", "z"))
    with pytest.raises(DataError, match=r"input 1, step 1, 'slope': 1e\+300 is too far from the values"):
        written.predict(far)
    flat = gathered(lines(20).inputs, [np.ones((3, 1))] * 20, ("slope",), "kind", ("y",))
    with pytest.raises(DataError, match=r"column 'y' is 1 in all .* leave it out"):
        fitted(flat, out=tmp_path / "run", id="id")
    assert not (tmp_path / "run").exists()
