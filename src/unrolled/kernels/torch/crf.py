"""The linear chain over tags as torch operators, `unrolled::crf` and its gradient `unrolled::crf_backward`:

    score(y) = start[y_1] + Σ x_t[y_t] + Σ A[y_{t-1}, y_t] + end[y_T]          log Z = log Σ_y exp score(y)

Shapes   x (B, T, K), A (K, K), start, end (K,), lengths (B,) int64 -> log Z (B,); path (B, T) int64 ->
         score (B,), best path (B, T); marginals (B, T, K)
Order    a row is computed by itself: batch, padding, threads and vectors change no bit of it, nor of its
         gradient dx; those of A, start and end are sums over rows in order. cpu/crf.h derives them

-∞ forbids a tag or a transition. What stands past a row's length is never read. Where kernels cannot run the
call, chain.py does; it also gives the second derivatives.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import vjp

from unrolled.kernels.torch import crf_reference as chain
from unrolled.kernels.torch.heads import LIBRARY, check, flat, kernel, taken
from unrolled.kernels.torch.operators import Formulas, Tensors, transformable

Scores = tuple[Tensor, Tensor, Tensor]  # A, start, end
Gradients = list[Tensor | None]


def log_likelihood(x: Tensor, scores: Scores, path: Tensor, lengths: Tensor) -> Tensor:
    """(B,) score(path) - log Z, 0 for a row of no steps. ValueError for a shape or length that does not fit,
    IndexError for a tag outside the K."""
    _check(x, scores, lengths)
    if path.shape != x.shape[:2] or path.dtype != torch.int64:
        raise ValueError(f"path is {tuple(path.shape)} of {path.dtype}; wanted {tuple(x.shape[:2])} of int64")
    if not taken(x):
        path = torch.where(torch.arange(x.shape[1], device=x.device) < lengths.unsqueeze(1), path, 0)
        return chain.score(x, *scores, lengths, path) - chain.log_z(_clean(x, lengths), *scores, lengths)
    log_z, _, score = _crf("path", [x, *scores, lengths, path])
    return score - log_z


def log_partition(x: Tensor, scores: Scores, lengths: Tensor) -> Tensor:
    """(B,) log Z, 0 for a row of no steps."""
    _check(x, scores, lengths)
    if not taken(x):
        return chain.log_z(_clean(x, lengths), *scores, lengths)
    return _crf("", [x, *scores, lengths])[0]


def marginals(x: Tensor, scores: Scores, lengths: Tensor) -> Tensor:
    """(B, T, K) P(y_t = k), without gradient; 0 past a row's length, NaN where every path is forbidden."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        total = log_partition(leaf, (scores[0].detach(), scores[1].detach(), scores[2].detach()), lengths)
        return torch.autograd.grad(total, leaf, torch.ones_like(total))[0]


def viterbi(x: Tensor, scores: Scores, lengths: Tensor) -> Tensor:
    """(B, T) int64: the path of the largest score, 0 past a row's length; of paths that tie, the one whose
    last tag is lowest, then whose last but one is, …"""
    _check(x, scores, lengths)
    x, *others = (t.detach() for t in (x, *scores))
    if not taken(x):
        return chain.viterbi(_clean(x, lengths), others[0], others[1], others[2], lengths)
    x, lengths, *others = map(flat, (x, lengths, *others))
    path = lengths.new_empty(x.shape[:2])
    kernel("viterbi", x)(*_call([x, *others, lengths], path=False), path.data_ptr())
    return path


def _check(x: Tensor, scores: Scores, lengths: Tensor) -> None:
    if x.dim() != 3 or not x.shape[2]:
        raise ValueError(f"x is {tuple(x.shape)}; wanted (B, T, K) with one tag or more")
    B, _, K = x.shape
    for name, tensor, shape in zip(
        ("transitions", "start", "end"), scores, ((K, K), (K,), (K,)), strict=True
    ):
        check(name, tensor, shape, x)
    if lengths.shape != (B,) or lengths.dtype != torch.int64:
        raise ValueError(f"lengths is {tuple(lengths.shape)} of {lengths.dtype}; wanted ({B},) of int64")


def _clean(x: Tensor, lengths: Tensor) -> Tensor:
    """x with 0 in the padding, which torch's operators would read."""
    valid = torch.arange(x.shape[1], device=x.device) < lengths.unsqueeze(1)
    return torch.where(valid.unsqueeze(2), x, 0)


# Formulas, as operators.py wants them. Tensors are x, A, start, end, lengths, and path where the form is so.


