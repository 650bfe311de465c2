"""CSV: every malformed file gives one line with place and remedy; every sound one comes back as it was
written by the csv module."""

import csv
import io

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.errors import DataError
from unrolled.files.delimited import read_delimited

WRONG = {
    "empty": (b"", ": the file is empty; wanted a header line and rows"),
    "only a byte order mark": (b"\xef\xbb\xbf", ": the file is empty; wanted a header line and rows"),
    "only blank lines": (b"\r\n\r\n", ": the file is empty; wanted a header line and rows"),
    "header only": (
        b"date,sales\n",
        ": the file has a header and no rows; wanted at least one row below it",
    ),
    "NUL byte": (
        b"date,sales\n2020,1\n2021,\x002\n",
        ", line 3: a NUL byte, which text does not hold; wanted CSV in UTF-8, or Parquet; "
        "is this another kind of file?",
    ),
    "not UTF-8": (
        "date,sales\n2020,1\n2021,Märkte\n".encode("latin-1"),
        ", line 3: byte 0xe4 is not UTF-8; read as cp1252 it says '2021,Märkte': if that is right, say "
        "encoding='cp1252', or save the file as UTF-8",
    ),
    "old Macintosh line ends": (
        b"date,sales\r2020,1\r",
        ", line 1: a carriage return without a newline; save the file with Unix or Windows line ends",
    ),
    "one row too short": (
        b"date,sales\n2020,1\n2021\n2022,3\n",
        ", line 3: wanted 2 fields as in the header, got 1; "
        "complete or delete the row, and quote fields that hold separators",
    ),
    "several rows too long": (
        b"date,sales\n2020,1\n\n2021,1,5\n2022,3,5\n2022,3,5\n",
        ", line 4: wanted 2 fields as in the header, got 3 (2 more rows like it); "
        "complete or delete the row, and quote fields that hold separators",
    ),
    "one column where the header has two": (
        b"date;sales\n2020,1\n",
        ", line 2: wanted 2 fields as in the header, got 1; "
        "complete or delete the row, and quote fields that hold separators",
    ),
    "duplicate column": (
        b"date,sales,costs,sales\n1,2,3,4\n",
        ", line 1: columns 2 and 4 are both called 'sales'; rename one",
    ),
    "duplicate column but for spaces": (
        b"date,sales, sales\n1,2,3\n",
        ", line 1: columns 2 and 3 are both called 'sales'; rename one",
    ),
    "column without a name": (
        b"\ndate,,sales\n1,2,3\n",
        ", line 2: column 2 of 3 has no name; give it one",
    ),
    "unclosed quote": (
        b'date,sales\n2020,1\n2021,"2\n2022,3\n',
        ", line 3: the quote that opens a field here is never closed; close it",
    ),
    "unclosed quote after a doubled one": (
        b'date,sales\n2020,1\n2021,"2 ""x""\n2022,3\n',
        ", line 3: the quote that opens a field here is never closed; close it",
    ),
    "unclosed quote in the header": (
        b'date,"sales\n2020,1\n',
        ", line 1: the quote that opens a field here is never closed; close it",
    ),
    "quote that opens inside a field": (
        b'date,pipe\n2020,5"\n',
        ", line 2: a quote inside a field that does not begin with one; "
        "put the whole field in quotes and double the quotes inside",
    ),
    "quote that closes before its field ends": (
        b'date,pipe\n2020,"5" pipe\n',
        ", line 2: the quoted field that begins here is closed in line 2 before its end; "
        "double the quotes inside it, or close it where it ends",
    ),
    "quote that is closed by another line's": (
        b'date,pipe\n2020,"a\n2021,b\n2022,"c"\n',
        ", line 2: the quoted field that begins here is closed in line 4 before its end; "
        "double the quotes inside it, or close it where it ends",
    ),
    "blank line in one column": (
        b"sales\n1\n2\n\n4\n",
        ", line 4: a blank line in a table of one column; "
        "write NA where a value is missing, or delete the line",
    ),
}


@pytest.mark.parametrize("data, message", WRONG.values(), ids=WRONG.keys())
def test_malformed_text_is_refused_with_place_and_remedy(data, message):
    with pytest.raises(DataError) as error:
        read_delimited("sales.csv", data)
    assert str(error.value) == f"sales.csv{message}"


