"""The short form of scripts/fuzz_laws.py: random layers, a third of the laws on each; and every batch from 1
to 256.
"""

import random

import pytest
import torch

from tests.cells.cases import CELLS
from tests.scripts import script
from unrolled.nn import Recurrent

CASES = 300


fuzz = script("fuzz_laws")


@pytest.mark.parametrize("name", fuzz.LAYERS)
def test_every_law_on_random_layers(name):
    laws = list(fuzz.LAWS)
    tried = [fuzz.failures(name, seed, laws[seed % 3 :: 3]) for seed in range(CASES)]
    broken = [line for lines in tried for line in lines]
    assert not broken, "\n".join([f"{len(broken)} laws broken", *broken[:5]])


@pytest.mark.parametrize("name", fuzz.LAYERS)
def test_every_option_is_drawn_with_every_value(name):
    drawn = [fuzz.draw_layer(name, 3, 5, random.Random(seed)) for seed in range(400)]
    for option, default in fuzz.options_of(fuzz.LAYERS[name]).items():
        wanted = set(fuzz.values(option, default))
        if option == "zoneout":
            wanted = {rates for rates in wanted if name == "LSTM" or rates != (0.4, 0.0)}
        owners = [one.cell if hasattr(one.cell, option) else one for one in drawn]
        found = {
            one.like().dtype if option == "dtype" else getattr(o, option)
            for one, o in zip(drawn, owners, strict=True)
        }
        assert found == wanted, option


def layer_of(name, I, H, **options):
    torch.manual_seed(1)
    return Recurrent(CELLS[name], I, H, **options).eval()


@pytest.mark.parametrize("name", CELLS)
def test_every_batch_from_1_to_256_gives_the_same_bits(name):
    layer = layer_of(name, 5, 18, bidirectional=True)
    x, lengths = torch.randn(3, 256, 5), torch.randint(0, 4, (256,))
    state = {name: torch.randn(256, size) for name, size in layer.state_sizes().items()}
    case = fuzz.Case(layer, x, state, lengths)
    with fuzz.unwritten_memory_is_nan():
        whole = case.run()
        for B in range(1, 257):
            rows = list(range(256 - B, 256))
            fuzz.same_bits(case.rows(rows).run(), fuzz.in_rows(whole, rows))


@pytest.mark.parametrize("B", [1, 3, 29])
@pytest.mark.parametrize("name", CELLS)
def test_the_number_of_threads_is_free(name, B):
    """Of few rows the threads share the units, of many the rows; more threads than cores meet anyhow."""
    layer = layer_of(name, 37, 210)
    x, lengths = torch.randn(9, B, 37), torch.randint(3, 10, (B,))
    state = {name: torch.randn(B, size) for name, size in layer.state_sizes().items()}
    case, before = fuzz.Case(layer, x, state, lengths), torch.get_num_threads()
    results = []
    try:
        with fuzz.unwritten_memory_is_nan():
            for threads in (1, 2, 2, 3, 5):
                torch.set_num_threads(threads)
                results.append(case.run())
    finally:
        torch.set_num_threads(before)
    for result in results[1:]:
        fuzz.same_bits(result, results[0])
