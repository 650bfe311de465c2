"""Lists of recordings: paths beside the list, one rate, errors with the line of the list."""

import struct

import numpy as np
import polars as pl
import pytest

from tests.files.refusing import refused
from tests.files.test_riff import wav
from unrolled.files.query import Query
from unrolled.files.reading import read_sequences
from unrolled.files.sample_rate import resampler
from unrolled.files.samples import Sound
from unrolled.files.sound import read_sound
from unrolled.files.wav import Audio, log_mel


def record(path, samples, rate=8000):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(wav(np.asarray(samples, "<i2").tobytes(), rate=rate))


@pytest.fixture
def folder(tmp_path):
    """Two recordings of 1,000 and 100 samples."""
    generator = np.random.default_rng(0)
    record(tmp_path / "sub" / "a.wav", generator.integers(-9999, 9999, 1000))
    record(tmp_path / "b.WAV", generator.integers(-9999, 9999, 100))
    return tmp_path


def listing(folder, text):
    path = folder / "list.csv"
    path.write_text(text)
    return path


def test_recordings_are_read_beside_the_list(folder):
    path = listing(folder, f"speaker,file,label\nx,sub/a.wav,yes\ny,{folder / 'b.WAV'},no\n")
    data = read_sequences(path, Query(target="label", audio=Audio(mels=7)))
    assert data.features == tuple(f"mel{n}" for n in range(1, 8)) and data.rate_hz == 8000
    assert [one.shape for one in data.inputs] == [(11, 7), (1, 7)]
    samples = np.frombuffer((folder / "sub" / "a.wav").read_bytes()[44:], "<i2") / 2**15
    assert np.array_equal(data.inputs[0], log_mel(Sound(8000, samples), Audio(mels=7)))
    assert data.answers == ("yes", "no") and data.names == ("sub/a.wav", str(folder / "b.WAV"))
    assert data.places[1] == f"{path}, line 3"
    some = read_sequences(path, Query(id="speaker", audio=Audio(mels=7), features=("mel7", "mel2")))
    assert some.names == ("x", "y") and np.array_equal(some.inputs[0], data.inputs[0][:, [6, 1]])


def test_the_column_is_told_by_its_cells_and_then_by_its_name(folder):
    path = listing(folder, "noise,label,path\nx.wav,1,b.WAV\n")
    assert read_sequences(path, Query(target="label")).names == ("b.WAV",)
    assert len(read_sequences(listing(folder, "anything,label\nb.WAV,1\n"))) == 1


def test_paths_are_judged_as_they_are_written_links_are_followed(folder, monkeypatch):
    (folder / "lists").mkdir()
    (folder / "lists" / "sounds").symlink_to(folder / "sub")
    path = listing(folder / "lists", "path,label\nsounds/../sounds/a.wav,1\n")
    assert read_sequences(path).names == ("sounds/../sounds/a.wav",)
    monkeypatch.chdir(folder / "lists")
    assert len(read_sequences("list.csv")) == 1  # the folder of a bare name is the working one
    listing(folder / "lists", "path,label\n../b.WAV,1\n")
    assert f"leaves the folder of the list, {folder}/lists; wanted" in refused("list.csv")
    assert len(read_sequences(pl.DataFrame({"wav": ["../b.WAV"], "label": [1]}))) == 1  # its caller's own


def test_transcripts_have_usual_names_and_may_be_empty_but_not_missing(folder):
    def read(path, **named):
        return read_sequences(path, Query(transcripts=True, **named))

    for name in ("transcript", "text", "sentence", "labels"):
        path = listing(folder, f'path,speaker,{name}\nb.WAV,x,""\nsub/a.wav,y,null\n')
        assert read(path).answers == ("", "null")
    assert read(listing(folder, "path,speaker\nb.WAV,x\n"), answers=False).answers is None
    path = listing(folder, "path,transcript\nb.WAV,\n")
    assert (
        ", line 2, column 'transcript': wanted a transcript, got nothing; fill the cell, write \"\""
        in refused(path, transcripts=True)
    )
    path = listing(folder, "id,x,text\n1,0.5,a b\n1,3,a b\n2,1,c\n")
    assert read(path).answers == ("a b", "c") and read(path, id="id").answers == ("a b", "c")


def test_a_frame_names_paths_from_the_working_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert read_sequences(pl.DataFrame({"wav": ["b.WAV"], "label": [1]})).answers == ("1",)


def test_a_recording_alone_has_no_answer(folder):
    data = read_sequences(
        [folder / "b.WAV", folder / "sub" / "a.wav"], Query(answers=False, id="who", target="label")
    )
    assert data.names == ("b.WAV", "a.wav") and data.answers is None and len(data.inputs[1]) == 11
    assert "a recording alone has no answer; wanted a table" in refused(folder / "b.WAV")


