"""Checkpoints of a training in a run folder.

    checkpoints/last.safetensors   the whole training: weights, optimizer, random generators, carried state,
                                   what batches keep, progress, the best weights so far, their average, all
                                   rows of the history
    checkpoints/best.safetensors   the best weights alone
    metrics.jsonl                  the rows alone

last.safetensors is the only source: it appears whole by one rename, and the two others are copies of parts
of it, written after it. A kill between the writes leaves copies that are one checkpoint older; `load` renews
them.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from pydantic import TypeAdapter
from torch import Tensor

from unrolled.errors import RunError
from unrolled.files import atomic, json_text, typed
from unrolled.files.metrics import Row, lines_of
from unrolled.files.tensors import MODEL_KIND, read_tensors, require, write_tensors
from unrolled.runs import Run
from unrolled.training.history import Progress
from unrolled.training.state import State, put_together, take_apart

KIND = "checkpoint 1"
GROUPS = ("weights", "best", "average", "moments", "random", "kept")  # of tensors by name
# Writing takes at most this share of the time.
SHARE = 1 / 20


@dataclass
class Checkpoint:
    """A training between two steps. `recipe`: what a resumed training must not change."""

    weights: Mapping[str, Tensor]
    best: Mapping[str, Tensor] | None
    average: Mapping[str, Tensor]
    moments: Mapping[str, Tensor]
    random: Mapping[str, Tensor]
    kept: Mapping[str, Tensor]
    state: State
    progress: Progress
    rows: list[Row]
    recipe: Mapping[str, Any]


class Checkpoints:
    """The checkpoints of the run in `folder`, which must exist; `run` tells it apart from all others."""

    def __init__(self, folder: Path, run: str) -> None:
        self.folder, self.run = folder, run
        self.last = folder / "checkpoints" / "last.safetensors"
        self.best = folder / "checkpoints" / "best.safetensors"
        self.metrics = folder / "metrics.jsonl"
        self._best_epoch: int | None = None
        self._written = self._cost = 0.0

    @classmethod
    def of(cls, run: Run) -> Self:
        """Those of a run. RunError as of its `identity`."""
        return cls(run.folder, run.identity)

    def due(self, seconds: float) -> bool:
        """True where the last write is `seconds` old, and old enough against what it cost."""
        return time.monotonic() - self._written >= max(seconds, self._cost / SHARE)

    def save(self, checkpoint: Checkpoint) -> None:
        """Writes all three files. RunError where they cannot be written; what was there before stays."""
        begun = time.monotonic()
        state: list[Tensor] = []
        about = {
            "run": self.run,
            "progress": asdict(checkpoint.progress),
            "recipe": checkpoint.recipe,
            "plan": take_apart(checkpoint.state, state),
        }
        write_tensors(self.last, KIND, _named(checkpoint, state), about)
        self.publish(checkpoint.best, checkpoint.progress, checkpoint.rows)
        self._written = time.monotonic()
        self._cost = self._written - begun

    def publish(self, best: Mapping[str, Tensor] | None, progress: Progress, rows: list[Row]) -> None:
        """Writes the two copies."""
        if best is None:
            self._best_epoch = None
            _remove(self.best)
        elif progress.best_epoch != self._best_epoch:
            about = {"epoch": progress.best_epoch, "validation_loss": progress.best_loss}
            write_tensors(self.best, MODEL_KIND, best, about)
            self._best_epoch = progress.best_epoch
        atomic.write_bytes(self.metrics, lines_of(rows))

    def load(self, weights: Mapping[str, Tensor], recipe: Mapping[str, Any]) -> Checkpoint | None:
        """The last checkpoint, or None where none was written yet; renews its copies.

        `weights` are the model's: names, shapes and types must agree. RunError where they do not, where the
        file is damaged, or where `recipe` is not the one that it was written under.
        """
        for folder in (self.folder, self.last.parent, self.folder / "plots"):
            if folder.is_dir():
                atomic.clear(folder)
        if not self.last.exists():
            return None
        tensors, about = read_tensors(self.last, KIND)
        if about.get("run") != self.run:
            raise RunError(
                f"{self.last} is of another run than environment.json beside it; "
                "restore both, or train anew in another folder"
            )
        try:
            checkpoint = _checkpoint(tensors, about)
        except (LookupError, TypeError, ValueError) as error:
            raise RunError(
                f"{self.last} is damaged: its parts do not fit; train anew in another folder"
            ) from error
        for key, now in recipe.items():
            if (then := checkpoint.recipe.get(key)) != now:
                raise RunError(
                    f"{self.last} was written with {key} = {then!r}, now it is {now!r}; "
                    "resume with the same data and options, or train anew in another folder"
                )
        require(self.last, checkpoint.weights, weights)
        if checkpoint.best is not None:
            require(self.last, checkpoint.best, weights)
        self._best_epoch = None
        self.publish(checkpoint.best, checkpoint.progress, checkpoint.rows)
        return checkpoint


def _named(checkpoint: Checkpoint, state: list[Tensor]) -> dict[str, Tensor]:
    """All tensors of a checkpoint as `group.name`; `state` holds those of the carried state."""
    groups: dict[str, Mapping[str, Tensor]] = {group: getattr(checkpoint, group) or {} for group in GROUPS}
    groups["state"] = {str(index): tensor for index, tensor in enumerate(state)}
    text = json.dumps(checkpoint.rows, allow_nan=False).encode()
    groups["history"] = {"rows": torch.from_numpy(np.frombuffer(text, np.uint8).copy())}
    return {f"{group}.{name}": tensor for group, named in groups.items() for name, tensor in named.items()}


def _checkpoint(tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> Checkpoint:
    groups: dict[str, dict[str, Tensor]] = {group: {} for group in (*GROUPS, "state", "history")}
    for key, tensor in tensors.items():
        group, _, name = key.partition(".")
        groups[group][name] = tensor
    state, rows = groups["state"], json_text.parse(bytes(groups["history"]["rows"].numpy()))
    typed.require_type(rows, list[Row])
    if not isinstance(about["recipe"], dict):
        raise TypeError("its recipe is no table")
    named: Any = {group: groups[group] for group in GROUPS} | {"best": groups["best"] or None}
    return Checkpoint(
        **named,
        state=put_together(about["plan"], [state[str(index)] for index in range(len(state))]),
        progress=TypeAdapter(Progress).validate_json(json.dumps(about["progress"]), strict=True),
        rows=rows,
        recipe=about["recipe"],
    )


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"cannot remove {path}: {error.strerror}; make the run folder writable") from error
