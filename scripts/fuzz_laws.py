"""Tries the laws of fixed order, bit for bit, on random layers with all their options together.

    python scripts/fuzz_laws.py --cases 10000 --seed 1
    python scripts/fuzz_laws.py --layers LSTM --seed 217 --cases 1 --laws padding

What is drawn follows from the layers' signatures: a new option is drawn too, or the script asks how. A case
is told by its layer and seed; a failure is printed as the line that repeats it. A short form is in
tests/laws/test_fuzz.py.
"""

import argparse
import inspect
import itertools
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from unrolled.cells import CELLS
from unrolled.cells.layer import MERGES
from unrolled.nn import Recurrent, options
from unrolled.nn.cells import Step
from unrolled.nn.layers import LAYERS as BY_CELL
from unrolled.ops.numpy import network
from unrolled.ops.torch import block_of

Tensors = dict[str, Tensor]

LAYERS: dict[str, type[Recurrent]] = {layer.__name__: layer for layer in BY_CELL.values()}
CELL_OPTIONS = {one.name: one for cell in CELLS.values() for one in cell.options()}
NOT_DRAWN = {  # sizes go with the shapes; the law is of the CPU, where nobody asks for a backend
    "input_size",
    "hidden_size",
    "device",
    "backend",
}
VALUES: dict[str, tuple[Any, ...]] = {  # of the layers' options that are no switches
    "num_layers": (1, 1, 1, 2, 3),
    "merge": tuple(MERGES),
    "dropout": (0.0, 0.0, 0.3),
    "recurrent_dropout": (0.0, 0.0, 0.3),
    "variational_dropout": (0.0, 0.0, 0.3),
    "zoneout": (0.0, 0.0, 0.25, (0.4, 0.0)),
    "keep_every": (None, None, 1, 3, 50),
    "dtype": (*[torch.float32, torch.float64] * 4, torch.bfloat16, torch.float16),
}
KINDS_OF_SHAPE = {  # share of the cases, and the ranges of T, B, I, H
    "small": (0.72, (0, 12), (1, 7), (1, 20), (1, 40)),
    "wide": (0.10, (1, 3), (1, 3), (1, 150), (64, 200)),
    "many rows": (0.08, (1, 4), (8, 256), (1, 9), (1, 20)),
    "long": (0.06, (13, 90), (1, 3), (1, 9), (1, 20)),
    "for two threads": (0.04, (3, 12), (1, 48), (8, 40), (48, 130)),
}
HALVES = (torch.float16, torch.bfloat16)  # which numpy's runtime does not know
DICE = ("dropout", "recurrent_dropout", "variational_dropout", "zoneout")


@dataclass(frozen=True)
class Case:
    """A layer and what it is called with."""

    layer: Recurrent
    x: Tensor  # (T, B, I)
    state: Tensors
    lengths: Tensor | None  # (B,)
    begins: bool = False  # with the layer's own initial state, which is `state`
    choice: random.Random = field(default_factory=random.Random)  # of what a law leaves open

    @property
    def random(self) -> bool:
        """Whether a call draws masks, by the shape of all its rows."""
        return self.layer.training and any(getattr(self.layer, name) for name in DICE)

    def run(self, layer: Recurrent | None = None) -> Tensors:
        """y and "every …" (T, B, ·), "last …" (B, ·)."""
        layer = layer or self.layer
        torch.manual_seed(7)
        x, hx = turned(layer, self.x), None if self.begins else self.state
        y, last, states = layer(x, hx, lengths=self.lengths, return_states=True)
        named = {f"last {name}": s for name, s in layer.named(last).items()}
        return {"y": turned(layer, y)} | named | {f"every {n}": turned(layer, s) for n, s in states.items()}

    def rows(self, which: list[int]) -> "Case":
        lengths = None if self.lengths is None else self.lengths[which]
        state = {name: s[which] for name, s in self.state.items()}
        return replace(self, x=self.x[:, which], state=state, lengths=lengths)

    def described(self) -> str:
        lengths = None if self.lengths is None else self.lengths.tolist()
        mode = "training" if self.layer.training else "evaluation"
        return f"{self.layer} in {mode}, {self.x.dtype} x {tuple(self.x.shape)} lengths {lengths}"


