"""Layers of ours and of torch.nn with the same weights, and the calls that are timed on them.

Inference runs in inference mode. A training step is forward and, from a given gradient of y, backward to the
input and to every parameter. Before each, outside the clock, gradients are dropped and all weights change
sign in place: what a peer remembers of weights, it may not carry from step to step.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from unrolled import cells
from unrolled.bench.workload import SAME, Mode, Peer, Size, Values
from unrolled.nn.layers import LAYERS

SEED = 20
Call = Callable[[Any], Any]  # x -> (y, state)


class Kind(NamedTuple):
    """Gates, our layer, torch's layer, and its states."""

    gates: int
    ours: Callable[..., nn.Module]
    torch: Any  # a class, or None where torch.nn has no such layer
    states: tuple[str, ...]


KINDS = {
    name: Kind(cell().gates, LAYERS[name], getattr(nn, LAYERS[name].__name__, None), cell.states)
    for name, cell in cells.CELLS.items()
}
CELLS = {name: kind for name, kind in KINDS.items() if kind.torch is not None}  # those with a peer there


def products(cell: str, tokens: int, size: Size) -> float:
    """Operations in the products of a forward call over so many tokens: 2 · G · H · (I + H) each."""
    return 2.0 * tokens * CELLS[cell].gates * size.H * (size.I + size.H)


def make(layer: Callable[..., nn.Module], *sizes: int, **options: Any) -> nn.Module:
    """A layer whose parameters are random and asymmetric, its gains and shifts too; the same each time.

    Gains are near a half: at one, a normalised recurrence is chaotic, and a rounding error of 5e-7 in its
    first step is 5e-4 in its hundredth, in any implementation.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(SEED)
        module = layer(*sizes, **options)
        for name, parameter in module.named_parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.empty_like(parameter).uniform_(-0.1, 0.1))
            if name.startswith("gain_"):
                parameter.mul_(0.5)
    return module


def twin(like: nn.Module, layer: Callable[..., nn.Module], *sizes: int, **options: Any) -> nn.Module:
    """Another layer with the weights of `like`."""
    module = layer(*sizes, **options)
    module.load_state_dict(like.state_dict())
    return module


def random(*shape: int, seed: int = SEED) -> Tensor:
    """Standard normal numbers, the same each time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def named(output: Any) -> dict[str, Tensor]:
    """What a layer returns, by name: y, h_last, c_last; a head returns y alone."""
    if isinstance(output, Tensor):
        return {"y": output}
    y, state = output
    states = state if isinstance(state, tuple) else (state,)
    return {"y": y} | dict(zip(("h_last", "c_last"), states, strict=False))


def state(cell: str, *shape: int, dtype: torch.dtype = torch.float32) -> Any:
    """A random state, as a layer or a cell takes it."""
    states = tuple(random(*shape, seed=seed).to(dtype) for seed in range(len(CELLS[cell].states)))
    return states if len(states) > 1 else states[0]


def peer(
    mode: Mode,
    module: nn.Module,
    x: Tensor,
    call: Call | None = None,
    answer: str | None = SAME,
    drawn: bool = False,
    changes: bool = True,
) -> Peer:
    """`module(x)`, or `call(x)`, which gives (y, state) as it does; in training the gradients of a random
    weighted sum of y.

    drawn     a training call draws random numbers: the same before every call
    changes   in training the weights change before every call
    """
    if mode == "training":
        return _training(module, x, call or module, answer, drawn, changes)
    module.eval()
    compute = call or module

    def values() -> Values:
        with torch.inference_mode():
            return named(compute(x))

    return Peer(lambda: compute(x), values, answer=answer)


def _training(
    module: nn.Module, x: Tensor, call: Call, answer: str | None, drawn: bool, changes: bool
) -> Peer:
    x = x.clone().requires_grad_()
    parameters = dict(module.named_parameters())

    def prepare() -> None:
        for leaf in (x, *parameters.values()):
            leaf.grad = None
        if drawn:
            torch.manual_seed(SEED)

    def before() -> None:
        prepare()
        with torch.no_grad():
            for parameter in parameters.values():
                parameter.neg_()

    prepare()
    with torch.no_grad():
        dy = random(*named(call(x))["y"].shape, seed=SEED + 1)

    def run() -> Any:
        output = call(x)
        (output if isinstance(output, Tensor) else output[0]).backward(dy)
        return output

    def values() -> Values:
        prepare()
        output = named(run())
        gradients = {f"gradient of {name}": leaf.grad for name, leaf in ({"x": x} | parameters).items()}
        return {name: v.detach() for name, v in (output | gradients).items() if v is not None}

    return Peer(run, values, before if changes else prepare, True, answer)
