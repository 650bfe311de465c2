"""What tools of torch need of a module that record, script, quantize or export a model, or run it in half
precision: calls that our kernels do not compute are decided here, in `elsewhere`."""

import sys
import warnings
from abc import abstractmethod
from collections.abc import Callable
from functools import wraps
from types import FrameType
from typing import Any, NoReturn, ParamSpec, Self, TypeVar

import torch
from torch import Tensor, nn
from torch.fx import Proxy
from torch.nn.utils.rnn import PackedSequence

from unrolled.cells import Cell
from unrolled.kernels import dispatch
from unrolled.kernels.packs import Packs
from unrolled.kernels.torch import aten, handover
from unrolled.kernels.torch.heads import exporting_onnx

P = ParamSpec("P")
R = TypeVar("R")

FULL = (torch.float32, torch.float64)
QUANTIZER = "_propagate_qconfig_helper"  # of torch.ao.quantization: gives every module its `qconfig`


class Traceable(nn.Module):
    """A module that torch.fx records as one call, as it does torch.nn's."""

    def elsewhere(self, input: Any, hx: Any = None, **options: Any) -> Any:
        """The result of a call that is no computation, here what a symbolic trace records; else None."""
        if not isinstance(input, Proxy):
            return None
        return recorded(self, input, (), _given({"hx": hx, **options}))

    def __prepare_scriptable__(self) -> NoReturn:
        """Called by torch.jit.script, which would put what this returns into the caller's model too."""
        raise NotImplementedError(
            f"TorchScript cannot compile {type(self).__name__} of unrolled; put torch.nn's own in its place: "
            "script the model before it is accelerated, or use torch.jit.trace or torch.export"
        )


def recorded(module: nn.Module, input: Proxy, others: tuple[Any, ...], options: dict[str, Any]) -> Proxy:
    """The call as one node of the graph that is being traced."""
    path = input.tracer.path_of_module(module)  # type: ignore[attr-defined]
    if not path:
        raise TypeError(f"{type(module).__name__} is one node of a graph; trace a model that holds it")
    node: Proxy = input.tracer.create_proxy("call_module", path, (input, *others), options)
    return node


def one_node(forward: Callable[P, R]) -> Callable[P, R]:
    """The forward of a `Traceable`, which is one call to a symbolic trace."""

    @wraps(forward)
    def call(*args: P.args, **kwargs: P.kwargs) -> Any:
        if isinstance(args[1], Proxy):
            return recorded(args[0], args[1], args[2:], kwargs)  # type: ignore[arg-type]
        return forward(*args, **kwargs)

    return call


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None and value is not False}


