"""A lock keeps others away while its holder lives, says who that is, and goes with it."""

import os
import subprocess
import sys

import pytest

from unrolled.errors import RunError
from unrolled.files import locks

HOLD = """
import sys, time
from pathlib import Path
from unrolled.files import locks
with locks.held(Path(sys.argv[1]), "unrolled stream"):
    print(flush=True)
    sys.stdin.read()
"""


def holder(path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    process.stdout.readline()
    return process


@pytest.mark.parametrize("kind", ["file", "missing", "folder", "link"])
def test_the_second_is_refused_until_the_first_is_dead(tmp_path, kind):
    path = other = tmp_path / "own" / "state"
    path.parent.mkdir()
    if kind == "folder":
        path.mkdir()
    elif kind != "missing":
        path.write_text("x")
    if kind == "link":
        other = tmp_path / "link"
        other.symlink_to(path)
    before = set(path.parent.rglob("*"))
    with holder(path) as process:
        with pytest.raises(RunError) as caught, locks.held(other, "me"):
            pass
        said = str(caught.value)
        assert said.startswith(f"{other} is in use by process {process.pid} on ") and "\n" not in said
        assert said.endswith("('unrolled stream'); let it end, or name another")
        process.kill()
    with locks.held(other, "me") as locked:
        assert locked
        with pytest.raises(RunError, match=f"process {os.getpid()} "), locks.held(path, "me again"):
            pass
    assert set(path.parent.rglob("*")) == before


def test_its_file_goes_while_others_come(tmp_path):
    """Many take the lock again and again: never two at once, and each gets it."""
    program = """
import sys, time
from pathlib import Path
from unrolled.errors import RunError
from unrolled.files import locks
path, got = Path(sys.argv[1]), 0
while got < 60:
    try:
        with locks.held(path, "x"):
            path.touch(exist_ok=False)
            path.unlink()
            got += 1
    except RunError:
        time.sleep(0.0002)
"""
    many = [subprocess.Popen([sys.executable, "-c", program, tmp_path / "state"]) for _ in range(3)]
    assert [one.wait() for one in many] == [0, 0, 0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", [b"", b"[" * 9000, b'{"process": "\x1b"}', b"\xff"])
def test_whatever_stands_in_the_file_is_one_line(tmp_path, text):
    path = tmp_path / "state"
    with locks.held(path, "me"):
        locks.place_of(path).write_bytes(text)
        with pytest.raises(RunError, match="is in use by another process; "), locks.held(path, "you"):
            pass


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path):
    match = r"cannot lock .*none/state: No such file"
    with pytest.raises(RunError, match=match), locks.held(tmp_path / "none" / "state", "me"):
        pass


def test_a_file_system_without_locks_keeps_nobody_away(tmp_path, monkeypatch):
    def without(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", without)
    with locks.held(tmp_path / "state", "me") as locked:
        assert locked is False
