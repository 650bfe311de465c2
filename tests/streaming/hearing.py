"""Small models that hear, without torch and of random weights; and sound through them."""

import json
import tempfile

import numpy as np

from unrolled.blocks.block import write
from unrolled.blocks.leaves import Linear, Pooling
from unrolled.blocks.pooled import Numbers, Pooled
from unrolled.blocks.recurrent import Recurrent
from unrolled.blocks.transcriber import Transcriber
from unrolled.cells import CELLS
from unrolled.files.pcm import Pcm
from unrolled.models import saved
from unrolled.streaming import lines
from unrolled.streaming.sessions import Options

RATE_HZ, MELS, H = 8000, 6, 9
HEARS = {"frame_ms": 25, "hop_ms": 10, "mels": MELS, "low_hz": 0, "high_hz": None, "rate_hz": RATE_HZ}
LABELS = ("<unk>", "a", "b", "ß")


def hearing(task, stride=1):
    """A model of that task, whose answers change often."""
    draw = np.random.default_rng(3)
    names = [f"mel{k}" for k in range(1, MELS + 1)]
    inputs = {"kind": "numbers", "features": names, "flagged": [False] * MELS, "rate_hz": RATE_HZ}
    arrays = {"codec.features.mean": np.full(MELS, 2.5), "codec.features.scale": np.full(MELS, 2.0)}
    answers, codec = {}, {"inputs": inputs}
    layer = Recurrent(CELLS["gru"](), MELS * stride, H)
    if task == "transcribe":
        decoding = {"decoder": "greedy", "beam": 4, "best": 1, "lm_weight": 0.0, "label_bonus": 0.0}
        answers = {"decoding": decoding, "states": None}
        codec |= {"tokens": "characters", "grams": None, "words": None, "symbols": LABELS, "unicode": "nfc"}
        block = Transcriber(Numbers(MELS), layer, Linear(H, len(LABELS)), subsample=stride)
    else:
        classes = 3 if task == "classify" else 1
        codec |= {"classes": ["x", "y", "z"]} if task == "classify" else {}
        arrays |= {"codec.target.mean": np.zeros(1), "codec.target.scale": np.ones(1)}
        block = Pooled(Numbers(MELS), layer, Pooling("last", H, H), Linear(H, classes))
    weights = {name: draw.normal(0, 1.5, shape).astype(np.float32) for name, shape in block.shapes().items()}
    about = {"format": saved.FORMAT, "task": task, "network": write(block)}
    about = json.loads(json.dumps(about | {"answers": answers, "codec": codec, "hears": HEARS}))
    return saved.model("stub", about, arrays | weights)


def sound(samples, seed=0):
    """Tones of some pitches and noise, a tenth of a second each, as whole numbers of 16 bits."""
    draw, t = np.random.default_rng(seed), np.arange(samples) / RATE_HZ
    pitch = draw.choice([0, 300, 900, 2200], 1 + samples // 800)[np.arange(samples) // 800]
    s = 0.5 * np.sin(2 * np.pi * pitch * t) + draw.normal(0, 0.05, samples)
    return (s * 32768).clip(-32768, 32767).astype("<i2")


def streamed(model, data, pcm="s16le:8000", **options):
    """What comes out of `unrolled stream --pcm`, as text; errors pass."""
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as sink:
        source.write(data if isinstance(data, bytes) else data.tobytes())
        source.seek(0)
        try:
            lines.run(model, Options(pcm=Pcm.parse(pcm), **options), source.fileno(), sink.fileno())
        finally:
            sink.seek(0)
            streamed.last = sink.read().decode()
        return streamed.last


def told(model, data, **options):
    """The same as records."""
    return [json.loads(line) for line in streamed(model, data, **options).splitlines()]
