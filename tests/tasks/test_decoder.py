"""The decoder's steps against its whole passes, bit by bit, and its gradients."""

import numpy as np
import pytest
import torch

from unrolled.decoding.search import beam_search
from unrolled.nn import GRU, LSTM
from unrolled.tasks.decoder import Bridge, Decoder
from unrolled.tasks.model import DecoderConfig, ModelConfig, decoder_layers

V, B, T, M = 7, 5, 6, 9
LENGTHS = torch.tensor([6, 1, 4, 3, 5])

CASES = {
    "plain": ({}, {"attention": "none"}, 0),
    "lstm, additive": ({"cell": "lstm", "layers": 2}, {"attention": "additive", "attention_size": 5}, 0),
    "gru reads, lstm writes": ({"cell": "gru"}, {"decoder_cell": "lstm", "decoder_hidden": 11}, 3),
    "deeper": ({"cell": "rnn", "zoneout": 0.2}, {"decoder_layers": 3, "attention": "dot"}, 2),
}


def made(case, seed=0):
    torch.manual_seed(seed)
    model, own, extra = CASES[case]
    config = DecoderConfig(target_embedding_size=6, **own)
    layers = ModelConfig(**{"hidden": 8, **model})
    sources = {"layer0.forward.h": 8, "layer0.backward.h": 5}
    decoder = Decoder(V, config, layers, sources=sources, memory_size=M, extra=extra).eval()
    for p in decoder.parameters():
        torch.nn.init.normal_(p, std=0.5)
    y = torch.randn(B, T, M)
    y[torch.arange(T) >= LENGTHS[:, None]] = torch.nan
    state = decoder.start({name: torch.randn(B, size) for name, size in sources.items()})
    return decoder, state, decoder.remember(y, LENGTHS), torch.randn(B, extra) if extra else None


@pytest.mark.parametrize("case", CASES)
def test_steps_one_by_one_have_the_bits_of_one_pass(case):
    decoder, state, memory, extra = made(case)
    w = torch.randint(0, V + 2, (B, 5))
    with torch.no_grad():
        whole, last, weights = decoder(w, torch.full((B,), 5), state, memory, extra)
        here, one = state, torch.ones(B, dtype=torch.int64)
        for t in range(5):
            o, here, _ = decoder(w[:, t : t + 1], one, here, memory, extra)
            assert torch.equal(o[:, 0], whole[:, t])
            if t == 2:
                shorter = decoder(w[:, :3], torch.full((B,), 3), state, memory, extra)[1]
                assert all(torch.equal(here[name], shorter[name]) for name in shorter)
    assert list(here) == list(last) and all(torch.equal(here[name], last[name]) for name in last)
    if weights is not None:
        past = (torch.arange(T) >= LENGTHS[:, None])[:, None].expand(B, 5, T)
        assert (weights[past] == 0).all() and (weights[~past] > 0).all()


@pytest.mark.parametrize("case", CASES)
def test_a_row_has_the_bits_that_it_has_alone_whatever_the_padding(case):
    decoder, state, memory, extra = made(case)
    w, S = torch.randint(0, V + 2, (B, 7)), torch.tensor([7, 3, 1, 5, 6])
    with torch.no_grad():
        whole, last, _ = decoder(w, S, state, memory, extra)
        for b in range(B):
            own = {name: s[b : b + 1] for name, s in state.items()}
            short = [t[b : b + 1, : LENGTHS[b]] for t in memory[:2]]
            alone, end, _ = decoder(
                w[b : b + 1, : S[b]],
                S[b : b + 1],
                own,
                type(memory)(*short, LENGTHS[b : b + 1]),
                None if extra is None else extra[b : b + 1],
            )
            assert torch.equal(alone[0], whole[b, : S[b]])
            assert all(torch.equal(end[name][0], last[name][b]) for name in last)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("beam", [1, 3])
def test_beams_in_a_batch_are_those_alone_and_their_probability_that_of_one_pass(case, beam):
    decoder, state, memory, extra = made(case)
    longest = [9, 4, 6, 2, 8]
    how = {"begin": decoder.begin, "end": decoder.end, "beam": beam, "best": beam, "penalty": 0.5}
    found = beam_search(decoder.stepper(state, memory, extra), longest, **how)
    for b, several in enumerate(found):
        own = {name: s[b : b + 1] for name, s in state.items()}
        part = type(memory)(*(t[b : b + 1] for t in memory))
        given = None if extra is None else extra[b : b + 1]
        assert beam_search(decoder.stepper(own, part, given), longest[b : b + 1], **how) == [several]
        for one in several:
            y = torch.tensor([[*one.tokens, decoder.end]])
            with torch.no_grad():
                o, _, _ = decoder(decoder.inputs(y), torch.tensor([y.shape[1]]), own, part, given)
            log_p = torch.log_softmax(o.double(), 2)[0].gather(1, y[0][:, None]).sum()
            assert one.log_p == pytest.approx(float(log_p), abs=1e-4)