def turned(layer: Recurrent, x: Tensor) -> Tensor:
    """(T, B, ·) as the layer takes and gives it, and back."""
    return x.transpose(0, 1) if layer.batch_first else x


def draw(name: str, seed: int) -> Case:
    """The case that the layer's name and `seed` tell."""
    choice = random.Random(f"{name} {seed}")
    shares = [share for share, *_ in KINDS_OF_SHAPE.values()]
    ((_, *ranges),) = choice.choices(list(KINDS_OF_SHAPE.values()), shares)
    T, B, I, H = (choice.randint(*bounds) for bounds in ranges)
    T, B = choice.choice([(T, B)] * 6 + [(min(T, 1), B), (T, 1)])
    layer = draw_layer(name, I, H, choice)
    torch.manual_seed(seed)
    with torch.no_grad():
        large = 1 if getattr(layer, "nonlinearity", "") == "relu" else 3  # nothing bounds a relu's states
        scale = choice.choice([1, 1, 1, large, 1e-3]) * H**-0.5
        for parameter in layer.parameters():
            parameter.normal_(0.1 * scale, scale)
    dtype = layer.like().dtype
    begins = choice.random() < 0.3
    state = {name: torch.randn(B, size, dtype=dtype) for name, size in layer.state_sizes().items()}
    if begins:
        state = {name: s.detach().clone() for name, s in layer.initial_state(B).items()}
    lengths = torch.randint(0, T + 1, (B,)) if choice.random() < 0.6 else None
    x = torch.randn(B, T, I, dtype=dtype).transpose(0, 1)
    return Case(layer, x if choice.random() < 0.3 else x.contiguous(), state, lengths, begins, choice)


def options_of(build: type[Recurrent]) -> dict[str, object]:
    """The name and default of every option of a layer that is drawn."""
    own = {name: p.default for name, p in inspect.signature(build).parameters.items()}
    every = {name: Recurrent._defaults[name] for name in options.Options.__annotations__}
    return {name: default for name, default in (own | every).items() if name not in {*NOT_DRAWN, "options"}}


def values(name: str, default: object) -> tuple[Any, ...]:
    """What an option may be. KeyError where nobody has said."""
    if isinstance(default, bool):
        return (False, True)
    if name not in CELL_OPTIONS:
        return VALUES[name]
    own = CELL_OPTIONS[name]
    if own.kind is int:
        return (own.default, *(own.default + n for n in (0, 1, 2, 4)))
    return own.choices or (own.default, *own.others)


