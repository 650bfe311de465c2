"""Several networks as one: the mean of what two given ones say, in both worlds; each carries a state."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from unrolled.blocks.block import read, write
from unrolled.blocks.captioner import Captioner, NumberDecoder, conditions
from unrolled.blocks.decoder import Bridge, Decoder
from unrolled.blocks.encoders import Attributes
from unrolled.blocks.ensemble import ensemble
from unrolled.blocks.language import Language
from unrolled.blocks.leaves import CRF, Attention, Embedding, Linear, Pooling
from unrolled.blocks.outputs import Output
from unrolled.blocks.pooled import Numbers, Pooled
from unrolled.blocks.recurrent import Recurrent
from unrolled.blocks.tagger import Tagger
from unrolled.blocks.transcriber import Transcriber
from unrolled.blocks.translator import Translator
from unrolled.cells import CELLS
from unrolled.decoding import numbers, search
from unrolled.ops import numpy
from unrolled.ops.torch import Network

LSTM = Recurrent(CELLS["lstm"](), 3, 5)
WRITES = Recurrent(CELLS["gru"](), 3, 5)
BRIDGE = Bridge.of(LSTM.state_sizes, WRITES)
LINES = conditions("both", 4)
FORWARD = {
    "tagger": Tagger(Numbers(3), LSTM, Linear(5, 4), CRF(4)),
    "language": Language.of(Embedding(7, 3), LSTM, False, 0.0, 0.0),
    "tied": Language.of(Embedding(7, 3), LSTM, True, 0.0, 0.0),
    "transcriber": Transcriber(Numbers(3), LSTM, Linear(5, 4)),
    "pooled": Pooled(Numbers(3), LSTM, Pooling.of("mean", 5, 5), Linear(5, 2)),
}
READS = {
    "translator": Translator(
        Embedding(7, 3), LSTM, Decoder.of(6, 3, WRITES, BRIDGE, Attention("dot", 5, 5), 0.0)
    ),
    "captioner": Captioner(
        Attributes.of(2, 0, 4),
        NumberDecoder.of(
            Recurrent(CELLS["rnn"](), 2 + 1 + LINES[1], 5),
            Bridge.of(LINES[0], Recurrent(CELLS["rnn"](), 2 + 1 + LINES[1], 5)),
            2,
            Output("gaussian", (0.1, 0.5, 0.9)),
            0.0,
        ),
        "both",
    ),
}


def worlds(block):
    """A network with weights of its own, in torch and without."""
    torch.manual_seed(4)
    network = Network(block).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0.1, 0.6)
    return network, numpy.network(block, {n: a.numpy() for n, a in network.state_dict().items()})


def steps(name):
    draw = np.random.default_rng(2)
    whole = name in ("language", "tied")
    return draw.integers(0, 7, (2, 9)) if whole else draw.normal(size=(2, 9, 3)).astype(np.float32)


def swapped(x):
    return np.ascontiguousarray(x.swapaxes(0, 1))


@pytest.mark.parametrize("name", FORWARD)
def test_of_two_members_the_answer_is_the_mean(name):
    """Of log p, scaled anew, where it is a distribution."""
    network, production = worlds(ensemble(FORWARD[name], 2))
    x = steps(name)
    with torch.no_grad():
        each = [one(torch.from_numpy(x))[0].double() for one in network.ensemble]
        together, _ = network(torch.from_numpy(x))
    assert (each[0] - each[1]).abs().max() > 0.1
    wanted = (each[0] + each[1]) / 2
    if name == "transcriber":
        p = (each[0].exp() * each[1].exp()).sqrt()
        wanted = (p / p.sum(-1, keepdim=True)).log()
    torch.testing.assert_close(together.double(), wanted, rtol=1e-5, atol=1e-5)  # float32 against float64
    if name != "pooled":  # which gives torch the last step alone
        assert np.array_equal(swapped(production(swapped(x))[0]), together.numpy())


def test_the_scores_of_a_field_are_averaged_too():
    network, production = worlds(ensemble(FORWARD["tagger"], 3))
    chain = network.block.chain(network.p)
    for k, name in enumerate(("transitions", "start", "end")):
        each = [getattr(one.p.crf, name).detach().double() for one in network.ensemble]
        torch.testing.assert_close(chain[k].detach().double(), sum(each) / 3, rtol=1e-6, atol=1e-6)
        assert np.array_equal(production.block.chain(production.p)[k], chain[k].detach().numpy())


@pytest.mark.parametrize("cut", [1, 4, 8])
@pytest.mark.parametrize("name", FORWARD)
def test_each_member_carries_a_state_of_its_own(name, cut):
    _, production = worlds(ensemble(FORWARD[name], 3))
    x = swapped(steps(name))
    whole, last = production(x, production.start(2))
    head, state = production(x[:cut], production.start(2))
    tail, after = production(x[cut:], state)
    assert np.array_equal(np.concatenate([head, tail]), whole)
    assert list(production.start(2)) == list(after)
    assert all(np.array_equal(after[one], last[one]) for one in last)
    assert not np.array_equal(after["others.0.layer0.forward.h"], after["layer0.forward.h"])


def test_symbols_are_written_by_the_geometric_mean_of_what_members_make_probable():
    network, production = worlds(ensemble(READS["translator"], 2))
    x, begin = np.array([[1, 4, 2, 6]]), np.array([network.block.decoder.begin])
    at = np.array([0])
    each = []
    for one in network.ensemble:
        with torch.no_grad():
            o, _, _ = one.block.decoder(
                one.ops, one.p.decoder, torch.from_numpy(begin[None]), *one(torch.from_numpy(x))
            )
        each.append(o[0].double().softmax(-1).numpy())
    outputs = []
    for net, source in ((network, torch.from_numpy(x)), (production, swapped(x))):
        with torch.no_grad():
            read = net.block.conditions(numpy.OPS if net is production else net.ops, net.p, source)
            steps = net.block.steppers(numpy.OPS if net is production else net.ops, net.p, read)
            step = search.averaged(steps)
            outputs.append(np.stack([step(begin, at, at), step(np.array([3]), at, at)]))
    p = np.sqrt(each[0] * each[1])
    np.testing.assert_allclose(np.exp(outputs[0][0]), p / p.sum(), rtol=1e-5)
    assert np.array_equal(*outputs)


def test_numbers_are_written_by_the_mean_of_what_members_say():
    network, production = worlds(ensemble(READS["captioner"], 2))
    z, none = np.array([[0.3, -1.2]], np.float32), np.array([0])
    w = np.array([network.block.decoder.begin], np.float32)
    outputs = []
    for net, ops, x in (
        (network, network.ops, (torch.from_numpy(z), torch.from_numpy(none))),
        (production, numpy.OPS, (z, none)),
    ):
        with torch.no_grad():
            each = net.block.steppers(ops, net.p, net.block.conditions(ops, net.p, *x))
            alone = [step(w) for step in net.block.steppers(ops, net.p, net.block.conditions(ops, net.p, *x))]
            outputs.append(numbers.averaged(each)(w))
    for k in range(2):
        np.testing.assert_allclose(outputs[0][k], (alone[0][k] + alone[1][k]) / 2, rtol=1e-6)
        assert np.array_equal(outputs[0][k], outputs[1][k]) and not np.array_equal(alone[0][k], alone[1][k])


@pytest.mark.parametrize("name", FORWARD | READS)
def test_one_member_is_the_network_itself(name):
    block = (FORWARD | READS)[name]
    assert ensemble(block, 1) == block and "others" not in write(block)
    network = Network(block)
    assert network.ensemble == [network]
    torch.manual_seed(0)
    alone = Network(block).state_dict()
    torch.manual_seed(0)
    several = Network(ensemble(block, 2)).state_dict()
    assert list(several)[: len(alone)] == list(alone), "the first member is drawn first"
    assert all(torch.equal(several[one], alone[one]) for one in alone)
    drawn = [one for one in alone if alone[one].any()]
    assert all(not torch.equal(several[f"others.0.{one}"], alone[one]) for one in drawn)


@pytest.mark.parametrize("name", FORWARD | READS)
def test_descriptions_are_read_back_and_members_that_differ_refused(name):
    block = ensemble((FORWARD | READS)[name], 3)
    about = write(block)
    assert read(about) == block and len(about["others"]) == 2
    wrong = ["x", {"block": "Linear", "inputs": 1, "outputs": 1}, write(ensemble(block.first, 2))]
    for other in wrong:
        with pytest.raises(ValueError, match="members that are not alike"):
            read(about | {"others": [about["others"][0], other]})
    with pytest.raises((TypeError, ValueError)):
        read(about | {"others": 3})
    with pytest.raises((TypeError, ValueError)):
        read({"block": "Averaged"})


def test_members_of_other_sizes_are_refused():
    tagger = FORWARD["tagger"]
    with pytest.raises(ValueError, match="not alike"):
        replace(tagger, others=(replace(tagger, layer=replace(LSTM, num_layers=2)),))
