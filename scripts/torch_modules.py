"""PyTorch's own tests of RNN, LSTM, GRU and their cells, with our classes in torch.nn's place.

Arguments, inputs, references and wrong calls are those of torch.testing._internal.common_modules of the
installed torch, whose test file is not installed: what it checks of a module is written here anew, and
results and gradients are compared with torch.nn's besides. Classes of unrolled.nn and accelerated modules
both stand in.

    python scripts/torch_modules.py            # all, in minutes
    python scripts/torch_modules.py --short    # the checks on each module's last case, in float64

Prints how often each check was made, then the words of errors that are not torch's (docs/accelerate.md), then
what failed: a result or a gradient that differs, a crash, a wrong call that is taken, an error of many lines.
Exits with 1 where anything failed.
"""

import argparse
import copy
import io
import itertools
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.nn.utils.rnn import PackedSequence
from torch.testing._internal import common_modules

import unrolled
import unrolled.nn

NAMES = ("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell")
# Sums of about ten terms over at most five steps.
TOLERANCE = {torch.float32: {"rtol": 1e-4, "atol": 1e-5}, torch.float64: {"rtol": 1e-9, "atol": 1e-11}}


class Case(NamedTuple):
    """One constructor call and one forward call."""

    make: Callable[..., nn.Module]  # ours
    theirs: type[nn.Module]
    input: Any  # a ModuleInput of torch
    dtype: torch.dtype
    training: bool

    def built(self, make: Callable[..., nn.Module] | None = None, **more: Any) -> nn.Module:
        torch.manual_seed(1)
        given = self.input.constructor_input
        module = (make or self.make)(*given.args, **given.kwargs, **{"dtype": self.dtype, **more})
        return module.train(self.training)

    def called(self, module: nn.Module) -> list[Tensor]:
        forward = self.input.forward_input
        torch.manual_seed(2)
        return tensors(module(*forward.args, **forward.kwargs))

    @property
    def inputs(self) -> list[Tensor]:
        return [t for t in tensors(self.input.forward_input.args) if t.is_floating_point()]


def accelerated(theirs: type[nn.Module]) -> Callable[..., nn.Module]:
    def make(*args: Any, **kwargs: Any) -> nn.Module:
        module = theirs(*args, **kwargs)
        unrolled.accelerate(module)
        return module

    return make


def tensors(value: Any) -> list[Tensor]:
    """Of nested tuples, a PackedSequence's data among them."""
    if isinstance(value, PackedSequence):
        return [value.data]
    if isinstance(value, Tensor):
        return [value]
    return [t for part in value for t in tensors(part)] if isinstance(value, (tuple, list)) else []


def mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(value, PackedSequence):
        return PackedSequence(change(value.data), *value[1:])
    if isinstance(value, Tensor):
        return change(value)
    return tuple(mapped(part, change) for part in value) if isinstance(value, tuple) else value


def assert_same(found: list[Tensor], wanted: list[Tensor], dtype: torch.dtype) -> None:
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, **TOLERANCE[dtype])


def gradients(case: Case, module: nn.Module) -> list[Tensor]:
    results = case.called(module)
    loss = sum((torch.linspace(-1, 2, t.numel(), dtype=t.dtype) * t.flatten()).sum() for t in results)
    leaves = [*[t for t in case.inputs if t.requires_grad], *module.parameters()]
    return [*results, *torch.autograd.grad(loss, leaves)]  # type: ignore[arg-type]


def forward(case: Case) -> None:
    """Results equal the reference of the test, and torch.nn's with the same weights, as do all gradients."""
    module, theirs = case.built(), case.built(case.theirs)
    assert_same(list(module.parameters()), list(theirs.parameters()), case.dtype)  # the same first values
    assert_same(gradients(case, module), gradients(case, theirs), case.dtype)
    given = case.input.forward_input
    packed = any(isinstance(argument, PackedSequence) for argument in given.args)
    if case.input.reference_fn is not None and not packed:
        detached = mapped(given.args, Tensor.detach)
        assert_same(case.called(module), tensors(case.input.reference_fn(module, *detached)), case.dtype)


