"""What training recordings were like, and what is told of others."""

import json

import numpy as np
import pytest

from unrolled.codecs.heard import Heard

TEN_DB = np.log(10.0)


def recording(seed=0, loudest=2.0):
    """Silence at -8, and in the middle sound up to `loudest` in each of 4 bands."""
    x = np.random.default_rng(seed).uniform(-8.1, -7.9, (20, 4))
    x[8:14] += np.random.default_rng(seed + 100).uniform(7, 9, (6, 4))
    return x + loudest - x.max()


def empty_above(x):
    x = x.copy()
    x[:, 2:] = -23.0
    return x


def noisy(x):
    return np.log(np.exp(x) + np.exp(-1.0))


TRAINING = [recording(k) for k in range(9)]


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda x: x, None),
        (lambda x: x - 0.9 * TEN_DB, None),
        (lambda x: x - 1.5 * TEN_DB, "quieter by more than 10 dB"),
        (lambda x: x + 1.5 * TEN_DB, "louder by more than 10 dB"),
        (empty_above, "with empty frequency bands"),
        (noisy, "with more noise"),
    ],
)
def test_what_lies_far_outside_is_told_once_with_counts(change, said):
    heard = Heard.fit(TRAINING, levelled=False)
    remark = heard.remark([recording(20), change(recording(21)), change(recording(22))])
    if said is None:
        assert remark is None
    else:
        assert remark == (
            f"2 of 3 recordings are unlike those of the training (2 {said}): answers to such may be wrong"
        )


def test_where_each_has_its_own_level_the_gain_is_not_told():
    heard = Heard.fit(TRAINING, levelled=True)
    assert heard.remark([recording(20) - 9, recording(20) + 9]) is None
    assert "1 of 2 recordings is unlike" in heard.remark([recording(20), empty_above(recording(20)) - 9])


def test_it_is_restored_and_damage_is_refused():
    heard = Heard.fit(TRAINING, levelled=False)
    about = json.loads(json.dumps(heard.about()))
    assert Heard.restore(about, 4) == heard
    for damaged in (about | {"range": "1"}, about | {"loudest": [1.0]}, about | {"below": [None] * 4}):
        with pytest.raises((TypeError, ValueError)):
            Heard.restore(damaged, 4)
    with pytest.raises(ValueError, match="wanted 5"):
        Heard.restore(about, 5)
