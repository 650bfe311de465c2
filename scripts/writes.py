"""The means by which a program may write to a weight, and the changes that it may make. For fuzz_writes.py.

Most means write given numbers at given places. Some write what they will: an optimizer its step, a storage a
flipped bit, a transposition all of a matrix.
"""

import copy
import ctypes
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Index = tuple[int, ...]


@dataclass(frozen=True)
class Write:
    """New numbers for some places of one weight of a module."""

    module: nn.Module
    name: str
    places: tuple[Index, ...]
    values: Tensor

    @property
    def weight(self) -> nn.Parameter:
        return self.module.get_parameter(self.name)

    @property
    def owner(self) -> tuple[nn.Module, str]:
        """The module that holds the weight, and the weight's name there."""
        path, _, name = self.name.rpartition(".")
        return self.module.get_submodule(path), name

    def numbers(self) -> Iterator[tuple[Index, float]]:
        return zip(self.places, self.values.tolist(), strict=True)

    def changed(self) -> Tensor:
        """A copy of the weight with the new numbers."""
        new = self.weight.detach().clone()
        self.into(new)
        return new

    def into(self, tensor: Any) -> None:
        for place, number in self.numbers():
            tensor[place] = number


# Changes: places, and numbers for them, of a weight.


def one(weight: Tensor, choice: random.Random) -> tuple[list[Index], Tensor]:
    place = anywhere(weight, choice)
    return [place], weight[place].reshape(1) + choice.choice([1.0, -0.25, 1e-3])


def nudged(weight: Tensor, choice: random.Random) -> tuple[list[Index], Tensor]:
    """By the least that there is."""
    place = anywhere(weight, choice)
    return [place], torch.nextafter(weight[place].reshape(1), torch.tensor(9.0, dtype=weight.dtype))


def negated(weight: Tensor, choice: random.Random) -> tuple[list[Index], Tensor]:
    place = anywhere(weight, choice)
    return [place], -weight[place].reshape(1)


def zeroed(weight: Tensor, choice: random.Random) -> tuple[list[Index], Tensor]:
    return [anywhere(weight, choice)], torch.zeros(1, dtype=weight.dtype)


def exchanged(weight: Tensor, choice: random.Random) -> tuple[list[Index], Tensor]:
    """Two numbers change places: their sum stays."""
    a, b = anywhere(weight, choice), anywhere(weight, choice)
    return [a, b], torch.stack([weight[b], weight[a]])


def balanced(weight: Tensor, choice: random.Random) -> tuple[list[Index], Tensor]:
    """One number grows by as much as another falls."""
    a, b = anywhere(weight, choice), anywhere(weight, choice)
    return [a, b], torch.stack([weight[a] + 0.5, weight[b] - 0.5])


def emptied_row(weight: Tensor, choice: random.Random) -> tuple[list[Index], Tensor]:
    row = anywhere(weight, choice)[:-1]
    return [(*row, k) for k in range(weight.shape[-1])], weight.new_zeros(weight.shape[-1])


def same(weight: Tensor, choice: random.Random) -> tuple[list[Index], Tensor]:
    """A write that changes nothing."""
    place = anywhere(weight, choice)
    return [place], weight[place].reshape(1).clone()


def anywhere(weight: Tensor, choice: random.Random) -> Index:
    return tuple(choice.randrange(size) for size in weight.shape)


Change = Callable[[Tensor, random.Random], tuple[list[Index], Tensor]]
CHANGES: dict[Change, int] = {  # and how often each is drawn
    one: 8,
    nudged: 3,
    negated: 2,
    zeroed: 2,
    exchanged: 2,
    balanced: 2,
    emptied_row: 2,
    same: 1,
}


# Means that write what they are given.


def through_data(w: Write) -> None:
    w.into(w.weight.data)


def added_to_data(w: Write) -> None:
    for place, number in w.numbers():
        w.weight.data[place] += number - w.weight.data[place].item()


def through_numpy(w: Write) -> None:
    w.into(w.weight.detach().numpy())


def through_dlpack(w: Write) -> None:
    w.into(torch.from_dlpack(w.weight.detach()))


def in_place(w: Write) -> None:
    with torch.no_grad():
        w.into(w.weight)


def in_inference_mode(w: Write) -> None:
    with torch.inference_mode():
        w.into(w.weight)


def copied(w: Write) -> None:
    with torch.no_grad():
        w.weight.copy_(w.changed())


def copied_to_data(w: Write) -> None:
    w.weight.data.copy_(w.changed())


def foreach_copied(w: Write) -> None:
    views = [w.weight.data[place] for place, _ in w.numbers()]
    torch._foreach_copy_(views, list(w.values))


def foreach_added(w: Write) -> None:
    torch._foreach_add_([w.weight.data], [w.changed() - w.weight.data])


