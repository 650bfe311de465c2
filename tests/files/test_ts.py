"""Files of the UCR and UEA archives: values, missing ones and unequal lengths; headers that lie."""

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.files.refusing import refused
from unrolled.files.query import Query
from unrolled.files.reading import read_sequences

SOUND = """# made by hand
#
@problemName Waves
@timeStamps false
@missing true
@univariate false
@dimensions 2
@equalLength false
@classLabel true calm storm
@data
0.5,?,-1e1:2,2.5,.5:storm
NaN:7:calm
"""
TIMED = """@problemname Rooms
@timestamps true
@missing false
@univariate false
@targetlabel true
@data
(2016-01-11 17:00:00,1.5),(2016-01-11 18:00:00,2):(2016-01-11 17:00:00,3),(2016-01-11 18:00:00,4):-0.25
(1,5),(2.5,6) : (1,7), (2.5,8) : 3
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "some.ts"


def test_cases_are_sequences_of_their_dimensions(path):
    path.write_text(SOUND)
    data = read_sequences(path)
    np.testing.assert_array_equal(data.inputs[0], [[0.5, 2], [np.nan, 2.5], [-10, 0.5]])
    np.testing.assert_array_equal(data.inputs[1], [[np.nan, 7]])
    assert data.answers == ("storm", "calm") and data.features == ("dimension1", "dimension2")
    assert data.names == ("1", "2") and data.places == (f"{path}, line 11", f"{path}, line 12")


def test_times_are_checked_and_values_read(path):
    path.write_text(TIMED)
    data = read_sequences(path)
    assert [one.tolist() for one in data.inputs] == [[[1.5, 3], [2, 4]], [[5, 7], [6, 8]]]
    assert data.answers == ("-0.25", "3")


def test_windows_line_ends_and_unknown_words_of_the_header(path):
    path.write_bytes(SOUND.replace("# made by hand", "@colour Blue").replace("\n", "\r\n").encode())
    data = read_sequences(path)
    assert data.answers == ("storm", "calm") and data.notes == ("header: '@colour' has no known meaning",)


def test_comments_of_weka_and_what_stands_twice_alike(path):
    """As aeon's UnitTest_TEST.ts has both."""
    twice = "@problemName Waves\n@problemName Ripples\n@missing true\n"
    path.write_text("%# cut down\n%\n" + SOUND.replace("@problemName Waves\n", twice) + "% the end\n")
    assert read_sequences(path).answers == ("storm", "calm")


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 3),
    st.lists(st.tuples(st.integers(1, 4), st.sampled_from(["a", "b:c"[:1], "ü"])), min_size=1, max_size=5),
    st.data(),
)
def test_whatever_is_written_comes_back(tmp_path_factory, D, cases, data):
    number = st.none() | st.floats(allow_nan=False, allow_infinity=False)
    values = [[[data.draw(number) for _ in range(T)] for _ in range(D)] for T, _ in cases]
    rows = [
        ":".join([",".join("?" if v is None else repr(v) for v in dimension) for dimension in case] + [label])
        for case, (_, label) in zip(values, cases, strict=True)
    ]
    path = tmp_path_factory.mktemp("ts") / "a.ts"
    path.write_text("\n".join([f"@dimension {D}", "@classLabel true a b ü", "@Data", *rows]))
    read = read_sequences(path)
    assert read.answers == tuple(label for _, label in cases)
    for one, case in zip(read.inputs, values, strict=True):
        np.testing.assert_array_equal(one.T, np.array(case, np.float64))


@pytest.mark.parametrize("header", ["@classLabel false\n", ""])
def test_answers_may_lack_where_none_are_data_for(path, header):
    path.write_text(header + "@data\n1,2\n3\n")
    data = read_sequences(path, Query(answers=False))
    assert data.answers is None and [one.tolist() for one in data.inputs] == [[[1], [2]], [[3]]]
    assert "its cases have no answer; wanted @classLabel true or @targetLabel true" in refused(path)


def test_answers_may_be_unknown_where_none_are_data_for(path):
    path.write_text(SOUND.replace(":calm", ":?"))
    assert read_sequences(path, Query(answers=False)).answers is None
    assert "line 12: label '?' is not one of the header's ('calm', 'storm')" in refused(path)


def changed(old, new, text=SOUND):
    assert text.count(old) == 1
    return text.replace(old, new)


