import json
from typing import NamedTuple

import pytest
import torch

from unrolled.training.state import carried, put_together, take_apart

STATES = [
    None,
    torch.randn(3, 2),
    (torch.randn(2), torch.randn(3)),
    [torch.randn(2), None, (torch.randn(1),)],
    {"layer0.forward.h": torch.randn(3, 2), "inner": {"c": [torch.randn(2)]}, "none": None},
]


def equal(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, tuple | list):
        return type(a) is type(b) and len(a) == len(b) and all(map(equal, a, b))
    return a is b


@pytest.mark.parametrize("state", STATES)
def test_apart_and_together_through_json_gives_the_same(state):
    tensors = []
    plan = json.loads(json.dumps(take_apart(state, tensors)))
    assert equal(put_together(plan, tensors), state)


@pytest.mark.parametrize(
    "plan", [{"set": [0]}, {"list": [7]}, {"list": 3}, "x", {}, {"a": [], "b": []}, {"dict": "x"}]
)
def test_a_foreign_plan_is_an_error(plan):
    with pytest.raises((LookupError, TypeError, ValueError)):
        put_together(plan, [torch.zeros(1)])


@pytest.mark.parametrize("state", STATES)
def test_carried_has_the_same_values(state):
    assert equal(carried(state), state)


def test_carried_owns_its_memory_and_has_no_history():
    y = torch.randn(4, 3, 2, requires_grad=True) * 2
    state = carried({"h": (y[1].T,)})
    assert not state["h"][0].requires_grad
    assert state["h"][0].is_contiguous()
    assert state["h"][0].untyped_storage().nbytes() == 6 * 4


def test_what_cannot_be_carried_is_refused():
    class Pair(NamedTuple):
        h: torch.Tensor

    for wrong in ({"h": 3}, "h", Pair(torch.zeros(1))):
        with pytest.raises(TypeError, match="a state is None, a tensor"):
            carried(wrong)
