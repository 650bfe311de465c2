"""Named tensors in a safetensors file: written whole or not at all, checked when read, never pickled.

A file says what it is: `kind` is its name and version ("checkpoint 1"), `about` what else it tells, as JSON.
Both stand in one metadata entry, so that equal contents give equal bytes.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unrolled import __version__
from unrolled.errors import RunError
from unrolled.files import atomic, json_text, opening, safetensors
from unrolled.files.safetensors import REMEDY

if TYPE_CHECKING:
    from torch import Tensor

ENTRY = "unrolled"
MOST = 1 << 34  # bytes of a file, which is read as a whole
MODEL_KIND = "model 1"  # of the weights alone, in a run and its best checkpoint


def write_tensors(path: Path, kind: str, tensors: Mapping[str, "Tensor"], about: Mapping[str, Any]) -> None:
    """Writes torch tensors from any device. Tensors that share memory (tied weights) are each written."""
    write_arrays(path, kind, {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}, about)


def write_arrays(path: Path, kind: str, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> None:
    """`write_tensors` for numpy arrays; needs no torch."""
    atomic.write_bytes(path, dumped(kind, arrays, about))


def dumped(kind: str, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> bytes:
    """What `write_arrays` writes."""
    entry = json.dumps({"kind": kind, "about": about}, allow_nan=False)
    return safetensors.dump(arrays, {ENTRY: entry})


def read_tensors(path: Path, kind: str) -> tuple[dict[str, "Tensor"], dict[str, Any]]:
    """(tensors on the CPU, about). RunError where the file is missing, damaged or of another kind."""
    import torch

    arrays, about = read_arrays(path, kind)
    return {name: torch.from_numpy(array) for name, array in arrays.items()}, about


def read_arrays(path: Path, kind: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """`read_tensors` as numpy arrays; needs no torch."""
    arrays, about = parsed(path, kind, read(path))
    return {name: np.array(array) for name, array in arrays.items()}, about


def parsed(path: Path, kind: str | None, data: bytes) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """`read_arrays` of a content that is read already, of any kind for None; the arrays are views of it."""
    arrays, metadata = safetensors.parse(str(path), data)
    return arrays, _about(path, kind, metadata)


def read(path: Path, remedy: str = REMEDY) -> bytes:
    """The content of a file that unrolled has written. RunError where there is no regular file of at most
    MOST bytes."""
    try:
        return opening.read_regular(path, MOST)
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}; {remedy}") from error


def require(path: Path, tensors: Mapping[str, "Tensor"], wanted: Mapping[str, "Tensor"]) -> None:
    """RunError unless both hold the same names with the same shapes and types."""
    remedy = "the file belongs to another configuration of the model; see config.toml beside it"
    for name in wanted.keys() - tensors.keys():
        raise RunError(f"{path}: wanted a tensor '{name}', found none; {remedy}")
    for name in tensors.keys() - wanted.keys():
        raise RunError(f"{path}: found a tensor '{name}' that the model does not have; {remedy}")
    for name, tensor in wanted.items():
        shape, dtype = tuple(tensors[name].shape), tensors[name].dtype
        if (shape, dtype) != (tuple(tensor.shape), tensor.dtype):
            raise RunError(
                f"{path}: '{name}' has shape {shape} and type {dtype}, "
                f"the model wants {tuple(tensor.shape)} and {tensor.dtype}; {remedy}"
            )


def _about(path: Path, kind: str | None, metadata: Mapping[str, str]) -> dict[str, Any]:
    try:
        entry = json_text.parse(metadata[ENTRY])
        stored: str = entry["kind"]
        about: dict[str, Any] = {} if kind is None and "about" not in entry else entry["about"]
        if not (isinstance(stored, str) and isinstance(about, dict)):
            raise TypeError
    except (LookupError, TypeError, ValueError):
        raise RunError(f"{path} was not written by unrolled: it does not say what it holds") from None
    if stored != kind and kind is not None:
        raise RunError(f"{path} holds {stored!r:.40}; unrolled {__version__} reads '{kind}' here")
    return about