SOUND = {
    "plain": b"a,b\n1,x\n2,y\n",
    "no newline at the end": b"a,b\n1,x\n2,y",
    "byte order mark": b"\xef\xbb\xbfa,b\n1,x\n2,y\n",
    "Windows line ends": b"a,b\r\n1,x\r\n2,y\r\n",
    "byte order mark, Windows line ends, quotes": b'\xef\xbb\xbf"a","b"\r\n"1","x"\r\n"2","y"\r\n',
    "semicolons": b"a;b\n1;x\n2;y\n",
    "tabs": b"a\tb\n1\tx\n2\ty\n",
    "spaces around names": b" a , b\n1,x\n2,y\n",
    "blank lines around": b"\n\na,b\n1,x\n\n\n2,y\n\n\n",
}


@pytest.mark.parametrize("data", SOUND.values(), ids=SOUND.keys())
def test_sound_text_of_every_form_is_one_table(data):
    frame, _ = read_delimited("sales.csv", data)
    assert frame.equals(pl.DataFrame({"a": ["1", "2"], "b": ["x", "y"]}))


def test_each_row_knows_its_line():
    _, lines = read_delimited("sales.csv", b'\na,b\n1,x\n\n2,"y\n\ny"\n3,z')
    assert lines.tolist() == [3, 5, 8]


def test_missing_cells_are_null_and_quoted_empty_ones_are_empty():
    frame, _ = read_delimited("sales.csv", b'a,b\n,""\nx,\n')
    assert frame.rows() == [(None, ""), ("x", None)]


def test_separators_in_quotes_do_not_count():
    frame, _ = read_delimited("sales.csv", b'"a;b;c;d",e\n1,2\n')
    assert frame.columns == ["a;b;c;d", "e"]


cells = st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=8)


@st.composite
def tables(draw):
    width = draw(st.integers(1, 5))
    names = [f"{k}{draw(st.sampled_from(['', ' x', 'é', '_']))}" for k in range(width)]
    rows = draw(st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1, max_size=8))
    return names, rows


@settings(max_examples=300, deadline=None)
@given(
    tables(),
    st.sampled_from(",;\t"),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.booleans(),
)
def test_what_the_csv_module_writes_is_read_back_with_its_lines(table, separator, end, quoting, mark):
    names, rows = table
    if len(names) == 1:
        separator = ","  # a header of one name tells no other
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, lineterminator=end, quoting=quoting)
    writer.writerows([names, *rows])
    data = b"\xef\xbb\xbf" * mark + text.getvalue().encode()
    frame, lines = read_delimited("sales.csv", data)
    assert frame.columns == names
    assert [["" if cell is None else cell for cell in row] for row in frame.rows()] == rows

    reader = csv.reader(io.StringIO(text.getvalue(), newline=""), delimiter=separator)
    ends = [reader.line_num for _ in reader]
    assert lines.tolist() == [last + 1 for last in ends[:-1]]


def test_line_breaks_in_quotes_hold_in_a_file_that_polars_reads_in_parallel():
    rows = 100_000
    data = "a,b\n" + "".join(f'{k},"x\n{k},""y"""\n' for k in range(rows))
    frame, lines = read_delimited("sales.csv", data.encode())
    assert frame["a"].to_list() == [str(k) for k in range(rows)]
    assert frame["b"].to_list() == [f'x\n{k},"y"' for k in range(rows)]
    assert lines.tolist() == list(range(2, 2 * rows + 2, 2))


def test_a_parser_that_saw_other_rows_is_an_error(monkeypatch):
    """The structure was checked before; if polars nevertheless reads something else, nobody may use it."""
    monkeypatch.setattr(pl, "read_csv", lambda *_, **__: pl.DataFrame({"a": ["1"]}))
    with pytest.raises(DataError) as error:
        read_delimited("sales.csv", b"a\n1\n2\n")
    assert str(error.value) == "sales.csv: cannot be read as CSV: 2 rows stand there, 1 were read"


def test_quotes_between_tabs_may_be_plain_characters():
    text = b'label\t"title"\na\tsay "hi"\nb\t"open\nc\t"whole"\n'
    notes = []
    frame, lines = read_delimited("a.tsv", text, notes=notes)
    assert frame["label"].to_list() == ["a", "b", "c"] and lines.tolist() == [2, 3, 4]
    assert frame['"title"'].to_list() == ['say "hi"', '"open', '"whole"']
    assert notes[0].startswith(
        "quotes are plain characters, as not all stand around whole fields (a.tsv, line 2"
    )
    frame, _ = read_delimited("a.tsv", b'label\ttitle\na\t"say ""hi""\nb"\n')
    assert frame["title"].to_list() == ['say "hi"\nb']