class TorchModule(Traceable):
    """A layer or cell that computes what one of torch.nn's does, where torch.nn has it."""

    cell: Cell
    hidden_size: Any
    backend: str | None
    _accelerated: type[nn.Module] | None = None  # the class of torch.nn that `accelerate` made it of
    _suffix = ""  # of its class's name in torch.nn

    def _changed(self) -> list[str]:
        """The options that torch.nn has not and that are not as by default."""
        return []

    def _beyond_torch(self) -> list[str]:
        """What it has and torch.nn has not, in words."""
        if dispatch.takes("torch", self.cell.name, self.cell.wants):
            return self._changed()
        return [*(sorted(self.cell.wants) or [f"the cell {self.cell.name}"]), *self._changed()]

    def _torch_class(self) -> type[nn.Module]:
        """The class of torch.nn that computes the same. AttributeError where there is none."""
        beyond = self._beyond_torch()
        if beyond:
            raise AttributeError(f"torch.nn has no {type(self).__name__} with {', '.join(beyond)}")
        kind: type[nn.Module] = getattr(nn, aten.mode(self.cell).split("_")[0].upper() + self._suffix)
        return kind

    @property
    def __constants__(self) -> list[str]:
        """Names of the attributes that say what the module is."""
        constants: list[str] = self._torch_class().__constants__  # type: ignore[attr-defined]
        return constants

    @abstractmethod
    def like(self) -> Tensor:
        """A weight: calls compute in its dtype, on its device."""

    @abstractmethod
    def _sizes_of(self, data: Any) -> tuple[int, int]:
        """T and B of what comes in."""

    @abstractmethod
    def _least(self) -> handover.Least | None:
        """The sizes from which on torch's operator is the faster one under autocast."""

    def _attributes(self) -> dict[str, Any]:
        """What a module of torch.nn has in its place."""
        return vars(self)

    def __getattr__(self, name: str) -> Any:
        """What is not found otherwise: parameters, and what a property found no class of torch.nn for."""
        if hasattr(type(self), name):
            try:
                self._torch_class()
            except AttributeError as error:
                raise AttributeError(f"{type(self).__name__} has no {name}: {error}") from None
        return super().__getattr__(name)

    def _replicate_for_data_parallel(self) -> Self:
        replica: Self = super()._replicate_for_data_parallel()  # type: ignore[no-untyped-call]
        if "_packs" in vars(self):
            vars(replica)["_packs"] = Packs()  # its weights are others
        return replica

    def elsewhere(self, input: Any, hx: Any = None, **options: Any) -> Any:
        """The result of a call that our kernels do not compute, or None: what a symbolic trace records; what
        torch's own operators compute, for ONNX, or for an accelerated module where they are faster."""
        if isinstance(input, Proxy):
            return super().elsewhere(input, hx, **options)
        if exporting_onnx():
            return self._exported(input, hx, options)
        if self._accelerated is None:
            return None
        data = input.data if isinstance(input, PackedSequence) else input
        if data.is_cpu and data.dtype in FULL and not torch.is_autocast_enabled("cpu"):
            return None
        more = options.get("lengths") is not None or options.get("return_states") or isinstance(hx, dict)
        if more or self._changed() or dispatch.named_backend(self.backend) is not None:
            return None  # torch.nn's forward does not take such a call
        if not torch.compiler.is_compiling() and torch._C._are_functorch_transforms_active():
            return None  # torch's operators have no rule for batches of batches
        return self._lower(input, hx, data.device.type, data.dtype)

    def _lower(self, input: Any, hx: Any, device: str, dtype: torch.dtype) -> Any:
        """The result in half precision, under autocast or on another device, or None."""
        if device == "cpu" and torch.is_autocast_enabled("cpu") and self.like().dtype == torch.float32:
            return self._in_autocast(input, hx)
        return self._by_torch(input, hx) if handover.unsupported(self.cell, device, dtype) else None

    def _by_torch(self, input: Any, hx: Any) -> Any:
        """The result of torch.nn's own forward with the weights of this module, whose properties would take
        longer than a small call: attributes of a module that lives as long as the call do not."""
        kind = self._torch_class() if self._accelerated is None else self._accelerated
        if torch.compiler.is_compiling():
            return kind.forward(self, input, hx)
        brief = object.__new__(kind)
        vars(brief).update(self._attributes())
        return brief.forward(input, hx)

    def _in_autocast(self, input: Any, hx: Any) -> Any:
        """Results have the dtype of torch.nn's, whoever computes them."""
        lower = torch.get_autocast_dtype("cpu")
        T, B = self._sizes_of(input)
        if lower == torch.bfloat16 and handover.faster(self._least(), T, B, self.hidden_size):
            return self._by_torch(input, hx)
        with torch.autocast("cpu", enabled=False):
            result = self.forward(_to(torch.float32, input), _to(torch.float32, hx))
        if self._accelerated in handover.LOWERING and "proj_size" not in self.cell.wants:
            return _to(lower, result)
        before = input if hx is None else hx[0] if isinstance(hx, tuple) else hx
        if "proj_size" not in self.cell.wants:
            return _to(before.data.dtype, result)
        y, (h, c) = result  # h is projected by a product, in the dtype of autocast
        return _to(lower, y), (_to(lower, h), _to(before.data.dtype, c))

    def _exported(self, input: Any, hx: Any, options: dict[str, Any]) -> Any:
        """What torch.onnx.export finds in place of an operator that ONNX does not know."""
        if dispatch.named_backend(self.backend) == "reference":
            return None  # its equations, step by step
        projected = {"proj_size"} & self.cell.wants  # which torch writes wrong, or not at all
        beyond = [*self._beyond_torch(), *projected, *_given(options)]
        if beyond:
            raise NotImplementedError(
                f"torch.onnx.export cannot write {type(self).__name__} with {', '.join(beyond)}; a run is "
                "exported by `unrolled export`, a module with backend='reference' for one length alone"
            )
        return self._torch_class().forward(self, input, hx)

    def __setattr__(self, name: str, value: Any) -> None:
        """torch.ao.quantization writes `qconfig` to every module, None where it leaves it alone."""
        super().__setattr__(name, value)
        if name == "qconfig" and value is None and self._was_to_be_quantized(sys._getframe(1)):
            warnings.warn(
                f"torch.nn.{self._torch_class().__name__} was to be quantized, and this is unrolled's "
                f"{type(self).__name__}, which stays as it is; quantize the model before it is accelerated",
                UserWarning,
                stacklevel=2,
            )

    def _was_to_be_quantized(self, frame: FrameType | None) -> bool:
        """Whether the quantizer, which says so nowhere else, looks for the class of torch.nn."""
        if self._beyond_torch():
            return False
        if frame is None or frame.f_code.co_name != QUANTIZER:
            return False
        return frame.f_locals.get("qconfig_dict", {}).get(self._torch_class()) is not None


def _to(dtype: torch.dtype, value: Any) -> Any:
    """Every tensor of an input, a state or a result, in `dtype`."""
    if isinstance(value, tuple) and not isinstance(value, PackedSequence):
        return tuple(_to(dtype, item) for item in value)
    return value if value is None else value.to(dtype)
