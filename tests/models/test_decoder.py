"""The decoder without torch has the bits of the one that was trained, step by step and in beams."""

import numpy as np
import pytest
import torch

from tests.tasks.test_decoder import CASES, LENGTHS, B, V, made
from unrolled.decoding.search import beam_search
from unrolled.models.decoder import Decoder


def twin(case):
    """Both decoders, and for each its state, memory and further inputs."""
    decoder, state, memory, extra = made(case)
    arrays = {f"decoder.{name}": tensor.numpy() for name, tensor in decoder.state_dict().items()}
    other = Decoder(decoder.about("decoder."), arrays)
    torch.manual_seed(7)
    ends = {"layer0.forward.h": torch.randn(B, 8), "layer0.backward.h": torch.randn(B, 5)}
    begun = other.start({name: s.numpy() for name, s in ends.items()})
    with torch.no_grad():
        state = decoder.start(ends)
    assert list(state) == list(begun)
    assert all(np.array_equal(begun[name], state[name].numpy()) for name in state)
    remembered = other.remember(memory.values.numpy(), LENGTHS.numpy())
    given = None if extra is None else extra.numpy()
    return (decoder, state, memory, extra), (other, begun, remembered, given)


@pytest.mark.parametrize("case", CASES)
def test_whole_passes_have_the_same_bits(case):
    (decoder, *theirs), (other, *own) = twin(case)
    w = torch.randint(0, V + 2, (B, 5))
    with torch.no_grad():
        o, last, weights = decoder(w, torch.full((B,), 5), *theirs)
    found, after, seen = other(w.numpy(), *own)
    assert np.array_equal(found, o.numpy())
    assert all(np.array_equal(after[name], last[name].numpy()) for name in last)
    assert (weights is None) == (seen is None)
    if weights is not None:
        assert np.array_equal(seen, weights.numpy())


@pytest.mark.parametrize("case", CASES)
def test_beams_have_the_same_bits(case):
    (decoder, *theirs), (other, *own) = twin(case)
    assert (other.begin, other.end, other.extra) == (decoder.begin, decoder.end, decoder.extra)
    how = {"begin": other.begin, "end": other.end, "beam": 4, "best": 3, "penalty": 0.6}
    longest = [7, 3, 5, 6, 4]
    found = beam_search(other.stepper(*own), longest, **how)
    assert found == beam_search(decoder.stepper(*theirs), longest, **how)


def test_parts_that_do_not_meet_are_refused():
    decoder, _, _, _ = made("lstm, additive")
    arrays = {name: tensor.numpy() for name, tensor in decoder.state_dict().items()}
    Decoder(decoder.about(""), arrays)
    for name in ("head.weight", "embedding.weight", "join.weight", "attention.query.weight", "attention.u"):
        wrong = arrays | {name: arrays[name][:-1]}
        with pytest.raises(ValueError, match=r"wanted|of sizes|a decoder of|is \("):
            Decoder(decoder.about(""), wrong)
    about = decoder.about("")
    about["bridge"].pop("layer0.forward.c")
    with pytest.raises(ValueError, match="a decoder of states"):
        Decoder(about, arrays)