def _call(tensors: Sequence[Tensor], path: bool) -> tuple[Any, ...]:
    """The arguments with which every kernel begins; viterbi has no path. The tensors are in one piece."""
    x, transitions, start, end, lengths = tensors[:5]
    scores = transitions.data_ptr(), start.data_ptr(), end.data_ptr()
    own = (tensors[5].data_ptr() if len(tensors) > 5 else 0,) if path else ()
    return torch.get_num_threads(), tuple(x.shape), lengths.data_ptr(), *own, x.data_ptr(), scores


def _fake(form: str, tensors: Sequence[Tensor]) -> Tensors:
    x = tensors[0]
    B, T, K = x.shape
    some = [x.new_empty(B), x.new_empty(B, T, 2 * K)]
    return [*some, x.new_empty(B)] if form == "path" else some


def _run(form: str, tensors: Sequence[Tensor]) -> Tensors:
    outputs = _fake(form, tensors)
    given = list(map(flat, tensors))
    score = outputs[2].data_ptr() if form == "path" else 0
    kernel("crf", given[0])(*_call(given, path=True), outputs[0].data_ptr(), score, outputs[1].data_ptr())
    return outputs


def _save(ctx: Any, form: str, tensors: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
    ctx.save_for_backward(outputs[1], *tensors)
    ctx.mark_non_differentiable(outputs[1])
    ctx.form = form


def _derive(ctx: Any, needs: Sequence[bool], cotangents: Sequence[Tensor | None]) -> Gradients:
    tape, *tensors = ctx.saved_tensors
    own = [cotangents[0], *([cotangents[2]] if ctx.form == "path" else [])]
    if all(d is None for d in own):
        return [None] * len(needs)
    given = [tape.new_zeros(len(tape)) if d is None else d for d in own]
    found: Gradients = [*_crf_backward(ctx.form, [tape, *given, *tensors])]
    return [*found, *[None] * (len(needs) - 4)]


def _parts(form: str, tensors: Sequence[Tensor]) -> tuple[Tensor, Sequence[Tensor], Sequence[Tensor]]:
    """The tape, the gradients of the outputs, and the tensors of the call itself."""
    given = 2 if form == "path" else 1
    return tensors[0], tensors[1 : 1 + given], tensors[1 + given :]


def _fake_backward(form: str, tensors: Sequence[Tensor]) -> Tensors:
    own = _parts(form, tensors)[2]
    return [t.new_empty(t.shape) for t in own[:4]]


def _run_backward(form: str, tensors: Sequence[Tensor]) -> Tensors:
    outputs = _fake_backward(form, tensors)
    tape, d, own = _parts(form, list(map(flat, tensors)))
    dx, *d_scores = (o.data_ptr() for o in outputs)
    d_score = d[1].data_ptr() if form == "path" else 0
    arguments = tape.data_ptr(), d[0].data_ptr(), d_score, dx, tuple(d_scores)
    kernel("crf_backward", tape)(*_call(own, path=True), *arguments)
    return outputs


def _save_backward(ctx: Any, form: str, tensors: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
    ctx.save_for_backward(*tensors[1:])
    ctx.form = form


def _derive_backward(ctx: Any, needs: Sequence[bool], cotangents: Sequence[Tensor | None]) -> Gradients:
    """By the reference, derived twice."""
    given = 2 if ctx.form == "path" else 1
    d, (x, a, start, end, lengths, *path) = ctx.saved_tensors[:given], ctx.saved_tensors[given:]
    at = [k for k, u in enumerate(cotangents) if u is not None]

    def gradient(d: tuple[Tensor, ...], *leaves: Tensor) -> tuple[Tensor, ...]:
        def outputs(x: Tensor, a: Tensor, start: Tensor, end: Tensor) -> tuple[Tensor, ...]:
            call = _clean(x, lengths), a, start, end, lengths
            own = [chain.score(*call, path[0])] if path else []
            return chain.log_z(*call), *own

        found = vjp(outputs, *leaves)[1](tuple(d))
        return tuple(found[k] for k in at)

    pull = vjp(gradient, tuple(d), x, a, start, end)[1]
    d_given, *found = pull(tuple(u for u in cotangents if u is not None))
    return [None, *d_given, *found, *[None] * (1 + len(path))]


def _no_batches(form: str) -> None:
    return None


_crf = transformable(LIBRARY, "crf", Formulas(_run, _fake, _save, _derive, str, str, _no_batches))
_crf_backward = transformable(
    LIBRARY,
    "crf_backward",
    Formulas(_run_backward, _fake_backward, _save_backward, _derive_backward, str, str, _no_batches),
)
