"""Pictures, numbers and classes that become words or sequences of numbers, without torch. Equations:
tasks/caption/encoders.py, network.py and numbers.py.

    {"encoder": {"kind": "convolution", "stages": [[weight, bias], …], "position": name,
                 "head": name, "bias": name}
                {"kind": "rows", "forwards": n}             its layers are those of the model
                {"kind": "given", "numbers": [weight, bias] or null, "table": name or null},
     "condition": "state", "input" or "both",
     "writes": {… as models/decoder.py has it}, of numbers {"layers": …, "bridge": …, "head": name,
                "bias": name, "output": "point"},
     "decoding": {"beam": 5, "best": 1, "penalty": 1.0, "longest": 40,
                  "min_length": 0, "no_repeat": null}}

Encoded: a picture (H, W, C) uint8; of numbers and a class one step with the fields "z" and "class".
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unrolled.codecs.answers import ANSWERS, NumberAnswers, Texts
from unrolled.codecs.conditions import INPUTS, GivenInputs, Pictures, Rows
from unrolled.decoding.distributions import softplus
from unrolled.decoding.search import Answer, Beams, in_one_line
from unrolled.errors import DataError
from unrolled.files.captioned import Captioned, Given
from unrolled.kernels.numpy import heads
from unrolled.models.decoder import Bridge, Decoder
from unrolled.models.layers import Layers
from unrolled.models.model import Model, codec_arrays
from unrolled.models.readers import require_scaled
from unrolled.ops.state import Array, State

CODE = "layer0.code.h"  # its name among the arrays that a bridge reads
KERNEL = 3
HALF = 0.6931471805599453  # ln 2: - ln of the chance to go on with which a sequence of numbers ends


class Convolutions:
    """x (B, H, W, C) -> r (B, R), places (B, T, M)."""

    def __init__(self, about: Mapping[str, Any], arrays: Mapping[str, Array], inputs: Pictures) -> None:
        self.stages = [heads.Linear(arrays[w], arrays[b]) for w, b in about["stages"]]
        self.position = arrays[about["position"]]
        self.head = heads.Linear(arrays[about["head"]], arrays[about["bias"]])
        widths = [inputs.channels, *(one.out_features for one in self.stages)]
        height, width = (side >> len(self.stages) for side in inputs.size)
        self.memory_size: int | None = widths[-1]
        self.code_size, self.dtype = self.head.out_features, self.head.dtype
        found = [one.in_features for one in self.stages], self.position.shape, self.head.in_features
        wanted = [KERNEL**2 * C for C in widths[:-1]], (height * width, widths[-1])
        if found != (*wanted, height * width * widths[-1]) or not height * width:
            raise ValueError(f"convolutions of sizes {found!s:.80}; wanted {wanted!s:.80}")

    def __call__(self, x: Array) -> tuple[Array, Array | None]:
        for stage in self.stages:
            x = _halved(np.maximum(stage(_patches(x)), 0))
        places = x.reshape(len(x), -1, x.shape[3])
        code = np.maximum(self.head(places.reshape(len(x), -1)), 0)
        return code, places + self.position


class RowByRow:
    """The rows of pixels are the steps of the model's layers."""

    def __init__(self, about: Mapping[str, Any], layers: Layers, inputs: Pictures) -> None:
        self.layers, self.forwards = layers, int(about["forwards"])
        self.code_size, self.dtype = layers.output_size, layers.dtype
        self.memory_size: int | None = layers.output_size
        if layers.input_size != inputs.size[1] * inputs.channels or not 0 <= self.forwards <= self.code_size:
            raise ValueError(f"layers of {layers.input_size} features read rows of {inputs.size}")

    def __call__(self, x: Array) -> tuple[Array, Array | None]:
        steps = np.ascontiguousarray(x.reshape(*x.shape[:2], -1).swapaxes(0, 1))
        y, _ = self.layers(steps, self.layers.start(len(x)))
        code = np.concatenate([y[-1, :, : self.forwards], y[0, :, self.forwards :]], 1)
        return code, np.ascontiguousarray(y.swapaxes(0, 1))


