"""The linear chain over tags in plain PyTorch: what crf.py computes, step by step, on any device and in any
dtype, differentiable twice.

    score(y) = start[y_1] + Σ x_t[y_t] + Σ A[y_{t-1}, y_t] + end[y_T]          log Z = log Σ_y exp score(y)

Shapes   x (B, T, K), A (K, K), start, end (K,), lengths (B,) -> log Z (B,); path (B, T) -> score (B,)
Source   Lafferty, McCallum and Pereira 2001, "Conditional random fields"
"""

import math

import torch
from torch import Tensor


def log_z(x: Tensor, transitions: Tensor, start: Tensor, end: Tensor, lengths: Tensor) -> Tensor:
    """(B,) 0 for a row of no steps."""
    alpha = start + x[:, 0] if x.shape[1] else x.new_zeros(x.shape[0], x.shape[2])
    for t in range(1, x.shape[1]):
        reached = x[:, t] + _log_sum_exp(alpha.unsqueeze(2) + transitions, 1)
        alpha = torch.where((t < lengths).unsqueeze(1), reached, alpha)
    return torch.where(lengths > 0, _log_sum_exp(alpha + end, 1), 0)


def score(
    x: Tensor, transitions: Tensor, start: Tensor, end: Tensor, lengths: Tensor, path: Tensor
) -> Tensor:
    """(B,) of the path; what stands in it past a row's length is not read."""
    valid = torch.arange(x.shape[1], device=x.device) < lengths.unsqueeze(1)
    y = torch.where(valid, path, 0)
    emissions = torch.where(valid, x.gather(2, y.unsqueeze(2)).squeeze(2), 0).sum(1)
    steps = torch.where(valid[:, 1:], transitions[y[:, :-1], y[:, 1:]], 0).sum(1)
    any_step = lengths > 0
    if not x.shape[1]:
        return x.new_zeros(x.shape[0])
    last = y.gather(1, (lengths - 1).clamp(min=0).unsqueeze(1)).squeeze(1)
    return torch.where(any_step, start[y[:, 0]] + emissions + steps + end[last], 0)


def viterbi(x: Tensor, transitions: Tensor, start: Tensor, end: Tensor, lengths: Tensor) -> Tensor:
    """(B, T) the best path; of paths that tie, the one whose last tag is lowest, then its last but one, …"""
    B, T, K = x.shape
    pointers, best = [], _down(start + x[:, 0]) if T else x.new_zeros(B, K)
    for t in range(1, T):
        scores = best.unsqueeze(2) + transitions
        largest = scores.max(1, keepdim=True).values
        pointers.append((scores == largest).byte().argmax(1))
        best = torch.where((t < lengths).unsqueeze(1), _down(x[:, t] + largest.squeeze(1)), best)
    ended = best + end
    tag = (ended == ended.max(1, keepdim=True).values).byte().argmax(1)
    path = x.new_zeros(B, T, dtype=torch.int64)
    for t in range(T - 1, -1, -1):
        path[:, t] = torch.where(t < lengths, tag, 0)
        if t:
            before = pointers[t - 1].gather(1, tag.unsqueeze(1)).squeeze(1)
            tag = torch.where(t < lengths, before, tag)
    return path


def _down(score: Tensor) -> Tensor:
    """(B, K) less the largest of each row, so that long rows lose no precision."""
    most = score.amax(1, keepdim=True)
    return score - torch.where(most > -math.inf, most, 0)


def _log_sum_exp(x: Tensor, dim: int) -> Tensor:
    """As torch.logsumexp, whose gradient is NaN where all numbers are -∞; here it is 0."""
    most = x.detach().amax(dim, keepdim=True)
    most = torch.where(most > -math.inf, most, 0)
    total = torch.exp(x - most).sum(dim)
    some = total > 0
    return torch.where(some, torch.log(torch.where(some, total, 1)), -math.inf) + most.squeeze(dim)