def draw_layer(name: str, I: int, H: int, choice: random.Random) -> Recurrent:
    """A layer with H units, or some more where its options need them."""
    build = LAYERS[name]
    while True:
        drawn = {option: choice.choice(values(option, d)) for option, d in options_of(build).items()}
        K, P = drawn.get("cells_per_block", 1), drawn.get("proj_size", 0)
        units = -(-max(H, P + 1) // K) * K
        both = drawn["bidirectional"]
        size = (units, choice.choice([units, units + K])) if both else units
        try:
            return build(I, size, **drawn).train(choice.random() < 0.4)
        except ValueError:  # options that exclude each other
            continue


def merged(outputs: list[Tensor], merge: str) -> Tensor:
    """The outputs (T, B, H) of each direction as one."""
    if merge == "concat":
        return torch.cat(outputs, -1)
    first, second = outputs
    return {"sum": first + second, "mean": (first + second) / 2, "product": first * second}[merge]


def same_bits(found: Tensors, wanted: Tensors) -> None:
    """AssertionError with the names of what differs. A negative zero is not a zero."""
    if found.keys() != wanted.keys():
        raise AssertionError(f"{sorted(found)} are not {sorted(wanted)}")
    wrong = [
        f"{name} by {(found[name] - wanted[name]).abs().max()}"
        for name in found
        if differ(found[name], wanted[name])
    ]
    if wrong:
        raise AssertionError(", ".join(wrong))


def differ(a: Tensor, b: Tensor) -> bool:
    return a.shape != b.shape or a.dtype != b.dtype or not torch.equal(bits(a), bits(b))


def bits(t: Tensor) -> Tensor:
    return t.contiguous().view({2: torch.int16, 4: torch.int32, 8: torch.int64}[t.itemsize])


def in_rows(whole: Tensors, which: list[int]) -> Tensors:
    return {name: t[which] if name.startswith("last") else t[:, which] for name, t in whole.items()}


def a_row_alone(case: Case, whole: Tensors) -> None:
    B = case.x.shape[1]
    b = case.choice.randrange(B)
    same_bits(case.rows([b]).run(), in_rows(whole, [b]))


def other_rows_are_nan(case: Case, whole: Tensors) -> None:
    B = case.x.shape[1]
    some = case.choice.sample(range(B), case.choice.randint(1, B))
    others = torch.ones(B, dtype=torch.bool)
    others[some] = False
    x = torch.where(others.unsqueeze(1), torch.nan, case.x)
    state = {name: torch.where(others.unsqueeze(1), torch.nan, s) for name, s in case.state.items()}
    found = replace(case, x=x, state=state, begins=False).run()
    same_bits(in_rows(found, some), in_rows(whole, some))


def other_rows_in_another_order(case: Case, whole: Tensors) -> None:
    B = case.x.shape[1]
    some = case.choice.sample(range(B), case.choice.randint(1, B))
    same_bits(case.rows(some).run(), in_rows(whole, some))


def chunks(case: Case, whole: Tensors) -> None:
    """One direction, cut at random places, in the order in which it runs; layer upon layer where forward."""
    layer, T = case.layer, len(case.x)
    if layer.bidirectional or T == 0 or (layer.reverse and layer.num_layers > 1):
        return
    cuts = sorted({0, T, *(case.choice.randint(0, T) for _ in range(case.choice.choice([1, 2, 4])))})
    parts: list[Tensors] = []
    state, begins = case.state, case.begins
    bounds = list(itertools.pairwise(cuts))
    for begin, end in reversed(bounds) if layer.reverse else bounds:
        lengths = None if case.lengths is None else (case.lengths - begin).clamp(0, end - begin)
        part = replace(case, x=case.x[begin:end], state=state, lengths=lengths, begins=begins).run()
        begins = False
        state = {name.removeprefix("last "): s for name, s in part.items() if name.startswith("last")}
        parts.append(part)
    in_time = parts[::-1] if layer.reverse else parts
    joined = {name: torch.cat([p[name] for p in in_time]) for name in whole if not name.startswith("last")}
    same_bits(joined | {name: parts[-1][name] for name in whole if name.startswith("last")}, whole)


def padding(case: Case, whole: Tensors) -> None:
    """NaN wherever no row has a step, and more of it behind."""
    T, B, I = case.x.shape
    more = case.choice.randint(0, 5)
    lengths = torch.full((B,), T) if case.lengths is None else case.lengths
    x = torch.cat([case.x, case.x.new_empty(more, B, I)])
    x[torch.arange(T + more).unsqueeze(1) >= lengths] = torch.nan
    found = replace(case, x=x, lengths=lengths).run()
    same_bits({name: t if name.startswith("last") else t[:T] for name, t in found.items()}, whole)
    for name, t in found.items():
        assert name.startswith("last") or not t[T:].any(), f"{name} is not zero in the padding"


def packed(case: Case, whole: Tensors) -> None:
    """A PackedSequence in any order, which knows no rows without a step; longest first where masks fall."""
    layer, (T, B, _) = case.layer, case.x.shape
    if T == 0 or (layer.training and layer.dropout):  # which falls on fewer numbers
        return
    lengths = torch.full((B,), T) if case.lengths is None else case.lengths.clamp(min=1)
    order = lengths.argsort(descending=True, stable=True).tolist()
    part = replace(case, lengths=lengths).rows(order if case.random else list(range(B)))
    part = replace(part, x=part.x[: int(lengths.max())])
    wanted = part.run()
    torch.manual_seed(7)
    x = pack_padded_sequence(part.x, part.lengths, enforce_sorted=case.random)
    y, last, every = layer(x, None if case.begins else part.state, return_states=True)
    found = {"y": y} | {f"every {name}": s for name, s in every.items()}
    padded = {name: pad_packed_sequence(s)[0] for name, s in found.items()}
    same_bits(padded | {f"last {name}": s for name, s in layer.named(last).items()}, wanted)


def threads(case: Case, whole: Tensors) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3 - before if before < 3 else 1)
    try:
        same_bits(case.run(), whole)
    finally:
        torch.set_num_threads(before)