class Told:
    """Numbers and a class."""

    memory_size: int | None = None

    def __init__(self, about: Mapping[str, Any], arrays: Mapping[str, Array], inputs: GivenInputs) -> None:
        own, table = about["numbers"], about["table"]
        if inputs.numbers is not None:
            require_scaled(inputs.numbers)
        if not all(isinstance(name, str) for name in (*inputs.classes, inputs.given or "")):
            raise TypeError("classes that are no texts")
        self.numbers = None if own is None else heads.Linear(*(arrays[name] for name in own))
        self.table = None if table is None else arrays[table]
        shapes = [] if self.numbers is None else [(self.numbers.in_features, self.numbers.out_features)]
        wanted = [] if self.numbers is None else [(inputs.width, shapes[0][1])]
        if self.table is not None:
            heads.embedding(np.empty(0, np.int64), self.table)  # ValueError for one that is no table
            shapes.append(self.table.shape)
            wanted.append((len(inputs.classes), shapes[0][1]))
        if shapes != wanted or not shapes or (self.numbers is None) != (not inputs.width):
            raise ValueError(f"an encoder of {shapes}; wanted {wanted}")
        self.code_size = shapes[0][1]
        first: Any = self.numbers or self.table
        self.dtype = first.dtype

    def __call__(self, z: Array, classes: Array) -> tuple[Array, Array | None]:
        parts = [] if self.numbers is None else [self.numbers(z)]
        parts += [] if self.table is None else [heads.embedding(classes, self.table)]
        return np.maximum(parts[0] if len(parts) == 1 else parts[0] + parts[1], 0), None


class Writer:
    """The layers that write sequences of numbers, D in a step, of which each is described by R."""

    def __init__(self, about: Mapping[str, Any], arrays: Mapping[str, Array], size: int) -> None:
        self.layers = Layers(about["layers"], arrays)
        self.bridge = Bridge(about["bridge"], arrays)
        self.head = heads.Linear(arrays[about["head"]], arrays[about["bias"]])
        self.size, self.outputs = size, {"point": 1, "gaussian": 2}[about["output"]]
        self.extra = self.layers.input_size - size - 1
        self.bridge.require(self.layers, self.head.dtype)
        wanted = (self.layers.output_size, size * self.outputs + 1)
        if (self.head.in_features, self.head.out_features) != wanted or not self.layers.causal or not size:
            raise ValueError(f"a writer of {self.head.out_features} outputs; wanted {wanted}")

    def start(self, state: Mapping[str, Array]) -> State:
        return self.bridge(state)

    def write(self, state: State, extra: Array | None, longest: int) -> Array:
        """From the state of one row before its first step -> (T, D) standard scores."""
        last, found, passed = np.zeros((1, self.size), self.head.dtype), list[Array](), 0.0
        for t in range(longest):
            begins = np.full((1, 1), t == 0, last.dtype)
            x = np.concatenate([last, begins, *([] if extra is None else [extra])], 1)
            s, state = self.layers(x[None], state)
            made = self.head(s)[0, 0]
            last = np.ascontiguousarray(made[:-1].reshape(self.size, self.outputs)[None, :, 0])
            found.append(last[0])
            passed += float(softplus(made[-1:].astype(np.float64))[0])
            if passed >= HALF:
                break
        return np.stack(found)


