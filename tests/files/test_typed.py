from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from unrolled.files.typed import require, require_type, shaped


class Pair(NamedTuple):
    name: str
    mask: NDArray[np.bool_]


@dataclass(frozen=True)
class Whole:
    count: int = 3
    share: float = 0.5
    yes: bool = True
    unit: Literal["a", "b"] = "a"
    names: tuple[str, ...] = ("x",)
    size: tuple[int, int] = (2, 3)
    usual: Mapping[str, int] = field(default_factory=dict)
    rows: Sequence[float] = (1, 2.5)
    maybe: int | None = None
    numbers: NDArray[np.float64] | None = None
    some: NDArray[Any] | None = None
    pair: Pair | None = None
    library: Any = None
    kind: ClassVar[str] = "whole"


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"share": 1, "usual": {"a": 1}, "maybe": 4, "names": (), "unit": "b"},
        {"numbers": np.zeros(3), "some": np.zeros(2, np.int8), "pair": Pair("a", np.zeros(2, bool))},
    ],
)
def test_what_is_as_declared_passes(given):
    require(Whole(**given))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("count", 3.0),
        ("count", True),
        ("count", "3"),
        ("share", "0.5"),
        ("share", None),
        ("yes", 1),
        ("unit", "c"),
        ("unit", ["a"]),
        ("names", ["x"]),
        ("names", ("x", 1)),
        ("names", "x"),
        ("size", (1, 2, 3)),
        ("size", (1, "2")),
        ("usual", {"a": "b"}),
        ("usual", {1: 1}),
        ("usual", [1]),
        ("rows", [1, [2]]),
        ("maybe", "x"),
        ("numbers", [1.0]),
        ("numbers", np.zeros(3, np.float32)),
        ("pair", Pair("a", np.zeros(2))),
        ("pair", Pair(3, np.zeros(2, bool))),
        ("pair", {"name": "a"}),
    ],
)
def test_every_other_type_is_named(name, value):
    with pytest.raises(ValueError, match=f"^(here|a name in here).{name}") as caught:
        require(Whole(**{name: value}), "here")
    assert len(str(caught.value)) < 160


def test_arrays_have_the_shape_that_is_wanted():
    array = np.zeros((2, 3))
    assert shaped(array, 2, 3) is array and shaped(array, None, 3) is array
    for shape in ((2,), (2, 3, 1), (3, 2), (None, 2), ()):
        with pytest.raises(ValueError, match="an array of shape"):
            shaped(array, *shape)


@pytest.mark.parametrize(
    "value, wanted, said",
    [
        ("a", list[str], "it: wanted list"),
        (["a", 1], list[str], "it[1]: wanted str, got 1"),
        ([{"loss": True}], list[dict[str, str | float]], "it[0]['loss']: wanted "),
        ([{"loss": None}], list[dict[str, str | float]], "it[0]['loss']: wanted "),
        ({1: "x"}, dict[str, str], "a name in it: wanted str, got 1"),
        ([], dict[str, str], "it: wanted dict"),
    ],
)
def test_values_of_any_type_are_held_against_it(value, wanted, said):
    require_type([{"loss": 1, "model": "x"}, {}], list[dict[str, str | float]])
    with pytest.raises(ValueError) as caught:
        require_type(value, wanted)
    assert str(caught.value).startswith(said)
