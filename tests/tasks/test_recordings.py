"""Models of recordings: their rate and channel, what a training leaves out, and what is told of new ones."""

import numpy as np
import pytest

from tests.cli.samples import recordings
from tests.files.test_riff import wav
from unrolled import Classifier, load
from unrolled.errors import ConfigError
from unrolled.files.sound import open_recording
from unrolled.files.wav import Audio
from unrolled.runs import Run
from unrolled.tasks.inputs import SequencesConfig

SMALL = {"hidden": 5, "epochs": 1, "batch_size": 8, "mels": 6, "members": 1, "front": "none"}


def tone(path, hz, rate, seconds=0.3, channels=1):
    t = np.arange(int(seconds * rate)) / rate
    values = np.repeat(12000 * np.sin(2 * np.pi * hz * t)[:, None], channels, 1)
    path.write_bytes(wav(values.astype("<i2").tobytes(), rate=rate, channels=channels))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Of twenty tones at 8 kHz, two at 16 kHz and a click."""
    folder = tmp_path_factory.mktemp("tones")
    path = recordings(folder, 0)
    for name in ("fast1", "fast2"):
        tone(folder / f"{name}.wav", 300, 16000, channels=2)
    tone(folder / "click.wav", 300, 8000, 0.05)
    label = path.read_text().splitlines()[1].rpartition(",")[2]
    with path.open("a") as file:
        file.writelines(f"{name}.wav,{label}\n" for name in ("fast1", "click", "fast2"))
    Classifier(**SMALL, test=0.3).fit(path, out=folder / "run")
    return folder


def test_the_run_says_at_which_rate_it_hears_and_what_was_left_out(run):
    model = load(run / "run")
    assert model.codec.inputs.rate_hz == model.config.data.rate_hz == 8000
    assert Run.open(run / "run").config["data"]["rate_hz"] == 8000
    (reason,) = model.left_out()["reason"]
    assert reason.startswith("0.05 seconds, and those below 0.1 are left out")


def heard(model, paths):
    """What is told of how they were read."""
    return [note for note in model.notices(paths) if note.startswith("recordings: ")]


def test_recordings_of_any_rate_are_answered_and_told_of(run):
    for name, rate, seconds in (("a", 8000, 0.3), ("b", 44100, 0.3), ("c", 6000, 0.05)):
        tone(run / f"{name}.wav", 1200, rate, seconds)
    model, paths = load(run / "run"), [run / f"{name}.wav" for name in "abc"]
    table = model.predict(paths)
    p = table.select("^p.*$").to_numpy()
    # The tone is the same; its beginning and its end are not, where the other is cut off at its band.
    assert len(table) == 3 and np.abs(p[0] - p[1]).max() < 0.01
    assert heard(model, paths) == [
        f"recordings: 1 of 3 shorter than 0.1 seconds; the first: {paths[2]}",
        f"recordings: 1 of 3 recorded at 44,100 Hz, read at 8,000 Hz; the first: {paths[1]}",
        "recordings: 1 of 3 recorded at 6,000 Hz, read at 8,000 Hz, with nothing above 3,000 Hz, where up to "
        f"4,000 Hz is heard; the first: {paths[2]}",
    ]
    assert heard(model, paths[:1]) == []
    labels = table["label"].to_list()
    (run / "new.csv").write_text(
        "path,label\n" + "".join(f"{n}.wav,{y}\n" for n, y in zip("abc", labels, strict=True))
    )
    sentences = model.evaluate(run / "new.csv").verdict
    assert any("read at 8,000 Hz; the first: " in one for one in sentences)


def test_new_recordings_are_read_once_for_their_answers_and_what_is_told(run, monkeypatch):
    tone(run / "d.wav", 1200, 16000)
    tone(run / "e.wav", 1200, 8000)
    model, paths, read = load(run / "run"), [run / "d.wav", run / "e.wav"], []

    def counted(path, channel):
        read.append(path)
        return open_recording(path, channel)

    monkeypatch.setattr("unrolled.files.recordings.open_recording", counted)
    model.predict(paths)
    assert len(heard(model, [str(path) for path in paths])) == 1 and read == paths
    model.reading(skip_wrong=True).notices(paths)
    assert read == paths * 2


def test_parts_of_their_own_are_heard_at_the_rate_of_the_training(run):
    (run / "apart").mkdir()
    labels = [line.rpartition(",")[2] for line in (run / "tones0.csv").read_text().splitlines()[1:3]]
    parts = {}
    for part, hz in (("validation", 310), ("test", 320)):
        for k, rate in enumerate((44100, 8000)):
            tone(run / "apart" / f"{part}{k}.wav", hz + 900 * k, rate)
        parts[part] = run / "apart" / f"{part}.csv"
        parts[part].write_text("path,label\n" + "".join(f"{part}{k}.wav,{labels[k]}\n" for k in (0, 1)))
    model = Classifier(**SMALL).fit(run / "tones0.csv", **parts)
    assert model.codec.inputs.rate_hz == 8000 and model.evaluation.about["sequences"] == 2


def test_audio_of_the_options_is_that_of_the_readers():
    options = SequencesConfig(
        mels=9, frame_ms=20, hop_ms=5, low_hz=60, high_hz=3000, rate_hz=11025, sound_channel="2"
    )
    assert options.audio() == Audio(20, 5, 9, 60, 3000, 11025, "2")


@pytest.mark.parametrize(
    "options, said",
    [
        ({"rate_hz": 900}, "rate_hz: wanted 1,000 to 768,000, got 900"),
        ({"sound_channel": "0"}, "sound_channel: wanted mean, or the number of a channel from 1, got '0'"),
        ({"sound_channel": "²"}, "sound_channel: wanted mean, or the number of a channel from 1, got '²'"),
        ({"min_seconds": -1}, "min_seconds"),
    ],
)
def test_options_that_cannot_be_are_refused(options, said):
    with pytest.raises(ConfigError) as error:
        Classifier(**options)
    assert said in str(error.value) and "\n" not in str(error.value)
