"""From a trained network to answers: every source's have the bits that it has alone. What is drawn follows
from the seed and the source."""

from collections.abc import Sequence
from functools import partial

import torch

from unrolled.batching.buckets import by_length
from unrolled.codecs import padding
from unrolled.codecs.texts import Numbers
from unrolled.decoding.search import Hypothesis, averaged
from unrolled.files.pairs import Pairs
from unrolled.tasks.decoder import read, stepper
from unrolled.tasks.decoding import Decoding
from unrolled.tasks.examples import in_batches
from unrolled.tasks.translate.codec import TranslateCodec
from unrolled.tasks.translate.network import Network

BATCH = 128  # sources that are answered at once, or pairs whose loss is


def answers(
    network: Network, codec: TranslateCodec, data: Pairs, decoding: Decoding
) -> dict[str, list[Hypothesis]]:
    """Every distinct source -> its answers, the best first."""
    questions = data.select([group[0] for group in data.grouped().values()])
    rows = codec.encode(questions)
    hypotheses = in_batches(
        by_length(list(map(len, rows)), decoding.together(BATCH, codec.target.size)),
        lambda indices: search(network, codec, [rows[i] for i in indices], decoding),
    )
    return dict(zip(questions.inputs, hypotheses, strict=True))


def search(
    network: Network, codec: TranslateCodec, rows: Sequence[Numbers], decoding: Decoding, fill: int = 0
) -> list[list[Hypothesis]]:
    """Of sources (S_i,) in one batch; `fill` stands behind the shorter ones."""
    x, lengths = torch.from_numpy(padding.padded(rows, fill)), torch.tensor(list(map(len, rows)))
    conditions = read(network, x, lengths)
    longest = [codec.most(len(row)) if decoding.longest is None else decoding.longest for row in rows]
    return decoding.answers(
        partial(stepper, network, conditions, averaged),
        longest,
        lambda n: [decoding.generator(n, *row.tolist()) for row in rows],
        network.block.decoder,
        codec.never,
    )
