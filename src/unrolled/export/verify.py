"""What a trained model promises, tried on sequences of its own, to the bit.

    wanted    torch, all sequences in one batch, padded with zero
    answer    the same model in every other way to run it: CHECKS

Each check gives pairs (answer, wanted) of arrays, or raises ConfigError with the reason why this model has no
such way; then nothing is broken.
"""

import hashlib
import tempfile
import wave
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ConfigError, DataError, RunError
from unrolled.export import isolated
from unrolled.files.messages import counted
from unrolled.kernels import _cpu
from unrolled.models import saved
from unrolled.models.model import Model
from unrolled.models.stream import Stream
from unrolled.tasks import load
from unrolled.tasks.estimator import Estimator
from unrolled.tasks.sources import Source

Array = NDArray[Any]
Pairs = Iterable[tuple[Array, Array]]

MOST_STEPS = 2000  # of a sequence; longer ones are cut there, pictures are whole
MOST_BESIDE = 9  # rows of one stream
MOST_HEARD = 8  # recordings
MOST_WINDOWS = 512  # that each instruction set computes, where every step is the end of a whole window
KEPT = "every answer that was compared has the same bits"


@dataclass(frozen=True)
class Check:
    """`equal`: whether every answer has the bits that are wanted, None where this model has no such way;
    `difference`: the largest |Δ|, infinite where shapes or types differ; `note`: why there is none."""

    check: str
    sequences: int
    steps: int
    equal: bool | None
    difference: float | None = None
    note: str = ""

    @property
    def result(self) -> str:
        return f"not compared: {self.note}" if self.equal is None else self.outcome

    @property
    def outcome(self) -> str:
        """The result without the reason why there is none."""
        if self.equal is None:
            return "not compared"
        if self.equal:
            return "bit-equal"
        return self.note or f"|Δ| up to {self.difference:.3g}"


@dataclass(frozen=True)
class Verification:
    """`model` and `data`: SHA-256 of the trained model and of the sequences that it was tried on; `beyond`:
    how many more there are; `cut`: how many of them go on after the last step that was tried."""

    task: str
    model: str
    data: str
    seed: int
    beyond: int
    cut: int
    checks: tuple[Check, ...]

    @property
    def broken(self) -> list[str]:
        """The checks whose promise does not hold."""
        return [check.check for check in self.checks if check.equal is False]

    @property
    def left_out(self) -> list[str]:
        """What was not compared, and why."""
        reasons: dict[str, list[str]] = {}
        for check in self.checks:
            if check.equal is None:
                reasons.setdefault(check.note, []).append(check.check)
        lines = [f"{', '.join(checks)} ({why})" for why, checks in reasons.items()]
        if self.beyond:
            lines.append(f"{counted(self.beyond, 'sequence')} (more are tried with --sequences)")
        if self.cut:
            lines.append(f"what follows step {MOST_STEPS} of {counted(self.cut, 'sequence')}")
        return lines

    @property
    def verdict(self) -> str:
        """Of what was compared, and of no more."""
        compared = f"BROKEN: {', '.join(self.broken)}" if self.broken else KEPT
        return "; ".join([compared, *(f"not compared: {line}" for line in self.left_out)])


def verify(run: str | Path, data: Source = None, *, sequences: int = 64, seed: int = 0) -> Verification:
    """Tries at most so many sequences of `data`, or of the test part. DataError where there is none."""
    run = Path(run)
    estimator = load(run)
    rows = estimator._rows(data)
    if not rows:
        raise DataError("there is no sequence to verify with; give files that hold some")
    draw = np.random.default_rng(seed)
    chosen = np.sort(draw.permutation(len(rows))[:sequences])
    trial = Trial(run, estimator, [_cut(rows[k]) for k in chosen], draw)
    checks = tuple(_tried(trial, name, check) for name, check in CHECKS.items())
    if getattr(getattr(estimator.codec, "inputs", None), "rate_hz", None) is not None:
        heard = Heard.of(trial)
        checks += tuple(_tried(heard, name, check) for name, check in HEARD.items())
        checks += tuple(_tried(heard, f"sound {name}", check) for name, check in _per_isa())
    brief = trial.brief()
    checks += tuple(_tried(brief, name, check) for name, check in _per_isa())
    cut = sum(len(tried) < len(rows[k]) for tried, k in zip(trial.rows, chosen, strict=True))
    about = estimator.task, fingerprint(estimator), _checksum(trial.rows), seed
    return Verification(*about, len(rows) - len(chosen), cut, checks)