def instruction_sets(case: Case, whole: Tensors) -> None:
    from unrolled.kernels import _cpu

    before = _cpu.isa()
    try:
        for isa in _cpu.isas():
            if isa != before:
                _cpu.use_isa(isa)
                same_bits(case.run(), whole)
    finally:
        _cpu.use_isa(before)


def two_directions(case: Case, whole: Tensors) -> None:
    """Both at once are one of each."""
    layer = case.layer
    if not layer.bidirectional or layer.num_layers > 1:
        return
    found: Tensors = {}
    outputs = []
    for way, suffix, H in zip(("forward", "backward"), ("", "_reverse"), sizes(layer), strict=True):
        alone = single(layer, H, suffix)
        state = {name: s for name, s in case.state.items() if f".{way}." in name}
        part = replace(case, state=state, begins=False).run(alone)
        outputs.append(part.pop("y"))
        found |= part
    same_bits(found | {"y": merged(outputs, layer.merge)}, whole)


def sizes(layer: Recurrent) -> tuple[int, ...]:
    H = layer.hidden_size
    return H if isinstance(H, tuple) else (H, H)


def single(layer: Recurrent, H: int, suffix: str) -> Recurrent:
    """One direction of `layer`, as a layer."""
    weights = {n: w for n, w in layer.state_dict().items() if n.endswith(f"_l0{suffix}")}
    weights = {n: w for n, w in weights.items() if not n.startswith("initial")}
    options = {"zoneout": layer.zoneout, "reverse": bool(suffix), "dtype": layer.like().dtype}
    alone = Recurrent(layer.cell, layer.input_size, H, bias=layer.bias, **options)
    alone.load_state_dict(weights)
    return alone.eval()


def states(case: Case, whole: Tensors) -> None:
    """What is asked for changes nothing; y is every h of the last layer, and the last states are the last."""
    torch.manual_seed(7)
    T, B, _ = case.x.shape
    layer = case.layer
    hx = case.state if layer.kinds is None else stacked(case.state, layer.kinds)
    y, last = layer(turned(layer, case.x), None if case.begins else hx, lengths=case.lengths)
    y = turned(layer, y)
    plain = {"y": y} | {f"last {name}": s for name, s in layer.named(last).items()}
    same_bits(plain, {name: whole[name] for name in plain})
    top = [
        s
        for name, s in whole.items()
        if name.startswith(f"every layer{layer.num_layers - 1}.") and name.endswith(".h")
    ]
    same_bits({"y": merged(top, layer.merge)}, {"y": y})
    lengths = torch.full((B,), T) if case.lengths is None else case.lengths
    for name, before in case.state.items():
        every = whole[f"every {name}"]
        ended = torch.zeros_like(lengths) if ".backward." in name else lengths - 1
        at_end = every[ended.clamp(min=0), torch.arange(B)] if T else before
        wanted = torch.where((lengths > 0).unsqueeze(1), at_end, before)
        same_bits({name: whole[f"last {name}"]}, {name: wanted})
        past = torch.arange(T).unsqueeze(1) >= lengths
        same_bits({name: every[past]}, {name: torch.zeros_like(every[past])})


