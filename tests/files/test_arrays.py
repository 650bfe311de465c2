import numpy as np
import pytest

from unrolled.errors import DataError
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