def fingerprint(estimator: Estimator[Any, Any, Any, Any]) -> str:
    """That of its runtime; of a model that only torch can run, of its weights."""
    try:
        return estimator.runtime().fingerprint
    except ConfigError:
        weights = estimator.network.state_dict()
        return _checksum([weights[name].numpy() for name in sorted(weights)])


class Trial:
    """rows (T_i, …) as the model reads them, and what it wants of each."""

    def __init__(
        self,
        run: Path,
        estimator: Estimator[Any, Any, Any, Any],
        rows: list[Array],
        draw: np.random.Generator,
    ) -> None:
        self.run, self.estimator, self.rows, self.draw = run, estimator, rows, draw
        self.wanted = estimator._raw(rows, 0.0)

    @cached_property
    def model(self) -> Model:
        """ConfigError for a model that only torch can run."""
        return self.estimator.runtime()

    def raw(self, rows: Sequence[Array]) -> list[Array]:
        return self.estimator._raw(rows, 0.0)

    def brief(self) -> "Trial":
        """With fewer steps of each row, where a step costs a whole window: without vector instructions one
        takes some 50 times as long, and each is computed by itself."""
        if not self.estimator.reads_windows:
            return self
        steps = max(1, MOST_WINDOWS // len(self.rows))
        return Trial(self.run, self.estimator, [row[:steps] for row in self.rows], self.draw)

    def cuts(self, steps: int) -> list[int]:
        """Random places 0 = a ≤ b ≤ … = steps, chunks of all sizes, empty ones too."""
        at = [0]
        while at[-1] < steps:
            size = int(np.exp(self.draw.uniform(-0.5, np.log(steps + 1))))
            at.append(min(steps, at[-1] + size))
        return at

    def compared(self, chunks: Sequence[Array]) -> Array:
        """Answers (T, …) in chunks -> what is compared: those after each stride and the last, or the last."""
        answers, k = np.concatenate(chunks), self.model.stride
        ends = np.minimum(np.arange(k, len(answers) + k, k), len(answers)) - 1
        return np.asarray(answers[ends] if self.model.every_step else answers[-1])


class Heard(Trial):
    """rows (S_i,) are the samples of recordings, and what it wants is what their files are answered."""

    @classmethod
    def of(cls, trial: Trial) -> "Heard":
        """Recordings of about the lengths of some rows of a trial, the first shorter than a frame: noise that
        swells and fades over a tone that rises, as whole numbers of 16 bits."""
        estimator: Any = trial.estimator
        rate_hz, audio, draw = estimator.codec.inputs.rate_hz, estimator.config.data.audio(), trial.draw
        W, V = audio.samples(rate_hz)
        rows = []
        for steps in [0, *(len(row) for row in trial.rows[:MOST_HEARD])]:
            t = np.arange(max(1, W // 2 if not steps else W + V * (steps - 1) + int(draw.integers(V))))
            swelling = np.sin(np.pi * t / len(t)) ** 2
            tone = np.sin(np.pi * t * (0.02 + 0.5 * t / len(t)))
            s = 0.4 * swelling * draw.normal(size=len(t)) + 0.3 * tone * draw.random()
            rows.append((s * (1 << 15)).clip(-(1 << 15), (1 << 15) - 1).astype("<i2"))
        with tempfile.TemporaryDirectory() as folder:
            paths = [_recorded(Path(folder, f"{k}.wav"), row, rate_hz) for k, row in enumerate(rows)]
            encoded = estimator._rows(paths)
        heard = cls(trial.run, estimator, encoded, draw)
        heard.rows = rows
        return heard


def _recorded(path: Path, samples: Array, rate_hz: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate_hz, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    return path


def _cut(row: Array) -> Array:
    """A row (T, …) as it is tried: of a picture (H, W, C) all of it."""
    return np.ascontiguousarray(row if row.ndim == 3 else row[:MOST_STEPS])


def _each_alone(trial: Trial) -> Pairs:
    return zip((trial.raw([row])[0] for row in trial.rows), trial.wanted, strict=True)


def _batches(trial: Trial) -> Pairs:
    order = trial.draw.permutation(len(trial.rows))
    for a, b in pairwise(trial.cuts(len(order))):
        if a < b:
            answers = trial.raw([trial.rows[k] for k in order[a:b]])
            yield from zip(answers, (trial.wanted[k] for k in order[a:b]), strict=True)


def _padding(trial: Trial) -> Pairs:
    return zip(trial.estimator._raw(trial.rows, float("nan")), trial.wanted, strict=True)


def _chunks(trial: Trial) -> Pairs:
    for row, wanted in zip(trial.rows, trial.wanted, strict=True):
        stream = trial.model.stream()
        chunks = [_advanced(stream, row[a:b, None])[:, 0] for a, b in pairwise(trial.cuts(len(row)))]
        yield trial.compared(chunks), wanted


def _beginnings(trial: Trial) -> Pairs:
    for row in trial.rows:
        steps = int(trial.draw.integers(1, len(row) + 1))
        answer = _advanced(trial.model.stream(), row[:, None])[steps - 1, 0]
        wanted = trial.raw([row[:steps]])[0]
        yield answer, wanted[-1] if trial.model.every_step else wanted


def _snapshots(trial: Trial) -> Pairs:
    for row, wanted in zip(trial.rows, trial.wanted, strict=True):
        stream, half = trial.model.stream(), len(row) // 2
        first = _advanced(stream, row[:half, None])[:, 0]
        stream = trial.model.stream(snapshot=stream.snapshot())
        yield trial.compared([first, _advanced(stream, row[half:, None])[:, 0]]), wanted


def _side_by_side(trial: Trial) -> Pairs:
    """Rows join and leave at any time; those that have ended leave."""
    stream, here, at = trial.model.stream(rows=0), list[int](), list[int]()
    waiting, chunks = list(range(len(trial.rows))), [list[Array]() for _ in trial.rows]
    while waiting or here:
        fresh = min(len(waiting), MOST_BESIDE - len(here), int(trial.draw.integers(0 if here else 1, 4)))
        stream.join(fresh)
        here, waiting, at = here + waiting[:fresh], waiting[fresh:], at + [0] * fresh
        left = [len(trial.rows[k]) - a for k, a in zip(here, at, strict=True)]
        size = int(trial.draw.integers(1, min(left) + 1))
        steps = np.stack([trial.rows[k][a : a + size] for k, a in zip(here, at, strict=True)], 1)
        for place, chunk in enumerate(np.moveaxis(_advanced(stream, steps), 1, 0)):
            chunks[here[place]].append(chunk)
        ended = [place for place, rest in enumerate(left) if rest == size]
        stream.leave(ended)
        here = [k for place, k in enumerate(here) if place not in ended]
        at = [a + size for place, a in enumerate(at) if place not in ended]
    return zip(map(trial.compared, chunks), trial.wanted, strict=True)


def _read_back(trial: Trial) -> Pairs:
    _ = trial.model
    return zip(map(saved.load(trial.run).outputs, trial.rows), trial.wanted, strict=True)


def _exported(trial: Trial) -> Pairs:
    with tempfile.TemporaryDirectory() as folder:
        saved.save(Path(folder, "model"), trial.model)
        model = saved.load(Path(folder, "model"))
    return zip(map(model.outputs, trial.rows), trial.wanted, strict=True)


def _without_torch(trial: Trial, isa: str) -> Pairs:
    _ = trial.model
    if not isinstance(trial, Heard):
        return zip(isolated.outputs(trial.run, trial.rows, isa), trial.wanted, strict=True)
    trial.model.stream()  # refuses models that read backward
    answers = isolated.outputs(trial.run, trial.rows, isa)
    return zip((trial.compared([one]) for one in answers), trial.wanted, strict=True)


def _per_isa() -> Iterable[tuple[str, Callable[[Trial], Pairs]]]:
    return ((f"without torch, {isa}", partial(_without_torch, isa=isa)) for isa in _cpu.isas())


def _samples(trial: Trial) -> Pairs:
    for samples, wanted in zip(trial.rows, trial.wanted, strict=True):
        stream = trial.model.stream()
        chunks = [stream.feed(samples[a:b]) for a, b in pairwise(trial.cuts(len(samples)))]
        yield _told(trial, [*chunks, stream.finish()]), wanted


def _samples_saved(trial: Trial) -> Pairs:
    """Within a frame, nearly always."""
    for samples, wanted in zip(trial.rows, trial.wanted, strict=True):
        stream, at = trial.model.stream(), int(trial.draw.integers(len(samples) + 1))
        first = stream.feed(samples[:at])
        stream = trial.model.stream(snapshot=stream.snapshot())
        yield _told(trial, [first, stream.feed(samples[at:]), stream.finish()]), wanted


def _told(trial: Trial, answers: Sequence[dict[str, Array]]) -> Array:
    return trial.compared([one[trial.model.compared] for one in answers])


CHECKS: dict[str, Callable[[Trial], Pairs]] = {
    "each sequence alone": _each_alone,
    "random batches and orders": _batches,
    "padding filled with NaN": _padding,
    "streamed in random chunks": _chunks,
    "streamed side by side": _side_by_side,
    "stream at a random step": _beginnings,
    "snapshot half-way": _snapshots,
    "runtime from the run folder": _read_back,
    "runtime from one file": _exported,
}

# Of models that hear.
HEARD: dict[str, Callable[[Trial], Pairs]] = {
    "sound streamed in random chunks": _samples,
    "sound, a snapshot at a random sample": _samples_saved,
}


def _tried(trial: Trial, name: str, check: Callable[[Trial], Pairs]) -> Check:
    count, steps = len(trial.rows), sum(map(len, trial.rows))
    try:
        pairs = list(check(trial))
    except ConfigError as error:
        return Check(name, count, steps, None, note=str(error))
    except RunError as error:
        return Check(name, count, steps, False, note=str(error))
    equal = len(pairs) == count and all(_same(answer, wanted) for answer, wanted in pairs)
    return Check(name, count, steps, equal, max(_gap(answer, wanted) for answer, wanted in pairs))


def _advanced(stream: Stream, steps: Array) -> Array:
    """steps (T, B, …), as `encode` gives them -> the compared answer after each (T, B, …)."""
    answers, stream.state = stream.model.advance(steps, stream.state)
    return answers[stream.model.compared]


def _same(answer: Array, wanted: Array) -> bool:
    """The same bits: a negative zero is not a zero, and a NaN is itself."""
    return (answer.dtype, answer.shape, answer.tobytes()) == (wanted.dtype, wanted.shape, wanted.tobytes())


def _gap(answer: Array, wanted: Array) -> float:
    if (answer.dtype, answer.shape) != (wanted.dtype, wanted.shape):
        return float("inf")
    differ = answer.astype(np.float64) - wanted.astype(np.float64)
    largest = float(np.abs(differ).max(initial=0.0))
    return largest if np.isfinite(largest) else float("inf")


def _checksum(arrays: Sequence[Array]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
