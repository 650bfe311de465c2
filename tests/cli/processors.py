"""A small model of every task, and what each answers: by `predict`, in other ways, and as a stream.

python -m tests.cli.processors FOLDER N    the answers of the models in FOLDER, and N times `numbers`, as JSON
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

import unrolled
from tests.streaming.stub import answers as streamed
from tests.tasks.caption import cases as captions
from unrolled.blocks.outputs import Output
from unrolled.codecs.calendar import calendar_features
from unrolled.decoding.distributions import DISTRIBUTIONS, distribution
from unrolled.files.sample_rate import Resampler
from unrolled.files.samples import Sound
from unrolled.files.steps import Step
from unrolled.files.wav import Audio, log_mel
from unrolled.kernels.numpy.functions import power
from unrolled.tasks import pictures
from unrolled.tasks.perplexity import perplexity
from unrolled.tasks.sampling import Sampling

from .samples import SAMPLES

# What lowers the instruction sets of numpy, of ours, of torch and its libraries, and of the C library: to
# those of processors of about 2013, and of 2008.
LOWERED = {
    "avx2": {
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
        "UNROLLED_ISA": "avx2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_CBWR": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-FMA4",
    },
    "portable": {
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
        "UNROLLED_ISA": "portable",
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MKL_CBWR": "COMPATIBLE",
        "OPENBLAS_CORETYPE": "Nehalem",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-FMA,-FMA4",
    },
}
SMALL = {"hidden": 5, "epochs": 1, "batch_size": 8}
FORWARD = {"bidirectional": False}
STEPWISE = FORWARD | {"subsample": 1, "front": "none", "scale": "pooled"}
HOUR = Step(3600 * 10**6, "microsecond")


def lowered(isa: str, *arguments: str) -> str:
    """What Python with these arguments prints on a processor that has no more than `isa`."""
    root, where = Path(__file__).parents[2], os.environ | LOWERED[isa]
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=root, env=where, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


class Case(NamedTuple):
    """`data`: the name of a sample, what writes a file, or data; `ways`: options of other answers; `lines`:
    what is streamed, a text or what makes one of the file, with `id` as the option of that name."""

    task: str
    data: Any
    options: dict[str, Any]
    ways: tuple[dict[str, Any], ...] = ()
    lines: str | Callable[[Path], str] | None = None
    id: str | None = None


def hourly(folder: Path, seed: int) -> Path:
    begin, path = datetime(2024, 3, 1), folder / "load.csv"
    rows = [f"{begin + timedelta(hours=t)},{t % 24 + t * t % 7 / 7:g}" for t in range(160)]
    path.write_text("\n".join(["hour,load", *rows]) + "\n")
    return path


def frames(count: int) -> str:
    rows = [{f"mel{k}": (7 * t + 3 * k) % 11 - 15 for k in range(1, 41)} for t in range(count)]
    return "\n".join(map(json.dumps, rows)) + "\n"


PAIRS = [(word, word[::-1]) for word in ("abc", "bca", "cab", "aab", "bba", "cca", "abcab", "ccba") * 3]
LETTERS = {"source_tokens": "characters", "target_tokens": "characters"}
DRAWN = {"sample": True, "temperature": 0.7, "top_p": 0.9}
CASES = {
    "forecast, fed back": Case(
        "Forecaster",
        hourly,
        {"strategy": "recursive", "output": "studentt", "window": 12, "horizon": 3},
        lines=Path.read_text,
    ),
    "forecast, all at once": Case(
        "Forecaster",
        hourly,
        {"output": "quantiles", "window": 12, "horizon": 3},
        lines=Path.read_text,
    ),
    "classify recordings": Case("Classifier", "classify recordings", STEPWISE, lines=frames(9)),
    "classify texts": Case(
        "Classifier", "classify texts", {"tokens": "words"} | FORWARD, lines="gut ja!\nübel\n"
    ),
    "regress": Case("Regressor", "regress a long table", STEPWISE, lines=Path.read_text, id="id"),
    "tag": Case("Tagger", "tag entities", {"crf": True} | FORWARD, lines="Anna\nLee\nliest\n\nnur\n"),
    "transcribe": Case("Transcriber", "transcribe recordings", FORWARD | {"subsample": 2}, lines=frames(9)),
    "transcribe by states": Case("Transcriber", "transcribe recordings", {"hmm": True, "states": 1}),
    "language": Case("LanguageModel", "language of characters", {"window": 20}, lines="the cat\nsat\n"),
    "translate": Case(
        "Translator", PAIRS, LETTERS | {"attention": "additive"}, ways=({"length_penalty": 0.6}, DRAWN)
    ),
    "caption pictures": Case("Captioner", captions.pictures(24), {"stages": 2, "code_size": 8}),
    "caption with numbers": Case(
        "Captioner", captions.lines(24), {"id": "id", "output": "gaussian"}, ways=({"sample": True},)
    ),
}


def train(folder: Path) -> None:
    """The models, each in a folder of its own, and their data beside them."""
    for name, case in CASES.items():
        own = folder / name
        own.mkdir()
        data = SAMPLES[case.data].write if isinstance(case.data, str) else case.data
        if callable(data):
            data = data(own, 0)
            (own / "data").write_text(str(data))
        test = {} if case.task == "Forecaster" else {"test": 0}
        estimator = getattr(unrolled, case.task)(**SMALL, **test, **case.options)
        with mock.patch.object(pictures, "draw_history"), mock.patch.object(type(estimator), "_draw"):
            estimator.fit(data, out=own / "run")


def answers(folder: Path) -> dict[str, list[str]]:
    """What each model says, every number to its last bit."""
    found: dict[str, list[str]] = {}
    for name, case in CASES.items():
        own, model = folder / name, unrolled.load(folder / name / "run")
        data = Path((own / "data").read_text()) if (own / "data").exists() else case.data
        ways = [model, *(model.using(**one) for one in case.ways)]
        found[name] = [str(way.frame(data).to_dicts()) for way in ways]
        if case.task in ("Forecaster", "LanguageModel"):
            found[name].append(str(model.generate(20)))
        if case.lines is not None:
            text = case.lines if isinstance(case.lines, str) else case.lines(data)
            found[name].append(str(streamed(model.runtime(), text, id=case.id)))
    return found


def numbers(seed: int = 0) -> dict[str, str]:
    """Checksums of many numbers of what answers are made by: small models show few of them."""
    draw = np.random.default_rng(seed)
    raw, u, log_p = draw.random((900, 9), np.float32) * 6 - 3, draw.random((900, 2)), -9 * draw.random(900)
    made = {
        name: distribution(output).drawn(raw[:, : output.size], u)
        for name in DISTRIBUTIONS
        if (output := Output(name, (0.1, 0.5, 0.9))).is_distribution
    }
    made |= {
        "recordings": log_mel(Sound(8000, draw.random(4000) - 0.5), Audio()),
        "resampled": Resampler(44100, 16000).whole(np.random.default_rng(seed).random(4000)),
        "calendar": calendar_features(np.arange(900).astype("datetime64[h]").astype("datetime64[us]"), HOUR)[
            1
        ],
        "drawing": Sampling(temperature=0.7, top_p=0.9).distribution(log_p),
        "perplexity": np.array([perplexity(float(-one)) for one in log_p]),
        "length": power(np.arange(1, 900), 0.6),
    }
    return {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in made.items()}


if __name__ == "__main__":
    print(json.dumps([answers(Path(sys.argv[1])), *map(numbers, range(int(sys.argv[2])))]))
