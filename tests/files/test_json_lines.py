"""JSON lines as tables, and series in their fields."""

import gzip
import json

import numpy as np
import polars as pl
import pytest

from tests.files.refusing import refused
from unrolled.errors import ConfigError
from unrolled.files import limits
from unrolled.files.pairs import read_pairs
from unrolled.files.query import Query
from unrolled.files.reading import read_sequences
from unrolled.files.series import read_series
from unrolled.files.table import open_table
from unrolled.files.tagging import read_tagged
from unrolled.files.text import open_text


@pytest.fixture
def write(tmp_path):
    def write(rows, name="a.jsonl"):
        text = "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return path

    return write


def test_every_value_has_its_type(write):
    path = write([{"a": 1, "b": "x", "c": True, "d": 2}, "", {"a": 2.5, "b": 7, "e": None, "d": 3}])
    table = open_table(path)
    assert table.frame.to_dict(as_series=False) == {
        "a": [1.0, 2.5],
        "b": ["x", "7"],
        "c": [True, None],
        "d": [2, 3],
        "e": [None, None],
    }
    assert table.frame.dtypes == [pl.Float64, pl.String, pl.Boolean, pl.Int64, pl.String]
    assert table.row(1) == "line 3"


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.json", "a.jsonl.gz"])
def test_texts(write, name):
    path = write([{"text": 'say "hi",\n', "label": "u", "tags": [1]}, {"text": "π", "label": "v"}], name)
    data = read_sequences(path)
    assert data.inputs == ('say "hi",\n', "π") and data.answers == ("u", "v")
    assert data.places[1] == f"{path}, line 2"


def test_series_in_fields(write):
    rows = [
        {"x": [1, 2.5, None], "y": [0, 1, 2], "label": "u", "date": "2024-01-31"},
        {"x": [7], "y": [8], "label": "v", "date": "2024-02-01"},
    ]
    data = read_sequences(write(rows))
    assert data.features == ("x", "y") and data.answers == ("u", "v") and data.names == ("1", "2")
    np.testing.assert_array_equal(data.inputs[0], [[1, 0], [2.5, 1], [np.nan, 2]])
    assert data.places == (f"{write(rows)}, line 1", f"{write(rows)}, line 2")
    named = [row | {"id": name} for row, name in zip(rows, "ab", strict=True)]
    assert read_sequences(write(named)).names == ("a", "b")
    frame = pl.DataFrame({"x": [[1, 2], [3]], "label": ["u", "v"]})
    assert [x.tolist() for x in read_sequences(frame).inputs] == [[[1.0], [2.0]], [[3.0]]]
    bad = [*rows, {"x": [1, 2], "y": [1], "label": "u"}, {"x": [], "y": [], "label": "u"}]
    said = refused(write(bad), skip_wrong=False)
    assert "line 4, column 'x': wanted a list of one value at least, got none; write it; or leave" in said
    data = read_sequences(write(bad), Query(skip_wrong=True))
    assert len(data) == 2
    assert list(data.left_out.values()) == [
        "column 'y': the lists 'x', 'y' are not equally long",
        "column 'x': wanted a list of one value at least, got none",
    ]


def test_objects_in_fields_and_lists_of_steps_become_columns(write):
    rows = [
        {"meta": {"id": 7}, "review": {"text": "fine", "more": {"stars": 5}}, "x": [[1, 2], [3, None]]},
        {"meta": None, "review": {"text": "poor"}, "x": [[5, 6], None]},
    ]
    assert open_table(write(rows)).frame.to_dict(as_series=False) == {
        "meta.id": [7, None],
        "review.text": ["fine", "poor"],
        "review.more.stars": [5, None],
        "x.1": [[1, 3], [5, None]],
        "x.2": [[2, None], [6, None]],
    }
    steps = [{"x": [{"b": 1, "a": 2}, {"a": 3}]}]
    assert open_table(write(steps)).frame.to_dict(as_series=False) == {"x.b": [[1, None]], "x.a": [[2, 3]]}


@pytest.mark.parametrize("indent", [None, 1])
def test_one_list_of_objects_is_a_table_too(tmp_path, indent):
    path = tmp_path / "a.json"
    rows = [{"text": "a\nb", "label": "u"}, {"text": "c", "label": "v"}]
    path.write_text("\ufeff" + json.dumps(rows, indent=indent))
    data = read_sequences(path)
    assert data.inputs == ("a\nb", "c") and data.answers == ("u", "v")
    assert data.places == (f"{path}, row 1", f"{path}, row 2")
    path.write_text(json.dumps([*rows, {"text": "", "label": "u"}]))
    assert "row 3, column 'text': wanted a text, got nothing" in refused(path, skip_wrong=False)
    path.write_text(json.dumps([*rows, 5]))
    assert 'row 3: wanted an object such as {"x": 1}, got 5' in refused(path, skip_wrong=False)
    assert len(read_sequences(path, Query(skip_wrong=True))) == 2
    path.write_text(json.dumps(rows)[:-1])
    assert "a.json: wanted one list of objects, or an object in each line; the list is no JSON" in refused(
        path
    )