def through_address(w: Write) -> None:
    kind = {torch.float32: ctypes.c_float, torch.float64: ctypes.c_double}[w.weight.dtype]
    for place, number in w.numbers():
        kind.from_address(address(w.weight, place)).value = number


def address(weight: Tensor, place: Index) -> int:
    steps = sum(k * stride for k, stride in zip(place, weight.stride(), strict=True))
    return weight.data_ptr() + steps * weight.itemsize


def by_another_process(w: Write) -> None:
    """Which shares the memory."""
    if not w.weight.is_shared():
        w.weight.data.share_memory_()
    array = w.weight.detach().numpy()
    child = os.fork()
    if child == 0:
        try:
            w.into(array)
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def other_memory(w: Write) -> None:
    w.weight.data = w.changed()


def memory_that_was_free(w: Write) -> None:
    """As likely as not at the address of the old."""
    new = w.changed().numpy().copy()
    w.weight.data = torch.empty(0, dtype=w.weight.dtype)
    w.weight.data = torch.from_numpy(new.copy())


def set_to_other_storage(w: Write) -> None:
    with torch.no_grad():
        w.weight.set_(w.changed())


def loaded(w: Write) -> None:
    w.module.load_state_dict({**w.module.state_dict(), w.name: w.changed()})


def loaded_and_assigned(w: Write) -> None:
    w.module.load_state_dict({**w.module.state_dict(), w.name: w.changed()}, assign=True)


def another_parameter(w: Write) -> None:
    owner, name = w.owner
    setattr(owner, name, nn.Parameter(w.changed()))


def swapped(w: Write) -> None:
    torch.utils.swap_tensors(w.weight, nn.Parameter(w.changed()))


GIVEN: tuple[Callable[[Write], None], ...] = (
    through_data,
    added_to_data,
    through_numpy,
    through_dlpack,
    in_place,
    in_inference_mode,
    copied,
    copied_to_data,
    foreach_copied,
    foreach_added,
    through_address,
    by_another_process,
    other_memory,
    memory_that_was_free,
    set_to_other_storage,
    loaded,
    loaded_and_assigned,
    another_parameter,
    swapped,
)


# Means that write what they will.


def optimizer(make: Callable[..., torch.optim.Optimizer], **options: Any) -> Callable[[Write], None]:
    """One step of it, from gradients that are zero but for the places."""

    def step(w: Write) -> None:
        weight = w.weight
        weight.grad = torch.zeros_like(weight)
        w.into(weight.grad)
        make([weight], lr=0.05, **options).step()
        weight.grad = None

    step.__name__ = f"{make.__name__} {' '.join(options)}"
    return step


def flipped_bit(w: Write) -> None:
    """Of the lowest, in the storage."""
    storage = w.weight.untyped_storage()
    for place, _ in w.numbers():
        k = address(w.weight, place) - storage.data_ptr()
        storage[k] = storage[k] ^ 1


def transposed(w: Write) -> None:
    with torch.no_grad():
        if w.weight.dim() == 2 and w.weight.shape[0] == w.weight.shape[1]:
            w.weight.t_()
        else:
            w.weight.neg_()


def to_another_precision_and_back(w: Write) -> None:
    dtype = w.weight.dtype
    w.module.to(torch.bfloat16 if dtype == torch.float32 else torch.float32).to(dtype)


def all_drawn_anew(w: Write) -> None:
    nn.init.uniform_(w.weight, -0.5, 0.5)


OTHER: tuple[Callable[[Write], None], ...] = (
    *(
        optimizer(make, fused=True)
        for make in (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.Adagrad)
    ),
    optimizer(torch.optim.SGD, foreach=True),
    optimizer(torch.optim.Adam, foreach=False),
    flipped_bit,
    transposed,
    to_another_precision_and_back,
    all_drawn_anew,
)
MEANS = {mean.__name__: mean for mean in (*GIVEN, *OTHER)}
# What an inference tensor lets be written, in inference mode.
OF_INFERENCE_TENSORS = ("in_inference_mode", "through_numpy", "through_address", "copied", "flipped_bit")


def draw(module: nn.Module, mean: str, choice: random.Random) -> tuple[Write, str]:
    """A write to one of the module's weights, and the name of the change."""
    name, weight = choice.choice([(n, p) for n, p in module.named_parameters() if p.numel()])
    (change,) = choice.choices(list(CHANGES), list(CHANGES.values()))
    places, values = change(weight.detach(), choice)
    return Write(module, name, tuple(places), values.detach().clone()), change.__name__


def fresh(module: nn.Module) -> nn.Module:
    """A copy of a module as it is now, which knows nothing of what it was."""
    return copy.deepcopy(module)
