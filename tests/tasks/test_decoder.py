"""What a decoder is shown in training: the right symbols before each, or some that it draws itself."""

import pytest
import torch

from tests.tasks.translate.cases import SMALL, backward
from unrolled import Translator
from unrolled.blocks.decoder import Condition
from unrolled.errors import ConfigError
from unrolled.files.pairs import read_pairs
from unrolled.tasks.config import from_options
from unrolled.tasks.decoder import decoded, decoder, inputs, mixed
from unrolled.tasks.model import DecoderConfig, ModelConfig
from unrolled.tasks.translate.codec import TranslateCodec
from unrolled.tasks.translate.config import TranslateConfig


def conditioned(rows, **options):
    """A network, and what `rows` answers of it are conditioned on."""
    config = from_options(TranslateConfig, SMALL | options)
    codec = TranslateCodec.fit(config.data, read_pairs(backward(20)))
    torch.manual_seed(0)
    network = Translator._network(config, codec).eval()
    for p in network.parameters():
        torch.nn.init.normal_(p, std=0.5)
    with torch.no_grad():
        return network, network(torch.randint(1, codec.source.size, (rows, 6)))


def test_inputs_are_the_symbols_before_and_a_share_of_them_may_be_drawn():
    network, condition = conditioned(5, decoder_layers=3, cell="rnn", zoneout=0.2)
    V, begin = network.block.decoder.symbols, network.block.decoder.begin
    y = torch.randint(0, V + 1, (5, 200))
    w = inputs(network.block.decoder, y)
    assert (w[:, 0] == begin).all() and torch.equal(w[:, 1:], y[:, :-1])
    network.train()
    assert torch.equal(mixed(network, y, condition, 0.0), w)
    drawn = mixed(network, y, condition, 1.0)
    assert network.p.decoder.training and (drawn[:, 0] == begin).all() and (drawn[:, 1:] < V).all()
    some = mixed(network, y, condition, 0.3)[:, 1:] != y[:, :-1]
    assert 0.15 < some.double().mean() < 0.3


def test_drawn_inputs_follow_the_probabilities_of_the_steps_before():
    """The frequencies of the second symbol over many equal rows are the softmax after the first."""
    network, (state, _, _) = conditioned(1, attention="none")
    N, V = 4000, network.block.decoder.symbols
    same = Condition({name: s.expand(N, -1).contiguous() for name, s in state.items()})
    w = mixed(network, torch.full((N, 2), 3), same, 1.0)
    with torch.no_grad():
        o, _, _ = decoded(network, torch.full((1, 1), network.block.decoder.begin), Condition(state))
    p = torch.softmax(o[0, 0, :V], 0)
    assert torch.allclose(torch.bincount(w[:, 1], minlength=V) / N, p, atol=0.03)


def test_attention_wants_a_memory():
    with pytest.raises(ConfigError, match="looks at places of a picture, and numbers and classes have none"):
        decoder(5, DecoderConfig(), ModelConfig(), reads={})
