"""The script strings clips of one speaker together, keeps the parts apart, and gives the same bytes again."""

import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from unrolled.files.query import Query
from unrolled.files.reading import read_sequences

SCRIPT = Path(__file__).parents[2] / "examples" / "digit_strings.py"
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
SPEAKERS = {"ann": 0, "bob": 10000}


def write(path, samples, rate=8000):
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(np.asarray(samples, "<i2").tobytes())


def run(folder, out, *options):
    return subprocess.run(
        [sys.executable, SCRIPT, folder, "--out", out, *options], capture_output=True, text=True
    )


@pytest.fixture
def clips(tmp_path):
    """Of each digit, speaker and index a constant that tells them, behind one loud sample."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for speaker, base in SPEAKERS.items():
        for digit in range(10):
            for index in (3, 4, 5, 6):
                write(folder / f"{digit}_{speaker}_{index}.wav", [30000] + [base + 100 * digit + index] * 159)
    return folder


def test_strings_are_of_one_speaker_and_one_part_with_their_transcripts(clips, tmp_path):
    options = ("--train", "9", "--test", "7", "--seed", "3")
    assert run(clips, tmp_path / "out", *options).returncode == 0
    for part, indices, count in (("train", {5, 6}, 9), ("test", {3, 4}, 7)):
        data = read_sequences(tmp_path / "out" / f"{part}.csv", Query(transcripts=True))
        assert len(data) == count and data.rate_hz == 8000
        for name, transcript in zip(data.names, data.answers, strict=True):
            with wave.open(str(tmp_path / "out" / name)) as file:
                samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            starts = np.flatnonzero(samples == 30000)
            said = [int(np.median(samples[at + 1 : at + 160])) for at in starts]
            speakers = {value // 10000 for value in said}
            assert len(speakers) == 1 and {value % 100 for value in said} <= indices
            assert " ".join(WORDS[value % 10000 // 100] for value in said) == transcript
            assert 3 <= len(said) <= 7
            pauses = np.diff([-160, *starts, len(samples)]) - 160
            assert (pauses >= 400).all() and (pauses <= 3200).all()
    again = tmp_path / "again"
    run(clips, again, *options)
    files = sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert len(files) == 9 + 7 + 2
    assert all((again / one).read_bytes() == (tmp_path / "out" / one).read_bytes() for one in files)


def test_what_cannot_be_strung_is_said(clips, tmp_path):
    for path in clips.glob("*_[56].wav"):
        write(path, [1] * 99, 16000 if "ann" in path.name else 8000)
    assert run(tmp_path, tmp_path / "out").stderr.startswith(f"{tmp_path}: wanted clips")
    write(clips / "0_bob_7.wav", [1] * 99, 16000)
    assert f"{clips}: wanted clips of one rate" in run(clips, tmp_path / "out").stderr
