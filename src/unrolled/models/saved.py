"""Trained models in files: a run folder, or the single file that `unrolled export RUN --to runtime` writes.

    run folder    runtime.json, the description; model.safetensors, its arrays by their own names, and the
                  checksums of the two others; scalers.safetensors, theirs as codec.NAME
    single file   safetensors: the same arrays, and the description as JSON in the array "about" (bytes)

    the description   {"format": 2, "task": "language", "network": {…}, "answers": {…}, "codec": {…}}

What is damaged is refused before arrays are made of it: by its size (files/tensors.py), by its checksum and
layout (files/safetensors.py), by the sizes that the description declares (blocks/block.py).

`network` is a block in plain values (blocks/block.py), `answers` and `codec` are for the task's own model.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.errors import ConfigError, RunError
from unrolled.files import atomic, checksums, json_text, safetensors, typed
from unrolled.files.messages import resuming
from unrolled.files.tensors import MODEL_KIND, dumped, parsed, read
from unrolled.models.model import CODEC, Model
from unrolled.ops.state import Array
from unrolled.registry import TASKS, imported

FORMAT = 2
KIND = "runtime 1"
DESCRIPTION, MODEL, SCALERS = "runtime.json", "model.safetensors", "scalers.safetensors"
ABOUT = "about"
MOST_DESCRIPTION = 1 << 24  # bytes
AT_ONCE = 1 << 18  # numbers


def load(path: str | Path) -> Model:
    """The model of a run folder or of an exported file. RunError, one line, for whatever is wrong with it."""
    path = Path(path)
    if path.is_dir():
        _require(path)
        arrays, metadata = parsed(path / MODEL, MODEL_KIND, read(path / MODEL))
        files = checksums.members(path / MODEL, metadata)
        about = _description(path / DESCRIPTION, _member(path / DESCRIPTION, files))
        scalers = safetensors.parse(str(path / SCALERS), _member(path / SCALERS, files))[0]
        return model(str(path), about, arrays | {CODEC + name: array for name, array in scalers.items()})
    arrays, _ = parsed(path, KIND, read(path, "give a run folder or an exported file"))
    if ABOUT not in arrays or arrays[ABOUT].dtype != np.uint8:
        raise RunError(f"{path} holds no description of a model; export it again")
    about = _description(path, arrays.pop(ABOUT).tobytes())
    return model(str(path), about, arrays)


def model(place: str, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> Model:
    """What a description and arrays make. RunError, which begins with `place`, for what makes none."""
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not _finite(array):
            raise RunError(f"{place}: '{name}' holds NaN or infinity; restore the file or train anew")
    try:
        loaded: Model = imported(TASKS[about["task"]].model)(about, arrays)
        for name, part in vars(loaded).items():
            typed.require(part, name)
    except ConfigError:  # such as for a library that is not installed
        raise
    except RunError as error:
        raise RunError(f"{place}: {error}") from error
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise RunError(
            f"{place}: the description does not fit ({error!r:.80}); restore it or train anew"
        ) from error
    return loaded


def save(path: str | Path, saved: Model) -> None:
    """Writes the single file, whole or not at all."""
    about = np.frombuffer(json.dumps(saved.about, allow_nan=False).encode(), np.uint8)
    atomic.write_bytes(path, dumped(KIND, {**saved.arrays, ABOUT: about}, {"task": saved.task}))


def _require(run: Path) -> None:
    """RunError for a folder that holds no model for the runtime, with the reason."""
    if not (run / "config.toml").is_file() and not (run / DESCRIPTION).is_file():
        raise RunError(f"{run} is not a run; give the folder of a trained model, or an exported file")
    if not (run / MODEL).exists():
        raise RunError(f"{run}: the training has not ended; {resuming(run)}")
    if not (run / DESCRIPTION).exists():
        raise RunError(
            f"{run} has no {DESCRIPTION}: its model needs torch, or an older version wrote it; "
            f"unrolled export {run} --to runtime says which, or makes a file of it"
        )


def _finite(array: Array) -> bool:
    """Piece by piece, so that it takes no memory."""
    flat = array.reshape(-1)
    return all(np.isfinite(flat[k : k + AT_ONCE]).all() for k in range(0, flat.size, AT_ONCE))


def _member(path: Path, files: Mapping[str, str]) -> bytes:
    data = read(path)
    checksums.require(path, data, files)
    return data


def _description(path: Path, data: bytes) -> dict[str, Any]:
    if len(data) > MOST_DESCRIPTION:
        raise RunError(f"{path}: a description of {len(data):,} bytes; at most {MOST_DESCRIPTION:,} are read")
    try:
        about = json_text.parse(data)
        version, task = about["format"], about["task"]
    except (LookupError, TypeError, ValueError) as error:
        raise RunError(f"{path}: the description is no JSON table ({error!s:.60}); restore it") from None
    if type(version) is not int or version != FORMAT:
        raise RunError(f"{path}: written in format {version!r:.40}; this version reads format {FORMAT}")
    if not isinstance(task, str) or task not in TASKS:
        raise RunError(f"{path}: a model of task {task!r:.40}; this version runs {', '.join(TASKS)}")
    description: dict[str, Any] = about
    return description
