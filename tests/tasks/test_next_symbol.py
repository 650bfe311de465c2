"""What a network says of tokens: against float64 by hand, and to the bit however they are cut and batched."""

import math

import numpy as np
import pytest
import torch

from unrolled.batching.streams import Streams
from unrolled.blocks.language import Language
from unrolled.blocks.recurrent import Recurrent
from unrolled.cells import CELLS
from unrolled.tasks import next_symbol
from unrolled.tasks.embedding import embedding
from unrolled.tasks.next_symbol import Network
from unrolled.tasks.sampling import Sampling
from unrolled.training.state import carried

V, E = 11, 5
LAYERS = ("rnn", "gru", "lstm")


def network(cell="gru", tie=False, layers=2, **options):
    torch.manual_seed(3)
    layer = Recurrent(CELLS[cell](), E, 7, layers, **options)
    made = Network(Language.of(embedding(V, E), layer, tie, 0.0, 0.0))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return made.eval()


def tokens(length, seed=0):
    return np.random.default_rng(seed).integers(0, V, length).astype(np.int32)


@pytest.mark.parametrize("tie", [False, True])
@pytest.mark.parametrize("cell", LAYERS)
def test_nats_are_those_of_float64(cell, tie):
    made, w = network(cell, tie), tokens(37)
    found = np.concatenate(list(next_symbol.nats(made, w, V)))
    own, long = made.double(), torch.from_numpy(w.astype(np.int64))
    h, _ = own.layer(own.embedding(long[None, :-1]))
    if tie:
        logits = own.projection(h) @ own.embedding.weight.T + own.bias
    else:
        logits = h @ own.head.weight.T + own.head.bias
    wanted = -torch.log_softmax(logits, -1)[0, torch.arange(36), long[1:]]
    np.testing.assert_allclose(found, wanted.detach().numpy(), atol=3e-6)  # float32 against float64


@pytest.mark.parametrize("steps", [1, 3, 36])
@pytest.mark.parametrize("cell", LAYERS)
def test_no_bit_depends_on_the_pieces_of_a_text(monkeypatch, cell, steps):
    made, w = network(cell), tokens(37)
    whole = np.concatenate(list(next_symbol.nats(made, w, V)))
    monkeypatch.setattr(next_symbol, "STEPS", steps)
    pieces = list(next_symbol.nats(made, w, V))
    assert len(pieces) == math.ceil(36 / steps)
    assert np.concatenate(pieces).tobytes() == whole.tobytes()


@pytest.mark.parametrize("steps", [2, 1024])
@pytest.mark.parametrize("cell", LAYERS)
def test_a_row_in_a_batch_has_the_bits_that_it_has_alone(monkeypatch, cell, steps):
    monkeypatch.setattr(next_symbol, "STEPS", steps)
    monkeypatch.setattr(next_symbol, "LINES", 4)
    made = network(cell)
    rows = [tokens(length, length).astype(np.int64) for length in (9, 0, 1, 30, 9, 2, 17, 0, 5)]
    together = next_symbol.nats_of_rows(made, rows, 3, V)
    assert together == [next_symbol.nats_of_rows(made, [row], 3, V)[0] for row in rows]
    assert together[1] == together[7] == 0
    for row, total in zip(rows, together, strict=True):
        alone = next_symbol.nats(made, np.concatenate([[3], row]).astype(np.int32), V)
        assert math.fsum(x for piece in alone for x in piece) == total


