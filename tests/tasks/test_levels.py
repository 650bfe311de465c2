"""Loudness of recordings: which level a model has, and that its answers do not depend on the gain."""

import struct

import numpy as np
import polars as pl
import pytest

from tests.files.test_riff import wav
from unrolled import Classifier, Transcriber, load
from unrolled.errors import ConfigError
from unrolled.export.verify import verify

SMALL = {"hidden": 5, "epochs": 1, "batch_size": 8, "mels": 8, "test": 0.2, "validation": 0.2}
FORWARD = {"bidirectional": False, "front": "none", "subsample": 1}
N = 24


def tone(k):
    """Of one of two pitches, after a while of silence."""
    draw = np.random.default_rng(k)
    s = np.sin(2 * np.pi * (300 + 700 * (k % 2)) * np.arange(1600) / 8000)
    return np.concatenate([np.zeros(400), s]) * 0.5 + 1e-3 * draw.standard_normal(2000)


def record(folder, gain=1.0):
    """Samples are floats, which a gain changes by no more than their last bit."""
    folder.mkdir()
    for k in range(N):
        (folder / f"{k}.wav").write_bytes(wav(struct.pack("<2000f", *(gain * tone(k))), code=3, bits=32))
    rows = [f"{k}.wav,{'high' if k % 2 else 'low'}" for k in range(N)]
    (folder / "all.csv").write_text("\n".join(["path,label", *rows]) + "\n")
    return folder / "all.csv"


@pytest.fixture
def tones(tmp_path):
    return record(tmp_path / "tones")


@pytest.mark.parametrize("level", ["recording", "running"])
def test_answers_do_not_depend_on_the_gain(tones, tmp_path, level):
    model = Classifier(level=level, **SMALL).fit(tones)
    loud, quiet = (model.frame(file) for file in (tones, record(tmp_path / "quiet", 0.1)))
    assert loud["label"].equals(quiet["label"])
    p = "p(high)"  # the features are float32: their last bits differ, and the floor of 1e-10 is far below
    assert np.allclose(loud[p], quiet[p], rtol=0, atol=1e-4)
    plain = Classifier(level="none", scale="pooled", **SMALL).fit(tones)
    assert np.abs(plain.frame(tones)[p] - plain.frame(tmp_path / "quiet" / "all.csv")[p]).max() > 1e-3


@pytest.mark.parametrize(
    "options, level",
    [({}, "recording"), (FORWARD, "running"), (FORWARD | {"front": "conv"}, "recording")],
)
def test_what_answers_step_by_step_has_the_running_one(tones, options, level):
    model = Classifier(**SMALL, **options).fit(tones)
    assert model.config.model.level == level and model.codec.inputs.level.kind == level
    read = model.codec.inputs
    assert (read.by_sequence, read.by_steps) == (level == "recording", level == "running")


def test_transcribers_likewise(tones):
    small = SMALL | {"target": "label"}
    assert Transcriber(**small).fit(tones).config.model.level == "recording"
    forward = Transcriber(bidirectional=False, **small).fit(tones)
    assert forward.config.model.level == "running"
    forward.stream()
    whole = Transcriber(bidirectional=False, level="recording", **small).fit(tones)
    with pytest.raises(ConfigError, match="level='running'"):
        whole.stream()


def test_the_running_one_has_the_same_bits_everywhere(tones, tmp_path):
    Classifier(**SMALL, **FORWARD).fit(tones, out=tmp_path / "run")
    checks = verify(tmp_path / "run", sequences=4).checks
    assert all(check.equal for check in checks), checks
    assert load(tmp_path / "run").codec.inputs.level.ahead > 0


def test_the_level_is_for_recordings(tmp_path):
    frame = pl.DataFrame(
        {"id": np.repeat(range(8), 3), "x": np.arange(24.0), "label": ["a"] * 12 + ["b"] * 12}
    )
    with pytest.raises(ConfigError, match="is for recordings"):
        Classifier(id="id", target="label", level="running", epochs=1).fit(frame)


def test_what_is_fitted_is_of_the_training_part_alone(tones):
    """Its level and its scaler, to the bit, whatever the test part holds."""
    header, *lines = tones.read_text().splitlines()
    test, train = tones.parent / "test.csv", tones.parent / "train.csv"
    test.write_text("\n".join([header, *lines[:2]]) + "\n")
    train.write_text("\n".join([header, *lines[2:]]) + "\n")
    options = SMALL | FORWARD | {"test_files": (str(test),)}
    fitted = []
    for gain in (1e-5, 10):  # a million times
        for k in range(2):
            samples = struct.pack("<2000f", *(gain * tone(k + 9)))
            (tones.parent / f"{k}.wav").write_bytes(wav(samples, code=3, bits=32))
        fitted.append(Classifier(**options).fit(train).codec.inputs)
    before, after = fitted
    assert before.level == after.level and before.level.ahead > 0
    assert all(np.array_equal(array, after.arrays()[name]) for name, array in before.arrays().items())


def test_what_is_unlike_the_training_is_told_with_counts(tones, tmp_path):
    loud = record(tmp_path / "loud", 10.0)
    for level, is_noted in (("none", True), ("recording", False)):
        model = Classifier(level=level, **SMALL).fit(tones)
        notices = [line for line in model.notices(loud) if "unlike" in line]
        sentences = model.evaluate(loud, include_training=True).verdict
        assert model.notices(tones) == [] and bool(notices) == is_noted
        assert any("(24 louder by more than 10 dB)" in line for line in sentences) == is_noted