class Runtime(Model):
    """Inputs are pictures (H, W, C) of uint8; or {column: number or class}, a class alone as it is."""

    task = "caption"
    compared = "answers"
    every_step = False

    def __init__(self, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        self.about, self.arrays = about, arrays
        network, codec, own = about["network"], about["codec"], codec_arrays(arrays)
        self.inputs = INPUTS[codec["inputs"]["kind"]].restore(codec["inputs"], own)
        self.answers = ANSWERS[codec["answers"]["kind"]].restore(codec["answers"], own)
        if isinstance(self.inputs, Pictures):
            _require_pixels(self.inputs)
        self.encoder = _encoder(self.inputs, about, arrays)
        self.writes: Decoder | Writer
        if isinstance(self.answers, Texts):
            self.writes = Decoder(network["writes"], arrays)
        else:
            self.writes = Writer(network["writes"], arrays, len(self.answers.columns))
        self.layers, self.condition = self.writes.layers, network["condition"]
        self.how = Beams.of(network["decoding"], self.writes.end if isinstance(self.writes, Decoder) else 1)
        self.longest = int(network["decoding"]["longest"])
        self._require()

    def encode(self, chunk: Any) -> Array:
        """DataError for what the model cannot read."""
        if isinstance(self.inputs, Pictures):
            x = np.asarray(chunk)
            if x.dtype != np.uint8:
                raise DataError(f"wanted a picture of whole numbers from 0 to 255 (uint8), got {x.dtype}")
            picture: Array = self.inputs.encode(_one(x, self.inputs))[0][0]
            return picture
        z, classes = self.inputs.encode(_one(_given(chunk, self.inputs), self.inputs))
        return as_step(z[0], classes[0])

    def predict(self, sequences: Sequence[Any]) -> list[Any]:
        """(N,) of the answers to each input, the best first; or of its sequence of numbers (T, D)."""
        found = [self._answered(self.encode(one)) for one in sequences]
        if isinstance(self.answers, NumberAnswers):
            return [self.answers.scaler.inverse(one.astype(np.float64)) for one in found]
        return [Answer.of(each, self.answers.side.tokenizer.decode) for each in found]

    def outputs(self, steps: Array) -> Array:
        """An encoded input -> its answers in one line (search.py), or its standard scores (T, D)."""
        found = self._answered(steps)
        return found if isinstance(found, np.ndarray) else in_one_line(found)

    def _answered(self, row: Array) -> Any:
        rows: Rows = (row[None],) if row.dtype.names is None else (row["z"], row["class"])
        code, places = self.encoder(*self.inputs.scaled(rows))
        state = self.writes.start({CODE: code}) if self.condition != "input" else self.layers.start(1)
        extra = code if self.condition != "state" else None
        if isinstance(self.writes, Writer):
            return self.writes.write(state, extra, self.longest)
        lengths = None if places is None else np.array([places.shape[1]])
        memory = None if lengths is None else self.writes.remember(places, lengths)
        assert isinstance(self.answers, Texts)
        step = self.writes.stepper(state, memory, extra)
        return self.writes.answers(step, self.how, self.longest, self.answers.side.never)

    def _require(self) -> None:
        size, writes = self.encoder.code_size, self.writes
        read = {} if self.condition == "input" else {CODE: size}
        fits = self.condition in ("state", "input", "both") and writes.bridge.fits(read)
        fits = fits and writes.extra == (0 if self.condition == "state" else size)
        fits = fits and {self.encoder.dtype} == {self.layers.dtype} and self.layers.causal
        if isinstance(writes, Decoder) and isinstance(self.answers, Texts):
            fits = fits and writes.end == self.answers.side.size
            if writes.attention is not None:
                fits = fits and writes.attention.memory_size == self.encoder.memory_size
        if not fits:
            raise ValueError(f"a code of {size} numbers, condition {self.condition!r:.20}, do not meet")


def as_step(z: Array, number: Any) -> Array:
    """(1,) numbers z (F,) and the number of a class, as one step of a sequence."""
    row: Array = np.empty(1, [("z", z.dtype, z.shape), ("class", np.int64)])
    row["z"], row["class"] = z, number
    return row


def _encoder(inputs: Pictures | GivenInputs, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> Any:
    own = about["network"]["encoder"]
    if isinstance(inputs, GivenInputs):
        return Told(own, arrays, inputs)
    if own["kind"] == "rows":
        return RowByRow(own, Layers(about["layers"], arrays), inputs)
    return Convolutions(own, arrays, inputs)


def _require_pixels(inputs: Pictures) -> None:
    shapes = inputs.mean.shape, inputs.scale.shape
    if shapes != ((inputs.channels,),) * 2 or not inputs.channels or min(inputs.size) < 1:
        raise ValueError(f"pictures of {inputs.size} pixels, scaled by {shapes} numbers")


def _patches(x: Array) -> Array:
    """x (B, H, W, C) -> (B, H, W, 9 C), rows, columns and channels in order, 0 outside."""
    H, W = x.shape[1:3]
    around = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return np.concatenate([around[:, i : i + H, j : j + W] for i in range(KERNEL) for j in range(KERNEL)], 3)


def _halved(y: Array) -> Array:
    """(B, H, W, C) -> (B, H // 2, W // 2, C), of four the largest."""
    B, H, W, C = y.shape
    made: Array = y[:, : H // 2 * 2, : W // 2 * 2].reshape(B, H // 2, 2, W // 2, 2, C).max((2, 4))
    return made


def _given(chunk: Any, inputs: GivenInputs) -> Given:
    """{column: value}, or of a model that reads a class alone this."""
    wanted = [*inputs.features, *([] if inputs.given is None else [inputs.given])]
    if not isinstance(chunk, Mapping):
        if wanted != [inputs.given]:
            raise DataError(f"wanted {wanted!s:.200} by their names, got {chunk!r:.40}")
        chunk = {inputs.given: chunk}
    if missing := [name for name in wanted if name not in chunk]:
        raise DataError(f"{missing[0]!r:.40} is missing; give {wanted!s:.200}")
    try:
        numbers = np.array([float(chunk[name]) for name in inputs.features])
    except (TypeError, ValueError):
        raise DataError(f"wanted numbers for {list(inputs.features)!s:.200}, got {chunk!s:.60}") from None
    if not np.isfinite(numbers).all():
        raise DataError(f"wanted finite numbers for {list(inputs.features)!s:.200}, got {chunk!s:.60}")
    return Given(numbers, None if inputs.given is None else str(chunk[inputs.given]))


def _one(x: Any, inputs: Pictures | GivenInputs) -> Captioned:
    return Captioned((x,), inputs.features, inputs.given, None, (), ("1",), ("the input",))
