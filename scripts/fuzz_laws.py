"""Tries the laws of fixed order, bit for bit, on random layers and shapes.

    python scripts/fuzz_laws.py --cases 10000 --seed 1
    python scripts/fuzz_laws.py --cells "lstm peephole" --seed 217 --cases 1 --laws padding

A case is told by its cell and seed; a failure is printed as the line that repeats it. Cases that run through
a reference are passed over, since its products are the BLAS's. A short form is in tests/laws/test_fuzz.py.
"""

import argparse
import itertools
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from unrolled.kernels import dispatch
from unrolled.nn import GRU, LSTM, RNN, Recurrent
from unrolled.nn.state import unstack

Tensors = dict[str, Tensor]

CELLS: dict[str, tuple[type[Recurrent], dict[str, object]]] = {
    "tanh": (RNN, {}),
    "relu": (RNN, {"nonlinearity": "relu"}),
    "sigmoid": (RNN, {"nonlinearity": "sigmoid"}),
    "gru": (GRU, {}),
    "gru reset before": (GRU, {"reset_after": False}),
    "gru layer norm": (GRU, {"layer_norm": True}),
    "gru reset before, layer norm": (GRU, {"reset_after": False, "layer_norm": True}),
    "lstm": (LSTM, {}),
    "lstm peephole": (LSTM, {"peephole": True}),
    "lstm coupled": (LSTM, {"coupled_input_forget": True}),
    "lstm coupled, peephole": (LSTM, {"coupled_input_forget": True, "peephole": True}),
    "lstm layer norm": (LSTM, {"layer_norm": True}),
    "lstm projected": (LSTM, {"proj_size": 3}),
    "lstm blocks": (LSTM, {"cells_per_block": 2}),
    "lstm everything": (
        LSTM,
        {"proj_size": 3, "peephole": True, "coupled_input_forget": True, "layer_norm": True},
    ),
}
KINDS_OF_SHAPE = {  # share of the cases, and the ranges of T, B, I, H
    "small": (0.72, (0, 12), (1, 7), (1, 20), (1, 40)),
    "wide": (0.10, (1, 3), (1, 3), (1, 150), (64, 200)),
    "many rows": (0.08, (1, 4), (8, 256), (1, 9), (1, 20)),
    "long": (0.06, (13, 90), (1, 3), (1, 9), (1, 20)),
    "for two threads": (0.04, (3, 12), (1, 48), (8, 40), (48, 130)),
}


@dataclass(frozen=True)
class Case:
    """A layer in evaluation and what it is called with."""

    layer: Recurrent
    x: Tensor  # (T, B, I)
    state: Tensors
    lengths: Tensor | None  # (B,)
    choice: random.Random = field(default_factory=random.Random)  # of what a law leaves open

    def run(self, layer: Recurrent | None = None) -> Tensors:
        """y and "every …" (T, B, ·), "last …" (B, ·)."""
        layer = layer or self.layer
        y, last, states = layer(self.x, self.state, lengths=self.lengths, return_states=True)
        if not isinstance(last, dict):
            last = unstack(last, layer.state_names(), layer.kinds or ())
        named = {f"last {name}": s for name, s in last.items()}
        return {"y": y} | named | {f"every {name}": s for name, s in states.items()}

    def rows(self, which: list[int]) -> "Case":
        lengths = None if self.lengths is None else self.lengths[which]
        state = {name: s[which] for name, s in self.state.items()}
        return replace(self, x=self.x[:, which], state=state, lengths=lengths)

    def described(self) -> str:
        lengths = None if self.lengths is None else self.lengths.tolist()
        return f"{self.layer} {self.x.dtype} x {tuple(self.x.shape)} lengths {lengths}"


def draw(cell: str, seed: int) -> Case:
    """The case that `cell` and `seed` tell."""
    choice = random.Random(f"{cell} {seed}")
    shares = [share for share, *_ in KINDS_OF_SHAPE.values()]
    ((_, *ranges),) = choice.choices(list(KINDS_OF_SHAPE.values()), shares)
    T, B, I, H = (choice.randint(*bounds) for bounds in ranges)
    T, B = choice.choice([(T, B)] * 6 + [(min(T, 1), B), (T, 1)])
    layer = draw_layer(cell, I, H, choice)
    torch.manual_seed(seed)
    with torch.no_grad():
        large = 1 if cell == "relu" else 3  # nothing bounds a relu's states
        scale = choice.choice([1, 1, 1, large, 1e-3]) * H**-0.5
        for parameter in layer.parameters():
            parameter.normal_(0.1 * scale, scale)
    dtype = layer.like().dtype
    state = {name: torch.randn(B, size, dtype=dtype) for name, size in layer.state_sizes().items()}
    lengths = torch.randint(0, T + 1, (B,)) if choice.random() < 0.6 else None
    x = torch.randn(B, T, I, dtype=dtype).transpose(0, 1)
    return Case(layer, x if choice.random() < 0.3 else x.contiguous(), state, lengths, choice)


