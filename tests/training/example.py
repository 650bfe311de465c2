"""A training small enough to run many times that has all there is to resume: carried state, dropout, best."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.training.checkpoints import Checkpoints
from unrolled.training.config import TrainingConfig
from unrolled.training.history import History
from unrolled.training.loop import Training
from unrolled.training.progress import Reporter
from unrolled.training.selection import Validated
from unrolled.training.state import State

STEPS = 13


@dataclass(frozen=True, slots=True)
class Batch:
    x: Tensor
    y: Tensor


class Sums:
    """Running sums of noise, cut into consecutive batches (3, 5, 2)."""

    def __init__(self, steps_per_epoch: int = STEPS) -> None:
        self.steps_per_epoch = steps_per_epoch

    def batches(self, epoch: int, skip: int = 0) -> Iterator[Batch]:
        for number in range(skip, self.steps_per_epoch):
            x = torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(1000 * epoch + number))
            yield Batch(x, x.cumsum(1).tanh())


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(2, 5, batch_first=True)
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(5, 2)

    def forward(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        y, state = self.rnn(x, state)
        return self.head(self.dropout(y)), state


class Example:
    """`hook(number)` is called before every step of this process, with steps counted from 1."""

    def __init__(self, hook: Callable[[int], None] = lambda number: None) -> None:
        torch.manual_seed(5)
        self.model, self.hook, self.steps = Model(), hook, 0
        self.held_out = next(Sums().batches(0))

    def step(self, batch: Batch, state: State) -> tuple[Tensor, State]:
        self.steps += 1
        self.hook(self.steps)
        y, state = self.model(batch.x, state)
        return nn.functional.mse_loss(y, batch.y), state

    def validate(self) -> float:
        y, _ = self.model(self.held_out.x, None)
        return nn.functional.mse_loss(y, self.held_out.y).item()

    def train(
        self, config: TrainingConfig, checkpoints: Checkpoints | None = None, **options: Any
    ) -> History:
        options = {
            "validate": self.validate,
            "report": Reporter(),
            "batches": Sums(),
            "resume": False,
        } | options
        batches, resume, validate = (options.pop(name) for name in ("batches", "resume", "validate"))
        options["validate"] = validate and (lambda: _validated(validate()))
        training = Training(self.model, batches, self.step, config, checkpoints=checkpoints, **options)
        return training.run(resume)


def _validated(value: float | Validated) -> Validated:
    """A loss alone has no measures."""
    return value if isinstance(value, Validated) else Validated(value)


def same(a: nn.Module, b: nn.Module) -> bool:
    """Bitwise."""
    one, two = a.state_dict(), b.state_dict()
    return all(torch.equal(one[name], two[name]) for name in one | two)
