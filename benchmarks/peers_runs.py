"""Peers of benchmarks/peers.py in their own environments, and the folder that keeps what they answer."""

import hashlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from peer_models.job import Array, Job, JobError, forecasts_text, read_forecasts

from unrolled.files.atomic import write_text

BENCHMARKS = Path(__file__).parent
FACTOR = 1e6
ONE_THREAD = {"OMP_NUM_THREADS": "1"}


class Peer(NamedTuple):
    """A module of peer_models, and the environment that it runs in; `drawn`: forecasts follow from a seed."""

    module: str
    environment: str
    drawn: bool = False


PEERS = {
    "AutoETS": Peer("statistical", "statistical"),
    "AutoARIMA": Peer("statistical", "statistical"),
    "LightGBM": Peer("trees", "statistical"),
    "GRU": Peer("recurrent", "recurrent", drawn=True),
    "LSTM": Peer("recurrent", "recurrent", drawn=True),
}


class Answer(NamedTuple):
    """Forecasts (N, H), how long they took, training included, and remarks."""

    forecasts: Array
    minutes: float
    remarks: Sequence[str]


@dataclass(frozen=True)
class Kept:
    """The folder of one data set, which keeps its job and every answer to it."""

    folder: Path

    def job(self) -> Job | None:
        return Job.load(self.folder) if (self.folder / "job.json").exists() else None

    def keep_job(self, job: Job) -> Job:
        """As it is read back."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, text in job.texts().items():
            write_text(self.folder / name, text)
        return Job.load(self.folder)

    def answer(self, name: str, job: Job) -> Answer | None:
        """None where there is none, or one to another job."""
        path = self.folder / f"{name}.csv"
        about = path.with_suffix(".json")
        if not about.exists():
            return None
        said = json.loads(about.read_text())
        if said["job"] != fingerprint(job):
            return None
        return Answer(read_forecasts(path, job), said["minutes"], said["remarks"])

    def keep(self, name: str, job: Job, answer: Answer) -> None:
        """The forecasts first: what is said of them tells that they are there."""
        path = self.folder / f"{name}.csv"
        path.with_suffix(".json").unlink(missing_ok=True)
        write_text(path, forecasts_text(job, answer.forecasts))
        about = {"job": fingerprint(job), "minutes": answer.minutes, "remarks": list(answer.remarks)}
        write_text(path.with_suffix(".json"), json.dumps(about) + "\n")


def fingerprint(job: Job) -> str:
    """SHA-256 of all that a peer reads."""
    return hashlib.sha256("".join(job.texts().values()).encode()).hexdigest()


def answered(name: str, job: Job, folder: Path, seed: int, environments: Path) -> Answer:
    """What a peer, in its environment, forecasts of the job in a folder. JobError where it fails, or answers
    something else."""
    peer, start = PEERS[name], time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "forecasts.csv"
        run = subprocess.run(
            [python_of(environments, peer), "-m", f"peer_models.{peer.module}", name, folder, out, str(seed)],
            cwd=BENCHMARKS,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | ONE_THREAD,
            capture_output=True,
            text=True,
        )
        if run.returncode:
            raise JobError(f"{job.name}: {name} failed with exit status {run.returncode}:\n{run.stderr}")
        remarks = json.loads(out.with_suffix(".json").read_text())
        return Answer(read_forecasts(out, job), (time.monotonic() - start) / 60, remarks)


def python_of(environments: Path, peer: Peer) -> Path:
    """JobError where the environment is not there."""
    python = environments.resolve() / peer.environment / "bin" / "python"
    if not python.exists():
        raise JobError(f"wanted {python}, there is none; run scripts/acceptance/peers.sh {environments}")
    return python


def require_no_leak(name: str, job: Job, environments: Path) -> None:
    """JobError where a forecast changes with what comes after its origin, multiplied by a million."""
    first = replace(job, origins=job.origins[:1])
    later = np.arange(len(job.actual)) > first.origins[0]
    factor = np.where(later, FACTOR, 1)
    changed = replace(first, actual=job.actual * factor, known=job.known * factor)
    before, after = (_answered_anew(name, one, environments) for one in (first, changed))
    if not np.array_equal(before, after):
        raise JobError(f"{job.name}: {name} reads what it is to forecast: {before} became {after}")


def _answered_anew(name: str, job: Job, environments: Path) -> Array:
    with tempfile.TemporaryDirectory() as folder:
        return answered(name, Kept(Path(folder)).keep_job(job), Path(folder), 0, environments).forecasts