def stacked(state: Tensors, kinds: Iterable[str]) -> Any:
    """The state as torch.nn has it: h, or (h, c), each (layers · directions, B, size)."""
    parts = tuple(torch.stack([s for name, s in state.items() if name.endswith(f".{k}")]) for k in kinds)
    return parts if len(parts) > 1 else parts[0]


def training(case: Case, whole: Tensors) -> None:
    """Keeping what backward needs changes no result; backward twice gives the same bits, whatever the padding
    and its gradient hold.
    """
    gradients = []
    for filling in (0.0, torch.nan):
        x, cotangents = case.x.clone(), {name: cosines(t) for name, t in whole.items()}
        if case.lengths is not None:
            past = torch.arange(len(x)).unsqueeze(1) >= case.lengths
            x[past] = filling
            for name, cotangent in cotangents.items():
                if not name.startswith("last"):
                    cotangent[past] = filling
        leaves = {"x": x} | {f"first {name}": s.clone() for name, s in case.state.items()}
        for leaf in leaves.values():
            leaf.requires_grad_()
        with torch.enable_grad():
            given = {name: leaves[f"first {name}"] for name in case.state}
            found = replace(case, x=x, state=given).run()
        same_bits({name: t.detach() for name, t in found.items()}, whole)
        leaves |= dict(case.layer.named_parameters())
        gradients.append(gradients_of(found, cotangents, leaves))
    same_bits(gradients[1], gradients[0])


def gradients_of(found: Tensors, cotangents: Tensors, leaves: Tensors) -> Tensors:
    """Of every leaf, zero where it was not used."""
    outputs = [t for t in found.values() if t.requires_grad]
    given = [cotangents[name] for name, t in found.items() if t.requires_grad]
    values = torch.autograd.grad(
        outputs, list(leaves.values()), given, allow_unused=True, materialize_grads=True
    )
    return dict(zip(leaves, values, strict=True))


def cosines(t: Tensor) -> Tensor:
    """Numbers of the shape of t that do not repeat."""
    return torch.arange(t.numel(), dtype=t.dtype).mul_(1.7).cos_().view(t.shape)


def a_row_s_gradients(case: Case, whole: Tensors) -> None:
    """Those of x and of the first state are the row's own."""
    b = case.choice.randrange(case.x.shape[1])
    together, alone = (
        input_gradients(part, cosines_like(whole, rows))
        for part, rows in ((case, None), (case.rows([b]), [b]))
    )
    same_bits(alone, {name: t[:, [b]] if name == "x" else t[[b]] for name, t in together.items()})


def cosines_like(whole: Tensors, rows: list[int] | None) -> Tensors:
    made = {name: cosines(t) for name, t in whole.items()}
    return made if rows is None else in_rows(made, rows)


def input_gradients(case: Case, cotangents: Tensors) -> Tensors:
    leaves = {"x": case.x} | case.state
    leaves = {name: leaf.clone().requires_grad_() for name, leaf in leaves.items()}
    given = {name: leaves[name] for name in case.state}
    with torch.enable_grad():
        found = replace(case, x=leaves["x"], state=given, begins=False).run()
    return gradients_of(found, cotangents, leaves)


def single_steps(case: Case, whole: Tensors) -> None:
    """RNNCell, LSTMCell and GRUCell in a loop."""
    layer, T = case.layer, len(case.x)
    plain = not (layer.bidirectional or layer.reverse or layer.zoneout)
    if not plain or layer.num_layers > 1 or case.lengths is not None or T == 0:
        return
    step = Step(layer.cell, layer.input_size, layer.hidden_size, layer.bias, None, case.x.dtype, None)
    weights = {name.removesuffix("_l0"): w for name, w in layer.state_dict().items()}
    step.load_state_dict({name: weights[name] for name in step.state_dict()})
    state, outputs = tuple(case.state.values()), []
    for x in case.x:
        state = step.step(x, state)
        outputs.append(state[0])
    last = {f"last {name}": s for name, s in zip(case.state, state, strict=True)}
    found = {"y": torch.stack(outputs)} | last
    same_bits(found, {name: whole[name] for name in found})