def test_parts_of_objects_are_found_by_their_last_name(write):
    texts = [{"user": {"id": 1}, "review": {"text": text}, "y": {"label": text[0]}} for text in ("ab", "cd")]
    data = read_sequences(write(texts))
    assert data.inputs == ("ab", "cd") and data.answers == ("a", "c")
    assert data.names == ("1", "2")  # a part called id may name who wrote it
    assert list(open_text(write(texts)).lines()) == ["ab", "cd"]
    pairs = read_pairs(write([{"translation": {"target": "b", "more": 1, "source": "a"}}]))
    assert pairs.inputs == ("a",) and pairs.answers == ("b",)
    wide = [{"x": [[1, 2], [3, 4]], "label": "u"}, {"x": [[5, 6]], "label": "v"}]
    assert [x.tolist() for x in read_sequences(write(wide)).inputs] == [[[1, 2], [3, 4]], [[5, 6]]]


def test_words_and_their_tags_in_fields(write):
    path = write([{"id": 7, "tokens": ["EU", "rejects"], "ner_tags": ["B", "O"]}])
    assert read_tagged(path, Query()).answers == (("B", "O"),)
    data = read_tagged(path, Query(text="tokens", target="ner_tags"))
    assert data.inputs == (("EU", "rejects"),) and data.answers == (("B", "O"),) and data.names == ("7",)


def test_pairs_and_series_to_forecast(write):
    assert read_pairs(write([{"source": "a", "target": "b"}])).answers == ("b",)
    path = write([{"start": "2024-01-01", "target": [1, 2, 3]}, {"start": "2024-01-01", "target": [4, 5]}])
    file = read_series(path, Query(targets=("target",)))
    assert [one.name for one in file.series] == ["1", "2"] and file.targets == ("target",)
    assert [one.target[:, 0].tolist() for one in file.series] == [[1, 2, 3], [4, 5]]
    path = write([{"day": f"2024-01-0{day}", "load": day} for day in range(1, 6)])
    file = read_series(path, Query())
    assert file.time == "day" and file.series[0].target[:, 0].tolist() == [1, 2, 3, 4, 5]


WRONG = {
    "no JSON": ('{"text": ', 'line 1: wanted an object such as {"x": 1} in one line, got \'{"text": \''),
    "a list": ("[1, 2]", 'line 1: wanted an object such as {"x": 1}, got [1, 2]; write each row as one'),
    "NaN": (
        '{"x": NaN}',
        "(no number that is read: NaN); write each row in one line, null where there is no",
    ),
    "twice": ('{"x": 1, "x": 2}', "(a name stands twice)"),
    "deep": ('{"x": [[[1]], [[2]]]}', "got [1]; write a field for each of its parts"),
    "steps of two sizes": (
        '{"x": [[1, 2], [3]]}',
        "line 1, 'x': wanted 2 values as in step 1, got 1 in step 2; write as many at all steps",
    ),
    "steps of two kinds": ('{"x": [{"a": 1}, 3]}', "'x': wanted an object as its other steps, got 3 in"),
    "one name": ('{"x": {"y": 1}, "x.y": 2}', "two fields are called 'x.y'; rename one"),
    "mixed": (
        '{"x": 1}\n{"x": [2]}',
        "line 1, 'x': wanted a list, as in line 2, got 1; write the same in all",
    ),
    "nothing": (" ", "no line is an object"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_with_its_line(write, case):
    line, said = WRONG[case]
    path = write([line])
    message = refused(path)
    assert message.startswith(str(path)) and said in message


def test_wrong_lines_are_left_out(write):
    path = write([{"text": "a", "label": "u"}, "{", {"text": "", "label": "u"}, {"text": "b", "label": "v"}])
    data = read_sequences(path, Query(skip_wrong=True))
    assert data.inputs == ("a", "b") and list(data.left_out) == [f"{path}, line 2", f"{path}, line 3"]
    path = write([{"text": "a", "label": "u"}])
    assert "no_header is for CSV" in refused(path, ConfigError, no_header=True)


def test_sizes_are_checked_before_memory_is_taken(write, monkeypatch):
    monkeypatch.setattr(limits, "_most", 10_000)
    assert "9,001 values count as" in refused(write([{"x": [0] * 9_000 + [1.5]}]))
    many = [{f"x{n}": n} for n in range(60)]
    assert "60 rows of 60 columns count as 249,360 values" in refused(write(many))
