"""The linear chain over tags as torch operators, `unrolled::crf` and its gradient `unrolled::crf_backward`:

    score(y) = start[y_1] + Σ x_t[y_t] + Σ A[y_{t-1}, y_t] + end[y_T]          log Z = log Σ_y exp score(y)

Shapes   x (B, T, K), A (K, K), start, end (K,), lengths (B,) int64 -> log Z (B,); path (B, T) int64 ->
         score (B,), best path (B, T); marginals (B, T, K)
Order    a row is computed by itself: batch, padding, threads and vectors change no bit of it, nor of its
         gradient dx; those of A, start and end are sums over rows in order. cpu/crf.h derives them

-∞ forbids a tag or a transition. What stands past a row's length is never read. Where kernels cannot run the
call, crf_reference.py does; it also gives the second derivatives.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from unrolled.kernels.compiled import cpu as _cpu
from unrolled.kernels.torch import crf_reference
from unrolled.kernels.torch.heads import Head, Shapes, padded, register, taken, whole
from unrolled.kernels.torch.operators import Gradients, Tensors

Scores = tuple[Tensor, Tensor, Tensor]  # A, start, end


def log_likelihood(x: Tensor, scores: Scores, path: Tensor, lengths: Tensor) -> Tensor:
    """(B,) score(path) - log Z, 0 for a row of no steps. ValueError for a shape or length that does not fit,
    IndexError for a tag outside the K."""
    if not taken(x):
        log_z, score = _reference("", [x, *scores, lengths, path])
    else:
        log_z, score, _ = _crf("", [x, *scores, lengths, path])
    return score - log_z


def log_partition(x: Tensor, scores: Scores, lengths: Tensor) -> Tensor:
    """(B,) log Z, 0 for a row of no steps."""
    run = _log_z if taken(x) else _reference
    return run("", [x, *scores, lengths])[0]


def marginals(x: Tensor, scores: Scores, lengths: Tensor) -> Tensor:
    """(B, T, K) P(y_t = k), without gradient; 0 past a row's length, NaN where every path is forbidden."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        total = log_partition(leaf, (scores[0].detach(), scores[1].detach(), scores[2].detach()), lengths)
        return torch.autograd.grad(total, leaf, torch.ones_like(total))[0]


def viterbi(x: Tensor, scores: Scores, lengths: Tensor) -> Tensor:
    """(B, T) int64: the path of the largest score, 0 past a row's length; of paths that tie, the one whose
    last tag is lowest, then whose last but one is, …"""
    x, *others = (t.detach() for t in (x, *scores))
    if not taken(x):
        return crf_reference.viterbi(_clean(x, lengths), others[0], others[1], others[2], lengths)
    path = lengths.new_empty(x.shape[:2])
    _cpu.viterbi(*map(whole, (x, *others, lengths, path)), threads=torch.get_num_threads())
    return path


def _clean(x: Tensor, lengths: Tensor) -> Tensor:
    """x with 0 in the padding, which torch's operators would read."""
    valid = torch.arange(x.shape[1], device=x.device) < lengths.unsqueeze(1)
    return torch.where(valid.unsqueeze(2), x, 0)


# Tensors are x, A, start, end, lengths, and the path where there is one. The options say nothing.


def _empty(options: str, tensors: Sequence[Tensor]) -> Tensors:
    """log Z, the score where there is a path, and what the gradient is made from."""
    x = tensors[0]
    B, T, K = x.shape
    return [*[x.new_empty(B) for _ in tensors[4:]], x.new_empty(B, T, 2 * K)]


def _fill(options: str, tensors: Sequence[Tensor], outputs: Tensors) -> None:
    log_z, *score, tape = outputs
    given = *padded([*map(whole, tensors)], 6), log_z, *padded(score, 1), tape
    _cpu.crf(*given, threads=torch.get_num_threads())


def _reference(options: str, tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    x, transitions, start, end, lengths, *path = tensors
    call = _clean(x, lengths), transitions, start, end, lengths
    return [crf_reference.log_z(*call), *[crf_reference.score(*call, tags) for tags in path]]


def _head(outputs: int) -> Head:
    """Of log Z, or of log Z and the score of a path."""

    def shapes(options: str, tensors: Tensors) -> Shapes:
        inputs = tensors[outputs + 1 :]
        return [*[t.shape for t in inputs[:4]], *[None for _ in inputs[4:]]]

    def fill_gradients(options: str, tensors: Tensors, gradients: Gradients) -> None:
        given = [*map(whole, tensors)]
        d, tape, inputs = given[:outputs], given[outputs], given[outputs + 1 :]
        all_given = *padded(inputs, 6), tape, *padded(d, 2), *gradients[:4]
        _cpu.crf_backward(*all_given, threads=torch.get_num_threads())

    def keep(options: str, tensors: Sequence[Tensor], found: Sequence[Tensor]) -> Sequence[Tensor]:
        return [found[-1], *tensors]

    return Head(_empty, _fill, keep, shapes, fill_gradients, _reference, extra=1, outputs=outputs)


_crf = register("crf", _head(2))
_log_z = register("crf_log_z", _head(1))
