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

from unrolled.kernels.heads import CRF, VITERBI
from unrolled.kernels.torch import crf_reference
from unrolled.kernels.torch.heads import register, taken

Scores = tuple[Tensor, Tensor, Tensor]  # A, start, end


def log_likelihood(x: Tensor, scores: Scores, path: Tensor, lengths: Tensor) -> Tensor:
    """(B,) score(path) - log Z, 0 for a row of no steps. ValueError for a shape or length that does not fit,
    IndexError for a tag outside the K."""
    run = _crf if taken(x) else _reference
    log_z, score = run(x, *scores, lengths, path)[:2]
    return score - log_z


def log_partition(x: Tensor, scores: Scores, lengths: Tensor) -> Tensor:
    """(B,) log Z, 0 for a row of no steps."""
    run = _crf if taken(x) else _reference
    return run(x, *scores, lengths)[0]


def marginals(x: Tensor, scores: Scores, lengths: Tensor) -> Tensor:
    """(B, T, K) P(y_t = k), without gradient; 0 past a row's length, NaN where every path is forbidden."""
    with torch.inference_mode(False), torch.enable_grad():
        # a tensor of inference mode is copied, for autograd takes none
        x, a, start, end, lengths = (
            t.clone() if t.is_inference() else t.detach() for t in (x, *scores, lengths)
        )
        total = log_partition(x.requires_grad_(), (a, start, end), lengths)
        return torch.autograd.grad(total, x, torch.ones_like(total))[0]


def viterbi(x: Tensor, scores: Scores, lengths: Tensor) -> Tensor:
    """(B, T) int64: the path of the largest score, 0 past a row's length; of paths that tie, the one whose
    last tag is lowest, then whose last but one is, …"""
    x, *others = (t.detach() for t in (x, *scores))
    if not taken(x):
        return crf_reference.viterbi(_clean(x, lengths), others[0], others[1], others[2], lengths)
    return _viterbi(x, *others, lengths)[0]


def _clean(x: Tensor, lengths: Tensor) -> Tensor:
    """x with 0 in the padding, which torch's operators would read."""
    valid = torch.arange(x.shape[1], device=x.device) < lengths.unsqueeze(1)
    return torch.where(valid.unsqueeze(2), x, 0)


def _reference(
    x: Tensor, transitions: Tensor, start: Tensor, end: Tensor, lengths: Tensor, path: Tensor | None = None
) -> Sequence[Tensor]:
    call = _clean(x, lengths), transitions, start, end, lengths
    log_z = crf_reference.log_z(*call)
    return [log_z] if path is None else [log_z, crf_reference.score(*call, path)]


_crf = register(CRF, _reference)
_viterbi = register(VITERBI, lambda **call: [])
