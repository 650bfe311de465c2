"""What inputs of one step are for a network: pictures, numbers, classes. Fitted on the training part; needs
no torch.

    pictures   (x - m_c) / s_c: mean and deviation of each channel over all training pixels
    attributes numbers as codecs/inputs.py scales them; classes by their number

Shapes   pictures (N, H, W, C), numbers (N, F), classes (N,)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.codecs.inputs import NumberInputs
from unrolled.codecs.scaling import Scaler
from unrolled.errors import DataError
from unrolled.files.captioned import Attributes, Captioned
from unrolled.files.examples import Sequences
from unrolled.files.images import Size, spelt
from unrolled.files.messages import listed, natural, nearest, option, shown

Array = NDArray[np.float64]
Rows = tuple[NDArray[Any], ...]  # arrays (N, …) that belong together


@dataclass(frozen=True)
class Pictures:
    """`mean`, `scale` (C,) of the pixels."""

    size: Size
    mean: Array
    scale: Array

    features: ClassVar[tuple[str, ...]] = ()
    class_column: ClassVar[str | None] = None

    @classmethod
    def fit(cls, data: Captioned) -> Self:
        pixels: Any = data.inputs
        levels = np.arange(256.0)
        counts = np.zeros((pixels[0].shape[2], 256), np.int64)
        for one in pixels:
            for channel, plane in enumerate(np.moveaxis(one, 2, 0)):
                counts[channel] += np.bincount(plane.ravel(), minlength=256)
        shares = counts / counts.sum(1, keepdims=True)
        mean = (shares * levels).sum(1)
        scale = np.sqrt((shares * (levels - mean[:, None]) ** 2).sum(1))
        return cls(pixels[0].shape[:2], mean, np.where(scale > 0, scale, 1.0))

    @property
    def channels(self) -> int:
        return len(self.mean)

    def encode(self, data: Captioned) -> Rows:
        """(N, H, W, C) uint8. DataError where these are no pictures, or of another size."""
        pixels: Any = data.inputs
        for one, place in zip(pixels, data.places, strict=True):
            if isinstance(one, Attributes):
                raise DataError(
                    f"{place}: the model reads pictures, got columns of numbers or classes; give "
                    "files with a column of pictures"
                )
            if one.shape != (*self.size, self.channels):
                raise DataError(
                    f"{place}: a picture of {spelt(one.shape[:2])}; the model reads {spelt(self.size)}; "
                    f"resize it, or train with {option('image_size')}"
                )
        return (np.stack(pixels),)

    def scaled(self, rows: Rows) -> Rows:
        """As the network takes them."""
        return (((rows[0] - self.mean) / self.scale).astype(np.float32),)

    def flat(self, rows: Rows) -> NDArray[np.float32]:
        """(N, …) numbers whose distances tell how near two inputs are."""
        return self.scaled(rows)[0].reshape(len(rows[0]), -1)

    def about(self) -> dict[str, Any]:
        return {"kind": "pictures", "size": list(self.size)}

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"pixel_mean": self.mean, "pixel_scale": self.scale}

    @classmethod
    def restore(cls, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        height, width = about["size"]
        scaler = Scaler.from_arrays({name: arrays[f"pixel_{name}"] for name in ("mean", "scale")})
        return cls((int(height), int(width)), scaler.mean, scaler.scale)


@dataclass(frozen=True)
class AttributeInputs:
    """`numbers` is None where there are no features; `class_column` is that of `classes`."""

    numbers: NumberInputs | None
    class_column: str | None
    classes: tuple[str, ...]

    @classmethod
    def fit(cls, data: Captioned) -> Self:
        labels = {label for label in data.labels if label is not None}
        numbers = NumberInputs.fit(_numbers(data)) if data.features else None
        return cls(numbers, data.class_column, tuple(sorted(labels, key=natural)))

    @property
    def features(self) -> tuple[str, ...]:
        return () if self.numbers is None else self.numbers.features

    @property
    def width(self) -> int:
        return 0 if self.numbers is None else self.numbers.width

    def encode(self, data: Captioned) -> Rows:
        """z (N, F), the number of the class (N,). DataError for other columns, and for a class that training
        does not hold."""
        if data.features != self.features or data.class_column != self.class_column:
            raise DataError(
                f"{data.places[0]}: {_kind(data.features, data.class_column)}; the model reads "
                f"{_kind(self.features, self.class_column)}"
            )
        z = np.zeros((len(data), self.width), np.float32)
        if self.numbers is not None:
            rows = _numbers(data)
            pairs = zip(rows.inputs, rows.places, strict=True)
            z = np.concatenate([self.numbers.encode(x, place) for x, place in pairs])
        known = {name: k for k, name in enumerate(self.classes)}
        numbers = np.zeros(len(data), np.int64)
        for i, (label, place) in enumerate(zip(data.labels, data.places, strict=True)):
            if label is not None and label not in known:
                raise DataError(
                    f"{place}: class {shown(label)} is not in the training part"
                    f"{nearest(label, self.classes)}; it holds {listed(self.classes)}"
                )
            numbers[i] = 0 if label is None else known[label]
        return z, numbers

    def scaled(self, rows: Rows) -> Rows:
        return rows

    def flat(self, rows: Rows) -> NDArray[np.float32]:
        """(N, …) numbers, and a 1 for the class."""
        return np.concatenate([rows[0], np.eye(max(1, len(self.classes)), dtype=np.float32)[rows[1]]], 1)

    def about(self) -> dict[str, Any]:
        numbers = None if self.numbers is None else self.numbers.about()
        return {
            "kind": "given",
            "numbers": numbers,
            "given": self.class_column,
            "classes": list(self.classes),
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {} if self.numbers is None else self.numbers.arrays()

    @classmethod
    def restore(cls, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        numbers = None if about["numbers"] is None else NumberInputs.restore(about["numbers"], arrays)
        return cls(numbers, about["given"], tuple(about["classes"]))


def _numbers(data: Captioned) -> Sequences:
    """The numbers as sequences of one step."""
    inputs: Any = data.inputs
    return Sequences(tuple(one.numbers[None] for one in inputs), data.features, None, data.names, data.places)


def _kind(features: Sequence[str], class_column: str | None) -> str:
    if not features and class_column is None:
        return "pictures"
    return f"columns {listed([*features, *([class_column] if class_column else [])])}"


INPUTS: dict[str, type[Pictures] | type[AttributeInputs]] = {"pictures": Pictures, "given": AttributeInputs}
