"""A small model of two columns, or of words or texts, without torch; and lines through it.

python -m tests.streaming.stub MODEL.json --snapshot FILE …    as `python -m unrolled.runtime`, of this model
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from unrolled.blocks.block import write
from unrolled.blocks.recurrent import Recurrent
from unrolled.cells import CELLS
from unrolled.ending import ended
from unrolled.errors import DataError
from unrolled.kernels.numpy import heads
from unrolled.models import saved
from unrolled.models.model import Column, Model
from unrolled.streaming import command, lines
from unrolled.streaming.sessions import Options

H = 5
ORDER = ("b", "a")


class Stub(Model):
    """y = W h + b of an LSTM over (b, a), or over the letters of what it is given. Missing numbers are 0."""

    kind = Recurrent
    compared = "y"

    def __init__(self, task="forecast", kind="table"):
        draw = np.random.default_rng(7)
        self.lines, self.words = kind, kind == "words"
        block = Recurrent(CELLS["lstm"](), 2, H, bias=False)
        arrays = {name: draw.normal(size=shape).astype(np.float32) for name, shape in block.shapes().items()}
        super().__init__({"task": task, "network": write(block)}, arrays)
        self.head = heads.Linear(draw.normal(size=(3, H)).astype(np.float32))

    def start(self, rows):
        return self.network.start(rows)

    def columns(self):
        known = {"a": Column(), "b": Column(), "when": Column(numbers=False, optional=True)}
        return known if self.lines == "table" else {}

    def encode(self, chunk):
        if self.lines == "table":
            chunk = [[one[name] for name in ORDER] if isinstance(one, dict) else one for one in chunk]
            if any(value > 1e6 for step in chunk for value in step):
                raise DataError("wanted numbers up to a million, got more; correct it")
            return np.nan_to_num(np.array(chunk, np.float32).reshape(-1, 2))
        signs = "".join(chunk)
        return np.array([[ord(sign) % 7, ord(sign) % 5] for sign in signs], np.float32).reshape(-1, 2)

    def advance(self, steps, state):
        h, after = self.network(steps, state)
        return {"y": self.head(h), "largest": self.head(h).argmax(-1)}, after

    def record(self, answer):
        return {"y": answer["y"], "largest": np.array((*ORDER, "none"))[answer["largest"]]}

    def predict(self, sequences):
        return [self.outputs(self.encode(one))[-1] for one in sequences]

    def outputs(self, steps):
        return self.advance(steps[:, None], self.start(1))[0]["y"][:, 0]


def streamed(model, text, /, **options):
    """What comes out, as text; errors pass."""
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as sink:
        source.write(text.encode() if isinstance(text, str) else text)
        source.seek(0)
        try:
            lines.run(model, Options(**options), source.fileno(), sink.fileno())
        finally:
            sink.seek(0)
            streamed.last = sink.read().decode()
        return streamed.last


def answers(model, text, /, **options):
    """What comes out, as records without their numbers of lines."""
    found = [json.loads(line) for line in streamed(model, text, **options).splitlines()]
    return [{name: value for name, value in one.items() if name != "line"} for one in found]


def notes_of(snapshot):
    """What `unrolled stream` keeps in its snapshot beside the state, without the answers."""
    return json.loads(Stub().stream(snapshot=snapshot.read_bytes()).notes.partition(b"\n")[0])


if __name__ == "__main__":
    saved.load = lambda path: Stub(**json.loads(Path(path).read_text()))
    ended(lambda: command.stream(sys.argv[1:]))
