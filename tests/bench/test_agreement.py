"""Peers that compute something else are caught, whatever way they differ."""

import math

import pytest

from unrolled.bench.agreement import TOLERANCE, disagreement

from .cases import values


def test_rounding_passes_and_is_told() -> None:
    worst, refused = disagreement({"a": values(y=[1.0, -4.0]), "b": values(y=[1.0, -4.00006])})
    assert refused is None
    assert worst == pytest.approx(0.00006 / 4, rel=1e-2)


def test_the_difference_is_of_the_largest_number_of_its_own_tensor() -> None:
    _, refused = disagreement({"a": values(y=[1000.0], d=[0.01]), "b": values(y=[1000.0], d=[0.0101])})
    assert refused is not None
    assert refused.startswith("d: b and a differ by 1.0e-02")


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_numbers_that_are_not_finite_never_agree(number: float) -> None:
    for a, b in (([number], [1.0]), ([1.0], [number]), ([number], [number])):
        worst, refused = disagreement({"a": values(y=a), "b": values(y=b)})
        assert worst == math.inf and refused is not None


def test_zeros_agree_with_zeros_alone() -> None:
    assert disagreement({"a": values(y=[0.0]), "b": values(y=[0.0])}) == (0.0, None)
    assert disagreement({"a": values(y=[0.0]), "b": values(y=[1e-30])})[1] is not None


def test_other_names_and_shapes_are_refused() -> None:
    _, refused = disagreement({"a": values(y=[1.0], c=[1.0]), "b": values(y=[1.0])})
    assert refused == "b gives y; a gives y, c"
    _, refused = disagreement({"a": values(y=[1.0]), "b": values(y=[1.0, 1.0])})
    assert refused == "y: b gives (2,), a (1,)"


def test_every_peer_is_compared() -> None:
    good, bad = values(y=[1.0]), values(y=[1.0 + 2 * TOLERANCE])
    assert disagreement({"a": good, "b": good, "c": bad})[1] is not None
