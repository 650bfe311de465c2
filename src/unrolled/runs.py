"""The run folder: a trained model and everything needed to use, resume or repeat it.

    config.toml         format, task, version of unrolled, then the task's sections: complete, so that
                        training again from it gives the same bits
    environment.json    versions and machine, and what tells this run apart, by which checkpoints are its own
    model.safetensors   the trained weights, and the checksums of the files below; written last, so a run that
                        has them is finished
    NAME.safetensors    further arrays of the task, such as its scaler; seen: what it was trained on, by
                        which it is known again when the model is judged (tasks/seen.py)
    NAME.json           what the task needs again, and what it found
    judged/             a run folder of the model that was judged, where another was trained on all data
    metrics.jsonl       the history, see training/history.py
    checkpoints/        see training/checkpoints.py
    plots/

TOML has no null: a key whose value is None is left out, so None must be that key's default.
"""

import contextlib
import importlib.metadata
import json
import platform
import re
import secrets
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from unrolled import __version__
from unrolled.errors import RunError
from unrolled.files import atomic, checksums, json_text, locks, opening
from unrolled.files.messages import resuming
from unrolled.files.metrics import Row, lines_of, rows_of
from unrolled.files.tensors import MODEL_KIND, dumped, parsed, read, require, write_tensors

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from torch import Tensor, nn


FORMAT = 1
MOST_CONFIG = 1 << 24  # bytes
ARRAYS_KIND = "arrays 1"
HEAD = ("format", "task", "unrolled")
ENVIRONMENT = "environment.json"
MODEL = "model.safetensors"
OWN_FILES = (MODEL, ENVIRONMENT)


