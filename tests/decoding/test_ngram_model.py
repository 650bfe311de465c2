"""N-grams laid out for a search against the Kneser–Ney that they come from, and damaged ones."""

import itertools
import math

import numpy as np
import pytest

from unrolled.decoding.ngram_model import Grams
from unrolled.decoding.ngrams import KneserNey
from unrolled.errors import RunError


def sequences(K, count=60, seed=0):
    """Of skewed labels, with repetitions and some empty ones."""
    draw = np.random.default_rng([K, seed])
    p = 1.0 / np.arange(1, K + 1) ** 1.2
    each = [draw.choice(K, size, p=p / p.sum()) for size in draw.integers(0, 9, count)]
    return [np.concatenate([one, one[:2]]) if n % 3 else one for n, one in enumerate(each)]


def stream(each, order, K):
    """The text that the model's head describes."""
    text = [K] * (order - 1)
    for one in each:
        text += [*one, *[K] * (max(1, order - 1) if len(one) else 1)]
    return np.array(text)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("K", [1, 3, 7])
def test_every_probability_is_that_of_kneser_ney(K, order):
    each = sequences(K)
    model = KneserNey.fit(stream(each, order, K), order, K + 1)
    grams = Grams.fit(each, order, K)
    draw = np.random.default_rng(order)
    seen = [one for one in each if len(one)][:10]
    for labels in [[], *seen, *(draw.integers(0, K, 12) for _ in range(10))]:
        nats = model.nats(np.array([*labels, K]), [K] * (order - 1))
        assert grams.score(labels) == pytest.approx(-nats.sum(), abs=1e-12 * (1 + len(labels)))
        context = grams.start
        for n, label in enumerate(labels):
            log_p, following = grams.next(context)
            before = [K] * (order - 1) + [*labels[:n]]
            want = [-model.nats(np.array([k]), before)[0] for k in range(K + 1)]
            np.testing.assert_allclose(log_p, want, rtol=0, atol=1e-12)
            assert math.fsum(np.exp(log_p)) == pytest.approx(1.0, abs=1e-12)
            context = following[label]


def test_the_order_of_sequences_changes_nothing_and_none_follows_another():
    each = sequences(5)
    turned, again = Grams.fit(each[::-1], 3, 5).arrays(), Grams.fit(each, 3, 5).arrays()
    assert all(np.array_equal(again[name], turned[name]) for name in again)
    grams = Grams.fit([[0, 1], [2, 3]], 3, 4)
    # 2 begins a sequence as often as 0 does, whatever stood before it.
    first = grams.next(grams.start)[0]
    assert first[0] == pytest.approx(first[2], abs=1e-15) and first[0] > first[1]


@pytest.mark.parametrize("order", [2, 3, 8])
def test_an_empty_sequence_is_as_likely_as_it_is_frequent(order):
    each = sequences(4, 200)
    share = sum(not len(one) for one in each) / len(each)
    # Interpolation takes at most D of 1 from each of 4 labels and the end, of 200 counts.
    assert math.exp(Grams.fit(each, order, 4).score([])) == pytest.approx(share, abs=5 / 200)
    assert 0.05 < share < 0.2


def test_a_model_is_restored_from_its_parts():
    grams = Grams.fit(sequences(6), 3, 6)
    again = Grams.restore(grams.about(), grams.arrays())
    for labels in itertools.product(range(6), repeat=2):
        assert again.score(labels) == grams.score(labels)


def test_what_can_be_no_model_is_refused():
    for call in (([], 2, 3), ([[0, 3]], 2, 3), ([[-1]], 2, 3), ([[0]], 0, 3)):
        with pytest.raises(ValueError, match="wanted"):
            Grams.fit(*call)


def changed(name, place, value):
    def change(about, arrays):
        arrays[name][place] = value

    return change


DAMAGE = {
    "no symbols": lambda about, arrays: about.pop("symbols"),
    "other symbols": lambda about, arrays: about.update(symbols=4),
    "text for the start": lambda about, arrays: about.update(start="x"),
    "start outside": lambda about, arrays: about.update(start=10**6),
    "no weights": lambda about, arrays: arrays.pop("weights"),
    "floats for labels": lambda about, arrays: arrays.update(labels=arrays["labels"] * 1.0),
    "a matrix": lambda about, arrays: arrays.update(log_p=arrays["log_p"][None]),
    "a label too few": lambda about, arrays: arrays.update(labels=arrays["labels"][:-1]),
    "a context too few": lambda about, arrays: arrays.update(shorter=arrays["shorter"][:-1]),
    "no contexts": lambda about, arrays: arrays.update(
        first=np.zeros(1, np.int64), shorter=np.zeros(0, np.int64), weights=np.zeros(0)
    ),
    "places fall": changed("first", 2, 10**6),
    "places begin late": changed("first", 0, 1),
    "a label outside": changed("labels", -1, 99),
    "a label below": changed("labels", 0, -1),
    "labels fall": changed("labels", slice(0, 2), [1, 0]),
    "a context outside": changed("following", 3, 10**6),
    "a context below": changed("following", 3, -1),
    "a circle": changed("shorter", 3, 3),
    "a shorter one of the empty": changed("shorter", 0, 1),
    "a probability above 1": changed("log_p", 2, 0.5),
    "a probability of 0": changed("log_p", 2, -np.inf),
    "a weight that is none": changed("weights", 2, np.nan),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_parts_that_do_not_fit_together_are_refused(damage):
    grams = Grams.fit(sequences(5), 3, 5)
    about, arrays = grams.about(), {name: array.copy() for name, array in grams.arrays().items()}
    damage(about, arrays)
    with pytest.raises(RunError, match=r"n-grams: .*train again"):
        Grams.restore(about, arrays)
