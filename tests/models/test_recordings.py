"""The runtime reads recordings, without torch and polars, and answers to the bit as the estimators do."""

import subprocess
import sys

import numpy as np
import pytest

from tests.cli.samples import recordings, spoken
from tests.files.test_riff import wav
from unrolled import Classifier, Transcriber, runtime
from unrolled.errors import DataError

SMALL = {"hidden": 7, "epochs": 1, "batch_size": 8, "mels": 13}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two models, and recordings: of the rate of the training; of another, with two channels, to a pipe."""
    folder = tmp_path_factory.mktemp("heard")
    Classifier(**SMALL, sound_channel="2", test=0).fit(stereo(folder), out=folder / "classify")
    Transcriber(**SMALL, test=0).fit(spoken(folder, 0), out=folder / "transcribe")
    draw = np.random.default_rng(0)
    (folder / "a.wav").write_bytes(wav(sound(draw, 2 * 3001), channels=2))
    piped = wav(sound(draw, 2 * 4001), channels=2, rate=11025)
    (folder / "b.wav").write_bytes(piped[:40] + b"\xff" * 4 + piped[44:])
    return folder


def sound(draw, samples):
    return draw.integers(-9999, 9999, samples).astype("<i2").tobytes()


def stereo(folder):
    """A list of the recordings with noise in a first channel beside them."""
    listed = recordings(folder, 0)
    for path in folder.glob("tone0_*.wav"):
        heard = np.frombuffer(path.read_bytes()[44:], "<i2")
        noise = np.random.default_rng(0).integers(-9999, 9999, len(heard))
        path.write_bytes(wav(np.stack([noise, heard], 1).astype("<i2").tobytes(), channels=2))
    return listed


def test_classes_of_recordings_are_those_of_the_estimator(folder):
    paths = [folder / "a.wav", str(folder / "b.wav")]
    table = Classifier.load(folder / "classify").frame(paths)
    model = runtime.load(folder / "classify")
    answers = model.predict(paths)
    assert answers["probabilities"].tobytes() == table.select("^p.*$").to_numpy().tobytes()
    assert answers["label"].tolist() == table["label"].to_list()
    for one in (paths[0], str(paths[0])):
        alone = model.predict(one)
        assert alone["probabilities"].tobytes() == answers["probabilities"][:1].tobytes()


def test_transcripts_of_recordings_are_those_of_the_estimator(folder):
    paths = [folder / "a.wav", folder / "b.wav"]
    table = Transcriber.load(folder / "transcribe").frame(paths)
    answers = runtime.load(folder / "transcribe").predict(paths)
    assert [str(best["transcript"]) for best, *_ in answers] == table["transcript"].to_list()
    assert [float(best["log_p"]) for best, *_ in answers] == table["log_p"].to_list()


def test_it_needs_neither_torch_nor_polars(folder):
    code = f"""
import sys
from unrolled import runtime
runtime.load({str(folder / "classify")!r}).predict([{str(folder / "a.wav")!r}])
assert not {{"torch", "polars", "pydantic", "soundfile"}} & set(sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_what_is_wrong_with_a_recording_is_said_in_one_line(folder):
    model = runtime.load(folder / "classify")
    (folder / "mono.wav").write_bytes(wav(b"\1\0" * 3000))
    cases = {
        "none.wav": "there is no such file",
        "tones0.csv": "got a file that begins with",
        "mono.wav": "1 channel;",
    }
    for name, said in cases.items():
        with pytest.raises(DataError) as error:
            model.predict([folder / "a.wav", folder / name])
        message = str(error.value)
        assert (
            message.startswith(f"sequence 1: {folder / name}: ") and said in message and "\n" not in message
        )
    with pytest.raises(DataError, match="there are no sequences"):
        model.predict([])
