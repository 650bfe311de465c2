"""The reference in bounded memory: k steps at a time, computed anew in backward from the state before."""

import torch
from torch.utils.checkpoint import checkpoint

from unrolled.cells import Call, Masks, Result, unroll


def unroll_in_chunks(call: Call) -> Result:
    """Runs `call` through its cell's equations, keeping every k-th state for backward: call.keep_every."""
    k, T = call.keep_every, call.x.shape[0]
    starts = range(0, max(T, 1), k)
    results, state = [], call.state
    for start in reversed(starts) if call.reverse else starts:
        part = _cut(call, start, min(start + k, T), state)
        result: Result = checkpoint(unroll, part, use_reentrant=False, preserve_rng_state=False)
        results.append(result)
        state = result.last
    in_order = results[::-1] if call.reverse else results
    y = torch.cat([result.y for result in in_order])
    if not call.return_states:
        return Result(y, state, None)
    every = zip(*(result.states or () for result in in_order), strict=True)
    return Result(y, state, tuple(torch.cat(parts) for parts in every))


def _cut(call: Call, start: int, end: int, state: tuple[torch.Tensor, ...]) -> Call:
    """Steps `start` to `end` of the call."""
    lengths = None if call.lengths is None else (call.lengths - start).clamp(0, end - start)
    recurrent, zoneout = call.masks
    shares = zoneout and tuple(z if isinstance(z, float) else z[start:end] for z in zoneout)
    masks = Masks(None if recurrent is None else recurrent[start:end], shares)
    return call._replace(x=call.x[start:end], state=state, lengths=lengths, masks=masks, keep_every=0)
