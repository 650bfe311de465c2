"""How well models foresee tokens. Of a total of n nats over N tokens and C characters:

    perplexity = exp(n / N)    nats = n / N    bits = n / (N ln 2)    bits_per_character = n / (C ln 2)

Beside it stand interpolated Kneser–Ney n-grams of the same tokens, each given those before as the network is.
"""

import math
from collections.abc import Iterator

import numpy as np

from unrolled.batching.streams import Tokens
from unrolled.decoding.ngrams import KneserNey
from unrolled.kernels.numpy import heads
from unrolled.tasks.evaluation import Row

ORDER = 5  # and all below
# The n-grams count the end of a longer training part alone: their memory grows with it.
BASELINE_TOKENS = 20_000_000
PART_TOKENS = 1 << 20  # that they score at once
MOST_NATS = 700  # whose exponential is still a number


def row_of(name: str, total: float, tokens: int, characters: float, stored: int) -> Row:
    """Of `total` nats. `stored`: parameters of a network, counts of an n-gram."""
    return {
        "model": name,
        "perplexity": perplexity(total / tokens),
        "nats": total / tokens,
        "bits": total / tokens / math.log(2),
        "bits_per_character": total / characters / math.log(2),
        "stored": stored,
    }


def perplexity(nats: float) -> float:
    return float(heads.exp(np.array(nats))) if nats < MOST_NATS else math.inf


def baselines(tokens: Tokens, judged: Tokens, symbols: int, characters: float) -> Iterator[Row]:
    """Interpolated Kneser–Ney n-grams of the same tokens, each given those before it as the network is."""
    counted = tokens[-BASELINE_TOKENS:].astype(np.int64)
    for model in KneserNey.fit_up_to(counted, ORDER, symbols):
        total = 0.0
        for first in range(1, len(judged), PART_TOKENS):
            before = judged[max(0, first - model.order + 1) : first].astype(np.int64)
            part = judged[first : first + PART_TOKENS].astype(np.int64)
            total += math.fsum(model.nats(part, before))
        yield row_of(f"Kneser–Ney, order {model.order}", total, len(judged) - 1, characters, model.counts)