def draw_layer(cell: str, I: int, H: int, choice: random.Random) -> Recurrent:
    """A layer of `cell` with H units, or some more where the cell needs them, and random options."""
    build, options = CELLS[cell]
    K, P = options.get("cells_per_block", 1), options.get("proj_size", 0)
    H = max(-(-H // K) * K, P + 1)
    if P:
        options = options | {"proj_size": choice.randint(1, H - 1)}
    both = choice.random() < 0.35
    sizes = (H, choice.choice([H, H + K])) if both else H
    layer = build(
        I,
        sizes,
        num_layers=choice.choice([1, 1, 1, 1, 2]),
        bias=choice.random() < 0.7,
        bidirectional=both,
        reverse=not both and choice.random() < 0.4,
        zoneout=choice.choice([0.0, 0.0, 0.25]),
        dtype=choice.choice([torch.float32, torch.float64]),
        **options,
    )
    return layer.eval()


def compiled(layer: Recurrent) -> bool:
    """Whether our own kernels run it, whatever is asked for."""
    wants = layer.cell.wants | {"lengths", "empty"}
    wants |= {"states"} if len(layer.cell.states) > 1 else set()
    wants |= {"zoneout"} if layer.zoneout else set()
    dtype = str(layer.like().dtype).removeprefix("torch.")
    return dispatch.choose(layer.cell.name, "cpu", dtype, wants, layer.backend).backend == "cpu"


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
    return t.view(torch.int32 if t.dtype == torch.float32 else torch.int64)


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
    same_bits(in_rows(replace(case, x=x, state=state).run(), some), in_rows(whole, some))


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
    state = case.state
    bounds = list(itertools.pairwise(cuts))
    for begin, end in reversed(bounds) if layer.reverse else bounds:
        lengths = None if case.lengths is None else (case.lengths - begin).clamp(0, end - begin)
        part = replace(case, x=case.x[begin:end], state=state, lengths=lengths).run()
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
        part = replace(case, state=state).run(alone)
        outputs.append(part.pop("y"))
        found |= part
    same_bits(found | {"y": torch.cat(outputs, -1)}, whole)


def sizes(layer: Recurrent) -> tuple[int, ...]:
    H = layer.hidden_size
    return H if isinstance(H, tuple) else (H, H)


def single(layer: Recurrent, H: int, suffix: str) -> Recurrent:
    """One direction of `layer`, as a layer."""
    weights = {name: w for name, w in layer.state_dict().items() if name.endswith(f"_l0{suffix}")}
    options = {"zoneout": layer.zoneout, "reverse": bool(suffix), "dtype": layer.like().dtype}
    alone = Recurrent(layer.cell, layer.input_size, H, bias=layer.bias, **options)
    alone.load_state_dict(weights)
    return alone.eval()


def states(case: Case, whole: Tensors) -> None:
    """What is asked for changes nothing; y is every h of the last layer, and the last states are the last."""
    T, B, _ = case.x.shape
    layer = case.layer
    y, last = layer(case.x, case.state, lengths=case.lengths)
    last = last if isinstance(last, dict) else unstack(last, layer.state_names(), layer.kinds or ())
    plain = {"y": y} | {f"last {name}": s for name, s in last.items()}
    same_bits(plain, {name: whole[name] for name in plain})
    top = [
        s
        for name, s in whole.items()
        if name.startswith(f"every layer{layer.num_layers - 1}.") and name.endswith(".h")
    ]
    same_bits({"y": torch.cat(top, -1)}, {"y": y})
    lengths = torch.full((B,), T) if case.lengths is None else case.lengths
    for name, before in case.state.items():
        every = whole[f"every {name}"]
        ended = torch.zeros_like(lengths) if ".backward." in name else lengths - 1
        at_end = every[ended.clamp(min=0), torch.arange(B)] if T else before
        wanted = torch.where((lengths > 0).unsqueeze(1), at_end, before)
        same_bits({name: whole[f"last {name}"]}, {name: wanted})
        past = torch.arange(T).unsqueeze(1) >= lengths
        same_bits({name: every[past]}, {name: torch.zeros_like(every[past])})


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


LAWS: dict[str, Callable[[Case, Tensors], None]] = {
    "alone": a_row_alone,
    "neighbours": other_rows_are_nan,
    "order": other_rows_in_another_order,
    "chunks": chunks,
    "padding": padding,
    "threads": threads,
    "instruction sets": instruction_sets,
    "directions": two_directions,
    "states": states,
    "training": training,
}


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


def failures(cell: str, seed: int, laws: Iterable[str] = LAWS) -> list[str] | None:
    """A line for each law that the case breaks: how to repeat it, what differs, what it was. None where it is
    not our kernels that run the case.
    """
    case, lines = draw(cell, seed), []
    if not compiled(case.layer):
        return None
    with unwritten_memory_is_nan():
        whole = case.run()
        if not all(t.isfinite().all() for t in whole.values()):
            return [f'--cells "{cell}" --seed {seed}: not all of a result was written; {case.described()}']
        for law in laws:
            choice = random.Random(f"{cell} {seed} {law}")  # the same whichever laws are tried
            try:
                LAWS[law](replace(case, choice=choice), whole)
            except Exception as error:
                repeat = f'--cells "{cell}" --seed {seed} --cases 1 --laws "{law}"'
                wrong = f"{type(error).__name__}: {error}; {case.described()}"
                lines.append(f"python scripts/fuzz_laws.py {repeat}  # {wrong}")
    return lines


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--cases", type=int, default=1000, help="of each cell")
    options.add_argument("--seed", type=int, default=0, help="of the first case; the next has the next")
    options.add_argument("--cells", nargs="+", default=list(CELLS), choices=CELLS)
    options.add_argument("--laws", nargs="+", default=list(LAWS), choices=LAWS)
    chosen = options.parse_args()
    broken = 0
    for cell in chosen.cells:
        begin, passed, found = time.perf_counter(), 0, 0
        for seed in range(chosen.seed, chosen.seed + chosen.cases):
            lines = failures(cell, seed, chosen.laws)
            passed += lines is None
            for line in lines or []:
                print(line)
                found += 1
        took = f"{time.perf_counter() - begin:.1f} s"
        print(f"{cell}: {chosen.cases} cases, {passed} passed over, {found} laws broken, {took}")
        broken += found
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
