"""The losses of what a classifier's outputs say, codecs/class_outputs.py, and the biases they begin with.

    one class        -w_y Σ_j q_j log p_j                q_j = 1 - ε + ε/C where j = y, else ε/C
    several labels   -mean_k w_k (q_k log p_k + (1 - q_k) log(1 - p_k))    q_k = (1 - ε) y_k + ε/2
    w                1, or balanced: N / (C N_y); of a label N / 2N_k where it is, N / 2(N - N_k) where not

Outputs of ordinal classes and of several labels begin with the shares of the training part: a rare label
would else be answered at first as often as not.

Shapes   o (B, O), y (B,) or (B, C) -> (B,)
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, pad

from unrolled.codecs.class_outputs import Multilabel, Ordinal
from unrolled.nn.functional import cross_entropy
from unrolled.tasks.class_codec import ClassCodec

Losses = Callable[[Tensor, Tensor], Tensor]

# A class that training has not, or has alone, begins as if half a sequence told otherwise.
HALF_A_SEQUENCE = 0.5


def row_losses(codec: ClassCodec, class_weights: str, smoothing: float) -> Losses:
    weights = codec.weights(class_weights)
    if codec.multilabel:
        return partial(_of_labels, weights, smoothing)
    if isinstance(codec.output, Ordinal):
        return partial(_of_ranks, weights, smoothing)
    return partial(_of_classes, weights, smoothing)


def _of_classes(weights: Tensor, smoothing: float, o: Tensor, y: Tensor) -> Tensor:
    return weights[y] * cross_entropy(o, y, reduction="none", label_smoothing=smoothing)


def _of_ranks(weights: Tensor, smoothing: float, o: Tensor, y: Tensor) -> Tensor:
    log_p = ordinal_log_p(o)
    right = log_p.gather(1, y[:, None])[:, 0]
    return -weights[y] * ((1 - smoothing) * right + smoothing * log_p.mean(1))


def _of_labels(weights: Tensor, smoothing: float, o: Tensor, y: Tensor) -> Tensor:
    q = (1 - smoothing) * y + smoothing / 2
    losses = -q * logsigmoid(o) - (1 - q) * logsigmoid(-o)
    return (torch.where(y > 0, weights[1], weights[0]) * losses).mean(1)


def ordinal_log_p(o: Tensor) -> Tensor:
    """o (B, C - 1) -> log p (B, C)."""
    cuts = torch.cat([o[:, :1], logsigmoid(-o[:, 1:])], 1).cumsum(1)
    above, below = pad(logsigmoid(cuts), (1, 0)), pad(logsigmoid(-cuts), (0, 1))
    return above + below + pad(logsigmoid(o[:, 1:]), (1, 1))


def begin(head: nn.Module, codec: ClassCodec) -> None:
    """Puts the biases of a new head of ordinal classes or of several labels where the training part has
    them."""
    N, start = len(codec.truth), None
    if isinstance(codec.output, Multilabel):
        start = _odds(codec.truth.sum(0, np.int64), N)
    elif isinstance(codec.output, Ordinal):
        counts = np.bincount(codec.truth, minlength=len(codec.classes))
        cuts = _odds(N - counts.cumsum()[:-1], N)
        steps = np.maximum(-np.diff(cuts), HALF_A_SEQUENCE / N)
        start = np.concatenate([cuts[:1], np.log(np.expm1(steps))])
    if start is not None:
        bias = head.get_parameter("bias")
        with torch.no_grad():
            bias.copy_(torch.from_numpy(start))


def _odds(counts: np.ndarray, N: int) -> np.ndarray:
    """Logarithms of the odds of so many of N."""
    return np.log((counts + HALF_A_SEQUENCE) / (N - counts + HALF_A_SEQUENCE))
