"""The column of groups, in every format that has columns, and what is told of columns that look like one."""

import json

import numpy as np
import polars as pl
import pytest

from tests.files.refusing import refused
from tests.files.test_captions import picture
from tests.files.test_manifest import record
from unrolled.errors import ConfigError, DataError
from unrolled.files.captions import read_captioned
from unrolled.files.columns import names_group
from unrolled.files.pairs import read_pairs
from unrolled.files.query import Query
from unrolled.files.reading import read_sequences
from unrolled.files.tagging import read_tagged

FLATTERS = (
    "a random split may flatter: what is of one 'subject' may be in all parts; "
    "group='subject' keeps it in one"
)
LONG = "id,subject,x,label\na,3,1,p\na,3,2,p\nb,5,3,q\nb,5,4,q\nc,3,5,p\nc,3,6,p\n"


def written(folder, text, name="data.csv"):
    path = folder / name
    path.write_text(text)
    return path


def test_groups_of_a_long_table_are_no_feature_and_stay_with_their_sequences(tmp_path):
    data = read_sequences(written(tmp_path, LONG), Query(group="subject"))
    assert data.groups == ("3", "5", "3") and data.features == ("x",)
    assert data.select([1, 2]).groups == ("5", "3")
    assert not any("subject" in note for note in data.notes), "who names groups needs no hint"
    asked = read_sequences(written(tmp_path, LONG), Query(group="subject", features=("subject", "x")))
    assert asked.features == ("subject", "x") and asked.groups == data.groups
    assert data.checksum() != read_sequences(written(tmp_path, LONG), Query(features=("x",))).checksum()


def test_several_columns_are_one_group(tmp_path):
    text = "id,machine,day,x,label\na,m1,1,1,p\nb,m1,2,2,q\nc,m2,1,3,p\n"
    data = read_sequences(written(tmp_path, text), Query(group="machine,day"))
    assert data.groups == ("m1, 1", "m1, 2", "m2, 1") and data.features == ("x",)
    by_both = read_sequences(written(tmp_path, text), Query(id="machine,day", group="machine"))
    assert by_both.names == ("m1, 1", "m1, 2", "m2, 1") and by_both.groups == ("m1", "m1", "m2")


def test_a_group_that_changes_within_a_sequence_is_told_with_its_line(tmp_path):
    path = written(tmp_path, LONG.replace("b,5,4,q", "b,6,4,q"))
    said = refused(path, group="subject", skip_wrong=False)
    assert said == (
        f"{path}, line 5, column 'subject': '6', but line 4 of the same sequence has '5'; wanted one group "
        "in all rows of a sequence, correct one; or leave such rows out (skip_wrong)"
    )
    skipped = read_sequences(path, Query(group="subject", skip_wrong=True))
    assert skipped.names == ("a", "c") and skipped.groups == ("3", "3")


@pytest.mark.parametrize("cell", ["", " ", "NA"])
def test_a_row_without_a_group_is_refused_or_left_out(tmp_path, cell):
    path = written(tmp_path, LONG.replace("b,5,3", f"b,{cell},3"))
    said = refused(path, group="subject", skip_wrong=False)
    assert said.startswith(f"{path}, line 4, column 'subject': wanted the name of a group, got nothing; fill")
    skipped = read_sequences(path, Query(group="subject", skip_wrong=True))
    assert skipped.groups == ("3", "3") and list(skipped.left_out) == [f"{path}, line 4"]


def test_wrong_names_of_the_column(tmp_path):
    path = written(tmp_path, LONG)
    assert "no column 'subjct' (did you mean 'subject'?)" in refused(path, group="subjct")
    assert refused(path, ConfigError, group="label", target="label") == (
        "column 'label' is named as target and again as group; name it once"
    )
    lists = pl.DataFrame({"id": ["a"], "who": [[1, 2]], "x": [[1.0, 2.0]], "label": ["p"]})
    assert "wanted the name of a group, got List(Int64) values" in refused(lists, group="who")


def test_what_a_trained_model_reads_may_lack_groups_or_have_them(tmp_path):
    asked = {"group": "subject", "fitted": True}
    for text in (LONG, LONG.replace("subject", "weight")):
        data = read_sequences(written(tmp_path, text), Query(known=("x",), **asked))
        assert data.features == ("x",)
        assert data.groups == (("3", "5", "3") if text is LONG else None)
    lines = written(tmp_path, "well well\nso so\n", "lines.txt")
    assert len(read_sequences(lines, Query(answers=False, lines=True, **asked))) == 2
    assert "no column 'subject'" in refused(lines, group="subject", answers=False, lines=True)


