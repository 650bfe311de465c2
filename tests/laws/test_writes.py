"""A result is never computed from old weights, however they were written: the short form of
scripts/fuzz_writes.py. And what `frozen()` promises, and what it does not.
"""

import random
from collections import Counter

import pytest
import torch
from torch import nn

import unrolled.nn
from tests.scripts import script
from unrolled.nn import GRU, LSTM, RNN, Linear, LSTMCell

MODULES = 4  # of each kind; five writes to each


fuzz = script("fuzz_writes")
writes = fuzz.writes


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", fuzz.SUBJECTS)
def test_a_result_is_never_of_old_weights(name):
    lines = []
    tally = fuzz.tried(name, range(MODULES), list(writes.MEANS), lines.append)
    assert not lines, "\n".join([f"{len(lines)} wrong", *lines[:5]])
    assert sum(tally.written.values()) >= 5 * MODULES


class Stale(nn.Linear):
    """Computes with the weight of its first call."""

    def forward(self, input):
        if "first" not in vars(self):
            vars(self)["first"] = self.weight.detach().clone()
        return nn.functional.linear(input, self.first, self.bias)

    def __deepcopy__(self, memo):
        copy = Stale(self.in_features, self.out_features, dtype=self.weight.dtype)
        with torch.no_grad():
            for own, other in zip(copy.parameters(), self.parameters(), strict=True):
                own.copy_(other)
        return copy


@pytest.mark.parametrize("mean", [mean.__name__ for mean in writes.GIVEN])
def test_an_old_weight_would_be_found(mean, monkeypatch):
    def stale(choice, H, dtype):
        return fuzz.head(Stale(3, 4, dtype=dtype), lambda m, x: {"y": m(x)}, choice, 3)

    monkeypatch.setitem(fuzz.SUBJECTS, "stale", stale)
    tally = fuzz.Tally(Counter(), Counter(), [])
    for seed in range(4):
        fuzz.chain("stale", seed, tally, [mean])
    assert any("of old weights" in line for line in tally.lines)


@pytest.mark.parametrize("mean", writes.MEANS)
def test_every_means_writes(mean):
    choice = random.Random(mean)
    torch.manual_seed(1)
    module = nn.Linear(5, 5, False)
    before = module.weight.detach().clone()
    place = (2, 3)
    write = writes.Write(module, "weight", (place,), torch.tensor([7.0]))
    writes.MEANS[mean](write)
    after = module.weight.detach()
    assert not torch.equal(after, before)
    if writes.MEANS[mean] in writes.GIVEN:
        before[place] = 7.0
        torch.testing.assert_close(after, before)
    assert writes.draw(module, mean, choice)[0].name == "weight"


@pytest.mark.parametrize("change", writes.CHANGES)
def test_every_change_is_what_it_says(change):
    torch.manual_seed(2)
    weight = torch.randn(4, 6, dtype=torch.float64)
    places, values = change(weight, random.Random(3))
    after = weight.clone()
    for place, value in zip(places, values, strict=True):
        after[place] = value
    assert torch.equal(after, weight) == (change is writes.same)
    if change in (writes.exchanged, writes.balanced):
        torch.testing.assert_close(after.sum(), weight.sum())


@pytest.mark.parametrize("H", [3, 64, 300])
@pytest.mark.parametrize("build", [RNN, GRU, LSTM, LSTMCell, Linear])
def test_after_frozen_a_write_is_seen(build, H):
    torch.manual_seed(4)
    module, x = build(5, H), torch.randn(2, 5) if build in (LSTMCell, Linear) else torch.randn(1, 2, 5)

    def result(module):
        with torch.no_grad():
            found = module(x)
        return found if isinstance(found, torch.Tensor) else found[0]

    before = result(module)
    weight = next(module.parameters())
    with unrolled.nn.frozen(module):
        assert torch.equal(result(module), before)
        weight.data[1, 2] += 1
        result(module)  # of the old weights or the new: nothing is promised
    seen = result(module)
    assert torch.equal(seen, result(writes.fresh(module))) and not torch.equal(seen, before)
