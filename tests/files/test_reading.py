"""Several sources as one, the choice of a reader, and the examples of docs/files.md."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.files.refusing import refused
from unrolled.errors import ConfigError
from unrolled.files.captions import read_captioned
from unrolled.files.pairs import read_pairs
from unrolled.files.query import Query
from unrolled.files.reading import read_sequences
from unrolled.files.series import read_series
from unrolled.files.tagging import read_tagged
from unrolled.files.wav import Audio

ONE = pl.DataFrame({"id": ["a", "a", "b"], "x": [1, 2, 3], "z": [4, 5, 6], "label": ["u", "u", "v"]})


def write(path, frame):
    frame.write_csv(path)
    return path


def test_sequences_come_back_as_they_are():
    data = read_sequences(ONE)
    assert read_sequences(data) is data


READERS = {
    "sequences": (read_sequences, ONE),
    "texts": (read_sequences, pl.DataFrame({"text": ["a", "b"], "label": ["u", "v"]})),
    "pairs": (read_pairs, pl.DataFrame({"source": ["a", "b"], "target": ["u", "v"]})),
    "tagged": (read_tagged, pl.DataFrame({"id": [1, 1], "word": ["a", "b"], "tag": ["u", "v"]})),
    "captions": (read_captioned, pl.DataFrame({"x": [1, 2], "caption": ["u", "v"]})),
    "series": (read_series, pl.DataFrame({"time": ["2020-01-01", "2020-01-02"], "y": [1, 2]})),
}


@pytest.mark.parametrize("name", READERS)
def test_every_reader_leaves_the_numbers_of_rows_out(tmp_path, name):
    read, frame = READERS[name]
    path = write(tmp_path / "a.csv", frame.with_row_index(""))
    numbered, plain = read(path, Query()), read(write(tmp_path / "b.csv", frame), Query())
    note, *others = numbered.notes
    assert "no name and numbers the rows from 0" in note and others == list(plain.notes)
    if name == "series":
        assert np.array_equal(numbered.series[0].target, plain.series[0].target)
    else:
        assert numbered.checksum() == plain.checksum()


def test_several_files_are_one_after_the_other(tmp_path):
    other = ONE.with_columns(id=pl.col("id") + "2").select("label", "z", "x", "id")
    first, second = write(tmp_path / "1.csv", ONE), write(tmp_path / "2.csv", other)
    data = read_sequences([first, str(second)])
    assert data.names == ("a", "b", "a2", "b2") and data.answers == ("u", "v", "u", "v")
    assert data.features == ("x", "z") and np.array_equal(data.inputs[2], [[1, 4], [2, 5]])
    assert data.places[3] == f"{second}, line 4"
    unanswered = write(tmp_path / "3.csv", other.with_columns(id=pl.col("id") + "3").drop("label"))
    assert read_sequences((first, unanswered), Query(answers=False)).answers is None


def test_an_id_stands_in_one_file(tmp_path):
    first = write(tmp_path / "1.csv", ONE)
    second = write(tmp_path / "2.csv", ONE.with_columns(id=pl.col("id").replace("a", "c")))
    message = refused([first, second])
    assert message.startswith(
        f"{second}, line 4: sequence 'b' stands in {first}, line 4 too; wanted all rows"
    )


def test_numbers_of_rows_get_their_files_in_front(tmp_path):
    files = [
        write(tmp_path / name, pl.DataFrame({"text": ["a"], "label": [name]})) for name in ("1.csv", "2.csv")
    ]
    data = read_sequences(files)
    assert data.names == (f"{files[0]} 1", f"{files[1]} 1") and data.answers == ("1.csv", "2.csv")


def test_files_of_two_kinds_are_refused(tmp_path):
    first = write(tmp_path / "1.csv", ONE)
    second = write(tmp_path / "2.csv", pl.DataFrame({"text": ["a"], "label": ["b"]}))
    assert refused([first, second]) == (
        f"{second} is a table of texts, {first} a long table; wanted files of one kind"
    )


def test_files_of_other_features_are_refused(tmp_path):
    first = write(tmp_path / "1.csv", ONE)
    second = write(tmp_path / "2.csv", ONE.rename({"z": "w"}).with_columns(id=pl.lit("c"), label=pl.lit("u")))
    assert refused([first, second]) == (
        f"{second}: the features are 'x', 'w', those of {first} 'x', 'z'; wanted the same in all files, "
        "or name those to use with features"
    )
    third = write(tmp_path / "3.csv", ONE.with_columns(id=pl.lit("c"), w=pl.lit(1), label=pl.lit("u")))
    assert "the features are 'x', 'z', 'w', those of" in refused([first, third])
    assert read_sequences([first, third], Query(features=("z",))).features == ("z",)


def test_features_are_chosen_from_any_numbers(tmp_path):
    path = tmp_path / "a.ts"
    path.write_text("@dimensions 3\n@classLabel true a\n@data\n1,2:3,4:5,6:a\n")
    data = read_sequences(path, Query(features=("dimension3", "dimension1")))
    assert data.features == ("dimension3", "dimension1") and data.inputs[0].tolist() == [[5, 1], [6, 2]]
    assert f"{path}, line 4: no feature 'dimension4' (did you mean 'dimension" in refused(
        path, features=("dimension4",)
    )


@pytest.mark.parametrize(
    "source, error, said",
    [
        ([], "DataError", "no files were named"),
        (7, "ConfigError", "wanted a path, paths or a polars frame, got int"),
        (pl.DataFrame({"id": []}), "DataError", "the table: the table has no rows"),
    ],
)
def test_what_is_no_source_is_refused(source, error, said):
    import unrolled.errors

    assert said in refused(source, getattr(unrolled.errors, error))


def test_values_that_are_no_names_are_refused():
    frame = pl.DataFrame({"id": [[1], [1]], "text": ["a", "b"], "x": [1, 2], "label": ["u", "v"]})
    assert read_sequences(frame).is_text
    assert refused(frame, id="id") == (
        "the table, column 'id': wanted the name of a sequence, got List(Int64) values; name another"
    )


def test_labels_belong_to_one_file(tmp_path):
    paths = [tmp_path / "a", tmp_path / "b"]
    assert "belongs to one file, got 2 files; leave it out" in refused(
        paths, ConfigError, labels=tmp_path / "c"
    )


def test_a_missing_file_is_told_from_its_neighbours(tmp_path):
    write(tmp_path / "steps.csv", ONE)
    assert refused(tmp_path / "step.csv") == (
        f"{tmp_path}/step.csv: there is no such file (did you mean 'steps.csv'?); name a file of sequences"
    )
    assert refused(tmp_path) == f"{tmp_path}: is a folder; wanted a file of sequences, name one in it"
    assert refused("a\0b").endswith("no name of a file; name a file of sequences")


def test_the_examples_of_the_page_are_read(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "files.md").read_text()
    data = {}
    for name, content in re.findall(r"```(\S+)\n(.*?)```", page, re.DOTALL):
        (tmp_path / name).write_text(content)
        if name not in ("shapes.csv", "drawings.csv", "pairs.tsv", "train.conll"):
            data[name] = read_sequences(tmp_path / name, Query(transcripts=name == "strokes.csv"))
    assert read_tagged(tmp_path / "train.conll", Query()).answers == (("B-ORG", "O"), ("B-LOC",))
    assert read_pairs(tmp_path / "pairs.tsv").answers == ("le chat dort", "la chatte dort")
    assert {name: (len(one), one.answers) for name, one in data.items()} == {
        "long.csv": (2, ("yes", "no")),
        "texts.csv": (2, ("calm", "storm")),
        "strokes.csv": (2, ("no", "")),
        "waves.ts": (2, ("storm", "calm")),
        "wide.csv": (2, ("calm", "storm")),
        "waves.tsv": (2, ("1", "2")),
        "series.jsonl": (2, ("calm", "storm")),
        "waves.arff": (2, ("calm", "storm")),
        "spam.txt": (3, ("ham", "spam", "ham")),
        "reviews.txt": (2, ("calm", "storm")),
    }
    assert data["long.csv"].features == ("height", "width") and data["texts.csv"].inputs[0] == "Well, well"


def test_options_of_recordings_are_refused_where_there_are_none(tmp_path):
    path = write(tmp_path / "1.csv", ONE)
    assert refused(path, ConfigError, audio=Audio(hop_ms=5)) == (
        f"hop_ms is for recordings, and {path} holds none; leave it out"
    )
    said = pl.DataFrame({"text": ["a", "b"], "label": ["u", "v"]})
    assert refused(said, ConfigError, audio=Audio(high_hz=3000)) == (
        "high_hz is for recordings, and the table holds none; leave it out"
    )
    known = Audio(mels=7, rate_hz=8000)  # of a model of recordings, which says itself what it wants
    assert read_sequences(path, Query(audio=known, known=("mel1",))).rate_hz is None
    assert refused(path, ConfigError, audio=Audio(rate_hz=8000)).startswith("rate_hz is for recordings")
    assert refused(path, ConfigError, min_seconds=0.5).startswith("min_seconds is for recordings")
