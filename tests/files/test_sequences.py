"""Sequences as all readers give them."""

import numpy as np

from unrolled.files.sequences import Sequences


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
