"""A call in chunks of steps: to keep few states for backward, and for half precision on a CPU."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from unrolled.cells import Call, Masks, Result

Run = Callable[[Call], Result]


def keeping_few(call: Call, run: Run) -> Result:
    """Runs `call`, keeping every k-th state for backward, which computes the others anew: call.keep_every."""

    def again(part: Call) -> Result:
        result: Result = checkpoint(run, part, use_reentrant=False, preserve_rng_state=False)
        return result

    return _in_chunks(call, call.keep_every, again)


def rounding_states(call: Call, run: Run) -> Result:
    """Runs `call`, of half precision, in float32, and rounds the states after each step. So its results have
    the order of sums that `run` has, and steps one by one are the whole."""
    dtype = call.x.dtype

    def rounded(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(t.to(dtype) for t in tensors)

    def step(part: Call) -> Result:
        y, last, states = run(part._replace(state=tuple(s.float() for s in part.state)))
        return Result(y.to(dtype), rounded(last), None if states is None else rounded(states))

    parameters = {name: p.float() for name, p in call.parameters.items()}
    recurrent, zoneout = call.masks
    masks = Masks(None if recurrent is None else recurrent.float(), zoneout)
    return _in_chunks(call._replace(x=call.x.float(), parameters=parameters, masks=masks), 1, step)


def _in_chunks(call: Call, k: int, run: Run) -> Result:
    T = call.x.shape[0]
    starts = range(0, max(T, 1), k)
    results, state = [], call.state
    for start in reversed(starts) if call.reverse else starts:
        result = run(_cut(call, start, min(start + k, T), state))
        results.append(result)
        state = result.last
    in_order = results[::-1] if call.reverse else results
    y = torch.cat([result.y for result in in_order])
    if not call.return_states:
        return Result(y, state, None)
    every = zip(*(result.states or () for result in in_order), strict=True)
    return Result(y, state, tuple(torch.cat(chunks) for chunks in every))


def _cut(call: Call, start: int, end: int, state: tuple[Tensor, ...]) -> Call:
    """Steps `start` to `end` of the call."""
    lengths = None if call.lengths is None else (call.lengths - start).clamp(0, end - start)
    recurrent, zoneout = call.masks
    shares = zoneout and tuple(z if isinstance(z, float) else z[start:end] for z in zoneout)
    masks = Masks(None if recurrent is None else recurrent[start:end], shares)
    return call._replace(x=call.x[start:end], state=state, lengths=lengths, masks=masks, keep_every=0)