def test_padding_is_never_read(monkeypatch):
    made = network("lstm")
    real = made.layer.forward

    def spoilt(e, state, *, lengths):
        for r, length in enumerate(lengths):
            e[r, length:] = math.nan
        return real(e, state, lengths=lengths)

    rows = [tokens(length, length).astype(np.int64) for length in (9, 4, 1)]
    wanted = next_symbol.nats_of_rows(made, rows, 0, V)
    monkeypatch.setattr(made.layer, "forward", spoilt)
    assert next_symbol.nats_of_rows(made, rows, 0, V) == wanted


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("cell", LAYERS)
def test_consecutive_batches_carry_the_state_of_one_long_pass(cell, rows):
    """To the bit: each row of carried batches is the text's stretch read alone from its start."""
    made, w = network(cell), tokens(64)
    streams = Streams(w, 10, rows)
    state, logits = None, []
    with torch.no_grad():
        for batch in streams.batches(1):
            out, state = made(batch.x, state if batch.goes_on else None)
            logits.append(out)
        carried = torch.cat(logits, 1)
        for r in range(rows):
            stretch = w[r * streams.length : (r + 1) * streams.length].astype(np.int64)
            alone, _ = made(torch.from_numpy(stretch)[None])
            assert torch.equal(carried[r], alone[0])
        if rows == 1:
            total = math.fsum(x for piece in next_symbol.nats(made, w, V) for x in piece)
            assert next_symbol.mean_loss(made, streams) == pytest.approx(total / 63, rel=1e-6)


def test_the_loss_has_the_gradients_of_float64():
    made = network("gru")
    batch = next(iter(Streams(tokens(40), 13, 3).batches(1)))
    next_symbol.loss(made, batch, None)[0].backward()
    own = {name: p.grad.clone() for name, p in made.named_parameters()}
    made.zero_grad()
    double = made.double()
    h, _ = double.layer(double.embedding(batch.x))
    logits = h @ double.head.weight.T + double.head.bias
    torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch.y.flatten()).backward()
    for name, p in double.named_parameters():
        np.testing.assert_allclose(own[name], p.grad, atol=2e-6, err_msg=name)  # float32 against float64


@pytest.mark.parametrize("cell", LAYERS)
def test_what_goes_on_is_what_a_long_pass_would_say(cell):
    """Greedy, so each token must be the likeliest of one pass over all tokens before it."""
    made, primed = network(cell), tokens(9).tolist()
    drawn = next_symbol.continued(made, primed, 12, Sampling(sample=False), np.random.default_rng(0), None)
    with torch.no_grad():
        logits, _ = made(torch.tensor([primed + drawn]))
    assert drawn == logits[0, len(primed) - 1 : -1].argmax(-1).tolist()
    never = drawn[0]
    others = next_symbol.continued(made, primed, 12, Sampling(), np.random.default_rng(0), never)
    assert never not in others and len(others) == 12


@pytest.mark.parametrize("windows", [2, 3])
@pytest.mark.parametrize("cell", LAYERS)
def test_the_gradient_flows_through_the_windows_before_and_no_further(cell, windows):
    made = network(cell, learn_initial_state=True).double()
    batches = list(Streams(tokens(2 * 17 + 1), 4, 2).batches(1))
    assert [batch.x.shape[1] for batch in batches] == [4, 4, 4, 4, 1]
    state = None
    for k, batch in enumerate(batches):
        value, after = next_symbol.loss_through(made, batch, state, windows)
        state = carried(after)
        made.zero_grad()
        value.backward()
        found = {name: p.grad for name, p in made.named_parameters()}

        first = max(0, k - windows + 1)
        with torch.no_grad():
            before = made.layer.initial_state(2) if first else None
            for past in batches[:first]:
                _, before = made.block.hidden(made.ops, made.p, past.x, before)
        x = torch.cat([one.x for one in batches[first : k + 1]], 1)
        logits, _ = made(x, before)
        last = logits[:, -batch.y.shape[1] :].flatten(0, 1)
        wanted = torch.nn.functional.cross_entropy(last, batch.y.flatten())
        made.zero_grad()
        wanted.backward()
        torch.testing.assert_close(value, wanted)
        for name, parameter in made.named_parameters():
            torch.testing.assert_close(found[name], parameter.grad, msg=name)
        assert len(state[1]) == min(k + 1, windows - 1)
