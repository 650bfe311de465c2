"""Examples as all readers give them."""

import numpy as np
import pytest

from unrolled.files.captioned import Attributes, Captioned
from unrolled.files.examples import Sequences
from unrolled.files.pairs import Pairs
from unrolled.files.tagged import Tagged

NAMES = ("0", "1")
X = (np.arange(6.0).reshape(3, 2), np.array([[7.5, np.nan]]))
PICTURES = (np.arange(12, dtype=np.uint8).reshape(2, 2, 3),) * 2
ATTRIBUTES = Attributes(np.array([1.5]), "k"), Attributes(np.array([2.0]), "l")
OF_NUMBERS = (X[0],), (np.array([[7.0, 8.0]]),)


def numbers():
    inputs = tuple(np.arange(2.0 * n).reshape(n, 2) for n in (3, 1, 2))
    return Sequences(inputs, ("x", "y"), ("a", "b", "a"), ("s0", "s1", "s2"), ("line 2", "line 5", "line 6"))


def test_a_selection_keeps_what_belongs_together():
    some = numbers().select(np.array([2, 0]))
    assert some.names == ("s2", "s0") and some.answers == ("a", "a") and some.places == ("line 6", "line 2")
    assert [len(x) for x in some.inputs] == [2, 3] and some.features == ("x", "y") and not some.is_text


def test_the_checksum_is_that_of_the_content():
    sums = {numbers().checksum(), numbers().select([0, 1, 2]).checksum()}
    assert len(sums) == 1
    sums.add(numbers().select([1, 0, 2]).checksum())
    changed = numbers()
    changed.inputs[1][0, 1] += 1e-9
    sums.add(changed.checksum())
    text = Sequences(("a\ud800", "b"), (), None, ("0", "1"), ("1", "2"))
    sums.add(text.checksum())
    assert text.is_text and len(sums) == 4


@pytest.mark.parametrize(
    "data, checksum, second",
    [
        (Sequences(X, ("u", "v"), ("a", "b"), NAMES, NAMES), "a76df4e24362cdb7", 0x6D4FBEF23982630B),
        (Sequences(("a\ud800", "é b"), (), None, NAMES, NAMES), "aff18e2068594795", 0x31F4727E0134B06E),
        (
            Tagged((("w", "é"), ("z",)), (), (("A", "B"), ("C",)), NAMES, NAMES),
            "a0b4e503126369ca",
            0x7DE2A359D5E04DAC,
        ),
        (Tagged(X, ("u", "v"), None, NAMES, NAMES), "f03b36f62c1cdccb", 0x6D4FBEF23982630B),
        (Pairs(("a", "b  c"), (), ("d", "e"), NAMES, NAMES), "3601575074f3f2d0", 0xC84F857F5283B90F),
        (
            Captioned(PICTURES, (), (("a", "b"), ("c",)), NAMES, NAMES),
            "768e16439a8ff734",
            0xAEE38BDE8E40F91F,
        ),
        (
            Captioned(ATTRIBUTES, ("f",), OF_NUMBERS, NAMES, NAMES, class_column="kind", targets=("x", "y")),
            "74e126359afb3490",
            0x2BEC8745029607DF,
        ),
    ],
)
def test_checksums_and_fingerprints_are_those_that_runs_were_saved_with(data, checksum, second):
    assert data.checksum()[:16] == checksum and int(data.fingerprints()[1]) == second