def without_torch(case: Case, whole: Tensors) -> None:
    """The runtime on numpy arrays: whole, and where it can stream step by step."""
    layer = case.layer
    if case.x.dtype in HALVES:
        return
    arrays = {name: w.numpy() for name, w in layer.state_dict().items()}
    own, x = network(block_of(layer), arrays), case.x.numpy()
    first = {name: s.numpy() for name, s in case.state.items()}
    y, last = own(x, first, None if case.lengths is None else case.lengths.numpy())
    same_bits(numbers(y, last), {name: whole[name] for name in numbers(y, last)})
    if not own.block.causal or case.lengths is not None or len(x) == 0:
        return
    state, outputs = first, []
    for t in range(len(x)):
        y, state = own(x[t : t + 1], state)
        outputs.append(torch.tensor(y))
    same_bits(numbers(torch.cat(outputs), state), numbers(whole["y"], last))


def numbers(y: Any, last: Any) -> Tensors:
    return {"y": torch.as_tensor(y)} | {f"last {name}": torch.as_tensor(s) for name, s in last.items()}


Law = Callable[[Case, Tensors], None]
LAWS: dict[str, Law] = {
    "alone": a_row_alone,
    "neighbours": other_rows_are_nan,
    "order": other_rows_in_another_order,
    "chunks": chunks,
    "padding": padding,
    "packed": packed,
    "threads": threads,
    "instruction sets": instruction_sets,
    "directions": two_directions,
    "states": states,
    "training": training,
    "gradients": a_row_s_gradients,
    "steps": single_steps,
    "without torch": without_torch,
}
OF_ANY_MASKS = {
    "neighbours",
    "packed",
    "threads",
    "instruction sets",
    "states",
    "training",
}  # whose shape stays


@contextmanager
def unwritten_memory_is_nan() -> Iterator[None]:
    """What a kernel leaves unwritten in a result shows."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        with torch.no_grad():
            yield
    finally:
        torch.use_deterministic_algorithms(before)


def failures(name: str, seed: int, laws: Iterable[str] = LAWS) -> list[str]:
    """A line for each law that the case breaks: how to repeat it, what differs, what it was."""
    case, lines = draw(name, seed), []
    repeat = f"python scripts/fuzz_laws.py --layers {name} --seed {seed} --cases 1"
    with unwritten_memory_is_nan():
        whole = case.run()
        overflows = case.x.dtype in HALVES  # torch's own arithmetic, in which products of states do
        if not overflows and not all(t.isfinite().all() for t in whole.values()):
            return [f"{repeat}  # not all of a result was written; {case.described()}"]
        for law in laws:
            if case.random and law not in OF_ANY_MASKS:
                continue
            choice = random.Random(f"{name} {seed} {law}")  # the same whichever laws are tried
            try:
                LAWS[law](replace(case, choice=choice), whole)
            except Exception as error:
                wrong = f"{type(error).__name__}: {error}; {case.described()}"
                lines.append(f'{repeat} --laws "{law}"  # {wrong}')
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=1000, help="of each layer")
    parser.add_argument("--seed", type=int, default=0, help="of the first case; the next has the next")
    parser.add_argument("--layers", nargs="+", default=list(LAYERS), choices=LAYERS)
    parser.add_argument("--laws", nargs="+", default=list(LAWS), choices=LAWS)
    chosen = parser.parse_args()
    broken = 0
    for name in chosen.layers:
        begin, found, drawn = time.perf_counter(), 0, Counter[str]()
        for seed in range(chosen.seed, chosen.seed + chosen.cases):
            drawn[repr(draw(name, seed).layer.cell)] += 1
            for line in failures(name, seed, chosen.laws):
                print(line, flush=True)
                found += 1
        took = f"{time.perf_counter() - begin:.1f} s"
        print(f"{name}: {chosen.cases} cases of {len(drawn)} cells, {found} laws broken, {took}", flush=True)
        broken += found
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
