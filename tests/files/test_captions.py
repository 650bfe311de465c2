"""Tables of inputs with captions or sequences of numbers: what is read, and how the rest is refused."""

import re
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from unrolled.errors import ConfigError, DataError
from unrolled.files.captions import read_captioned
from unrolled.files.query import Query


def picture(path, shade=100, size=(4, 6)):
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", size[::-1], (shade, 0, 0)).save(path)


def table(folder, text, name="list.csv"):
    path = folder / name
    path.write_text(text)
    return path


def refused(source, error=DataError, **named):
    with pytest.raises(error) as caught:
        read_captioned(source, Query(**named))
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_rows_of_one_picture_are_one_input_with_several_captions(tmp_path):
    for name, shade in (("a", 10), ("b", 20)):
        picture(tmp_path / "p" / f"{name}.png", shade)
    path = table(tmp_path, "Image,caption\np/a.png,dark red\np/b.png, red \np/../p/a.png,very dark\n")
    data = read_captioned(path, Query())
    assert data.answers == (("dark red", "very dark"), ("red",))
    assert data.names == ("p/a.png", "p/b.png") and data.places[1] == f"{path}, line 3"
    assert [one[3, 5].tolist() for one in data.inputs] == [[10, 0, 0], [20, 0, 0]]
    assert data.is_pictures and data.notes == ("pictures: column 'Image'", "captions: column 'caption'")
    other = table(tmp_path, "Image,caption\np/b.png,rosy\n", "b.csv")
    assert read_captioned([path, other], Query()).answers[1] == ("red", "rosy")
    picture(tmp_path / "copy.png", 20)
    copied = read_captioned([path, table(tmp_path, "Image,caption\ncopy.png,rosy\n", "b.csv")], Query())
    assert copied.answers[1] == ("red", "rosy"), "or a copy could train and be judged on"
    new = table(tmp_path, "Image\np/b.png\ncopy.png\n", "new.csv")
    assert read_captioned(new, Query(answers=False)).names == ("p/b.png", "copy.png")
    grey = read_captioned(path, Query(channels="grey", size=(2, 3)))
    assert grey.inputs[0].shape == (2, 3, 1)


def test_numbers_and_classes_are_inputs_and_equal_numbers_one(tmp_path):
    text = "w\tclass\th\tsentence\n1\tcat\t2\tsmall\n3\tdog\t4\tlarge\n1\tcat\t2\ttiny\n1\tdog\t2\tpup\n"
    data = read_captioned(table(tmp_path, text, "list.tsv"), Query())
    assert data.features == ("w", "h") and data.class_column == "class" and not data.is_pictures
    assert [(one.numbers.tolist(), one.label) for one in data.inputs] == [
        ([1, 2], "cat"),
        ([3, 4], "dog"),
        ([1, 2], "dog"),
    ]
    assert data.answers == (("small", "tiny"), ("large",), ("pup",)) and data.names == ("1", "2", "4")
    alone = read_captioned(table(tmp_path, text, "list.tsv"), Query(label="class"))
    assert [one.label for one in alone.inputs] == ["cat", "dog", "cat", "dog"], "a class alone is not merged"
    assert alone.names == ("cat", "dog", "cat", "dog")
    named = read_captioned(table(tmp_path, text, "list.tsv"), Query(features=("h",), targets=("sentence",)))
    assert [one.numbers.tolist() for one in named.inputs] == [[2], [4]]


def steps(**changed):
    columns = {
        "id": ["a", "b", "a", "b", "a"],
        "step": [2, 1, 1, 2, 3],
        "digit": [7, 3, 7, 3, 7],
        "slant": [0.5, 0.1, 0.5, 0.1, 0.5],
        "x": [1.0, 2.0, 3.0, 4.0, 5.0],
        "y": [0.0, 1.0, 0.0, 1.0, 2.0],
    }
    return pl.DataFrame(columns | changed)


def test_rows_of_an_id_are_the_steps_of_an_answer_in_time():
    data = read_captioned(steps(), Query(id="id", label="digit", features=("slant",)))
    assert data.targets == ("x", "y") and data.names == ("a", "b")
    assert data.answers[0][0].tolist() == [[3, 0], [1, 0], [5, 2]]
    assert data.answers[1][0].tolist() == [[2, 1], [4, 1]]
    assert [(one.numbers.tolist(), one.label) for one in data.inputs] == [([0.5], "7"), ([0.1], "3")]
    assert "time: column 'step'" in data.notes
    one = read_captioned(steps(), Query(id="id", time="x", label="digit", targets=("y",)))
    assert one.answers[0][0].tolist() == [[0], [0], [2]]


def test_what_is_asked_about_needs_no_answers():
    asked = {"id": "id", "label": "digit", "features": ("slant",), "targets": ("x", "y"), "answers": False}
    bare = read_captioned(steps().select("digit", "slant").head(2), Query(time="step", **asked))
    assert bare.answers is None and len(bare) == 2
    assert read_captioned(steps(), Query(time="step", **asked)).names == ("a", "b")
    frame = pl.DataFrame({"class": ["a", "b"]})
    assert [one.label for one in read_captioned(frame, Query(answers=False)).inputs] == ["a", "b"]


