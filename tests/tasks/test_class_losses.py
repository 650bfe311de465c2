"""The losses of a classifier against the probabilities that it answers with, and their gradients."""

import numpy as np
import pytest
import torch

from unrolled.codecs.class_outputs import Multilabel, Ordinal
from unrolled.codecs.inputs import TextInputs
from unrolled.files.arrays import from_arrays
from unrolled.tasks import class_losses
from unrolled.tasks.class_codec import ClassCodec

INPUTS = TextInputs.fit(from_arrays(["a b", "b"]), "words", 1)


def codec(output, truth):
    return ClassCodec(INPUTS, output, np.array(truth), np.zeros((len(truth), 2), np.float32))


RANKS = codec(Ordinal(tuple("abcd")), [0, 1, 1, 2, 3, 3, 3])
LABELS = codec(Multilabel(tuple("abc"), None, (0.5,) * 3), [[1, 0, 1], [0, 0, 1], [1, 0, 1], [1, 0, 0]])


@pytest.mark.parametrize("weights", ["none", "balanced"])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_of_ranks_it_is_the_likelihood_of_the_class(weights, smoothing):
    o = torch.from_numpy(np.random.default_rng(0).normal(0, 2, (6, 3)))
    y = torch.tensor([0, 1, 2, 3, 3, 0])
    log_p = np.log(RANKS.output.probabilities(o.numpy()))
    q = np.full((6, 4), smoothing / 4)
    q[np.arange(6), y] += 1 - smoothing
    w = {"none": np.ones(4), "balanced": 7 / (4 * np.array([1, 2, 1, 3]))}[weights]
    losses = class_losses.row_losses(RANKS, weights, smoothing)(o, y)
    np.testing.assert_allclose(losses, -w[y] * (q * log_p).sum(1), rtol=1e-6)


@pytest.mark.parametrize("weights", ["none", "balanced"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_of_labels_it_is_the_mean_over_the_classes(weights, smoothing):
    o = torch.from_numpy(np.random.default_rng(1).normal(0, 2, (2, 3)))
    y = torch.tensor([[1.0, 0, 1], [0, 1, 0]], dtype=torch.float64)
    p = LABELS.output.probabilities(o.numpy())
    q = y.numpy() * (1 - smoothing) + smoothing / 2
    present, absent = 4 / (2 * np.array([3, 1, 3])), 4 / (2 * np.array([1, 4, 1]))
    w = np.where(y.numpy() > 0, present, absent) if weights == "balanced" else 1
    wanted = (w * -(q * np.log(p) + (1 - q) * np.log(1 - p))).mean(1)
    losses = class_losses.row_losses(LABELS, weights, smoothing)(o, y)
    np.testing.assert_allclose(losses, wanted, rtol=1e-6)


@pytest.mark.parametrize("C", [2, 4])
def test_gradients_are_those_of_the_losses(C):
    draw = np.random.default_rng(C)
    o = torch.from_numpy(draw.normal(0, 2, (5, C - 1))).requires_grad_()
    assert torch.autograd.gradcheck(class_losses.ordinal_log_p, (o,))
    far = torch.tensor([[500.0, -500.0], [-500.0, 500.0]], requires_grad=True)
    class_losses.ordinal_log_p(far).sum().backward()
    assert torch.isfinite(far.grad).all()
