"""Noise and masks of training."""

import pytest
import torch

from unrolled.ops.augment import augmented
from unrolled.ops.torch import TRAINING, USE


def test_augmentation_is_for_training_alone():
    x, lengths = torch.ones(3, 8, 2), torch.tensor([8, 3, 5])
    assert USE.augmented(x, lengths, 0.5, 0.5, 0.5) is x
    assert not torch.equal(TRAINING.augmented(x, lengths, 0.5, 0.5, 0.5), x)


def test_masks_hide_one_stretch_of_at_most_the_share():
    torch.manual_seed(0)
    lengths = torch.tensor([40, 10, 1]).repeat(400)
    x = torch.ones(len(lengths), 40, 12)
    steps = augmented(x, lengths, 0, 0.5, 0)[..., 0] == 0
    features = augmented(x, lengths, 0, 0, 0.25)[:, 0] == 0
    for hidden, most in ((steps, lengths // 2), (features, torch.full_like(lengths, 3))):
        assert (hidden.sum(1) <= most).all()
        edges = hidden.int().diff(dim=1, prepend=torch.zeros(len(hidden), 1)).clamp(min=0).sum(1)
        assert edges.max() == 1, "one stretch"
    assert not steps[torch.arange(40) >= lengths[:, None]].any(), "within the row's own steps"
    for length in (40, 10):
        sizes = steps[lengths == length].sum(1).bincount(minlength=length // 2 + 1)
        assert (sizes > 0).all(), "every size comes"


def test_noise_has_the_deviation_data_for():
    torch.manual_seed(0)
    noise = augmented(torch.zeros(50, 40, 4), torch.full((50,), 40), 0.3, 0, 0)
    assert noise.std().item() == pytest.approx(0.3, rel=0.03)  # of 8,000 draws: 4 standard errors