def test_rows_that_are_examples_themselves(tmp_path):
    steps = ",".join(f"t{k}" for k in range(8))
    rows = "".join(f"{k % 2},{k // 2},{','.join('12345678')}\n" for k in range(6))
    wide = read_sequences(written(tmp_path, f"label,subject,{steps}\n{rows}"), Query(group="subject"))
    assert wide.groups == ("0", "0", "1", "1", "2", "2") and {len(x) for x in wide.inputs} == {8}
    texts = written(tmp_path, "text,label,author\nwell,p,ann\nso,q,bob\n")
    assert read_sequences(texts, Query(group="author")).groups == ("ann", "bob")
    objects = [
        {"x": [1, 2], "who": {"name": "ann"}, "label": "p"},
        {"x": [3], "who": {"name": "bob"}, "label": "q"},
    ]
    lines = written(tmp_path, "".join(json.dumps(one) + "\n" for one in objects), "data.jsonl")
    named = read_sequences(lines, Query(group="who.name"))
    assert named.groups == ("ann", "bob") and list(map(len, named.inputs)) == [2, 1]


def test_groups_of_recordings_pairs_and_pictures(tmp_path):
    for name in ("a", "b"):
        record(tmp_path / f"{name}.wav", np.arange(600))
        picture(tmp_path / f"{name}.png", shade=ord(name))
    listing = written(tmp_path, "file,label,speaker\na.wav,yes,1\nb.wav,no,2\n")
    assert read_sequences(listing, Query(group="speaker")).groups == ("1", "2")
    pairs = written(tmp_path, "en\tde\tgenre\nyes\tja\tnews\nno\tnein\tplay\n", "pairs.tsv")
    read = read_pairs(pairs, Query(group="genre"))
    assert read.groups == ("news", "play") and read.answers == ("ja", "nein"), "two columns are left"
    unnamed = written(tmp_path, "yes\tja\tnews\nno\tnein\tplay\n", "pairs.tsv")
    assert read_pairs(unnamed, Query(group="3")).groups == ("news", "play")
    captions = written(tmp_path, "image,caption,camera\na.png,dark,1\na.png,dim,1\nb.png,red,2\n")
    seen = read_captioned(captions, Query(group="camera"))
    assert seen.groups == ("1", "2") and seen.answers == (("dark", "dim"), ("red",))
    captions.write_text(captions.read_text().replace("dim,1", "dim,2"))
    with pytest.raises(
        DataError, match=r"line 3: this input is of group '2', and in .* line 2 of '1'; wanted"
    ):
        read_captioned(captions, Query(group="camera"))


def test_sources_of_one_kind_have_groups_together(tmp_path):
    first = written(tmp_path, LONG, "a.csv")
    second = written(tmp_path, "id,subject,x,label\nz,9,1,p\n", "b.csv")
    assert read_sequences([first, second], Query(group="subject")).groups == ("3", "5", "3", "9")


def test_words_and_their_groups(tmp_path):
    table = written(tmp_path, "sentence,word,tag,speaker\n1,well,A,ann\n1,so,B,ann\n2,no,B,bob\n")
    assert read_tagged(table, Query(group="speaker")).groups == ("ann", "bob")
    conll = "-DOCSTART- O\n\nwell A\n\nso B\n\n-DOCSTART- O\n\nno B\n"
    assert read_tagged(written(tmp_path, conll, "t.conll"), Query(group="newdoc")).groups == ("1", "1", "7")


UD = """# newdoc id = news-1
# speaker = ann
1\tYes\tyes\tINTJ\t_\t_\t0\troot\t_\t_

# speaker = bob
1\tNo\tno\tINTJ\t_\t_\t0\troot\t_\t_

# newdoc id = news-2
1\tSo\tso\tADV\t_\t_\t0\troot\t_\t_

"""