def factory_kwargs(case: Case) -> None:
    for dtype in (torch.float64, torch.float32):
        assert all(p.dtype == dtype and p.device.type == "cpu" for p in case.built(dtype=dtype).parameters())
    assert all(p.is_meta for p in case.built(device="meta").parameters())
    given = case.input.constructor_input
    if isinstance(case.make, type):
        empty = nn.utils.skip_init(case.make, *given.args, **given.kwargs)
        assert [p.shape for p in empty.parameters()] == [p.shape for p in case.built().parameters()]


def representation(case: Case) -> None:
    module = case.built()
    assert str(module) and repr(module) == str(module)


def pickling(case: Case) -> None:
    module, file = case.built(), io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    for other in (torch.load(file, weights_only=False), copy.deepcopy(module)):
        assert all(torch.equal(a, b) for a, b in zip(case.called(other), case.called(module), strict=True))


def state_dict(case: Case) -> None:
    """Of either may be loaded into the other, and holds the same names in the same order."""
    module, theirs = case.built(), case.built(case.theirs)
    assert list(module.state_dict()) == list(theirs.state_dict())
    for p in theirs.parameters():
        nn.init.normal_(p)
    module.load_state_dict(theirs.state_dict())
    assert_same(case.called(module), case.called(theirs), case.dtype)
    theirs.load_state_dict(module.state_dict())


def non_contiguous(case: Case) -> None:
    def spread(t: Tensor) -> Tensor:
        """The same numbers in every second place of memory."""
        wide = t.detach().repeat_interleave(2, dim=-1)[..., ::2]
        return wide.requires_grad_(t.requires_grad)

    module = case.built()
    wanted = gradients(case, module)
    given = case.input.forward_input
    strided = common_modules.ModuleInput(
        case.input.constructor_input,
        common_modules.FunctionInput(*mapped(given.args, spread), **given.kwargs),
    )
    assert_same(gradients(case._replace(input=strided), module), wanted, case.dtype)


def _checked(case: Case, check: Callable[..., bool]) -> None:
    if case.dtype is not torch.float64:
        return
    module = case.built()
    leaves = [*[t for t in case.inputs if t.requires_grad], *module.parameters()]
    assert check(lambda *_: tuple(case.called(module)), leaves, fast_mode=True)


def grad(case: Case) -> None:
    _checked(case, gradcheck)


def gradgrad(case: Case) -> None:
    _checked(case, gradgradcheck)


def memory_format(case: Case) -> None:
    module = case.built()
    wanted = case.called(module)
    module.to(memory_format=torch.channels_last)
    assert_same(case.called(module), wanted, case.dtype)


def train_and_eval(case: Case) -> None:
    module = case.built()
    assert_same(case.called(module.train()), case.called(module.eval()), case.dtype)


def conversion(case: Case) -> None:
    """`to` another dtype and back, `to_empty`, with parameters changed in place or swapped."""
    for swap in (False, True):
        torch.__future__.set_swap_module_params_on_conversion(swap)
        try:
            module = case.built()
            with torch.no_grad():
                wanted = case.called(module)
            other = torch.float32 if case.dtype is torch.float64 else torch.float64
            module.to(other).to(case.dtype)
            for found, t in zip(case.called(module), wanted, strict=True):
                torch.testing.assert_close(found, t, **TOLERANCE[torch.float32])
            values = {name: p.detach().clone() for name, p in module.named_parameters()}
            empty = case.built().to("meta").to_empty(device="cpu")
            empty.load_state_dict(values)
            assert_same(case.called(empty), case.called(module), case.dtype)
        finally:
            torch.__future__.set_swap_module_params_on_conversion(False)


