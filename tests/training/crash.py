"""Trains the example in forked children that are killed, interrupted or starved of disk; prints JSON.

Run as a script, in a process of its own: a fork is safe only where torch has started no threads yet, and it
spares each of many short lives the import of torch.
"""

import functools
import hashlib
import json
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from unrolled.errors import RunError
from unrolled.runs import Run
from unrolled.training import checkpoints, loop
from unrolled.training.checkpoints import Checkpoints
from unrolled.training.config import TrainingConfig

sys.path.insert(0, str(Path(__file__).parent))
from example import Example

CONFIG = TrainingConfig(
    epochs=30, learning_rate=0.02, schedule="cosine", seed=3, patience=156, checkpoint_seconds=0, clip=0.3
)
FULL_DISK = 9


def child(folder: Path, prepare: Callable[[], None] = lambda: None) -> int:
    """Starts a process that creates or resumes the run and trains to the end; returns its number."""
    if process := os.fork():
        return process
    status = 1
    try:
        prepare()
        run = Run.open(folder) if folder.exists() else Run.create(folder, {}, "test")
        example = Example()
        example.train(CONFIG, Checkpoints.of(run), resume=True)
        run.save_model(example.model.state_dict())
        status = 0
    except KeyboardInterrupt:
        status = 130
    except SystemExit as leave:
        status = leave.code
    except RunError as error:
        status = FULL_DISK
        (folder.parent / "error").write_text(str(error))
    finally:
        os._exit(status)


def ended(process: int) -> int:
    """Exit status, or minus the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def digest(folder: Path) -> dict[str, str]:
    """Of all that must be the same; last.safetensors holds the seconds spent, so its tensors stand for it."""
    from unrolled.files.tensors import read_tensors

    found = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in ("model.safetensors", "metrics.jsonl", "checkpoints/best.safetensors")
    }
    tensors, _ = read_tensors(folder / "checkpoints/last.safetensors", checkpoints.KIND)
    for name, tensor in sorted(tensors.items()):
        found[name] = hashlib.sha256(tensor.numpy().tobytes()).hexdigest()
    return found


def kill(base: Path, signals: list[int], wanted: int) -> dict[str, object]:
    """Sends signals at random moments, until `wanted` of them struck; every run is resumed to its end."""
    moments, statuses, results, number = random.Random(1), [], [], 0
    begun = time.monotonic()
    assert ended(child(base / "whole")) == 0
    whole = time.monotonic() - begun
    while len(statuses) < wanted:
        number += 1
        status = -1
        while status != 0:
            process = child(base / f"run{number}")
            time.sleep(moments.uniform(0, whole / 3))
            os.kill(process, signals[len(statuses) % len(signals)])
            status = ended(process)
            statuses += [status] if status else []
        results.append(digest(base / f"run{number}"))
    return {"statuses": statuses, "whole": digest(base / "whole"), "results": results}


def kill_at_writes(base: Path) -> dict[str, object]:
    """Kills at every single call that a checkpoint makes to the file system, the n-th in the n-th life."""
    assert ended(child(base / "whole")) == 0
    folder, lives = base / "run", 1
    while ended(child(folder, functools.partial(die_at_call, lives))) != 0:
        lives += 1
    return {"lives": lives, "whole": digest(base / "whole"), "results": [digest(folder)]}


def die_at_call(number: int) -> None:
    """Kills this process before its file system call `number` of those that atomic writing makes."""
    calls = 0

    def counted(call):
        def run(*arguments, **options):
            nonlocal calls
            calls += 1
            if calls == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)

        return run

    os.fsync = counted(os.fsync)
    Path.replace = counted(Path.replace)
    Path.unlink = counted(Path.unlink)


def full_disk(base: Path) -> dict[str, object]:
    """Interrupts a training, then lets no file grow past the size of a third of its checkpoint."""
    assert ended(child(base / "whole")) == 0
    folder = base / "run"
    process = child(folder)
    while not (folder / "checkpoints/best.safetensors").exists():
        time.sleep(0.01)
    os.kill(process, signal.SIGINT)
    assert ended(process) == 130
    last = folder / "checkpoints/last.safetensors"
    before = last.read_bytes()
    limit = len(before) // 3
    starved = ended(child(folder, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))))
    kept, remains = last.read_bytes() == before, [str(path) for path in folder.rglob("*.part")]
    assert ended(child(folder)) == 0
    return {
        "starved": starved,
        "error": (base / "error").read_text(),
        "kept": kept,
        "remains": remains,
        "whole": digest(base / "whole"),
        "results": [digest(folder)],
    }


SCENARIOS = {
    "kill": lambda base: kill(base, [signal.SIGKILL], 24),
    "interrupt": lambda base: kill(base, [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], 8),
    "kill_at_writes": kill_at_writes,
    "full_disk": full_disk,
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    loop.EPOCH_CHECKPOINT_SECONDS = 0.0
    checkpoints.SHARE = 1 / 2
    # torch imports a second's worth of modules at the first step; here, so that no child has to.
    Example().train(CONFIG.model_copy(update={"epochs": 1}))
    print(json.dumps(SCENARIOS[sys.argv[1]](Path(sys.argv[2]))))
