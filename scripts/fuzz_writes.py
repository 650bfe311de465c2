"""Writes to weights by every means there is, and sees that the next call knows: a result is never computed
from old weights. After each write the result, in training every gradient too, is compared bit for bit with
that of a fresh copy.

    python scripts/fuzz_writes.py --writes 10000 --seed 1
    python scripts/fuzz_writes.py --modules LSTM --seed 217 --writes 1

A module is drawn with its options and sizes, to 1,024 units, in float32 or float64; it is called before, so
that there is something old to keep, and written to a few times. Some writes happen while it is frozen, where
they need not be seen; after leaving that they must. In float64, differences of a loss between writes through
`.data` are compared with its gradients. A short form is in tests/laws/test_writes.py.
"""

import argparse
import contextlib
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import fuzz_laws
import torch
import writes
from fuzz_laws import Tensors, cosines, differ, gradients_of
from torch import Tensor, nn

import unrolled.nn

ALONE = 5  # writes to one module
MOST = 6_000_000  # numbers in a module
UNITS = (1, 2, 3, 7, 16, 33, 64, 100, 128, 200, 256, 400, 512, 700, 1024)
MODES = ("inference", "no gradients", "training")


@dataclass(frozen=True)
class Subject:
    """A module, and a few calls of it, each on inputs of its own; `leaves` have gradients."""

    module: nn.Module
    calls: tuple[Callable[[nn.Module], Tensors], ...]
    leaves: tuple[Tensors, ...]

    def result(self, k: int, mode: str, module: nn.Module | None = None) -> Tensors:
        """What call k gives: its outputs, and in training the gradients of all weights and leaves."""
        module = module or self.module
        if mode != "training":
            with torch.inference_mode(mode == "inference"), torch.no_grad():
                return self.calls[k](module)
        found = self.calls[k](module)
        leaves = self.leaves[k] | dict(module.named_parameters())
        gradients = gradients_of(found, {name: cosines(t) for name, t in found.items()}, leaves)
        named = {f"gradient of {name}": g for name, g in gradients.items()}
        return {name: t.detach() for name, t in found.items()} | named


# Subjects, one function a kind: H units or features, and a choice of all else.


