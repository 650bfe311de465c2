"""The decoder's steps against its whole passes, torch against numpy, bit by bit, and its gradients."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from unrolled.blocks.block import read, write
from unrolled.blocks.decoder import Bridge, Condition, Decoder, sources
from unrolled.blocks.leaves import Attention, Linear
from unrolled.blocks.ops import Memory
from unrolled.blocks.recurrent import Recurrent
from unrolled.cells import CELLS
from unrolled.decoding.search import beam_search
from unrolled.ops import numpy as arrays
from unrolled.ops.torch import Network
from unrolled.tasks.decoder import decoder
from unrolled.tasks.model import DecoderConfig, ModelConfig, decoder_layers

V, B, T, M = 7, 5, 6, 9
LENGTHS = torch.tensor([6, 1, 4, 3, 5])
READS = {"layer0.forward.h": 8, "layer0.backward.h": 5}

CASES = {
    "plain": ({}, {"attention": "none"}, 0),
    "lstm, additive": ({"cell": "lstm", "layers": 2}, {"attention": "additive", "attention_size": 5}, 0),
    "gru reads, lstm writes": ({"cell": "gru"}, {"decoder_cell": "lstm", "decoder_hidden": 11}, 3),
    "deeper": ({"cell": "rnn", "zoneout": 0.2}, {"decoder_layers": 3, "attention": "dot"}, 2),
}


def layer(cell, *sizes, **options):
    return Recurrent(CELLS[cell](), *sizes, **options)


def made(case, seed=0):
    """A decoder and what its answers are conditioned on."""
    torch.manual_seed(seed)
    model, options, extra = CASES[case]
    config = DecoderConfig(target_embedding_size=6, **options)
    layers = ModelConfig(**{"hidden": 8, **model})
    network = Network(decoder(V, config, layers, reads=READS, memory_size=M, extra=extra)).eval()
    for p in network.parameters():
        torch.nn.init.normal_(p, std=0.5)
    y = torch.randn(B, T, M)
    y[torch.arange(T) >= LENGTHS[:, None]] = torch.nan
    read = {name: torch.randn(B, size) for name, size in READS.items()}
    v = torch.randn(B, extra) if extra else None
    with torch.no_grad():
        state = network.block.bridge(network.ops, network.p.bridge, read)
        memory = network.block.memory(network.ops, network.p, y, LENGTHS)
    return network, Condition(state, memory, v), read, y


def row(condition, b, length=None):
    """What the answer of row b alone is conditioned on."""
    state, memory, v = condition
    if memory is not None:
        keys, values, lengths = (t[b : b + 1] for t in memory)
        memory = Memory(keys[:, :length], values[:, :length], lengths)
    alone = {name: s[b : b + 1] for name, s in state.items()}
    return Condition(alone, memory, None if v is None else v[b : b + 1])


def stepper(network, condition):
    return torch.no_grad()(network.block.stepper(network.ops, network.p, condition))


@pytest.mark.parametrize("case", CASES)
def test_steps_one_by_one_have_the_bits_of_one_pass(case):
    network, condition, _, _ = made(case)
    w = torch.randint(0, V + 2, (B, 5))
    with torch.no_grad():
        every, last, weights = network(w, *condition)
        here, (_, *others) = condition.state, condition
        for t in range(5):
            o, here, _ = network(w[:, t : t + 1], here, *others)
            assert torch.equal(o[:, 0], every[:, t])
            if t == 2:
                shorter = network(w[:, :3], *condition)[1]
                assert all(torch.equal(here[name], shorter[name]) for name in shorter)
    assert list(here) == list(last) and all(torch.equal(here[name], last[name]) for name in last)
    if weights is not None:
        past = (torch.arange(T) >= LENGTHS[:, None])[:, None].expand(B, 5, T)
        assert (weights[past] == 0).all() and (weights[~past] > 0).all()


@pytest.mark.parametrize("case", CASES)
def test_a_row_has_the_bits_that_it_has_alone_whatever_the_padding(case):
    network, condition, _, _ = made(case)
    w, S = torch.randint(0, V + 2, (B, 7)), torch.tensor([7, 3, 1, 5, 6])
    with torch.no_grad():
        every, last, _ = network(w, *condition, lengths=S)
        for b in range(B):
            alone, end, _ = network(w[b : b + 1, : S[b]], *row(condition, b, int(LENGTHS[b])))
            assert torch.equal(alone[0], every[b, : S[b]])
            assert all(torch.equal(end[name][0], last[name][b]) for name in last)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("beam", [1, 3])
def test_beams_in_a_batch_are_those_alone_and_their_probability_that_of_one_pass(case, beam):
    network, condition, _, _ = made(case)
    longest = [9, 4, 6, 2, 8]
    begin, end = network.block.begin, network.block.end
    how = {"begin": begin, "end": end, "beam": beam, "best": beam, "penalty": 0.5}
    answers = beam_search(stepper(network, condition), longest, **how)
    for b, several in enumerate(answers):
        alone = row(condition, b)
        assert beam_search(stepper(network, alone), longest[b : b + 1], **how) == [several]
        for one in several:
            y = torch.tensor([[*one.tokens, end]])
            with torch.no_grad():
                o, _, _ = network(torch.tensor([[begin, *one.tokens]]), *alone)
            log_p = torch.log_softmax(o.double(), 2)[0].gather(1, y[0][:, None]).sum()
            assert one.log_p == pytest.approx(float(log_p), abs=1e-4)


def twin(case):
    """Decoders of torch and of numpy, and for each the condition of its answers."""
    network, condition, read_, y = made(case)
    block = read(write(network.block))
    other = arrays.network(block, {name: p.numpy() for name, p in network.state_dict().items()})
    state = block.bridge(arrays.OPS, other.p.bridge, {name: s.numpy() for name, s in read_.items()})
    memory = block.memory(arrays.OPS, other.p, y.numpy().swapaxes(0, 1), LENGTHS.numpy())
    v = None if condition.extra is None else condition.extra.numpy()
    return (network, condition), (other, Condition(state, memory, v))


@pytest.mark.parametrize("case", CASES)
def test_numpy_has_the_bits_of_torch_in_one_pass(case):
    (network, theirs), (other, own) = twin(case)
    assert list(own.state) == list(theirs.state)
    assert all(np.array_equal(own.state[name], s.numpy()) for name, s in theirs.state.items())
    w = torch.randint(0, V + 2, (B, 5))
    with torch.no_grad():
        o, last, weights = network(w, *theirs)
    found, after, seen = other(w.numpy().T, *own)
    assert np.array_equal(found.swapaxes(0, 1), o.numpy())
    assert all(np.array_equal(after[name], last[name].numpy()) for name in last)
    assert (weights is None) == (seen is None)
    if weights is not None:
        assert np.array_equal(seen.swapaxes(0, 1), weights.numpy())


@pytest.mark.parametrize("case", CASES)
def test_numpy_has_the_bits_of_torch_in_beams(case):
    (network, theirs), (other, own) = twin(case)
    how = {"begin": network.block.begin, "end": network.block.end, "beam": 4, "best": 3, "penalty": 0.6}
    longest = [7, 3, 5, 6, 4]
    answers = beam_search(other.block.stepper(arrays.OPS, other.p, own), longest, **how)
    assert answers == beam_search(stepper(network, theirs), longest, **how)


def test_every_parameter_learns_and_only_from_what_is_inside_the_lengths():
    network, condition, _, _ = made("gru reads, lstm writes")
    network.double()
    block, ops, p = network.block, network.ops, network.p
    reads = {name: torch.randn(B, size, dtype=torch.float64) for name, size in READS.items()}
    y = torch.randn(B, T, M, dtype=torch.float64, requires_grad=True)
    w, S = torch.randint(0, V + 2, (B, 4)), torch.tensor([4, 2, 3, 1, 4])
    state, memory = block.bridge(ops, p.bridge, reads), block.memory(ops, p, y, LENGTHS)
    o, _, _ = network(w, state, memory, condition.extra.double(), lengths=S)
    o[torch.arange(4) < S[:, None]].square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
    past = torch.arange(T) >= LENGTHS[:, None]
    assert (y.grad[past] == 0).all() and (y.grad[~past] != 0).all()


def test_the_bridge_reads_what_is_nearest():
    encoder = layer("lstm", 3, (4, 6), num_layers=2, bidirectional=True).state_sizes
    writer = layer("gru", 3, 5, num_layers=3)
    bridge = Bridge.of(encoder, writer)
    assert dict(zip(writer.state_sizes, sources(bridge.reads, bridge.makes), strict=True)) == {
        "layer0.forward.h": ["layer0.forward.h", "layer0.backward.h"],
        "layer1.forward.h": ["layer1.forward.h", "layer1.backward.h"],
        "layer2.forward.h": ["layer1.forward.h", "layer1.backward.h"],
    }
    other = Bridge.of(writer.state_sizes, layer("lstm", 3, 2))
    assert sources(other.reads, other.makes) == [["layer0.forward.h"], ["layer0.forward.h"]]  # of h and of c
    state = Network(bridge)({name: torch.randn(2, size) for name, size in encoder.items()})
    assert {name: tuple(s.shape) for name, s in state.items()} == dict.fromkeys(writer.state_sizes, (2, 5))
    assert all(s.abs().max() <= 1 for s in state.values())


def test_the_end_and_the_begin_are_no_symbols():
    block = made("plain")[0].block
    assert {block.begin, block.end} == {V, V + 1} == set(range(block.embedding.rows)) - set(range(V))
    assert block.head.outputs == block.end + 1, "the end is written, the begin never"


def test_what_does_not_meet_is_refused():
    block = made("lstm, additive")[0].block
    assert isinstance(block, Decoder) and block.symbols == V
    other = layer("lstm", 6, 8, num_layers=2, reverse=True)
    for change in (
        {"head": Linear(8, V + 2)},
        {"head": Linear(9, V + 1)},
        {"join": None},
        {"attention": None},
        {"attention": Attention("additive", 7, M, 5)},
        {"layer": layer("lstm", 5, 8, num_layers=2)},
        {"layer": layer("lstm", 6, 8)},
        {"layer": other},
        {"bridge": Bridge.of(READS, layer("lstm", 6, 8))},
    ):
        with pytest.raises(ValueError, match=r"wanted|units|backward|of the symbol"):
            replace(block, **change)
    bridge = block.bridge
    for change in (
        {"linears": bridge.linears[:-1]},
        {"reads": bridge.reads[:1]},
        {"reads": (), "linears": ()},
    ):
        with pytest.raises((ValueError, KeyError)):
            replace(bridge, **change)
    with pytest.raises(ValueError, match="no attention is called"):
        Attention("else", 8, M)


@pytest.mark.parametrize(("kind", "size"), [("dot", None), ("dot", 3), ("additive", None), ("additive", 5)])
def test_attention_has_the_parameters_of_the_layer(kind, size):
    network = Network(Attention(kind, 4, 6, size))
    shapes = {name: tuple(p.shape) for name, p in network.state_dict().items()}
    assert shapes == network.block.shapes()


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
