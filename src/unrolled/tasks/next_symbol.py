"""What the network of a language model says of tokens.

    nats_t = - log softmax(logits_{t-1})[w_t]

A text goes through in pieces, the state carried: no bit depends on how long they are, nor on the rows beside.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.batching.buckets import by_length
from unrolled.batching.streams import Batch, Streams, Tokens
from unrolled.blocks.language import Language
from unrolled.codecs import padding
from unrolled.nn.functional import log_softmax
from unrolled.nn.linear_cross_entropy import linear_cross_entropy
from unrolled.ops.torch import Network as AnyNetwork
from unrolled.tasks.sampling import Sampling

Array = NDArray[np.float64]

Network = AnyNetwork[Language]

# Steps at once, and numbers of logits at once: what bounds the memory.
STEPS, LOGITS = 1024, 1 << 23
LINES = 64


def loss(network: Network, batch: Batch, state: Any) -> tuple[Tensor, Any]:
    """() the mean nats of a batch, and the state to carry on."""
    before = state if batch.goes_on else None
    h, state = network.block.hidden(network.ops, network.p, batch.x, before)
    p, tied = network.p, network.block.head is None
    weight, bias = (p.embedding.weight, p.bias) if tied else (p.head.weight, p.head.bias)
    return linear_cross_entropy(h.flatten(0, 1), weight, bias, batch.y.flatten()), state


def loss_through(network: Network, batch: Batch, state: Any, windows: int) -> tuple[Tensor, Any]:
    """The same loss, whose gradient flows back through the `windows` - 1 windows before too: they are read
    once more by the weights as they are now. The state carried is that before them, and their tokens."""
    before, past = state if batch.goes_on else (None, [])
    states = [before]
    for x in past:
        _, after = network.block.hidden(network.ops, network.p, x, states[-1])
        states.append(after)
    value, _ = loss(network, batch, states[-1])
    read = [*past, batch.x]
    return value, ((before, read) if len(read) < windows else (states[1], read[1:]))


def mean_loss(network: Network, streams: Streams) -> float:
    """The mean nats over all rows of a text that is read side by side, without gradients."""
    total, count, state, judged = 0.0, 0, None, _loss_together if network.block.others else loss
    with torch.no_grad():
        for batch in streams.batches(1):
            value, state = judged(network, batch, state)
            total, count = total + value.item() * batch.y.numel(), count + batch.y.numel()
    return total / count


def _loss_together(network: Network, batch: Batch, state: Any) -> tuple[Tensor, Any]:
    """As `loss`, of the mean of the members' p."""
    state, steps = state if batch.goes_on else None, _steps(network.block.embedding.rows, len(batch.x))
    each = []
    for first in range(0, batch.y.shape[1], steps):
        w, y = (one[:, first : first + steps] for one in (batch.x, batch.y))
        values, state = _nats(network, w, y, state, None)
        each.append(values)
    return torch.from_numpy(np.concatenate(each, 1)).mean(), state


def nats(network: Network, tokens: Tokens, symbols: int) -> Iterator[Array]:
    """The nats of w_1 … w_{N-1}, in pieces; w_0 is given."""
    state: Any = None
    for first in range(0, len(tokens) - 1, _steps(symbols, 1)):
        part = torch.from_numpy(tokens[first : first + _steps(symbols, 1) + 1].astype(np.int64))[None]
        values, state = _nats(network, part[:, :-1], part[:, 1:], state, None)
        yield values[0]


def nats_of_rows(
    network: Network, rows: Sequence[NDArray[np.int64]], begin: int, symbols: int
) -> list[float]:
    """The sum of nats of each row of tokens by itself, 0 where it has none; `begin` stands before it."""
    sums = [0.0] * len(rows)
    for indices in by_length([len(row) for row in rows], LINES):
        lengths = torch.tensor([len(rows[i]) for i in indices])
        y = padding.padded([rows[i] for i in indices])
        T = y.shape[1]
        w = np.concatenate([np.full((len(indices), 1), begin), y[:, :-1]], axis=1)[:, :T]
        parts, state, steps = [np.zeros((len(indices), 0))], None, _steps(symbols, len(indices))
        for first in range(0, T, steps):
            part, targets = (torch.from_numpy(one[:, first : first + steps]) for one in (w, y))
            left = (lengths - first).clamp(0, part.shape[1])
            values, state = _nats(network, part, targets, state, left)
            parts.append(values)
        each = np.concatenate(parts, axis=1)
        for r, i in enumerate(indices):
            sums[i] = math.fsum(each[r, : len(rows[i])])
    return sums


def continued(
    network: Network,
    primed: Sequence[int],
    length: int,
    sampling: Sampling,
    generator: np.random.Generator,
    never: int | None,
    ends: Callable[[Sequence[int]], bool] | None = None,
) -> list[int]:
    """`length` tokens after `primed`, one or more, or fewer where what was drawn `ends`; the token `never` is
    not drawn."""
    state: Any = None
    w, drawn = torch.tensor([list(primed)]), list[int]()
    with torch.no_grad():
        for first in range(0, w.shape[1] - 1, STEPS):
            _, state = network(w[:, first : min(first + STEPS, w.shape[1] - 1)], state)
        w = w[:, -1:]
        for _ in range(length):
            logits, state = network(w, state)
            log_p = log_softmax(logits)[0, 0].double().numpy()
            if never is not None:
                log_p[never] = -np.inf
            drawn.append(sampling.draw(log_p, generator))
            if ends is not None and ends(drawn):
                break
            w = torch.tensor([[drawn[-1]]])
    return drawn


def _steps(symbols: int, rows: int) -> int:
    return max(1, min(STEPS, LOGITS // (symbols * rows)))


def _nats(network: Network, w: Tensor, y: Tensor, state: Any, lengths: Tensor | None) -> tuple[Array, Any]:
    """w and y (B, T) -> (B, T) in float64, and the state to go on from."""
    with torch.no_grad():
        logits, state = network(w, state, lengths)
        log_p = log_softmax(logits).gather(-1, y[..., None])[..., 0]
    return -log_p.double().numpy(), state