WRONG = {
    "missing": ("path,label\nb.WAV,1\nc.wav,2\n", ", line 3: {}/c.wav: there is no such file"),
    "folder": ("path,label\nb.WAV,1\nsub/d.wav/,2\n", ", line 3: {}/sub/d.wav: there is no such file"),
    "no path": ("path,label\nb.WAV,1\n,2\n", ", line 3, column 'path': wanted the path of a recording"),
    "control character": (
        'path,label\nb.WAV,1\n"a\nb.wav",2\n',
        ", line 3, column 'path': wanted a path, got",
    ),
    "no answer": (
        "path,label\nb.WAV,1\nsub/a.wav,\n",
        ", line 3, column 'label': wanted an answer, got nothing",
    ),
    "not WAV": (
        "path,label\nb.WAV,1\nlist.csv,2\n",
        ", line 3: {}/list.csv: wanted a recording (WAV, FLAC, Ogg, MP3 or AIFF), got a file that",
    ),
    "above the folder": (
        "path,label\nb.WAV,1\nsub/../../b.WAV,2\n",
        ", line 3: 'sub/../../b.WAV' leaves the folder of the list, {}; wanted paths inside it",
    ),
    "absolute": (
        "path,label\nb.WAV,1\n/etc/b.wav,2\n",
        ", line 3: '/etc/b.wav' leaves the folder of the list, {}; wanted paths inside it",
    ),
    "beside the folder": (
        "path,label\nb.WAV,1\n../list/b.wav,2\n",
        ", line 3: '../list/b.wav' leaves the folder of the list, {}; wanted paths inside it",
    ),
    "too long a name": (
        "path,label\nb.WAV,1\n" + "x" * 5000 + ".wav,1\n",
        "too long for the name of a file",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_in_one_line_with_its_place(folder, case):
    content, said = WRONG[case]
    path = listing(folder, content)
    message = refused(path)
    assert message.startswith(str(path)) and said.format(folder) in message


def test_recordings_are_read_at_the_rate_that_is_asked_for(folder):
    path = listing(folder, "path,label\nb.WAV,1\n")
    data = read_sequences(path, Query(audio=Audio(rate_hz=16000)))
    samples = resampler(8000, 16000).whole(read_sound(folder / "b.WAV").samples)
    assert data.rate_hz == 16000 and np.array_equal(data.inputs[0], log_mel(Sound(16000, samples), Audio()))


def test_files_of_several_rates_are_read_at_the_lowest(folder):
    record(folder / "fast.wav", np.random.default_rng(0).integers(-9999, 9999, 999), 16000)
    data = read_sequences([folder / "b.WAV", folder / "fast.wav"], Query(answers=False))
    assert data.rate_hz == 8000 and len(data) == 2
    assert any("16,000 Hz, read at 8,000 Hz" in note for note in data.notes)


def test_all_wrong_rows_are_told_at_once(folder):
    record(folder / "good.wav", np.ones(1000))
    lines = [f"recorded-{number}.wav,x" for number in range(12)]
    path = listing(folder, "path,label\ngood.wav,x\n" + "\n".join(lines) + "\nsub,y\n")
    message, said = refused(path), f"{folder}/recorded-{{}}.wav: there is no such file"
    assert message.startswith(f"{path}, line 3: {said.format(0)}; name a recording")
    assert f"; and 12 more: line 4: {said.format(1)} | line 5: {said.format(2)} | " in message
    assert message.endswith(f" | line 12: {said.format(9)} | and 3 more")
    assert "leave such rows out" in refused(path, skip_wrong=False)
    data = read_sequences(path, Query(skip_wrong=True))
    assert data.names == ("good.wav",) and len(data.left_out) == 13
    assert (
        "no such file" in data.left_out[f"{path}, line 3"] and "folder" in data.left_out[f"{path}, line 15"]
    )


def test_recordings_alone_that_cannot_be_read_are_told_at_once_or_left_out(folder):
    paths = [folder / name for name in ("none.wav", "b.WAV", "sub/a.wav", "cut.wav")]
    paths[3].write_bytes(paths[1].read_bytes()[:99])
    message = refused(paths, answers=False)
    assert message.startswith(f"{folder}/none.wav: there is no such file") and (
        f"; and 1 more: {folder}/cut.wav: the 'data' chunk at byte 36 says 200 bytes and 55 follow" in message
    )
    assert "leave such rows out" in refused(paths, answers=False, skip_wrong=False)
    data = read_sequences(paths, Query(answers=False, skip_wrong=True))
    assert data.names == ("b.WAV", "a.wav") and list(data.left_out) == [str(paths[0]), str(paths[3])]
    assert "no such file" in refused(paths[:1], answers=False, skip_wrong=True)


def test_short_recordings_are_left_out_where_answers_are_learned(folder):
    path = listing(folder, "path,label\nsub/a.wav,1\nb.WAV,2\n")
    data = read_sequences(path, Query(min_seconds=0.1))
    assert data.names == ("sub/a.wav",) and data.answers == ("1",)
    assert data.left_out == {
        f"{path}, line 3": "0.0125 seconds, and those below 0.1 are left out (min_seconds)"
    }
    assert len(read_sequences(path, Query(min_seconds=0.0125))) == 2
    assert len(read_sequences(path, Query(min_seconds=0.1, answers=False))) == 2
    assert ", line 2: 0.125 seconds, and those below 2 are left out" in refused(path, min_seconds=2.0)


def test_samples_that_are_not_finite_are_named_by_the_line(folder):
    (folder / "nan.wav").write_bytes(wav(struct.pack("<f", np.nan), code=3, bits=32))
    assert ", line 2: " in refused(listing(folder, "path,label\nnan.wav,1\n"))
