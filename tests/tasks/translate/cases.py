"""Pairs that tests make: strings of letters and the same backward, words spelt in another alphabet."""

import random

from unrolled import Translator

SMALL = {
    "source_tokens": "characters",
    "target_tokens": "characters",
    "hidden": 24,
    "embedding_size": 12,
    "target_embedding_size": 12,
    "input_dropout": 0.0,
    "decoder_dropout": 0.0,
    "learning_rate": 0.01,
    "batch_size": 32,
    "patience": 0,
}


def backward(count, seed=0, most=6):
    """Different strings."""
    draw = random.Random(seed)
    made = ("".join(draw.choices("abcde", k=draw.randint(2, most))) for _ in range(9 * count))
    return [(word, word[::-1]) for word in list(dict.fromkeys(made))[:count]]


def fitted(pairs, out=None, **options):
    return Translator(**({"epochs": 1} | SMALL | options)).fit(pairs, out=out)
