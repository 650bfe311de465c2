"""`accelerate(model)`: the recurrent modules of torch.nn inside any model become ours, in place.

A module keeps its identity: its class changes; its Parameter objects, hooks and mode stay. So whatever refers
to it or them (containers, wrappers, optimizers, the caller's own variables) goes on working.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from unrolled.cells.cell import Refusals
from unrolled.kernels import dispatch
from unrolled.nn.cells import Step
from unrolled.nn.layers import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell
from unrolled.nn.recurrent import Recurrent

Ours = Recurrent | Step

CELL = ("input_size", "hidden_size", "bias")
LAYER = (*CELL, "num_layers", "batch_first", "dropout", "bidirectional")
# What stands for each class of torch.nn, and which of a module's attributes it is made from.
TWINS: dict[type[nn.Module], tuple[Callable[..., Ours], tuple[str, ...]]] = {
    nn.RNN: (RNN, (*LAYER, "nonlinearity")),
    nn.LSTM: (LSTM, (*LAYER, "proj_size")),
    nn.GRU: (GRU, LAYER),
    nn.RNNCell: (RNNCell, (*CELL, "nonlinearity")),
    nn.LSTMCell: (LSTMCell, CELL),
    nn.GRUCell: (GRUCell, CELL),
}
NAMES = {kind.__name__ for kind in TWINS}
# What torch.nn's layers hold and ours derive (torch_compat.py).
INTERNALS = ("mode", "_all_weights", "_flat_weights", "_flat_weights_names", "_flat_weight_refs")


@dataclass(frozen=True)
class Finding:
    """One recurrent module of the model."""

    paths: tuple[str, ...]  # its names in the model; "" is the model itself
    module: str  # what it was: "torch.nn.LSTM(5, 7)"
    replacement: str  # what it is now: "unrolled.nn.LSTM"; empty where it stayed
    reason: str  # why it stayed; empty where it was replaced


class Report(tuple[Finding, ...]):
    """What `accelerate` found, in the order of the model; printed, a table."""

    __slots__ = ()

    @property
    def replaced(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self if finding.replacement)

    @property
    def kept(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self if not finding.replacement)

    def __str__(self) -> str:
        if not self:
            return "no recurrent modules found"
        rows = [("module", "was", "is"), *map(_row, self)]
        widths = [max(len(row[k]) for row in rows) for k in range(2)]
        lines = [f"{path:<{widths[0]}}  {was:<{widths[1]}}  {now}" for path, was, now in rows]
        return "\n".join([f"replaced {len(self.replaced)} of {len(self)} recurrent modules", *lines])


def _row(finding: Finding) -> tuple[str, str, str]:
    paths = ", ".join(path or "(the model)" for path in finding.paths)
    return paths, finding.module, finding.replacement or f"kept: {finding.reason}"


def accelerate(model: nn.Module) -> Report:
    """Turns torch.nn's RNN, LSTM, GRU, RNNCell, LSTMCell and GRUCell in `model`, or as `model`, into ours.

    Results stay the same up to rounding; parameters, state dict, hooks, mode and identity stay. A module that
    ours would not equal, or not speed up, stays what it is, and the report says why and what would change
    that. A second call changes nothing. Raises TypeError where `model` is no module.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"wanted a torch.nn.Module, got {type(model).__name__}; hand in the model itself")
    paths: dict[nn.Module, list[str]] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        if _is_recurrent(module):
            paths.setdefault(module, []).append(path)
    return Report(_treat(module, tuple(names)) for module, names in paths.items())


def _is_recurrent(module: nn.Module) -> bool:
    plain = isinstance(module, (nn.RNNBase, nn.RNNCellBase, Recurrent, Step))
    return plain or _is_scripted(module) or _is_quantized(module)


def _treat(module: nn.Module, paths: tuple[str, ...]) -> Finding:
    described = _described(module)
    reason = _refusal(module)
    if reason is not None:
        return Finding(paths, described, "", reason)
    try:
        ours = _twin(module)
    except ValueError as error:  # sizes or options that torch.nn takes and ours do not
        return Finding(paths, described, "", str(error))
    reason = _unlike(module, ours) or _slow(module, ours)
    if reason is not None:
        return Finding(paths, described, "", reason)
    _become(module, ours)
    return Finding(paths, described, f"unrolled.nn.{type(ours).__name__}", "")