class Run:
    """A run folder that exists. Touches nothing outside it."""

    def __init__(self, folder: Path, task: str, config: dict[str, Any]) -> None:
        self.folder, self.task, self.config = folder, task, config
        self._saved: dict[str, str] = {}  # checksums of what was written here, by the names of the files

    @classmethod
    def create(cls, folder: str | Path, config: Mapping[str, Any], task: str) -> "Run":
        """A new run in `folder`, which must be empty or not exist; it appears whole or not at all.

        `config` holds the task's sections as plain values. RunError where the folder is taken or unwritable.
        """
        folder = Path(folder)
        _refuse_taken(folder)
        if clash := [key for key in HEAD if key in config]:
            raise ValueError(f"config must not have a key {clash[0]!r}: the run writes it itself")
        sections = _without_none(config)
        head = {"format": FORMAT, "task": task, "unrolled": __version__}
        try:
            _make(folder, _toml(head | sections))
        except OSError as error:
            raise RunError(f"cannot make {folder}: {error.strerror}; choose another folder") from error
        return cls(folder, task, sections)

    @classmethod
    def open(cls, folder: str | Path) -> "Run":
        """The run in `folder`. RunError where there is none, or one that this version cannot read."""
        folder = Path(folder)
        path = folder / "config.toml"
        if not path.is_file():
            what = "is not a run: it has no config.toml" if folder.is_dir() else "is no folder"
            raise RunError(f"{folder} {what}; give the folder that 'unrolled train --out' wrote")
        config = _read_toml(path)
        number, task, version = (config.pop(key, None) for key in HEAD)
        if type(number) is not int or number != FORMAT:
            raise RunError(
                f"{path}: written by format {number!r}; this is unrolled {__version__}, which reads format "
                f"{FORMAT}; use unrolled {version or 'of the version that wrote it'}"
            )
        if not isinstance(task, str):
            raise RunError(f'{path}: wanted task = "…", got {task!r}; restore the line that train wrote')
        return cls(folder, task, config)

    @contextlib.contextmanager
    def locked(self) -> Iterator[Self]:
        """The run, for one process to write to. RunError, which says who has it, where another does."""
        with locks.held(self.folder, "unrolled train"):
            yield self

    @property
    def finished(self) -> bool:
        """True where the training ended and its model was saved."""
        return self._model_file.exists()

    @property
    def identity(self) -> str:
        """What tells this run apart from all others. RunError where environment.json does not say it."""
        path = self.folder / ENVIRONMENT
        try:
            return str(json_text.parse(read(path))["run"])
        except (LookupError, TypeError, ValueError) as error:
            raise RunError(f"{path} names no run ({error!s:.60}); restore it, or train anew") from None

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the trained model's file, which holds the checksums of what was saved with it. RunError
        where the training has not ended."""
        self.require_finished()
        return checksums.of(read(self._model_file))

    @property
    def plots(self) -> Path:
        """The folder for plots; made where it is missing."""
        folder = self.folder / "plots"
        folder.mkdir(exist_ok=True)
        return folder

    def save_model(self, weights: Mapping[str, "Tensor"]) -> None:
        """Writes a state_dict. Save everything else before: a run with a model is finished."""
        about = {"task": self.task, checksums.MEMBERS: dict(sorted(self._saved.items()))}
        write_tensors(self._model_file, MODEL_KIND, weights, about)

    def require_finished(self) -> None:
        """RunError where the training has not ended."""
        if not self.finished:
            raise RunError(
                f"{self._model_file} is missing: the training has not ended; {resuming(self.folder)}"
            )

    def load_model(self) -> dict[str, "Tensor"]:
        """The state_dict. RunError where the training has not ended, or where a weight is not finite."""
        import torch

        arrays, _ = self._model
        weights = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
        for name, tensor in weights.items():
            if not bool(tensor.isfinite().all()):
                raise RunError(
                    f"{self._model_file}: '{name}' holds NaN or infinity; restore the file or train anew"
                )
        return weights

    def load_into(self, model: "nn.Module") -> None:
        """Puts the saved weights into `model`. RunError, before any change, where names or shapes differ."""
        weights = self.load_model()
        require(self._model_file, weights, model.state_dict())
        model.load_state_dict(weights)

    def save_arrays(self, name: str, arrays: Mapping[str, "np.ndarray"]) -> None:
        """Writes arrays that the task needs again, as `name`.safetensors."""
        self._save(self._path(name, "safetensors"), dumped(ARRAYS_KIND, arrays, {}))

    def load_arrays(self, name: str) -> dict[str, "np.ndarray"]:
        """What `save_arrays` wrote. RunError of a file that is not the one that was saved with the model."""
        path = self._path(name, "safetensors")
        arrays, _ = parsed(path, ARRAYS_KIND, self.content(path.name))
        return {name: array.copy() for name, array in arrays.items()}

    def save_json(self, name: str, value: Any) -> None:
        """Writes what the task needs again, as `name`.json."""
        text = json.dumps(value, indent=2, allow_nan=False) + "\n"
        self._save(self._path(name, "json"), text.encode())

    def load_json(self, name: str) -> Any:
        """What `save_json` wrote. RunError as of `load_arrays`."""
        path = self._path(name, "json")
        try:
            return json_text.parse(self.content(path.name))
        except ValueError as error:
            raise RunError(f"cannot read {path}: {error}; restore it or train anew") from error

    def save_table(self, name: str, table: "pl.DataFrame") -> None:
        """Writes what a person may want to look into, as `name`.csv; nothing reads it back."""
        atomic.write_text(self._path(name, "csv"), table.write_csv())

    def write_metrics(self, rows: Sequence[Row]) -> None:
        """Writes metrics.jsonl; see training/history.py for the rows."""
        self._save(self.folder / "metrics.jsonl", lines_of(rows))

    def read_metrics(self) -> list[Row]:
        """The rows of metrics.jsonl. RunError as of `load_arrays`."""
        path = self.folder / "metrics.jsonl"
        return rows_of(path, self.content(path.name))

    @property
    def _model_file(self) -> Path:
        return self.folder / MODEL

    @property
    def members(self) -> dict[str, str]:
        """The files that were saved with the model, and their checksums. RunError where it cannot be read."""
        return self._model[1]

    def content(self, name: str) -> bytes:
        """Of one of the members. RunError where it is not as it was saved."""
        path, wanted = self.folder / name, self.members
        data = read(path)
        checksums.require(path, data, wanted)
        return data

    @cached_property
    def _model(self) -> tuple[dict[str, "np.ndarray"], dict[str, str]]:
        self.require_finished()
        arrays, about = parsed(self._model_file, MODEL_KIND, read(self._model_file))
        if about.get("task") != self.task:
            raise RunError(
                f"{self._model_file} is of task {about.get('task')!r:.40}, config.toml beside it of "
                f"'{self.task}'; restore both, or train anew"
            )
        return arrays, checksums.members(self._model_file, about)

    def _save(self, path: Path, data: bytes) -> None:
        atomic.write_bytes(path, data)
        self._saved[path.name] = checksums.of(data)

    def _path(self, name: str, ending: str) -> Path:
        if not re.fullmatch("[a-z][a-z0-9_]*", name) or f"{name}.{ending}" in OWN_FILES:
            raise ValueError(f"wanted a name of a-z, 0-9, _ that the run does not use itself, got {name!r}")
        return self.folder / f"{name}.{ending}"


def environment() -> dict[str, Any]:
    """What decides the bits of a training besides its configuration: versions and machine."""
    import torch

    versions = {name: importlib.metadata.version(name) for name in ("torch", "numpy")}
    return {
        "unrolled": __version__,
        "python": platform.python_version(),
        **versions,
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _refuse_taken(folder: Path) -> None:
    if (folder / "config.toml").exists():
        raise RunError(f"{folder} holds a run already; choose another folder, or go on: {resuming(folder)}")
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise RunError(f"{folder} exists and is not an empty folder; choose another folder")


def _make(folder: Path, config: str) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with atomic.growing_folder(folder) as growing:
        (growing / "checkpoints").mkdir()
        (growing / "plots").mkdir()
        about = {"run": secrets.token_hex(16)} | environment()
        atomic.write_text(growing / ENVIRONMENT, json.dumps(about, indent=2) + "\n")
        atomic.write_text(growing / "config.toml", config)


def _without_none(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, Mapping) else value
        for key, value in config.items()
        if value is not None
    }


def _toml(config: dict[str, Any]) -> str:
    import tomli_w

    text = tomli_w.dumps(config)
    for line in text.splitlines():
        if any("\ud800" <= letter <= "\udfff" for letter in line):
            raise RunError(
                f"config.toml cannot hold {line!r}, which is not Unicode text; rename that file or column"
            )
    return text


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(opening.read_regular(path, MOST_CONFIG).decode())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise RunError(f"cannot read {path}: {why}; restore the file that train wrote") from error
