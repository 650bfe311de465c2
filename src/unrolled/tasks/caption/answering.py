"""From a trained network to answers: every input's have the bits that it has alone. What is drawn follows
from the seed, the input, and how many of the same stand before it."""

import hashlib
from collections import Counter
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.codecs.conditions import Rows
from unrolled.decoding import numbers
from unrolled.decoding.search import Answer, Hypothesis, averaged
from unrolled.files.captioned import Captioned
from unrolled.tasks.caption.codec import Codec
from unrolled.tasks.caption.examples import at_once, tensors
from unrolled.tasks.caption.network import Network
from unrolled.tasks.decoder import read, stepper
from unrolled.tasks.decoding import Decoding
from unrolled.tasks.examples import in_batches

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


def captions(network: Network, codec: Codec, data: Captioned, decoding: Decoding) -> list[list[Answer]]:
    """(N,) of the best answers, the likeliest first."""
    decode = codec.texts.side.tokenizer.decode
    answers = hypotheses(network, codec, codec.inputs.encode(data), decoding)
    return [Answer.of(several, decode) for several in answers]


def hypotheses(network: Network, codec: Codec, rows: Rows, decoding: Decoding) -> list[list[Hypothesis]]:
    """The same of encoded inputs."""
    keys, texts = _keys(rows), codec.texts
    decoder: Any = network.block.decoder

    def of_batch(indices: Ints) -> list[list[Hypothesis]]:
        conditions = read(network, *tensors(codec.inputs, rows, indices))
        return decoding.answers(
            partial(stepper, network, conditions, averaged),
            [decoding.longest_of(texts.longest)] * len(indices),
            lambda n: [decoding.generator(*keys[i], n) for i in indices],
            decoder,
            texts.side.never,
        )

    size = decoding.together(at_once(codec.inputs), texts.side.size)
    return in_batches(_batches(len(keys), size), of_batch)


def sequences(network: Network, codec: Codec, data: Captioned, decoding: Decoding) -> list[Array]:
    """(N,) of answers (T_i, D) in the data's own units."""
    scaled = scores(network, codec, codec.inputs.encode(data), decoding)
    return [codec.numbers.scaler.inverse(answer.astype(np.float64)) for answer in scaled]


def scores(network: Network, codec: Codec, rows: Rows, decoding: Decoding) -> list[NDArray[np.float32]]:
    """(N,) of answers (T_i, D) to encoded inputs, in standard scores."""
    keys, longest = _keys(rows), decoding.longest_of(codec.numbers.longest)

    def of_batch(indices: Ints) -> list[NDArray[np.float32]]:
        draws = [decoding.generator(*keys[i]) for i in indices] if decoding.sample else None
        return numbers_of(network, tensors(codec.inputs, rows, indices), longest, draws)

    return in_batches(_batches(len(keys), at_once(codec.inputs)), of_batch)


@torch.no_grad()
def numbers_of(
    network: Network, x: tuple[Tensor, ...], longest: int, draws: numbers.Draws = None
) -> list[Any]:
    """(B,) of what the network writes of inputs x, decoding/numbers.py."""
    decoder: Any = network.block.decoder
    step = stepper(network, read(network, *x), numbers.averaged)
    return numbers.written(step, decoder, len(x[0]), longest, draws)


def _batches(count: int, size: int) -> list[Ints]:
    return [np.arange(first, min(first + size, count)) for first in range(0, count, size)]


def _keys(rows: Rows) -> list[tuple[int, ...]]:
    """(N,) of numbers that the content of an input and those like it before it make."""
    seen = Counter[bytes]()
    keys: list[tuple[int, ...]] = []
    for i in range(len(rows[0])):
        content = hashlib.sha256(b"".join(one[i].tobytes() for one in rows)).digest()
        keys.append((int.from_bytes(content[:8], "little"), seen[content]))
        seen[content] += 1
    return keys
