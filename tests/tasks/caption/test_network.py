"""The loss of captions and of numbers, what is written and drawn, and what cannot be made."""

import numpy as np
import pytest
import torch

from tests.tasks.caption.cases import SMALL, gathered, lines, pictures, points
from unrolled.blocks.captioner import NumberDecoder
from unrolled.decoding.distributions import FLOOR
from unrolled.errors import ConfigError
from unrolled.tasks.caption.answering import numbers_of
from unrolled.tasks.caption.codec import Codec
from unrolled.tasks.caption.config import CaptionConfig
from unrolled.tasks.caption.examples import Examples
from unrolled.tasks.caption.network import Network, captioner, losses, number_inputs
from unrolled.tasks.config import from_options

DATA = lines(23)


def network(seed=0, data=DATA, **options):
    options = {"id": "id"} | options if data is DATA else options
    config = from_options(CaptionConfig, SMALL | options)
    codec = Codec.fit(config.data, data)
    torch.manual_seed(seed)
    own = Network(captioner(config, codec)).eval()
    for p in own.parameters():
        torch.nn.init.normal_(p, std=0.4)
    return own, Examples.of(codec, data)


def decoded(own, w, x):
    """a, e and the state, of what stands before each step."""
    return own.block.decoder(own.ops, own.p.decoder, w, *own(*x))


def before(own, y):
    return number_inputs(own, own.block.decoder, y)


@pytest.mark.parametrize("condition", ["state", "input", "both"])
def test_steps_one_by_one_have_the_bits_of_one_pass(condition):
    own, examples = network(condition=condition, cell="lstm", decoder_layers=2)
    batch, decoder = examples.collate(np.arange(5)), own.block.decoder
    w = before(own, batch.y)
    assert isinstance(decoder, NumberDecoder)
    assert w[:, 0].tolist() == [[0.0, 0.0, 1.0]] * 5 and (w[:, 1:, 2] == 0).all()
    with torch.no_grad():
        state, _, extra = own(*batch.x)
        a, e, _ = decoder(own.ops, own.p.decoder, w, state, None, extra, batch.lengths)
        for t in range(batch.y.shape[1]):
            here, end, state = decoder(own.ops, own.p.decoder, w[:, t : t + 1], state, None, extra)
            going = t < batch.lengths
            assert torch.equal(here[going, 0], a[going, t]) and torch.equal(end[going, 0], e[going, t])


@pytest.mark.parametrize("output", ["point", "gaussian"])
def test_the_loss_is_that_of_every_step_and_its_end_and_of_no_padding(output):
    own, examples = network(output=output)
    batch = examples.collate(np.arange(7))
    batch.y[torch.arange(8) >= batch.lengths[:, None]] = torch.nan
    found, wanted = losses(own, batch, None, 0.1), []
    for b, T in enumerate(batch.lengths.tolist()):
        x, y = tuple(one[b : b + 1] for one in batch.x), batch.y[b, :T]
        a, e, _ = decoded(own, before(own, y[None]), x)
        a, e = a[0].double(), e[0].double()
        error = y - a[..., 0]
        each = error.square().sum(1)
        if output == "gaussian":
            normal = torch.distributions.Normal(a[..., 0], FLOOR + torch.nn.functional.softplus(a[..., 1]))
            each = -normal.log_prob(y.double()).sum(1)
        p = torch.sigmoid(e)
        wanted.append(each - torch.cat([torch.log(1 - p[:-1]), torch.log(p[-1:])]))
    assert found.shape == (int(batch.lengths.sum()),)
    torch.testing.assert_close(found.double(), torch.cat(wanted), rtol=2e-4, atol=2e-5)  # float32


