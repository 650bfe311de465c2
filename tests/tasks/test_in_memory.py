"""What each task makes of data in memory: answers in their kind, the same as from a file that holds them."""

import wave

import numpy as np
import polars as pl
import pytest
from PIL import Image

from unrolled import (
    Captioner,
    Classifier,
    Detector,
    Forecaster,
    LanguageModel,
    Tagger,
    Transcriber,
    Translator,
)
from unrolled.errors import ConfigError, DataError
from unrolled.files.images import read_image

QUICK = {"hidden": 4, "steps": 2}


def weights(model):
    return {name: array.tobytes() for name, array in model.runtime().arrays.items()}


@pytest.fixture(scope="module")
def waves():
    draw = np.random.default_rng(0)
    return [np.sin(np.arange(80) / 3 + k) + 0.1 * draw.normal(size=80) for k in range(3)]


def test_series_are_forecast_as_from_the_table_that_holds_them(waves):
    model = Forecaster(horizon=4, steps=2, members=1).fit(waves)
    table = pl.DataFrame({"series": np.repeat(list("012"), 80), "x0": np.concatenate(waves)})
    same = Forecaster(horizon=4, steps=2, members=1, id="series", time="rows", target="x0").fit(table)
    assert weights(model) == weights(same)
    ahead = model.predict(waves)
    assert ahead.shape == (3, 4) and np.array_equal(ahead.reshape(-1), same.predict(table)["forecast"])
    new = pl.DataFrame({"series": ["another"] * 80, "x0": waves[1]})
    assert np.array_equal(model.predict(waves[1])[0], same.predict(new)["forecast"]), (
        "none of the three, by place"
    )
    assert np.array_equal(model.predict(np.array(waves), 2), ahead[:, :2])
    assert model.score(waves) < 0 and model.get_params()["id"] is None, "what was set stays"
    with pytest.raises(ConfigError, match="X holds 2 frames; give one"):
        model.fit([table, table])
    with pytest.raises(ConfigError, match=r"name it \(target\), and leave y out"):
        model.fit(table, waves[0])


def test_targets_may_stand_beside_what_is_known_of_the_past(waves):
    targets = [np.stack([np.roll(x, 1), np.roll(x, 2)], 1) for x in waves]
    model = Forecaster(horizon=2, steps=2, members=1).fit(waves, targets)
    assert (model.config.data.target, model.config.data.past) == (("y0", "y1"), ("x0",))
    assert model.predict((waves, targets)).shape == (3, 2, 2)


def test_a_detector_learns_from_flags_and_answers_with_them(waves):
    flags = [(np.arange(80) % 20 == 7).astype(int) for _ in waves]
    odd = [x + 5 * flag for x, flag in zip(waves, flags, strict=True)]
    model = Detector(steps=30).fit(odd, flags)
    alarms = model.predict(odd)
    assert [one.shape for one in alarms] == [(80,)] * 3 and set(np.concatenate(alarms).tolist()) <= {0, 1}
    frame = model.frame(odd)
    assert (
        np.array_equal(np.concatenate(alarms), frame["alarm"].cast(pl.Int64))
        and model.score(odd, flags) > 0.5
    )
    with pytest.raises(ConfigError, match="a score needs what is known to be unusual; give y"):
        Detector(steps=2).fit(waves).score(waves)


def test_lines_of_a_language_are_texts():
    lines = ["the cat sat on the mat", "a dog ran"] * 20
    model = LanguageModel(**QUICK).fit(lines)
    same = LanguageModel(**QUICK).fit(pl.DataFrame({"text": lines}))
    assert (
        weights(model)
        == weights(same)
        == weights(LanguageModel(**QUICK).fit([line.split() for line in lines]))
    )
    assert model.predict(lines[:2]).tolist() == model.frame(lines[:2])["nats"].to_list()
    assert model.score(lines) < 0
    with pytest.raises(DataError, match=r"X holds 1 texts of 2 lines, .*; give each line as a text"):
        model.predict(["a\nb"])


def test_words_in_lists_are_those_of_a_sentence():
    X, y = [["a", "b c"], ["b c"]] * 15, [["x", "y"], ["y"]] * 15
    model = Tagger(**QUICK).fit(X, y)
    assert [len(tags) for tags in model.predict(X[:2])] == [2, 1] and len(model.predict(["a b c"])[0]) == 3
    assert {tag for tags in model.predict(X) for tag in tags} <= {"x", "y"}
    pairs = Translator(source_tokens="symbols", target_tokens="symbols", **QUICK)
    words = [["a", "b"], ["c", "d"], ["e"]] * 10
    assert weights(pairs.fit(words, words)) == weights(pairs.fit([(" ".join(x), " ".join(x)) for x in words]))
    assert pairs.predict([["a", "b"]]).shape == (1,) and 0 <= pairs.score(words, words) <= 1


def test_recordings_are_named_by_their_paths(tmp_path):
    draw, paths = np.random.default_rng(0), []
    for k in range(12):
        with wave.open(str(tmp_path / f"{k}.wav"), "wb") as file:
            file.setnchannels(1), file.setsampwidth(2), file.setframerate(8000)
            file.writeframes((draw.normal(size=1600) * 3000 * (1 + k % 2)).astype("<i2").tobytes())
        paths.append(str(tmp_path / f"{k}.wav"))
    y = np.array([0, 1] * 6)
    model = Classifier(**QUICK).fit(paths, y)
    answers = model.predict(paths)
    assert answers.dtype == y.dtype and model.frame(paths)["label"].to_list() == answers.tolist()
    assert model.score(paths, y) == np.mean(answers == y)
    heard = Transcriber(tokens="words", **QUICK).fit(paths, ["one", "two one"] * 6)
    assert heard.frame(paths)["transcript"].len() == 12 and heard.score(paths, ["one", "two one"] * 6) <= 1
    again = model.fit([[0.0, 1.0], [1.0, 0.0]] * 6, y)
    assert again.predict([[0.0, 1.0]]).shape == (1,), "what an older model read does not count"


def test_pictures_are_arrays_or_named_by_their_paths(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (12, 8, 8), dtype=np.uint8)
    paths = [str(tmp_path / f"{k}.png") for k in range(12)]
    for path, one in zip(paths, pixels, strict=True):
        Image.fromarray(one).save(path)
    captions = ["dark", "light one"] * 6
    model = Captioner(steps=2, channels="grey").fit(pixels, captions)
    named = Captioner(steps=2, channels="grey").fit(paths, captions)
    assert weights(model) == weights(named)
    answers = model.predict(pixels)
    assert answers.shape == (12,) and np.array_equal(named.predict(paths), answers)
    assert np.array_equal(named.predict(paths[:2] + paths[:1]), answers[[0, 1, 0]]), (
        "one that stands there twice"
    )
    assert model.score(pixels, captions) == np.mean(answers == captions) == named.score(paths, captions)
    assert (
        len(Captioner(steps=2, channels="grey").fit(paths * 2, captions + ["a", "b"] * 6).evaluation.rows) > 1
    )
    assert np.array_equal(read_image(tmp_path / "0.png", "grey")[..., 0], pixels[0])


def test_numbers_become_sequences_of_numbers():
    X = np.random.default_rng(0).normal(size=(20, 3))
    y = [np.cumsum(np.ones((4, 2)), 0) * x[0] for x in X]
    model = Captioner(steps=2).fit(X, y)
    answers = model.predict(X)
    frame = model.frame(X)
    assert len(answers) == 20 and np.array_equal(np.concatenate(answers), frame.select("y0", "y1").to_numpy())
    assert model.score(X, y) < 0
