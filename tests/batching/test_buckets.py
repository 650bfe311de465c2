"""Every sequence once an epoch, in batches of like length, the same again from the same seed."""

import numpy as np
import pytest
import torch

from unrolled.batching.buckets import POOL, Buckets, by_length, padded


def lengths(count, seed=0):
    return np.random.default_rng(seed).integers(1, 400, count)


@pytest.mark.parametrize("count, batch_size", [(1, 1), (7, 3), (1003, 8), (999, 2)])
def test_every_sequence_comes_once_an_epoch(count, batch_size):
    buckets = Buckets(lengths(count), np.asarray, batch_size, seed=3)
    for epoch in (1, 2):
        batches = list(buckets.batches(epoch))
        assert len(batches) == buckets.steps_per_epoch
        assert sorted(np.concatenate(batches)) == list(range(count))
        assert sorted(len(batch) for batch in batches)[1:] == [batch_size] * (len(batches) - 1)


def test_an_epoch_follows_from_seed_and_number_alone():
    def plan(seed, epoch):
        return [tuple(b) for b in Buckets(lengths(300), np.asarray, 7, seed).plan(epoch)]

    assert plan(1, 4) == plan(1, 4)
    assert plan(1, 4) != plan(1, 5) and plan(1, 4) != plan(2, 4)
    buckets = Buckets(lengths(300), tuple, 7, 1)
    assert list(buckets.batches(4, skip=11)) == list(buckets.batches(4))[11:]


def test_batches_hold_like_lengths_and_come_in_any_order():
    N, size = 4 * POOL * 8, 8
    long = lengths(N)
    plan = Buckets(long, np.asarray, size, seed=0).plan(1)
    padding = sum(long[b].max() * len(b) - long[b].sum() for b in plan) / long.sum()
    assert padding < 0.03  # batches drawn by lot: above 0.6
    means = [long[b].mean() for b in plan]
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.3


def test_in_use_the_shortest_come_first():
    batches = by_length([5, 1, 3, 1, 9], 2)
    assert [b.tolist() for b in batches] == [[1, 3], [2, 0], [4]]


def test_padding():
    x, n = padded([torch.ones(2, 3), torch.full((4, 3), 2.0), torch.ones(1, 3)])
    assert x.shape == (3, 4, 3) and n.tolist() == [2, 4, 1]
    assert x.sum() == 3 * 2 + 3 * 8 + 3 and not x[0, 2:].any()
