"""Pairs of texts: the sides as they stand, from every form, and one line for what is none."""

import polars as pl
import pytest

from unrolled.errors import ConfigError, DataError
from unrolled.files.pairs import read_pairs
from unrolled.files.query import Query

CAT = (("the cat", "le chat"), ('"a" dog', 'un "chien"'), ("the cat", "la chatte"))
TSV = "".join(f"{source}\t{target}\n" for source, target in CAT)


def written(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def as_rows(pairs):
    return tuple(zip(pairs.inputs, pairs.answers, strict=True))


@pytest.mark.parametrize("name", ["a.tsv", "a.txt", "a"])
@pytest.mark.parametrize(
    "header",
    ["", "source\ttarget\n", "\ufeffSRC\tTgt\r\n", "English\tfrench\n", "en\tfr\n"],
    ids=["none", "usual", "Windows", "languages", "codes"],
)
def test_quotes_in_tsv_are_plain_and_a_header_is_found(tmp_path, name, header):
    path = written(tmp_path, name, header + TSV + "\n\n")
    data = read_pairs(path)
    assert as_rows(data) == CAT
    assert data.places[2] == f"{path}, line {4 if header else 3}"
    assert ("the first line is a pair, no header" in data.notes[0]) == (not header)
    assert data.grouped() == {"the cat": [0, 2], '"a" dog': [1]}


def test_every_form_holds_the_same_pairs(tmp_path):
    frame = pl.DataFrame(CAT, schema=["source", "target"], orient="row")
    frame.write_csv(tmp_path / "a.csv")
    frame.write_csv(tmp_path / "bare.csv", include_header=False)
    frame.write_parquet(tmp_path / "a.parquet")
    frame.write_parquet(tmp_path / "a.data")
    sides = [written(tmp_path, f"{side}.txt", " \n".join(frame[side])) for side in frame.columns]
    tsv = written(tmp_path, "a.tsv", TSV)
    forms = [
        tsv,
        str(tsv),
        tmp_path / "a.csv",
        tmp_path / "bare.csv",
        tmp_path / "a.parquet",
        tmp_path / "a.data",
    ]
    forms += [sides, frame]
    forms += [list(CAT), tuple(map(str, sides)), read_pairs(tsv), frame.select("target", "source")]
    assert [as_rows(read_pairs(form)) for form in forms] == [CAT] * len(forms)
    assert len({read_pairs(form).checksum() for form in forms}) == 1
    assert as_rows(read_pairs([tsv, tmp_path / "a.csv"])) == CAT * 2
    assert read_pairs(sides).notes == (f"sources: {sides[0]}, targets: {sides[1]}, line by line",)
    assert read_pairs(tmp_path / "bare.csv").places[1].endswith("bare.csv, line 2")
    assert read_pairs(tsv).select([2, 0]).answers == ("la chatte", "le chat")


def test_columns_may_be_named_or_numbered(tmp_path):
    path = written(tmp_path, "a.tsv", "id\ten\tfr\n1\tcat\tchat\n2\tdog\tchien\n")
    assert as_rows(read_pairs(path, Query(source="en", target="fr"))) == (
        ("cat", "chat"),
        ("dog", "chien"),
    )
    numbered = read_pairs(path, Query(source="3", target="2"))
    assert as_rows(numbered)[:2] == (("fr", "en"), ("chat", "cat"))
    two = written(tmp_path, "b.csv", "fr,en\nchat,cat\n")
    assert as_rows(read_pairs(two, Query(source="en"))) == (("cat", "chat"),)
    alone = read_pairs(two, Query(source="en", target="de", answers=False))
    assert alone.inputs == ("cat",) and alone.answers is None


def test_sources_alone_are_for_answers(tmp_path):
    lines = written(tmp_path, "a.txt", "one two\n three\t\n")
    tsv = written(tmp_path, "b.tsv", "source\none two\nthree\n")
    frame = pl.DataFrame({"en": ["one two", "three"]})
    for source in (lines, ["one two", "three"], frame, frame.rename({"en": "source"})):
        data = read_pairs(source, Query(answers=False))
        assert data.inputs == ("one two", "three") and data.answers is None
    assert read_pairs([lines, lines], Query(answers=False)).inputs == ("one two", "three") * 2
    assert read_pairs(tsv, Query(answers=False)).inputs == ("source", "one two", "three"), "a file of lines"
    with pytest.raises(DataError, match="no tab; separate the sides"):
        read_pairs(lines)


WRONG = {
    "empty source": (
        "a.tsv",
        "a\tb\n \tc\n",
        ", line 2, column '1': the source of this pair is empty; write it",
    ),
    "empty target": (
        "a.csv",
        "source,target\na,b\nc,\n",
        ", line 3, column 'target': the target of this pair",
    ),
    "fields": (
        "a.tsv",
        "a\tb\nc\td\te\n",
        ", line 2: wanted 2 fields with a tab between as in line 1, got 3",
    ),
    "empty line": (
        "a.tsv",
        "a\tb\n\nc\td\n",
        ", line 2: wanted 2 fields with a tab between as in line 1, got 1",
    ),
    "no tab": ("a.tsv", "a b\nc\td\n", ", line 1: wanted a source, a tab and a target, got 'a b'"),
    "one file": ("a.txt", "a b\nc d\n", ", line 1: wanted a source, a tab and a target, got no tab"),
    "three": (
        "a.tsv",
        "a\tb\tc\n",
        ": wanted a column of sources and one of targets, found '1', '2', '3'; name",
    ),
    "one column": (
        "a.csv",
        "a\nb\n",
        ": wanted a column of sources and one of targets, found one alone; add",
    ),
    "header alone": ("a.tsv", "source\ttarget\n", ": the file has a header and no pairs"),
    "twice": ("a.tsv", "source\ttarget\tsource\na\tb\tc\n", ", line 1: two columns of one name"),
    "empty": ("a.tsv", "\n\n", ": the file is empty; wanted a pair in each line"),
    "not UTF-8": ("a.tsv", b"a\tb\nM\xe4rz\tMarch\n", ", line 2: byte 0xe4 is not UTF-8"),
    "NUL": ("a.txt", b"a\tb\n\0\tc\n", ", line 2: a NUL byte"),
    "gzip": ("a.tsv", b"\x1f\x8b\0\0", ": damaged gzip file (Compressed file ended before"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_in_one_line_with_its_place(tmp_path, case):
    name, content, said = WRONG[case]
    path = written(tmp_path, name, content)
    with pytest.raises(DataError) as caught:
        read_pairs(path)
    message = str(caught.value)
    assert message.startswith(f"{path}{said}") and "\n" not in message


def test_two_files_go_together_line_by_line(tmp_path):
    a, b, c = (written(tmp_path, *one) for one in (("a", "x\ny\n"), ("b", "x\ny\nz"), ("c", "x\n\ny")))
    for source, said in {
        (a, b): f"{a} has 2 lines and {b} 3; wanted the target of line k in line k",
        (b, c): f"{c}, line 2: the target of this pair is empty; write it, or delete the line in both files",
        (c, b): f"{c}, line 2: the source of this pair is empty",
        (a, b, c): f"{c}: wanted two text files, of sources and of targets, got 3",
        (a, written(tmp_path, "d.tsv", TSV)): f"{a}, line 1: no tab, so this is a file of lines",
    }.items():
        with pytest.raises(DataError) as caught:
            read_pairs(source)
        assert str(caught.value).startswith(said)
    with pytest.raises(DataError, match="line 2: the source is empty"):
        read_pairs(c, Query(answers=False))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ([], "there are no pairs"),
        ([("a", "b"), ("a", "b", "c")], "pair 1: wanted two texts (source, target), got ('a', 'b', 'c')"),
        ([("a", 3)], "pair 0: wanted two texts"),
        ([("a", "b"), ("c", " ")], "pair 1: the target is empty"),
        ([("a", "b\ud800")], "pair 0: the target holds a lone surrogate"),
        (pl.DataFrame({"a": [1], "b": ["x"]}), "the table, column 'a': wanted texts, got Int64 values"),
        (
            pl.DataFrame({"a": ["x"], "b": [None]}, schema={"a": str, "b": str}),
            "the table, row 1 of 1, column 'b'",
        ),
    ],
)
def test_sources_at_hand_are_checked_too(source, said):
    with pytest.raises(DataError) as caught:
        read_pairs(source)
    assert said in str(caught.value)


def test_what_is_no_source_is_a_wrong_call(tmp_path):
    with pytest.raises(ConfigError, match="wanted a path, paths"):
        read_pairs(7)
    path = written(tmp_path, "a.tsv", TSV)
    with pytest.raises(ConfigError, match="named as source and again as target"):
        read_pairs(path, Query(source="1", target="1"))
    with pytest.raises(DataError, match="no column 'frensh'"):
        read_pairs(path, Query(source="frensh"))
