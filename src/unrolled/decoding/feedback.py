"""What a network says of one step, and reads of the next: of torch's tensors and numpy's arrays alike."""

from collections.abc import Callable
from typing import TypeVar

V = TypeVar("V")  # a value
S = TypeVar("S")  # a state


def fed_back(first: V, state: S, steps: int, advance: Callable[[int, V, S], tuple[V, S]]) -> list[V]:
    """The values y_0 = first … y_{steps-1}, where y_{h+1}, s_{h+1} = advance(h, y_h, s_h), s_0 the state."""
    values = [first]
    for h in range(steps - 1):
        value, state = advance(h, values[-1], state)
        values.append(value)
    return values
