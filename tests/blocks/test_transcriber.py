"""The network of transcripts: what stands side by side, the same in both worlds and in any batch."""

import numpy as np
import pytest
import torch

from unrolled.blocks.leaves import Linear
from unrolled.blocks.pooled import Numbers
from unrolled.blocks.recurrent import Recurrent
from unrolled.blocks.transcriber import Chain, Transcriber
from unrolled.cells.registry import read_cell
from unrolled.ops import numpy as production
from unrolled.ops.torch import Network

STEPS = (9, 7, 1, 4)


def made(k, cell="gru", chain=None, **options):
    layer = Recurrent(read_cell(cell, {}), 2 * k, 5, 2, **options)
    block = Transcriber(Numbers(2), layer, Linear(layer.output_size, 4), chain, k)
    torch.manual_seed(0)
    return Network(block).eval()


def padded():
    x = torch.full((len(STEPS), 13, 2), torch.nan)
    for row, T in zip(x, STEPS, strict=True):
        row[:T] = torch.randn(T, 2)
    return x, torch.tensor(STEPS)


@pytest.mark.parametrize("k", [1, 2, 3, 7])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_padding_changes_no_bit_of_a_row(k, cell):
    network = made(k, cell, bidirectional=True)
    x, lengths = padded()
    log_p, _ = network(x, lengths=lengths)
    assert log_p.shape == (4, -(-13 // k), 4)
    steps = network.block.steps(lengths)
    assert steps.tolist() == [-(-T // k) for T in STEPS]
    for row, T, p, S in zip(x, STEPS, log_p, steps.tolist(), strict=True):
        alone, _ = network(row[None, :T], lengths=torch.tensor([T]))
        assert torch.equal(alone[0], p[:S]) and p[:S].isfinite().all()
    groups = torch.cat([x[0, :9], torch.zeros(-9 % k, 2)]).reshape(-1, 2 * k)
    y, _ = network.layer(groups[None], lengths=steps[:1])
    wanted = torch.log_softmax(network.head(y), -1)
    torch.testing.assert_close(wanted, log_p[:1, : steps[0]])


@pytest.mark.parametrize("k", [1, 2, 3, 7])
def test_both_worlds_say_the_same_bits(k):
    network = made(k, chain=Chain(4))
    arrays = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    other = production.network(network.block, arrays)
    x, lengths = padded()
    with torch.no_grad():
        log_p, after = network(x, lengths=lengths)
    found, state = other(np.ascontiguousarray(x.numpy().swapaxes(0, 1)), None, lengths.numpy())
    for row, (S, p) in enumerate(zip(network.block.steps(lengths).tolist(), log_p, strict=True)):
        assert np.array_equal(found[:S, row], p[:S])
    assert state.keys() == after.keys()
    assert all(np.array_equal(state[name], after[name]) for name in state)


@pytest.mark.parametrize("k", [2, 3])
def test_a_stream_of_groups_goes_on_where_it_stopped(k):
    network, x = made(k), torch.randn(2, 6 * k, 2)
    whole, _ = network(x)
    head, state = network(x[:, : 2 * k])
    tail, _ = network(x[:, 2 * k :], state)
    assert torch.equal(torch.cat([head, tail], 1), whole)


def test_what_does_not_go_together_is_refused():
    layer, head = Recurrent(read_cell("gru", {}), 6, 5), Linear(5, 4)
    Transcriber(Numbers(2), layer, head, subsample=3)
    for wrong in (
        lambda: Transcriber(Numbers(2), layer, head, subsample=2),
        lambda: Transcriber(Numbers(2), layer, Linear(6, 4), subsample=3),
        lambda: Transcriber(Numbers(2), layer, head, Chain(5), subsample=3),
        lambda: Transcriber(Numbers(2), layer, head, subsample=0),
    ):
        with pytest.raises(ValueError, match=r"sizes|states of 4 outputs|subsample"):
            wrong()


def test_estimates_are_float64_whatever_the_weights_are():
    network = made(1, chain=Chain(4))
    assert {name: (b.dtype, tuple(b.shape)) for name, b in network.named_buffers()} == {
        "chain.stay": (torch.float64, (4,)),
        "chain.pause": (torch.float64, ()),
        "chain.prior": (torch.float64, (4,)),
    }
    arrays = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    assert production.network(network.block, arrays).dtype == np.float32
    with pytest.raises(ValueError, match="stay, pause, prior are not float64"):
        production.network(network.block, arrays | {"chain.prior": arrays["chain.prior"].astype(np.float32)})