CHECKS: dict[str, Callable[[Case], None]] = {
    check.__name__: check
    for check in (
        forward,
        factory_kwargs,
        representation,
        pickling,
        state_dict,
        non_contiguous,
        grad,
        gradgrad,
        memory_format,
        train_and_eval,
        conversion,
    )
}


class Wrong(NamedTuple):
    """A wrong call of torch's list, and what ours does with it."""

    wanted: str  # class and words of torch's error
    found: str  # ours; empty where nothing was raised


def wrong_call(make: Callable[..., nn.Module], error: Any) -> Wrong | None:
    """None where ours raises the same class of error with the same words."""
    given = error.module_error_input
    try:
        module = make(*given.constructor_input.args, **given.constructor_input.kwargs)
        if error.error_on is common_modules.ModuleErrorEnum.FORWARD_ERROR:
            module(*given.forward_input.args, **given.forward_input.kwargs)
    except (ValueError, TypeError, RuntimeError) as caught:
        if type(caught) is error.error_type and re.search(error.error_regex, str(caught)):
            return None
        found = f"{type(caught).__name__}: {caught}"
    else:
        found = ""
    return Wrong(f"{error.error_type.__name__}: {error.error_regex}", found)


def kinds(info: Any) -> Iterator[tuple[str, Callable[..., nn.Module]]]:
    name = info.module_cls.__name__
    yield f"unrolled.nn.{name}", getattr(unrolled.nn, name)
    yield f"accelerated {name}", accelerated(info.module_cls)


def cases(info: Any, make: Callable[..., nn.Module], short: bool) -> Iterator[Case]:
    modes, dtypes = ((True,), (torch.float64,)) if short else ((True, False), tuple(TOLERANCE))
    for training, dtype in itertools.product(modes, dtypes):
        torch.manual_seed(0)
        inputs = list(
            info.module_inputs_func(
                info,
                device="cpu",
                dtype=dtype,
                requires_grad=True,
                training=training,
                **({"with_packed_sequence": True} if info.module_cls in (nn.RNN, nn.GRU) else {}),
            )
        )
        for one in inputs[-1:] if short else inputs:
            yield Case(make, info.module_cls, one, dtype, training)


def run(short: bool) -> tuple[Counter[str], list[str], list[str]]:
    """How many times each check was made of each module; what failed; what differs in wrong calls."""
    made: Counter[str] = Counter()
    failed, differs = [], []
    for info in (info for info in common_modules.module_db if info.module_cls.__name__ in NAMES):
        for kind, make in kinds(info):
            for case, (name, check) in itertools.product(cases(info, make, short), CHECKS.items()):
                if short and check is gradgrad and make is not getattr(unrolled.nn, info.module_cls.__name__):
                    continue  # seconds, for what the other kind has shown
                made[f"{kind:<24} {name}"] += 1
                try:
                    check(case)
                except Exception as error:  # each is listed, and makes the script fail
                    told = f"{type(error).__name__}: {error}"
                    failed.append(f"{kind} {name} {case.input.constructor_input.kwargs} {case.dtype}: {told}")
            wrong = info.module_error_inputs_func(
                info, device="cpu", dtype=torch.float32, requires_grad=False, training=True
            )
            for error in wrong:
                made[f"{kind:<24} wrong calls"] += 1
                found = wrong_call(make, error)
                if found is not None and (not found.found or "\n" in found.found):
                    failed.append(f"{kind} wrong call {found}")
                elif found is not None:
                    differs.append(f"{kind}\n    torch {found.wanted}\n    ours  {found.found}")
    return made, failed, differs


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--short", action="store_true", help="the last case of each module alone")
    made, failed, differs = run(parser.parse_args().short)
    for name, times in made.items():
        print(f"{name:<44} {times:>4}")
    print(f"\nOther words for a wrong call ({len(differs)}):", *differs, sep="\n  ")
    print(f"\nFailed ({len(failed)}):", *failed, sep="\n  ")
    return 1 if failed else 0


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())
