"""Whether files that unrolled has written are as it wrote them: those of a run, an exported model, a
snapshot. Needs no torch."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from unrolled.errors import RunError
from unrolled.files.messages import resuming
from unrolled.files.tensors import parsed, read
from unrolled.runs import MODEL, Run

SOUND = "as it was written"


class FileCheck(NamedTuple):
    """`result` says why where a file is not `sound`."""

    file: str
    sound: bool
    result: str


def check(path: str | Path) -> list[FileCheck]:
    """A row for each file. RunError where there is no such run or file."""
    path = Path(path)
    return list(_of_run(Run.open(path))) if path.is_dir() else [_tried(path.name, partial(_checked, path))]


def _of_run(run: Run) -> Iterator[FileCheck]:
    yield FileCheck("config.toml", True, "can be read; it has no checksum, since it may be changed")
    if run.finished:
        model = _tried(MODEL, partial(_checked, run.folder / MODEL))
        unknown = "" if model.sound else "; the files whose checksums it holds were not checked"
        yield model._replace(result=model.result + unknown)
        for name in sorted(run.members) if model.sound else ():
            yield _tried(name, partial(_member, run, name))
    else:
        yield FileCheck(MODEL, True, f"not there: the training has not ended; {resuming(run.folder)}")
    for path in sorted(run.folder.glob("checkpoints/*.safetensors")):
        yield _tried(f"checkpoints/{path.name}", partial(_checkpoint, run, path))


def _member(run: Run, name: str) -> str:
    run.content(name)
    return SOUND


def _checkpoint(run: Run, path: Path) -> str:
    _, about = parsed(path, None, read(path))
    if about.get("run", run.identity) != run.identity:
        raise RunError(f"{path} is of another run than environment.json beside it; restore both")
    return SOUND


def _checked(path: Path) -> str:
    """Of a file that holds its own checksum."""
    parsed(path, None, read(path))
    return SOUND


def _tried(file: str, read: Callable[[], str]) -> FileCheck:
    try:
        return FileCheck(file, True, read())
    except RunError as error:
        return FileCheck(file, False, str(error))