def test_inputs_are_the_symbols_before_and_a_share_of_them_may_be_drawn():
    decoder, state, memory, extra = made("deeper")
    y = torch.randint(0, V + 1, (B, 200))
    w = decoder.inputs(y)
    assert (w[:, 0] == decoder.begin).all() and torch.equal(w[:, 1:], y[:, :-1])
    decoder.train()
    assert torch.equal(decoder.mixed(y, state, memory, extra, 0.0), w)
    drawn = decoder.mixed(y, state, memory, extra, 1.0)
    assert decoder.training and (drawn[:, 0] == decoder.begin).all() and (drawn[:, 1:] < V).all()
    some = decoder.mixed(y, state, memory, extra, 0.3)[:, 1:] != y[:, :-1]
    assert 0.15 < some.double().mean() < 0.3


def test_drawn_inputs_follow_the_probabilities_of_the_steps_before():
    """The frequencies of the second symbol over many equal rows are the softmax after the first."""
    decoder, state, memory, _ = made("plain")
    N = 4000
    row = {name: s[:1].expand(N, -1).contiguous() for name, s in state.items()}
    y = torch.full((N, 2), 3)
    w = decoder.mixed(y, row, None, None, 1.0)
    with torch.no_grad():
        first = torch.full((1, 1), decoder.begin)
        o, _, _ = decoder(first, torch.ones(1, dtype=torch.int64), {n: s[:1] for n, s in state.items()})
    p = torch.softmax(o[0, 0, :V], 0)
    assert torch.allclose(torch.bincount(w[:, 1], minlength=V) / N, p, atol=0.03)
    assert memory is not None


def test_every_parameter_learns_and_only_from_what_is_inside_the_lengths():
    decoder, state, memory, extra = made("gru reads, lstm writes")
    decoder.double()
    sources = {
        name: torch.randn(B, size, dtype=torch.float64)
        for name, size in (("layer0.forward.h", 8), ("layer0.backward.h", 5))
    }
    y = torch.randn(B, T, M, dtype=torch.float64, requires_grad=True)
    w, S = torch.randint(0, V + 2, (B, 4)), torch.tensor([4, 2, 3, 1, 4])
    o, _, _ = decoder(w, S, decoder.start(sources), decoder.remember(y, LENGTHS), extra.double())
    o[torch.arange(4) < S[:, None]].square().sum().backward()
    for name, p in decoder.named_parameters():
        assert p.grad is not None and p.grad.abs().max() > 0, name
    past = torch.arange(T) >= LENGTHS[:, None]
    assert (y.grad[past] == 0).all() and (y.grad[~past] != 0).all()
    assert memory is not None and state


def test_the_bridge_reads_what_is_nearest():
    encoder = LSTM(3, (4, 6), num_layers=2, bidirectional=True).state_sizes()
    writer = GRU(3, 5, num_layers=3).state_sizes()
    bridge = Bridge(encoder, writer)
    assert bridge.read == {
        "layer0.forward.h": ["layer0.forward.h", "layer0.backward.h"],
        "layer1.forward.h": ["layer1.forward.h", "layer1.backward.h"],
        "layer2.forward.h": ["layer1.forward.h", "layer1.backward.h"],
    }
    other = Bridge(writer, LSTM(3, 2).state_sizes())
    assert other.read == {"layer0.forward.h": ["layer0.forward.h"], "layer0.forward.c": ["layer0.forward.h"]}
    made = bridge({name: torch.randn(2, size) for name, size in encoder.items()})
    assert {name: tuple(s.shape) for name, s in made.items()} == dict.fromkeys(writer, (2, 5))
    assert all(s.abs().max() <= 1 for s in made.values())
    assert np.isfinite([float(s.detach().sum()) for s in made.values()]).all()


def test_the_layers_that_write_take_the_options_that_their_cell_has():
    read = ModelConfig(
        cell="lstm", peephole=True, zoneout=0.1, bidirectional=True, merge="sum", layers=2, dropout=0.1
    )
    same = decoder_layers(read, DecoderConfig())
    assert (same.cell, same.peephole, same.layers, same.bidirectional, same.merge) == (
        "lstm",
        True,
        2,
        False,
        "concat",
    )
    other = decoder_layers(read, DecoderConfig(decoder_cell="gru", decoder_layers=1, decoder_hidden=5))
    assert (other.cell, other.peephole, other.zoneout, other.hidden, other.dropout) == (
        "gru",
        None,
        0.1,
        5,
        0.0,
    )