@pytest.mark.parametrize(
    "more, said",
    [
        ({}, "by a usual name; add one, or for sequences of numbers"),
        ({"said": ["a"]}, "; name one of 'said' with target, or"),
    ],
)
def test_the_column_of_pictures_is_not_offered_as_captions(more, said):
    with pytest.raises(DataError, match=re.escape(said)):
        read_captioned(pl.DataFrame({"image": ["a.png"]} | more), Query())


@pytest.mark.parametrize(
    "cell, said",
    [
        ("../a.png", "'../a.png' leaves the folder of the list"),
        ("/etc/a.png", "'/etc/a.png' leaves the folder of the list"),
        ("none.png", "none.png: there is no such file (did you mean"),
        ("list.png", "wanted a PNG or JPEG picture, got a file that begins with b'image,ca"),
        ("", "wanted the path of a picture, got nothing"),
        ('"a\nb.png"', "write it without control characters"),
    ],
)
def test_a_path_that_is_no_picture_is_refused_with_its_line(tmp_path, cell, said):
    picture(tmp_path / "one.png")
    (tmp_path / "list.png").write_text("image,caption\n")
    path = table(tmp_path, f"image,caption\none.png,red\n{cell},blue\none.png,red\n")
    message = refused(path, image="image")
    assert f"{path}, line 3" in message and said in message


def test_a_list_of_no_pictures_is_refused_at_its_first_path(tmp_path):
    (tmp_path / "a.gif").write_bytes(b"GIF89a..")
    (tmp_path / "list.csv").write_text("image,caption\na.gif,one\nb.gif,two\n")
    assert "list.csv, line 2" in refused(tmp_path / "list.csv")
    assert "wanted a PNG or JPEG picture, got a file that begins with b'GIF89a..'" in refused(
        tmp_path / "list.csv"
    )


def test_the_examples_of_the_page_are_read(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "files.md").read_text()
    for name, content in re.findall(r"```((?:shapes|drawings).csv)\n(.*?)```", page, re.DOTALL):
        table(tmp_path, content, name)
    for number in (1, 2):
        picture(tmp_path / "shapes" / f"00{number}.png", shade=number)
    data = read_captioned(tmp_path / "shapes.csv", Query())
    assert data.answers == (("a red circle", "one circle and it is red"), ("a blue square",))
    data = read_captioned(tmp_path / "drawings.csv", Query(id="id", label="class", features=("slant",)))
    assert data.targets == ("x", "y") and [len(one) for (one,) in data.answers] == [2, 2]


def test_pictures_of_two_sizes_are_refused_or_resized(tmp_path):
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png", shade=50, size=(4, 7))
    path = table(tmp_path, "image,caption\na.png,red\nb.png,blue\n")
    assert refused(path) == (
        f"{path}, line 3: a picture of 4x7, that of {path}, line 2 of 4x6; wanted pictures of one size, or "
        "image_size='4x6' to resize them all"
    )
    assert len(read_captioned(path, Query(size=(5, 5)))) == 2


@pytest.mark.parametrize(
    "named, error, said",
    [
        ({"image": "x", "label": "digit"}, ConfigError, "an input is a picture, or numbers and a class"),
        ({"targets": ("x", "y"), "label": "digit"}, ConfigError, "a caption is one column"),
        ({"time": "step", "label": "digit", "targets": ("x",)}, ConfigError, "tells these apart with id"),
        ({"label": "x", "id": "id", "features": ("x",)}, ConfigError, "column 'x' is named as class"),
        ({"label": "digits", "id": "id"}, DataError, "no column 'digits' (did you mean 'digit'?)"),
        ({"label": "digit"}, DataError, "wanted a column of captions, found none"),
        ({"id": "id"}, DataError, "wanted pictures, numbers or a class to tell about, found none"),
        ({"id": "id", "label": "x"}, DataError, "row 3 of 5, column 'x': '3.0', but row 1 of 5 of the same"),
        ({"id": "id", "label": "digit", "features": ("x",)}, DataError, "wanted one value in all rows of"),
    ],
)
def test_columns_that_do_not_go_together_are_refused(named, error, said):
    assert said in refused(steps(), error, **named)


def test_missing_numbers_and_captions_are_refused():
    named = {"id": "id", "label": "digit", "targets": ("x",)}
    assert refused(steps(x=[1.0, None, 3.0, None, 5.0]), **named) == (
        "the table, row 2 of 5, column 'x': wanted a number, got nothing (1 more such cell); fill the cell"
    )
    frame = pl.DataFrame({"class": ["a", "b"], "caption": ["one", None]})
    assert refused(frame).startswith("the table, row 2 of 2, column 'caption': wanted a caption, got nothing")
    kinds = [pl.DataFrame({"class": ["a"], "caption": ["b"]}), pl.DataFrame({"u": [1], "caption": ["b"]})]
    assert refused(kinds) == (
        "the table holds columns 'u' and captions, the table columns 'class' and captions; wanted the same "
        "in all files, or name the columns to use"
    )


def test_a_checksum_is_of_inputs_and_answers():
    def of(**changed):
        return read_captioned(steps(**changed), Query(id="id", label="digit", targets=("x",))).checksum()

    assert of() == of(y=[0.0] * 5, slant=[0.0] * 5)
    assert len({of(), of(x=[1.0, 2, 3, 4, 6]), of(digit=[7, 4, 7, 4, 7])}) == 3
