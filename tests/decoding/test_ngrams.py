"""Kneser–Ney by hand, by a slow twin that counts in dictionaries, and what must hold of any text."""

import math
from collections import Counter, defaultdict

import numpy as np
import pytest

from unrolled.decoding import ngrams
from unrolled.decoding.ngrams import KneserNey


def text(length, symbols, seed=0):
    """Skewed, with repetitions, so that all orders hold counts of one, two and more."""
    draw = np.random.default_rng(seed)
    weights = 1.0 / np.arange(1, symbols + 1) ** 1.3
    fresh = draw.choice(symbols, length, p=weights / weights.sum())
    again = draw.random(length) < 0.4
    fresh[7:][again[7:]] = fresh[:-7][again[7:]]
    return fresh.astype(np.int64)


def slow(tokens, order, symbols, history, w):
    """p(w | history) by the equations of the docstring, from dictionaries."""
    tokens, history = list(map(int, tokens)), tuple(map(int, history))
    p = 1 / symbols
    for k in range(1, order + 1):
        if k - 1 > len(history):
            return p
        size = k if k == order else k + 1
        found = Counter(tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1))
        counts = found if k == order else Counter(gram[1:] for gram in found)
        of = Counter(counts.values())
        discount = of[1] / (of[1] + 2 * of[2]) if of[1] and of[2] else 0.5
        after = defaultdict(dict)
        for gram, count in counts.items():
            after[gram[:-1]][gram[-1]] = count
        known = after[history[len(history) - k + 1 :]]
        if known:
            reserved = discount * len(known) * p
            p = (max(known.get(w, 0) - discount, 0) + reserved) / sum(known.values())
    return p


def test_a_case_by_hand():
    """a b a c a b b: D_2 = 4 / (4 + 2); a and b follow two symbols each, c one: D_1 = 1 / (1 + 4)."""
    a, b, c, d = range(4)
    model = KneserNey.fit(np.array([a, b, a, c, a, b, b]), 2, 4)
    alone = {a: 0.39, b: 0.39, c: 0.19, d: 0.03}
    p = lambda w, *history: math.exp(-model.nats(np.array([w]), history)[0])  # noqa: E731
    for w in alone:
        assert p(w) == pytest.approx(alone[w], rel=1e-14)
        assert p(w, d) == pytest.approx(alone[w], rel=1e-14)
    assert p(b, a) == pytest.approx((4 / 3 + 4 / 3 * 0.39) / 3, rel=1e-14)
    assert p(c, a) == pytest.approx((1 / 3 + 4 / 3 * 0.19) / 3, rel=1e-14)
    assert p(d, b) == pytest.approx(0.02, rel=1e-14)
    assert model.counts == 3 + 5


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize(("length", "symbols"), [(1, 3), (4, 3), (37, 5), (301, 11)])
def test_every_probability_is_that_of_the_slow_twin(order, length, symbols):
    tokens, other = text(length, symbols - 1), text(23, symbols, seed=1)
    model = KneserNey.fit(tokens, order, symbols)
    found = model.nats(other, tokens)
    whole = [*tokens, *other]
    for i, w in enumerate(other):
        wanted = slow(tokens, order, symbols, whole[: length + i], w)
        assert found[i] == pytest.approx(-math.log(wanted), rel=1e-12)
    assert model.nats(other)[0] == pytest.approx(-math.log(slow(tokens, order, symbols, (), other[0])))


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_probabilities_sum_to_one_after_any_context(order):
    tokens, symbols = text(800, 12), 14
    model = KneserNey.fit(tokens, order, symbols)
    draw = np.random.default_rng(order)
    contexts = [draw.integers(0, symbols, draw.integers(0, 7)) for _ in range(40)]
    contexts += [tokens[i - 6 : i] for i in draw.integers(6, 800, 40)] + [tokens[:3], tokens[-4:]]
    for context in contexts:
        p = [math.exp(-model.nats(np.array([w]), context)[0]) for w in range(symbols)]
        assert min(p) > 0
        assert math.fsum(p) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("chunk", [1, 3, 64])
def test_chunks_change_no_bit(monkeypatch, chunk):
    tokens, other = text(211, 7), text(90, 8, seed=3)
    whole = KneserNey.fit(tokens, 4, 8)
    wanted = whole.nats(other, tokens[:2])
    monkeypatch.setattr(ngrams, "CHUNK", chunk)
    parts = KneserNey.fit(tokens, 4, 8)
    assert parts.counts == whole.counts
    assert np.array_equal(parts.nats(other, tokens[:2]), wanted)


def test_one_pass_gives_every_order():
    tokens, other = text(300, 9), text(50, 9, seed=2)
    models = KneserNey.fit_up_to(tokens, 4, 10)
    for order, model in enumerate(models, 1):
        alone = KneserNey.fit(tokens, order, 10)
        assert (model.order, model.counts) == (order, alone.counts)
        assert np.array_equal(model.nats(other), alone.nats(other))
    grams = [len({tuple(tokens[i : i + k]) for i in range(300 - k + 1)}) for k in range(1, 5)]
    assert [model.counts for model in models] == np.cumsum(grams).tolist()


def test_only_the_last_symbols_of_a_context_count():
    tokens, other = text(200, 5), text(9, 5, seed=4)
    model = KneserNey.fit(tokens, 3, 5)
    assert np.array_equal(model.nats(other, tokens[-50:]), model.nats(other, tokens[-2:]))
    assert model.nats(other[:0]).shape == (0,)
    together = model.nats(np.concatenate([tokens[-9:], other]))
    assert np.array_equal(together[9:], model.nats(other, tokens[-9:]))


def test_a_large_vocabulary_packs_into_64_bits():
    symbols = 30_000
    tokens = np.random.default_rng(0).integers(0, symbols, 50_000)
    model = KneserNey.fit(tokens, 5, symbols)
    assert model.nats(tokens).mean() < 0.5 * math.log(symbols)  # it knows its own text
    assert np.isfinite(model.nats(np.arange(0, symbols, 7))).all()


def test_a_memory_map_is_read(tmp_path):
    tokens = text(500, 6)
    np.save(tmp_path / "tokens.npy", tokens.astype(np.int32))
    mapped = np.load(tmp_path / "tokens.npy", mmap_mode="r")
    assert np.array_equal(KneserNey.fit(mapped, 3, 6).nats(mapped), KneserNey.fit(tokens, 3, 6).nats(tokens))


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match=r"wanted tokens in \[0, 3\), got 0 to 3"):
        KneserNey.fit(np.array([0, 3]), 2, 3)
    with pytest.raises(ValueError, match="wanted an order of 1 or more, got 0"):
        KneserNey.fit(np.array([0]), 0, 3)
    with pytest.raises(ValueError, match="got -1 to 0"):
        KneserNey.fit(np.array([0]), 2, 3).nats(np.array([0]), [-1, 0])
