"""The loss, what reaches it, and scheduled sampling."""

import numpy as np
import pytest
import torch

from tests.tasks.translate.cases import SMALL, backward
from unrolled import Translator
from unrolled.batching.buckets import Buckets
from unrolled.files.pairs import read_pairs
from unrolled.tasks.config import from_options
from unrolled.tasks.translate.codec import Examples, TranslateCodec
from unrolled.tasks.translate.config import TranslateConfig
from unrolled.tasks.translate.network import Scheduled, losses, outputs, weights

CASES = {
    "none": {"attention": "none"},
    "dot": {"cell": "lstm", "layers": 2, "decoder_layers": 1, "backward_hidden": 5},
    "additive": {"attention": "additive", "decoder_cell": "lstm", "decoder_hidden": 9, "merge": "sum"},
    "reverse": {"cell": "rnn", "bidirectional": False, "reverse": True, "decoder_layers": 2},
    "projection": {"cell": "lstm", "projection": 3, "decoder_cell": "gru", "attention_size": 4},
}


def made(case, pairs):
    config = from_options(TranslateConfig, SMALL | {"hidden": 7} | CASES[case])
    codec = TranslateCodec.fit(config.data, pairs)
    torch.manual_seed(3)
    network = Translator._network(config, codec).eval()
    for p in network.parameters():
        torch.nn.init.normal_(p, std=0.4)
    return network, codec


@pytest.mark.parametrize("case", CASES)
def test_the_loss_of_a_batch_is_that_of_each_pair_and_padding_reaches_nothing(case):
    pairs = read_pairs(backward(5, seed=2))
    network, codec = made(case, pairs)
    examples = Examples.of(codec, pairs)
    batch = examples.collate(np.arange(5))
    for rows, lengths in ((batch.x, batch.lengths), (batch.y, batch.y_lengths)):
        rows[torch.arange(rows.shape[1]) >= lengths[:, None]] = 3  # a symbol like any other
    unknown = codec.target.unknown
    total, symbols = losses(network, batch, unknown)
    alone = [losses(network, examples.collate(np.array([i])), unknown) for i in range(5)]
    assert symbols == sum(count for _, count in alone) == sum(len(target) + 1 for target in pairs.answers)
    assert total.item() == pytest.approx(sum(one.item() for one, _ in alone), rel=1e-6)
    o = outputs(network, batch).detach()
    for i in range(5):
        own = outputs(network, examples.collate(np.array([i]))).detach()[0]
        assert torch.equal(o[i, : len(own)], own)
    gradients = torch.autograd.grad(total, list(network.parameters()))
    assert all(g.isfinite().all() and g.abs().max() > 0 for g in gradients)


def test_unknown_targets_have_no_loss_and_smoothing_is_that_of_its_equation():
    pairs = read_pairs(backward(4, seed=2))
    network, codec = made("dot", pairs)
    batch = Examples.of(codec, pairs).collate(np.arange(4))
    batch.y[1, 0] = 0
    log_p = torch.log_softmax(outputs(network, batch).detach().double(), 2)
    inside = (torch.arange(batch.y.shape[1]) < batch.y_lengths[:, None]) & (batch.y != 0)
    right = log_p.gather(2, batch.y[..., None])[..., 0][inside]
    smooth = log_p.mean(2)[inside]
    total, symbols = losses(network, batch, codec.target.unknown, 0.1)
    assert symbols == len(right)
    assert total.item() == pytest.approx(-(0.9 * right + 0.1 * smooth).sum().item(), rel=1e-5)


def test_the_share_of_own_symbols_grows_by_steps_and_goes_on_where_it_was():
    inner = Buckets([1] * 10, lambda indices: Examples.of(codec, pairs).collate(indices), 3, 0)
    pairs = read_pairs(backward(10))
    codec = TranslateCodec.fit(from_options(TranslateConfig, SMALL).data, pairs)
    batches = Scheduled(inner, 0.8, 2)
    shares = [batch.share for epoch in (1, 2, 3) for batch in batches.batches(epoch)]
    assert shares == pytest.approx([0.1 * k for k in range(8)] + [0.8] * 4)
    assert [batch.share for batch in batches.batches(2, skip=3)] == pytest.approx([0.7])


def test_what_is_drawn_is_read_and_no_gradient_flows_through_it():
    pairs = read_pairs(backward(6))
    network, codec = made("additive", pairs)
    batch = Examples.of(codec, pairs).collate(np.arange(6))
    forced = outputs(network, batch)
    torch.manual_seed(0)
    mixed = outputs(network, batch._replace(share=1.0))
    assert torch.equal(mixed[:, 0], forced[:, 0]) and not torch.allclose(mixed[:, 2], forced[:, 2])
    torch.manual_seed(0)
    assert torch.equal(outputs(network, batch._replace(share=1.0)), mixed)
    mixed.square().sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_attention_reads_the_source_and_nothing_else():
    pairs = read_pairs(backward(3))
    network, codec = made("dot", pairs)
    x, y = codec.encode(pairs)[0], codec.encode_targets(pairs)[0]
    w = weights(network, torch.from_numpy(x), torch.from_numpy(y))
    assert w.shape == (len(y), len(x))
    assert torch.allclose(w.sum(1), torch.ones(len(y)), atol=1e-6)
    assert weights(made("none", pairs)[0], torch.from_numpy(x), torch.from_numpy(y)) is None