@pytest.mark.parametrize("drawn", [False, True])
def test_what_is_written_has_the_bits_that_it_has_alone(drawn):
    own, examples = network(seed=3, output="gaussian" if drawn else "point")
    with torch.no_grad():
        own.p.decoder.head.bias[-1] = -1.5  # so that some end early and others late
    x, B = examples.collate(np.arange(9)).x, 9

    def write(rows):
        draws = [np.random.default_rng(b) for b in rows] if drawn else None
        return numbers_of(own, tuple(one[rows] for one in x), 12, draws)

    whole = write(list(range(B)))
    lengths = [len(one) for one in whole]
    assert len(set(lengths)) > 1 and max(lengths) <= 12 and min(lengths) >= 1
    for b in range(B):
        assert np.array_equal(write([b])[0], whole[b])
    again = write(list(range(B))[::-1])[::-1]
    assert all(np.array_equal(one, other) for one, other in zip(again, whole, strict=True))


def test_an_answer_ends_where_the_chance_to_go_on_falls_to_a_half():
    own, examples = network(seed=5)
    with torch.no_grad():
        own.p.decoder.head.bias[-1] = -1.3
    x, lengths, early = examples.collate(np.arange(9)).x, [], 0
    for b, found in enumerate(numbers_of(own, x, 12)):
        with torch.no_grad():
            w = before(own, torch.from_numpy(found)[None])
            _, e, _ = decoded(own, w, tuple(one[b : b + 1] for one in x))
        goes_on = torch.cumprod(1 - torch.sigmoid(e[0].double()), 0)
        assert (goes_on[:-1] > 0.5).all() and (goes_on[-1] <= 0.5 or len(found) == 12)
        lengths.append(len(found))
        early += bool((e < 0).all())
    assert len(set(lengths)) > 1 and early  # without one step that is rather the last than not


def test_draws_have_the_distribution_that_the_network_gives():
    own, examples = network(output="gaussian")
    x = tuple(one[:1].expand(4000, *one.shape[1:]) for one in examples.collate(np.arange(1)).x)
    drawn = numbers_of(own, x, 2, [np.random.default_rng([7, n]) for n in range(4000)])
    with torch.no_grad():
        a, e, _ = decoded(own, before(own, torch.zeros(1, 1, 2)), tuple(one[:1] for one in x))
    first = np.stack([one[0] for one in drawn])
    scale = torch.nn.functional.softplus(a[0, 0, :, 1]).numpy()
    bound = 4 / np.sqrt(4000)  # four deviations of a mean of 4,000
    assert (np.abs(first.mean(0) - a[0, 0, :, 0].numpy()) < bound * scale).all()
    assert (np.abs(first.std(0) / scale - 1) < bound).all()
    share = np.mean([len(one) == 1 for one in drawn])
    assert abs(share - float(torch.sigmoid(e[0, 0]))) < bound


def test_noise_lies_on_what_is_read_in_training_alone():
    own, examples = network()
    y = examples.collate(np.arange(7)).y
    assert torch.equal(number_inputs(own, own.block.decoder, y, 0.3)[:, 1:, :2], y[:, :-1])
    own.train()
    noise = number_inputs(own, own.block.decoder, y.expand(400, -1, -1, -1).flatten(0, 1), 0.3)[:, 1:, :2]
    noise = noise - y[:, :-1].repeat(400, 1, 1)
    assert noise.std().item() == pytest.approx(0.3, rel=0.03)  # of 30,000 draws


def test_what_does_not_fit_is_refused():
    data, words = pictures(9), {"attention": "none"}
    with pytest.raises(
        ConfigError, match=r"stages=4 halves pictures of 8x9 to nothing; set stages=3, or a larger"
    ):
        network(data=data, stages=4, **words)
    flat = gathered([x[:1] for x in data.inputs], data.answers)
    with pytest.raises(ConfigError, match="to nothing; set encoder='rows', or a larger image_size"):
        network(data=flat, stages=1, **words)
    with pytest.raises(ConfigError, match="set merge='concat'"):
        network(data=data, encoder="rows", bidirectional=True, merge="sum", **words)
    with pytest.raises(ConfigError, match="looks at places of a picture"):
        network(data=points(9), attention="dot")
