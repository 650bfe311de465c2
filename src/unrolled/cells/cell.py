"""What a cell is: the equations of one step and the sizes they need. It knows no time, length, mask or layer.

A new cell is one file beside this one: a frozen dataclass whose fields are the options of its equations, each
made by `option`, and whose class is registered (registry.py). What lists cells, options, states, shapes or
names asks here: layers, tasks, the runtime, `unrolled kernels`, benchmarks. None of it needs torch but `step`
and `initialise`.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from torch import Tensor

# By the first word of a parameter's name: its first value, where it is not drawn; what a call may leave out.
FILL = {"gain": 1.0, "shift": 0.0}
OPEN = 6.0  # a bias by which a gate begins open: σ(6) = 0.998
SHORTEST = 6  # steps of a period
OPTIONAL = ("bias", "shift")
LAYER_NORM = (
    "layer norm inside the cell: of both products, and of a cell state on its way out; steadier, and slower"
)

Shapes = dict[str, tuple[int, ...]]
Refusals = Iterable[tuple[object, str]]
State = tuple["Tensor", ...]
Parameters = Mapping[str, "Tensor"]


@dataclass(frozen=True)
class Option:
    """An option of a cell."""

    name: str
    kind: type  # bool, int, str or float
    default: Any
    meaning: str
    task: str  # what a task calls it, where that is another name
    least: int | None  # no less than this
    choices: tuple[str, ...]  # one of these, where there are any
    initial: bool  # it is of first values alone, not of the equations

    def refusal(self, value: object) -> tuple[object, str]:
        """Whether it cannot be `value`, and why."""
        if self.choices:
            known = ", ".join(self.choices)
            return value not in self.choices, f"{self.name}={value!r} is unknown; choose one of {known}"
        low = self.least is not None and value < self.least  # type: ignore[operator]
        return low, f"{self.name}={value}: wanted {self.least} or more"

    def word(self, value: object) -> str:
        """How the table of kernels calls what this value asks for: relu, peephole, reset_after=False."""
        if self.choices:
            return str(value)
        return self.name if value is not False else f"{self.name}=False"

    @property
    def described(self) -> str:
        """Its meaning, and its default unless that is off, zero or none."""
        default = "on" if self.default is True else self.default
        return f"{self.meaning} ({default})" if default else self.meaning

    @property
    def others(self) -> tuple[Any, ...]:
        """A value beside the default; of choices, all."""
        return self.choices or (not self.default if self.kind is bool else (self.default or 0) + 1,)

    def takes(self, value: object) -> bool:
        """Whether it is of the type."""
        return type(value) in ((float, int, type(None)) if self.kind is float else (self.kind,))


def option(
    default: Any,
    meaning: str,
    *,
    task: str = "",
    least: int | None = None,
    choices: Iterable[str] = (),
    initial: bool = False,
) -> Any:
    """A field of a cell; see `Option`."""
    data = {"meaning": meaning, "task": task, "least": least, "choices": tuple(choices), "initial": initial}
    return field(default=default, metadata=data)


_OPTIONS: dict[type, tuple[Option, ...]] = {}  # a cache of functools is opaque to torch.compile


class Cell(ABC):
    """One step of a recurrence. `name` and `wants` are how the table in kernels/dispatch.py knows it."""

    name: ClassVar[str]
    states: ClassVar[tuple[str, ...]] = ("h",)  # carried from step to step; the first is also the output
    torch: ClassVar[frozenset[str] | None] = None  # wants of which torch has an operator; None: it has none
    # Letters of the equations: what may become the new state; of gates those that keep the old state, that
    # let the candidate in its place, and that what is kept passes on its way out or back.
    candidate: ClassVar[str]
    keeping: ClassVar[str] = ""
    replacing: ClassVar[str] = ""
    passing: ClassVar[str] = ""

    def __post_init__(self) -> None:
        refuse(option.refusal(getattr(self, option.name)) for option in self.options())
        refuse(self.refusals())

    @classmethod
    def options(cls) -> tuple[Option, ...]:
        """All, in order."""
        if cls not in _OPTIONS:
            _OPTIONS[cls] = tuple(
                Option(f.name, float if f.default is None else type(f.default), f.default, **f.metadata)
                for f in fields(cls)  # type: ignore[arg-type]
            )
        return _OPTIONS[cls]

    @classmethod
    @cache
    def words(cls) -> dict[str, dict[str, Any]]:
        """All that a cell of this kind may want, each with options that ask for it."""
        equations = [option for option in cls.options() if not option.initial]
        return {option.word(value): {option.name: value} for option in equations for value in option.others}

    @cached_property
    def wants(self) -> frozenset[str]:
        """What a backend must compute beyond the plain equations, in words: {"peephole"}."""
        values = [(o, getattr(self, o.name)) for o in self.options() if not o.initial]
        return frozenset(o.word(value) for o, value in values if o.choices or value != o.default)

    def refusals(self) -> Refusals:
        """Options that exclude each other."""
        return ()

    @property
    @abstractmethod
    def stack(self) -> str:
        """The products of x_t that one hidden unit needs, by the letters of the equations, in the order of
        their rows."""

    @property
    def gates(self) -> int:
        """Number of these products."""
        return len(self.stack)

    def rows_of(self, hidden_size: int) -> dict[str, slice]:
        """The rows of each of `stack`."""
        M, rows, first = hidden_size // self.block, {}, 0
        for letter in self.stack:
            rows[letter] = slice(first, first + (hidden_size if letter == self.candidate else M))
            first = rows[letter].stop
        return rows

    @property
    def block(self) -> int:
        """Hidden units of a memory block: they share all gates but one."""
        return 1

    @property
    def kernel(self) -> str:
        """What the compiled module calls it."""
        return self.name

    def shapes(self, input_size: int, hidden_size: int, bias: bool) -> Shapes:
        """Name and shape of every parameter, in the order of torch.nn. ValueError for impossible sizes."""
        refuse(self.size_refusals(hidden_size, bias))
        S, P = self.rows(hidden_size), self.state_sizes(hidden_size)[0]
        shapes: Shapes = {"weight_ih": (S, input_size), "weight_hh": (S, P)}
        shapes |= {"bias_ih": (S,), "bias_hh": (S,)} if bias else {}
        return shapes | self.further_shapes(hidden_size, bias)

    def size_refusals(self, hidden_size: int, bias: bool) -> Refusals:
        """Sizes that the options exclude."""
        return ()

    def further_shapes(self, hidden_size: int, bias: bool) -> Shapes:
        """Of the parameters besides weights and biases."""
        S = self.rows(hidden_size)
        return {"gain_ih": (S,), "gain_hh": (S,)} if getattr(self, "layer_norm", False) else {}

    def rows(self, hidden_size: int) -> int:
        """S: all gates of every unit."""
        return (self.gates - 1) * (hidden_size // self.block) + hidden_size

    def units(self, rows: int) -> int:
        """H of weights of so many rows."""
        return rows * self.block // (self.gates - 1 + self.block)

    def state_sizes(self, hidden_size: int) -> tuple[int, ...]:
        """Width of each of `states`."""
        return (hidden_size,) * len(self.states)

    def measure(self, shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, int, int]:
        """I, H and P of parameters of these shapes. ValueError where one is missing, unknown or of another
        shape."""
        ih, hh = (shapes.get(name, ()) for name in ("weight_ih", "weight_hh"))
        if len(ih) != 2 or len(hh) != 2:
            raise ValueError(f"wanted weight_ih (S, I) and weight_hh (S, P), got {ih} and {hh}")
        I, H = ih[1], self.units(hh[0])
        wanted = self.shapes(I, H, True)
        missing = [name for name in wanted if name not in shapes and not name.startswith(OPTIONAL)]
        if missing:
            raise ValueError(f"{', '.join(missing)} missing; this {self.name} has {', '.join(wanted)}")
        for name, shape in shapes.items():
            if name not in wanted:
                raise ValueError(f"{name} is no parameter of this {self.name}, which has {', '.join(wanted)}")
            if shape != wanted[name]:
                raise ValueError(f"{name} is {shape}; this {self.name} wants {wanted[name]}")
        return I, H, hh[1]

    @abstractmethod
    def step(self, x: "Tensor", state: State, recurrent: "Tensor", p: Parameters) -> State:
        """x (B, I), each state (B, H) -> the new states.

        `recurrent` is state[0] on its way into the recurrent products, where dropout may have thinned it.
        """

    def constants(self, names: Collection[str], hidden_size: int) -> Iterator[tuple[str, slice, float]]:
        """What is not drawn at first: rows of a parameter and their value. All else is uniform in ±1/√H."""
        for name in names:
            word = name.split("_")[0]
            if word in FILL:
                yield name, slice(None), FILL[word]

    def initialise(self, p: Parameters, bound: float, deviation: float | None = None) -> None:
        """Fills the parameters in place: uniform in ±bound as in torch.nn, or where there is a `deviation`
        weights from N(0, deviation²) and biases 0; but for `constants`."""
        from torch import nn, no_grad

        constants = list(self.constants(p, self.units(p["weight_hh"].shape[0])))
        filled = {name for name, rows, _ in constants if rows == slice(None)}
        for name, parameter in p.items():
            if name in filled:
                continue
            if deviation is None:
                nn.init.uniform_(parameter, -bound, bound)
            elif name.startswith("bias"):
                nn.init.zeros_(parameter)
            else:
                nn.init.normal_(parameter, 0, deviation)
        with no_grad():
            for name, rows, value in constants:
                p[name][rows] = value

    @property
    def has_gates(self) -> bool:
        return len(self.stack) > 1

    def begin_chrono(self, p: Parameters, steps: float) -> None:
        """Draws the biases of the gates of memory anew, so that units forget after 1 to `steps` steps:

            b = log u where a gate keeps, -log u where it replaces; u uniform in [1, steps - 1], one u a unit

        Source   Tallec & Ollivier 2018, arXiv:1804.11188
        """
        from torch import empty

        H = self.units(p["weight_hh"].shape[0])
        log_u = empty(H // self.block).uniform_(1, steps - 1).log()
        self._set_biases(p, H, dict.fromkeys(self.keeping, log_u) | dict.fromkeys(self.replacing, -log_u))

    def begin_orthogonal(self, p: Parameters, steps: float) -> None:
        """Makes U of the candidate a rotation of pairs of units, and opens the gates, so that the state
        begins as a recurrence that turns what it holds and hardly fades:

            U = diag(R(2π / T_1), R(2π / T_2), …)   R(θ) = [[cos θ, -sin θ], [sin θ, cos θ]]
            log T_k uniform in [log SHORTEST, log steps]   a last unit without a pair keeps its value
            W of the candidate is drawn within ±1/√steps, so that a sum of so many inputs is not cut off
            b = OPEN of gates that replace and pass, -OPEN of those that keep, 0 of the candidate

        Source   Henaff et al. 2016, arXiv:1602.06662, 4: rotations of pairs
        Differs  they draw angles uniformly, of which few turn slowly; gates that begin open are ours
        """
        from torch import arange, empty, exp, eye, no_grad

        H = self.units(p["weight_hh"].shape[0])
        angle = 2 * math.pi / exp(empty(H // 2).uniform_(math.log(SHORTEST), math.log(steps)))
        first, second = 2 * arange(H // 2), 2 * arange(H // 2) + 1
        U = eye(H)
        U[first, first] = U[second, second] = angle.cos()
        U[first, second], U[second, first] = -angle.sin(), angle.sin()
        with no_grad():
            rows = self.rows_of(H)[self.candidate]
            p["weight_hh"][rows] = U.to(p["weight_hh"])
            p["weight_ih"][rows] = p["weight_ih"][rows].uniform_(-1, 1) / math.sqrt(steps)
        open_biases = dict.fromkeys(self.replacing + self.passing, OPEN) | dict.fromkeys(self.keeping, -OPEN)
        self._set_biases(p, H, open_biases | {self.candidate: 0.0})

    def _set_biases(self, p: Parameters, hidden_size: int, values: "Mapping[str, Tensor | float]") -> None:
        """The whole biases of these of `stack`, where there are biases."""
        from torch import no_grad

        if "bias_ih" not in p:
            return
        with no_grad():
            for letter, rows in self.rows_of(hidden_size).items():
                if letter in values:
                    p["bias_ih"][rows] = values[letter]
                    p["bias_hh"][rows] = 0.0


def refuse(table: Refusals) -> None:
    """Raises ValueError with the message of the first row whose condition holds."""
    for impossible, message in table:
        if impossible:
            raise ValueError(message)


def product(v: "Tensor", p: Parameters, side: str, *groups: int) -> tuple["Tensor", ...]:
    """W x + b ("ih") or U h + c ("hh"), cut into groups of so many rows; where there are gains, each group is
    normalised by itself, times its gain, before the bias is added."""
    from torch import split
    from torch.nn.functional import linear

    weight, bias, gain = p[f"weight_{side}"], p.get(f"bias_{side}"), p.get(f"gain_{side}")
    if gain is None:
        return split(linear(v, weight, bias), list(groups), -1)
    shifts = (None,) * len(groups) if bias is None else split(bias, list(groups))
    rows = zip(split(linear(v, weight), list(groups), -1), split(gain, list(groups)), shifts, strict=True)
    return tuple(layer_norm(a, gains, shift) for a, gains, shift in rows)


def layer_norm(a: "Tensor", gain: "Tensor", shift: "Tensor | None") -> "Tensor":
    """(a - μ) / √(σ² + ε) ⊙ gain + shift along the last dimension. By its equation, for of torch's own (2.13)
    the second derivatives are wrong in forward mode."""
    d = a - a.mean(-1, keepdim=True)
    y = d * (d.square().mean(-1, keepdim=True) + 1e-5).rsqrt() * gain
    return y if shift is None else y + shift
