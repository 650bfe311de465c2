import numpy as np
import pytest

from unrolled.errors import DataError
from unrolled.files import arrays
from unrolled.files.arrays import from_arrays


def test_arrays_become_sequences():
    made = from_arrays([np.arange(3), [4, 5]], [1, "b"])
    assert made.features == ("x0",) and made.answers == ("1", "b") and made.names == ("0", "1")
    assert [x.tolist() for x in made.inputs] == [[[0], [1], [2]], [[4], [5]]]
    whole = from_arrays(np.zeros((2, 3, 4), np.uint8))
    assert whole.features == ("x0", "x1", "x2", "x3") and whole.answers is None
    assert whole.inputs[0].dtype == np.uint8
    texts = from_arrays(["ab", ""], ["x", "y"])
    assert texts.is_text and texts.inputs == ("ab", "")
    assert from_arrays([[1.0, None]]).inputs[0].dtype == np.float64


@pytest.mark.parametrize(
    "X, y, message",
    [
        ([], None, "X holds no sequences; wanted at least one"),
        ([[1.0]], ["a", "b"], "X holds 1 sequences and y 2 answers; wanted as many"),
        (["a", [1.0]], None, "X holds texts and numbers; wanted one kind"),
        (
            [np.zeros((2, 3)), np.zeros((2, 2))],
            None,
            "sequence 1 has 2 features; the first has 3; wanted the same of all",
        ),
        ([[1.0], []], None, "sequence 1: wanted numbers (T,) or (T, F), one at least, got shape (0,)"),
        ([[["x"]]], None, "sequence 0: wanted an array of numbers (T,) or (T, F), got [['x']]"),
        ([[1.0, np.inf]], None, "sequence 0: wanted finite numbers, got infinity; correct it, or put NaN"),
    ],
)
def test_what_is_no_sequence_is_refused(X, y, message):
    with pytest.raises(DataError) as error:
        from_arrays(X, y)
    assert str(error.value).startswith(message)


def test_words_in_lists_are_texts_or_words():
    words = [["ab", "c"], ("d",), np.array(["e", "f"])]
    assert from_arrays(words).inputs == ("ab c", "d", "e f")
    assert arrays.tagged(words).inputs == (("ab", "c"), ("d",), ("e", "f"))
    assert arrays.tagged(["ab c", "d"]).inputs == (("ab", "c"), ("d",))
    assert arrays.pairs(words).inputs == ("ab c", "d", "e f")
    assert "".join(arrays.text([*words, "a line\n"]).pieces()) == "ab c\nd\ne f\na line\n"


def test_padding_is_cut_off():
    padded = np.arange(12.0).reshape(2, 6)
    assert [x[:, 0].tolist() for x in from_arrays(padded, lengths=[2, 6]).inputs] == [
        [0, 1],
        padded[1].tolist(),
    ]
    assert arrays.tagged(padded, [2, 6]).lengths == [2, 6]
    for lengths, said in (
        ([0, 6], "sequence 0: a length of 0; wanted 1 to 6"),
        ([2, 7], "sequence 1: a length of 7; wanted 1 to 6"),
        ([2], "X holds 2 sequences and y 1 answers|X holds 2"),
        ([2.0, 6.0], "lengths: wanted whole numbers"),
    ):
        with pytest.raises(DataError, match=said):
            from_arrays(padded, lengths=lengths)


def test_tags_stand_beside_their_steps():
    data = arrays.tagged_with(
        arrays.tagged([[1.0, 2.0], [3.0]]), [np.array([1, 0], np.int8), np.array([1], np.int8)]
    )
    assert data.answers == (("1", "0"), ("1",)) and data.kind == "int8"


def test_series_are_the_table_that_a_file_would_hold():
    table = arrays.long_table([[1.0, np.nan], [3.0]], [[1, 0], [0]], beside="truth")
    assert table.rows() == [("0", 1.0, 1), ("0", None, 0), ("1", 3.0, 0)]
    assert table.columns == ["series", "x0", "truth"]
    assert arrays.long_table(np.arange(3)).rows() == [("0", 0), ("0", 1), ("0", 2)]
    assert arrays.long_table([np.ones((2, 2))], [np.zeros((2, 2))]).columns == [
        "series",
        "x0",
        "x1",
        "y0",
        "y1",
    ]
    with pytest.raises(DataError, match="series 0 has 2 steps and y of it 1; wanted as many"):
        arrays.long_table([[1.0, 2.0]], [[1.0]])


def test_pictures_and_numbers_have_captions_and_equal_ones_share_them():
    pixels = np.zeros((3, 4, 5), np.uint8)
    pixels[1] = 1
    data = arrays.captioned_with(arrays.captioned(pixels), ["dark", "light", ["black", "void"]])
    assert [one.shape for one in data.inputs] == [(4, 5, 1)] * 2 and data.is_pictures
    assert data.answers == (("dark", "black", "void"), ("light",))
    steps = arrays.captioned_with(arrays.captioned(np.eye(2)), [np.ones((3, 2)), np.zeros((1, 2))])
    assert steps.targets == ("y0", "y1") and steps.features == ("x0", "x1")
    with pytest.raises(DataError, match=r"input 0: wanted a picture .*, got float64 \(4, 5\)"):
        arrays.captioned(np.zeros((2, 4, 5)))
