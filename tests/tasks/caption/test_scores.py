"""The baseline of the nearest input, and how many inputs go through a network together."""

import tracemalloc

import numpy as np
import pytest

from tests.tasks.caption import cases
from unrolled.files.captioned import Attributes
from unrolled.tasks import neighbours
from unrolled.tasks.caption import examples, scores
from unrolled.tasks.caption.codec import Codec
from unrolled.tasks.caption.config import CaptionData


def noise(count, size, seed):
    draw = np.random.default_rng(seed)
    own = [draw.integers(0, 256, (*size, 3)).astype(np.uint8) for _ in range(count)]
    return cases.gathered(own, [f"picture {n}" for n in range(count)])


def brute(codec, data, train):
    """In float64, each pair by itself."""
    known, asked = (codec.inputs.flat(codec.inputs.encode(one)).astype(np.float64) for one in (train, data))
    return [int(np.square(known - one).sum(1).argmin()) for one in asked]


@pytest.mark.parametrize("pixels", [1, 3 * 35 + 1, 2**20])
def test_the_nearest_input_is_that_of_the_smallest_distance_however_many_are_read_at_once(
    pixels, monkeypatch
):
    monkeypatch.setattr(neighbours, "TOGETHER", 3 * pixels)
    train, data = noise(17, (5, 7), 0), noise(11, (5, 7), 1)
    codec = Codec.fit(CaptionData(), train)
    assert scores.nearest(codec, data, train) == brute(codec, data, train)
    assert scores.nearest(codec, train, train) == list(range(17))
    twice = train.select([*range(17), *range(17)])
    assert scores.nearest(codec, train, twice) == list(range(17))  # the first of those that tie


def test_the_nearest_input_of_numbers_beside_a_class_is_that_of_the_smallest_distance(monkeypatch):
    monkeypatch.setattr(neighbours, "TOGETHER", 20)
    train, data = cases.points(33), cases.points(13, seed=1)
    codec = Codec.fit(CaptionData(), train)
    far = cases.gathered([Attributes(np.array([1e25, 50.0]), "dot")], ["far"], ("u", "v"), "kind")
    for asked in (data, far):
        assert scores.nearest(codec, asked, train) == brute(codec, asked, train)


def test_the_nearest_of_many_pictures_takes_little_memory_beside_them(monkeypatch):
    monkeypatch.setattr(neighbours, "TOGETHER", 2**12)
    train, data = noise(300, (32, 25), 2), noise(20, (32, 25), 3)
    codec = Codec.fit(CaptionData(), train)
    tracemalloc.start()
    scores.nearest(codec, data, train)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 3 * sum(one.nbytes for one in train.inputs)  # one copy is what is encoded


def test_of_large_pictures_fewer_are_read_at_once():
    fitted = [
        Codec.fit(CaptionData(), noise(2, size, 4)).inputs for size in ((1, 1), (512, 511), (1025, 1024))
    ]
    assert [examples.at_once(one) for one in fitted] == [256, 4, 1]
    assert examples.at_once(Codec.fit(CaptionData(), cases.points(9)).inputs) == 256