WRONG = {
    "empty": ("", "the file is empty; wanted a header and cases"),
    "NUL": (changed("0.5,?", "0\0"), ", line 11: a NUL byte"),
    "not UTF-8": (b"# caf\xe9\n@data\n", ", line 1: byte 0xe9"),
    "no @data": (SOUND.partition("@data")[0], "no line @data; wanted one between"),
    "no case": (SOUND.partition("0.5")[0], "no case below @data"),
    "cases at once": (
        "1,2,3:a\n",
        ", line 1: wanted a line that begins with @, or @data, above the cases, got",
    ),
    "odd truth": (
        changed("@missing true", "@missing maybe"),
        ", line 5: wanted @missing true or false, got 'maybe'",
    ),
    "odd number": (changed("ons 2", "ons two"), ", line 7: wanted @dimensions and a whole number, got 'two'"),
    "no labels": (
        changed("true calm storm", "true"),
        ", line 9: wanted @classLabel false, or true and the labels",
    ),
    "twice": (changed("@dimensions", "@missing false\n@dimensions"), ", line 7: @missing stands there twice"),
    "two answers": (
        changed("@data", "@targetLabel true\n@data"),
        "both @classLabel true and @targetLabel true",
    ),
    "one and two": (
        changed("riate false", "riate true"),
        "the header says @univariate true and @dimensions 2",
    ),
    "dimensions lie": (
        changed("ons 2", "ons 3"),
        ", line 11: 2 dimensions, where the header says 3; correct",
    ),
    "univariate lies": (
        changed("@univariate false\n@dimensions 2", "@univariate true"),
        ", line 10: 2 dimensions, where the header says 1",
    ),
    "cases differ": (
        changed("@dimensions 2\n", "").replace("NaN:7:calm", "NaN:calm"),
        ", line 11: 1 dimension, where ",
    ),
    "lengths lie": (changed("Length false", "Length true"), ", line 12: 1 step, where "),
    "series length lies": (
        changed("@equalLength false", "@equalLength true\n@seriesLength 4"),
        ", line 12: 3 steps, where the header says @seriesLength 4",
    ),
    "missing lies": (
        changed("@missing true", "@missing false"),
        ", line 11, dimension 1: a value is missing, where",
    ),
    "label unknown": (
        changed(":storm", ":strom"),
        ", line 11: label 'strom' is not one of the header's ('calm', 'storm') (did you mean 'storm'?)",
    ),
    "dimensions of two lengths": (
        changed("2,2.5,", "2,"),
        ", line 11, dimension 2: 2 values, where dimension 1 has 3",
    ),
    "no values": (changed("2,2.5,.5", ""), ", line 11, dimension 2: no values; wanted one at least"),
    "value missing": (
        changed("2,2.5,", "2,,"),
        ", line 11, dimension 2: value 2 of 3: wanted a finite number",
    ),
    "no number": (
        changed("2.5", "2x5"),
        "value 2 of 3: wanted a finite number with a decimal point, or ? where",
    ),
    "infinite": (changed("2.5", "1e999"), "value 2 of 3: wanted a finite number"),
    "Python's own": (changed("2.5", "2_5"), "value 2 of 3: wanted a finite number"),
    "other digits": (changed("2.5", "٢"), "value 2 of 3: wanted a finite number"),
    "only a label": (changed("NaN:7:calm", "calm"), ", line 12: 0 dimensions, where the header says 2"),
    "target no number": (
        changed(":-0.25", ":low", TIMED),
        ", line 7: wanted a number after the last colon, got 'low'",
    ),
    "no times": (changed("(1,5)", "5", TIMED), ", line 8, dimension 1: wanted (time,value) pairs"),
    "times fall": (
        changed("(1,5)", "(3,5)", TIMED),
        ", line 8, dimension 1: time '2.5' does not come after '3'",
    ),
    "times differ": (
        changed("(1,7)", "(2,7)", TIMED),
        ", line 8, dimension 2: other times than in dimension 1",
    ),
    "number of times": (
        changed("(1,7), ", "", TIMED),
        ", line 8, dimension 2: 1 value, where dimension 1 has 2",
    ),
    "no time": (
        changed("(1,5)", "(now,5)", TIMED),
        ", line 8, dimension 1: wanted times such as 2024-01-31 12:30",
    ),
    "no day": (TIMED.replace("-01-11 ", "-02-31 "), ", line 7, dimension 1: wanted times such as"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_in_one_line_with_its_place(path, case):
    content, said = WRONG[case]
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    message = refused(path)
    assert message.startswith(str(path)) and said in message


def test_a_packed_file_is_known_by_the_name_within(tmp_path):
    (tmp_path / "some.ts.gz").write_bytes(gzip.compress(SOUND.encode()))
    (tmp_path / "some.ts").write_text(SOUND)
    packed, plain = (read_sequences(tmp_path / name) for name in ("some.ts.gz", "some.ts"))
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(packed.inputs, plain.inputs, strict=True))
    assert packed.answers == plain.answers


def test_wrong_cases_are_left_out(tmp_path):
    path = tmp_path / "a.ts"
    path.write_text("@dimensions 1\n@classLabel true u v\n@data\n1,x:u\n1,2:u\n1:2:v\n3,4:w\n5:v\n")
    said = refused(path, skip_wrong=False)
    assert "line 4, dimension 1: value 2 of 2: wanted a finite number" in said
    assert said.endswith("or leave such rows out (skip_wrong)")
    data = read_sequences(path, Query(skip_wrong=True))
    assert data.answers == ("u", "v") and data.places == (f"{path}, line 5", f"{path}, line 8")
    assert list(data.left_out) == [f"{path}, line {n}" for n in (4, 6, 7)]
    assert data.left_out[f"{path}, line 6"].startswith("2 dimensions, where the header says 1")
    path.write_text("@classLabel true u\n@data\n1,x:u\n")
    assert "no case can be used" in refused(path, skip_wrong=True)