def layer(name: str, choice: random.Random, H: int, dtype: torch.dtype) -> Subject:
    while True:
        I = choice.choice([1, 3, min(H, 64), H])
        drawn = fuzz_laws.draw_layer(name, I, H, choice).to(dtype)
        if sum(p.numel() for p in drawn.parameters()) <= MOST:
            break
        H = max(1, H // 2) if drawn.bidirectional or drawn.num_layers > 1 else H
    return Subject(drawn, *zip(*(called(drawn, choice, dtype) for _ in range(3)), strict=True))


def called(drawn: Any, choice: random.Random, dtype: torch.dtype) -> tuple[Any, Tensors]:
    T, B = choice.choice([(1, 1), (1, 4), (3, 2), (7, 5), (20, 1), (12, 9)])
    x = torch.randn(T, B, drawn.input_size, dtype=dtype).requires_grad_()
    state = {n: torch.randn(B, size, dtype=dtype).requires_grad_() for n, size in drawn.state_sizes().items()}
    lengths = torch.randint(0, T + 1, (B,)) if choice.random() < 0.3 else None
    case = fuzz_laws.Case(drawn, x, state, lengths, begins=choice.random() < 0.3)
    return case.run, {"x": x} | {f"first {name}": s for name, s in state.items()}


def cell(choice: random.Random, H: int, dtype: torch.dtype) -> Subject:
    """One step."""
    like = fuzz_laws.draw_layer(choice.choice(list(fuzz_laws.LAYERS)), 1, H, choice)
    H = like.hidden_size if isinstance(like.hidden_size, int) else like.hidden_size[0]
    I = choice.choice([1, 5, min(H, 200)])
    step = fuzz_laws.Step(like.cell, I, H, like.bias, None, dtype, None)

    def call() -> tuple[Any, Tensors]:
        B = choice.choice([1, 2, 5, 33])
        x = torch.randn(B, I, dtype=dtype).requires_grad_()
        sizes = step.cell.state_sizes(H)
        state = [torch.randn(B, size, dtype=dtype).requires_grad_() for size in sizes]
        leaves = {"x": x} | {f"state {k}": s for k, s in enumerate(state)}
        return lambda module: dict(zip("hc", module.step(x, tuple(state)), strict=False)), leaves

    return Subject(step, *zip(*(call() for _ in range(3)), strict=True))


def head(module: nn.Module, call: Callable[..., Tensors], choice: random.Random, *size: Any) -> Subject:
    """A module of one tensor (rows, *size)."""
    dtype = next(module.parameters()).dtype
    xs = [torch.randn(rows, *size, dtype=dtype).requires_grad_() for rows in (1, 3, 40)]
    calls = [lambda module, x=x: call(module, x) for x in xs]
    return Subject(module, tuple(calls), tuple({"x": x} for x in xs))


def linear(choice: random.Random, H: int, dtype: torch.dtype) -> Subject:
    made = unrolled.nn.Linear(choice.choice([1, 5, H]), H, choice.random() < 0.7, dtype=dtype)
    return head(made, lambda m, x: {"y": m(x)}, choice, made.in_features)


def layer_norm(choice: random.Random, H: int, dtype: torch.dtype) -> Subject:
    return head(unrolled.nn.LayerNorm(H, dtype=dtype), lambda m, x: {"y": m(x)}, choice, H)


def embedding(choice: random.Random, H: int, dtype: torch.dtype) -> Subject:
    made = unrolled.nn.Embedding(choice.choice([2, 50, 500]), H, dtype=dtype)
    index = [torch.randint(made.num_embeddings, (n,)) for n in (1, 7, 2000)]
    return Subject(made, tuple(lambda m, i=i: {"y": m(i)} for i in index), ({}, {}, {}))


def crf(choice: random.Random, H: int, dtype: torch.dtype) -> Subject:
    K = min(H, 100)
    made = unrolled.nn.CRF(K).to(dtype)
    for parameter in made.parameters():
        nn.init.normal_(parameter)
    path, lengths = torch.randint(K, (40, 6)), torch.randint(0, 7, (40,))

    def call(module: nn.Module, x: Tensor) -> Tensors:
        n = len(x)
        likelihood = module(x, path[:n], lengths[:n])
        return {"likelihood": likelihood, "path": module.decode(x, lengths[:n]).to(dtype)}

    return head(made, call, choice, 6, K)


def attention(choice: random.Random, H: int, dtype: torch.dtype) -> Subject:
    kind, size = choice.choice([("dot", None), ("dot", min(H, 30)), ("additive", None), ("additive", 7)])
    made = unrolled.nn.Attention(kind, H, H, size).to(dtype)
    lengths = torch.randint(1, 6, (40,))

    def call(module: nn.Module, x: Tensor) -> Tensors:
        c, w = module(x[:, :2], module.keys(x), x, lengths[: len(x)])
        return {"c": c, "w": w}

    return head(made, call, choice, 5, H)


def stack(choice: random.Random, H: int, dtype: torch.dtype) -> Subject:
    H = min(H, 400)
    made = unrolled.nn.Stack([unrolled.nn.GRU(3, H), unrolled.nn.LSTM(H, 5)]).to(dtype)
    return head(made, lambda m, x: {"y": m(x)[0]}, choice, 2, 3)


def accelerated(choice: random.Random, H: int, dtype: torch.dtype) -> Subject:
    layers = choice.choice([1, 2]) if H < 300 else 1
    made = choice.choice([nn.RNN, nn.GRU, nn.LSTM])(5, H, layers, dtype=dtype)
    unrolled.accelerate(made)
    return head(made, lambda m, x: {"y": m(x)[0]}, choice, 2, 5)


def of_inference_tensors(choice: random.Random, H: int, dtype: torch.dtype) -> Subject:
    """Whose weights count no versions."""
    with torch.inference_mode():
        made = choice.choice([unrolled.nn.GRU, unrolled.nn.RNN])(5, min(H, 512), dtype=dtype)
    return head(made, lambda m, x: {"y": m(x)[0]}, choice, 2, 5)


Make = Callable[[random.Random, int, torch.dtype], Subject]
SUBJECTS: dict[str, Make] = {
    **{name: lambda *a, name=name: layer(name, *a) for name in fuzz_laws.LAYERS},
    "cell": cell,
    "Linear": linear,
    "LayerNorm": layer_norm,
    "Embedding": embedding,
    "CRF": crf,
    "Attention": attention,
    "Stack": stack,
    "accelerated": accelerated,
    "of inference tensors": of_inference_tensors,
}


@dataclass
class Tally:
    """What became of the writes, by their means."""

    written: Counter[str]
    showed: Counter[str]  # writes that changed a bit of a result
    lines: list[str]  # what went wrong


def draw(name: str, seed: int) -> tuple[Subject, random.Random]:
    """The subject that a name and `seed` tell, and the choice of all that follows."""
    choice = random.Random(f"{name} {seed}")
    torch.manual_seed(seed)
    subject = SUBJECTS[name](choice, choice.choice(UNITS), choice.choice([torch.float32, torch.float64]))
    return subject, choice


def chain(name: str, seed: int, tally: Tally, means: list[str]) -> None:
    """Writes to one module."""
    subject, choice = draw(name, seed)
    inference = any(p.is_inference() for p in subject.module.parameters())
    if inference:
        means = [mean for mean in means if mean in writes.OF_INFERENCE_TENSORS]
    for _ in range(ALONE if means else 0):
        mean, k = choice.choice(means), choice.randrange(len(subject.calls))
        mode = choice.choice(MODES[: 1 if inference else 3])
        before = subject.result(k, mode)
        with written_frozen(subject, choice, k, mode):
            w, change = writes.draw(subject.module, mean, choice)
            told = f"{change} {mean} of {w.name} in {mode}"
            try:
                with torch.inference_mode() if inference else contextlib.nullcontext():
                    writes.MEANS[mean](w)
            except Exception as error:
                tally.lines.append(f"{repeat(name, seed)}  # {told}: {type(error).__name__}: {error}")
                return
        k, mode = (k, mode) if choice.random() < 0.7 or inference else (0, choice.choice(MODES))
        found = subject.result(k, mode)
        wanted = subject.result(k, mode, writes.fresh(subject.module))
        tally.written[mean] += 1
        tally.showed[mean] += any(differ(before[n], found[n]) for n in before.keys() & found.keys())
        if wrong := ", ".join(n for n in wanted if differ(found[n], wanted[n])):
            tally.lines.append(f"{repeat(name, seed)}  # {told}: {wrong} of old weights; {told_of(subject)}")


@contextlib.contextmanager
def written_frozen(subject: Subject, choice: random.Random, k: int, mode: str) -> Iterator[None]:
    """Now and then the module is frozen, and called, while it is written to; then it is not."""
    if choice.random() > 0.15:
        yield
        return
    with unrolled.nn.frozen(subject.module):
        subject.result(k, mode)
        yield
        subject.result(k, mode)


def told_of(subject: Subject) -> str:
    return " ".join(str(subject.module).split())


def repeat(name: str, seed: int) -> str:
    return f'python scripts/fuzz_writes.py --modules "{name}" --seed {seed} --writes 1'


def difference(name: str, seed: int, tally: Tally) -> None:
    """A gradient in float64 beside what the loss changes by, between writes of a number through `.data`."""
    choice = random.Random(f"{name} {seed}")
    torch.manual_seed(seed)
    subject = SUBJECTS[name](choice, choice.choice(UNITS[:9]), torch.float64)
    if "relu" in repr(subject.module):
        return  # it has corners
    parameters = dict(subject.module.named_parameters())
    parameter_name = choice.choice(list(parameters))
    parameter = parameters[parameter_name]
    place = writes.anywhere(parameter, choice)
    wanted = subject.result(1, "training")[f"gradient of {parameter_name}"][place].item()
    around = []
    for step in (1e-6, -2e-6):
        parameter.data[place] += step
        found = subject.result(1, "no gradients")
        around.append(sum((t * cosines(t)).sum().item() for n, t in found.items() if n not in UNJUDGED))
    estimate = (around[0] - around[1]) / 2e-6
    tally.written["a difference of a loss"] += 1
    if not abs(estimate - wanted) < 1e-5 * (1 + abs(wanted)):  # the slope's own error is some 1e-8
        told = f"{parameter_name} {place}: a slope of {estimate}, a gradient of {wanted}"
        tally.lines.append(f"{repeat(name, seed)}  # {told}; {told_of(subject)}")


UNJUDGED = ("w", "path")  # outputs without gradients


def tried(name: str, seeds: range, means: list[str], report: Callable[[str], None] = print) -> Tally:
    """Chains of writes to modules of a kind, and a difference beside each."""
    tally = Tally(Counter(), Counter(), [])
    for seed in seeds:
        torch.set_num_threads(2 if seed % 4 == 3 else 1)
        known = len(tally.lines)
        chain(name, seed, tally, means)
        if name != "of inference tensors":
            difference(name, seed, tally)
        for line in tally.lines[known:]:
            report(line)
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--writes", type=int, default=1000, help="over all modules")
    parser.add_argument("--seed", type=int, default=0, help="of the first module; the next has the next")
    parser.add_argument("--modules", nargs="+", default=list(SUBJECTS), choices=SUBJECTS)
    parser.add_argument("--means", nargs="+", default=list(writes.MEANS), choices=writes.MEANS)
    chosen = parser.parse_args()
    threads, broken = torch.get_num_threads(), 0
    modules = -(-chosen.writes // (ALONE * len(chosen.modules)))
    by_mean: Counter[str] = Counter()
    showed: Counter[str] = Counter()
    for name in chosen.modules:
        begin = time.perf_counter()
        tally = tried(name, range(chosen.seed, chosen.seed + modules), chosen.means)
        by_mean, showed, broken = by_mean + tally.written, showed + tally.showed, broken + len(tally.lines)
        took = f"{time.perf_counter() - begin:.1f} s"
        print(f"{name}: {sum(tally.written.values())} writes, {len(tally.lines)} wrong, {took}", flush=True)
    torch.set_num_threads(threads)
    for mean, count in by_mean.items():
        print(f"{mean}: {count} writes, {showed[mean]} of them changed a result")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
