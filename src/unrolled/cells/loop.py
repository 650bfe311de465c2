"""The reference loop: runs any cell over time with lengths, masks and either direction. Right before fast.

Per step t, with the cell's own equations as `step`, and only where row b has a step t (t < lengths[b]):

    s̃_t = step(x_t, s_{t-1}, mask_t ⊙ h_{t-1})      mask: dropout of h, on its way into the products alone
    s_t = z_t ⊙ s_{t-1} + (1 - z_t) ⊙ s̃_t           z: zoneout, a mask in training and its rate afterwards

Elsewhere s_t = s_{t-1} and the output is zero. Backward in time is the same loop from T - 1 down to 0: a row
keeps its initial state until its last valid step, so that is where it starts.

Source   variational dropout Gal & Ghahramani 2016, arXiv:1512.05287; zoneout Krueger et al. 2016,
         arXiv:1606.01305, where as here an LSTM's h̃_t is computed from c̃_t, before c is zoned out
Differs  Semeniuta et al. 2016, arXiv:1603.05118, thin the candidate g_t; our recurrent dropout thins h_{t-1}
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from unrolled.cells.call import Call, Result


def valid_steps(x: Tensor, lengths: Tensor) -> Tensor:
    """x (T, B, I), lengths (B,) -> (T, B, 1), true where row b has a step t."""
    return (torch.arange(x.shape[0], device=x.device).unsqueeze(1) < lengths).unsqueeze(-1)


def unroll(call: Call) -> Result:
    """Runs `call` through the cell's equations. Any dtype and device, differentiable twice."""
    x, valid = call.x, None
    if call.lengths is not None:
        valid = valid_steps(x, call.lengths)
        x = torch.where(valid, x, 0)  # first of all: NaN in the padding must reach no product and no gradient
    trail = _steps(call, x, None if valid is None else valid.unbind())
    wanted = len(call.cell.states) if call.return_states else 1
    if trail:
        last = trail[-1]
        in_order = trail[::-1] if call.reverse else trail
        states = [torch.stack([state[k] for state in in_order]) for k in range(wanted)]
    else:
        last = tuple(s.clone() for s in call.state)
        states = [s.new_zeros((0, *s.shape)) for s in call.state[:wanted]]
    if valid is not None:
        states = [torch.where(valid, s, 0) for s in states]
    return Result(states[0], last, tuple(states) if call.return_states else None)


def _steps(call: Call, x: Tensor, valid: tuple[Tensor, ...] | None) -> list[tuple[Tensor, ...]]:
    """The state after each step, in the order of running."""
    T = x.shape[0]
    masks = None if call.masks.recurrent is None else call.masks.recurrent.unbind()
    zoneout = None if call.masks.zoneout is None else [_per_step(z, T) for z in call.masks.zoneout]
    # BLAS may round differently where memory is aligned differently: each step reads fresh memory, so that
    # two chunks equal the whole bitwise. For the same reason the products are per step, not hoisted.
    xs = [x_t.clone(memory_format=torch.contiguous_format) for x_t in x.unbind()]
    state = tuple(s.clone(memory_format=torch.contiguous_format) for s in call.state)
    trail = []
    for t in reversed(range(T)) if call.reverse else range(T):
        recurrent = state[0] if masks is None else state[0] * masks[t]
        new = call.cell.step(xs[t], state, recurrent, call.parameters)
        if zoneout is not None:
            new = tuple(_keep(z[t], s, n) for z, s, n in zip(zoneout, state, new, strict=True))
        if valid is not None:
            new = tuple(torch.where(valid[t], n, s) for n, s in zip(new, state, strict=True))
        trail.append(new)
        state = new
    return trail


def _per_step(z: Tensor | float, T: int) -> Sequence[Tensor | float]:
    return [z] * T if isinstance(z, float) else z.unbind()


def _keep(z: Tensor | float, old: Tensor, new: Tensor) -> Tensor:
    if isinstance(z, Tensor) and z.dtype == torch.bool:
        return torch.where(z, old, new)
    return z * old + (1 - z) * new