def test_comments_of_conllu_are_groups(tmp_path):
    path = written(tmp_path, UD, "t.conllu")
    assert read_tagged(path, Query(group="newdoc")).groups == ("news-1", "news-1", "news-2")
    with pytest.raises(DataError) as error:
        read_tagged(path, Query(group="speaker"))
    assert str(error.value) == (
        f"{path}, line 9: wanted a comment '# speaker = …' above the sentence (group='speaker'), got none; "
        "write it"
    )
    assert read_tagged(path, Query(group="speaker", fitted=True)).groups is None
    both = UD.replace("# newdoc id = news-2", "# speaker = ann")
    assert read_tagged(written(tmp_path, both, "t.conllu"), Query(group="speaker")).groups == (
        "ann",
        "bob",
        "ann",
    )


@pytest.mark.parametrize("kind, name", [("a .ts file", "a.ts"), ("lines of fastText", "a.txt")])
def test_formats_without_columns_take_no_group(tmp_path, kind, name):
    text = "@problemName x\n@data\n1,2:a\n" if name.endswith(".ts") else "__label__a well\n__label__b so\n"
    said = refused(written(tmp_path, text, name), ConfigError, group="subject")
    assert said == f"group='subject': {kind} has no columns to name; leave it out"


def test_numbers_that_name_subjects_are_no_features_and_the_split_is_told_of(tmp_path):
    data = read_sequences(written(tmp_path, LONG), Query())
    assert data.features == ("x",)
    assert "no features: 'subject', whole numbers that are names (features takes them)" in data.notes
    assert FLATTERS in data.notes
    named = read_sequences(written(tmp_path, LONG), Query(features=("subject", "x")))
    assert named.features == ("subject", "x") and FLATTERS in named.notes
    asked = read_sequences(written(tmp_path, LONG), Query(answers=False, known=("subject", "x")))
    assert asked.features == ("subject", "x"), "an older model reads what it was trained on"
    assert FLATTERS not in asked.notes


@pytest.mark.parametrize(
    "column, change",
    [
        ("age", ("", "")),  # a number that tells something
        ("subject", ("c,3,6", "c,4,6")),  # one that changes within a sequence
        ("subject", ("b,5", "b,5.5")),  # no whole number
        ("subject", ("c,3", "c,4")),  # another for every sequence: no split can keep them together
        ("subject", ("b,5", "b,3")),  # the same for all
    ],
)
def test_columns_of_numbers_that_stay_features(tmp_path, column, change):
    text = LONG.replace(*change).replace("subject", column) if change[0] else LONG.replace("subject", column)
    data = read_sequences(written(tmp_path, text), Query())
    assert data.features == (column, "x")
    assert not any("flatter" in note for note in data.notes)


def test_texts_that_name_subjects_are_told_of_in_every_table(tmp_path):
    text = "text,label,subject\nwell,p,ann\nso,q,bob\nno,q,ann\n"
    assert FLATTERS in read_sequences(written(tmp_path, text), Query()).notes
    assert (
        FLATTERS
        in read_sequences(written(tmp_path, LONG.replace("a,3", "a,s").replace("c,3", "c,s")), Query()).notes
    )
    steps = ",".join(f"t{k}" for k in range(8))
    rows = "".join(f"{k % 2},{k // 2},{','.join('12345678')}\n" for k in range(6))
    wide = read_sequences(written(tmp_path, f"label,subject,{steps}\n{rows}"), Query(wide="rows"))
    assert FLATTERS in wide.notes and {len(x) for x in wide.inputs} == {8}, "a subject is no step"
    pairs = written(tmp_path, "source,target,subject\nyes,ja,1\nno,nein,1\nso,so,2\n")
    assert FLATTERS in read_pairs(pairs, Query()).notes
    words = written(tmp_path, "sentence,word,tag,subject\n1,a,A,x\n2,b,B,x\n3,b,B,y\n")
    assert FLATTERS in read_tagged(words, Query()).notes
    captions = written(tmp_path, "w,h,caption,subject\n1,2,small,1\n3,4,large,1\n5,6,huge,2\n")
    seen = read_captioned(captions, Query())
    assert FLATTERS in seen.notes and seen.features == ("w", "h")
    parts = read_sequences(
        written(tmp_path, "subject,trial,x,label\n1,1,1,p\n1,2,2,q\n2,1,3,q\n"), Query(id="subject,trial")
    )
    assert FLATTERS in parts.notes


def test_usual_names():
    for name in ("subject", "Subject ID", "user_no", "meta.speaker", "MachineNumber", "day"):
        assert names_group(name), name
    for name in ("age", "temperature", "x", "speed", "weekday", "units", "id", ""):
        assert not names_group(name), name