def _described(module: nn.Module) -> str:
    kind = type(module)
    home = "torch.nn." if kind in TWINS else "unrolled.nn." if isinstance(module, Ours) else ""
    return f"{home}{kind.__name__}({module.extra_repr()})"


def _twin(module: nn.Module) -> Ours:
    """Ours of the same sizes and options, without memory and without drawing a random number."""
    kind, names = TWINS[type(module)]
    options = {name: getattr(module, name) for name in names}
    if options.get("num_layers") == 1:
        options["dropout"] = 0.0  # torch.nn takes and ignores it
    return kind(**options, device="meta")


def _become(module: nn.Module, ours: Ours) -> None:
    """Gives `module` the class of `ours` and what this needs; what `module` has already, it keeps."""
    attributes = vars(module)
    for name in INTERNALS:
        attributes.pop(name, None)
    attributes.update({name: value for name, value in vars(ours).items() if name not in attributes})
    attributes["_accelerated"] = type(module)
    module.__class__ = type(ours)


def _is_scripted(module: nn.Module) -> bool:
    return isinstance(module, torch.jit.ScriptModule) and module.original_name in NAMES


def _is_quantized(module: nn.Module) -> bool:
    return type(module).__module__.startswith("torch.ao.nn.") and type(module).__name__ in NAMES


def _refusal(module: nn.Module) -> str | None:
    """Why a module stays whatever its sizes, or None."""
    kind = type(module)
    computed = ", ".join(module.parametrizations) if parametrize.is_parametrized(module) else ""  # type: ignore[arg-type]
    base = next((twin.__name__ for twin in TWINS if isinstance(module, twin)), None)
    table: Refusals = (
        (isinstance(module, Ours), "unrolled's already"),
        (_is_scripted(module), "it is TorchScript; accelerate the model before it is scripted"),
        (_is_quantized(module), "it is quantized, or about to be: its numbers are others"),
        (
            computed,
            f"{computed} is computed by a parametrization; accelerate before it is registered, or remove it "
            "(remove_parametrizations)",
        ),
        (
            any(parent.__name__ == "FSDPModule" for parent in kind.__mro__),
            "its weights are sharded; accelerate before fully_shard",
        ),
        (base is None, "no layer or cell of torch.nn's own"),
        (
            kind not in TWINS,
            f"a subclass of torch.nn.{base}, and may differ from it; derive it from unrolled.nn.{base}",
        ),
        ("forward" in vars(module), "its forward was replaced on the instance; undo that first"),
        (
            any(p.is_meta for p in module.parameters(recurse=False)),
            "its weights are on meta; load them, then accelerate",
        ),
    )
    return next((reason for holds, reason in table if holds), None)


def _unlike(module: nn.Module, ours: Ours) -> str | None:
    """Why `module` is not what its class and sizes say."""
    for name, wanted in ours.named_parameters(recurse=False, remove_duplicate=False):
        weight = _weight(module, name)
        if weight is None:
            return f"{name} is missing, and nothing stands for it"
        if type(weight) not in (nn.Parameter, Tensor):
            return f"{name} is a {type(weight).__name__}; wanted a plain Parameter or Tensor"
        if weight.shape != wanted.shape:
            return f"{name} is {tuple(weight.shape)}; its sizes say {tuple(wanted.shape)}"
    plain = type(module)(1, 1, device="meta")
    clash = sorted((vars(module).keys() - vars(plain).keys()) & vars(ours).keys())
    return f"it has attributes that ours needs for itself: {', '.join(clash)}" if clash else None


def _weight(module: nn.Module, name: str) -> Tensor | None:
    """A Parameter, or the tensor in its place that is computed before each call (pruning, weight norm); where
    weight dropout has not yet made it, what it makes it of."""
    weight: Tensor | None = getattr(module, name, None)
    return getattr(module, f"{name}_raw", None) if weight is None else weight


def _slow(module: nn.Module, ours: Ours) -> str | None:
    """Why our kernels would not run it; all else is no faster than torch.nn."""
    weight = next(module.parameters())
    device, dtype = weight.device.type, str(weight.dtype).removeprefix("torch.")
    choices = dispatch.explain(ours.cell.name, device, dtype, ours.cell.wants)
    kernel = next(choice for choice in choices if choice.backend == "cpu")
    if kernel.chosen:
        return None
    first = "" if dispatch.MISSING else "; move it there, or convert it, and accelerate then"
    return f"nothing to gain on {device} in {dtype}: backend cpu {kernel.reason}{first}"
