"""A write happens whole or not at all. Failures come from the operating system itself where it can be made to
fail (a file size limit, a folder without rights), else from a patched call."""

import errno
import fcntl
import os
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from unrolled.errors import RunError
from unrolled.files import atomic

REMEDY = "name a file in a folder that exists, is writable and has room"


def in_subprocess(body: str, *arguments: str) -> str:
    program = (
        "import os, resource, sys\nfrom unrolled.errors import RunError\nfrom unrolled.files import atomic\n"
    )
    program += textwrap.dedent(body)
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_text_and_bytes_arrive_whole_and_replace_what_was_there(tmp_path):
    path = tmp_path / "model.bin"
    atomic.write_bytes(path, b"old")
    atomic.write_bytes(path, bytes(range(256)) * 999)
    assert path.read_bytes() == bytes(range(256)) * 999
    path.chmod(0o600)
    atomic.write_text(str(path), "Grüße\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == b"Gr\xc3\xbc\xc3\x9fe\n"
    assert [p.name for p in tmp_path.iterdir()] == ["model.bin"]


def test_rights_follow_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        atomic.write_text(tmp_path / "a", "x")
    finally:
        os.umask(old)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_full_disk_leaves_the_old_file_and_no_remains(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"old")
    said = in_subprocess(
        """
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            atomic.write_bytes(sys.argv[1], b"n" * 5000)
        except RunError as error:
            print(error)
        """,
        str(tmp_path / "model.bin"),
    )
    where = tmp_path / "model.bin"
    assert said == f"cannot write {where}: File too large; {REMEDY}\n"
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"model.bin": b"old"}


@pytest.mark.parametrize("call", ["os.fsync", "pathlib.Path.replace"])
def test_no_space_left_at_any_later_moment_leaves_the_old_file_and_no_remains(tmp_path, monkeypatch, call):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "model.bin"
    path.write_bytes(b"old")
    monkeypatch.setattr(call, full)
    with pytest.raises(RunError) as error:
        atomic.write_bytes(path, b"new")
    assert str(error.value) == (f"cannot write {path}: No space left on device; {REMEDY}")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"model.bin": b"old"}


def test_an_unwritable_folder_is_named():
    said = in_subprocess(
        """
        import tempfile
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o555)
            if os.geteuid() == 0:
                os.seteuid(65534)  # root may write anywhere
            try:
                atomic.write_text(f"{folder}/a", "x")
            except RunError as error:
                print(str(error).replace(folder, "FOLDER"), os.listdir(folder))
            os.seteuid(os.getuid())
            os.chmod(folder, 0o755)
        """
    )
    assert said == f"cannot write FOLDER/a: Permission denied; {REMEDY} []\n"


def test_a_missing_folder_and_a_folder_in_the_place_are_named(tmp_path):
    with pytest.raises(RunError) as error:
        atomic.write_text(tmp_path / "no" / "a", "x")
    assert str(error.value) == (f"cannot write {tmp_path}/no/a: No such file or directory; {REMEDY}")
    with pytest.raises(RunError, match="Is a directory"):
        atomic.write_text(tmp_path, "x")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_during_the_write_leaves_the_old_file_and_no_remains(tmp_path, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    path = tmp_path / "model.bin"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        atomic.write_bytes(path, b"new")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"model.bin": b"old"}


def test_a_kill_at_any_moment_leaves_one_of_the_two_files_whole(tmp_path):
    """The process dies without cleaning up; one hidden .part may remain beside the whole file, until the next
    write."""
    path = tmp_path / "model.bin"
    atomic.write_bytes(path, b"0" * 300_000)
    for moment in range(5):
        done = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import sys\nfrom unrolled.files import atomic\nprint(flush=True)\n"
                "while True:\n  for c in b'12':\n    atomic.write_bytes(sys.argv[1], bytes([c]) * 300_000)",
                str(path),
            ],
            stdout=subprocess.PIPE,
        )
        assert done.stdout is not None
        done.stdout.readline()
        time.sleep(0.003 * moment + 0.01)
        done.kill()
        done.wait()
        data = path.read_bytes()
        assert len(data) == 300_000 and len(set(data)) == 1
        assert len(list(tmp_path.iterdir())) <= 2
        assert all(p == path or p.suffix == ".part" for p in tmp_path.iterdir())
    atomic.write_bytes(path, b"new")
    assert list(tmp_path.iterdir()) == [path]


def test_remains_go_where_they_are_of_this_file_and_no_writer_lives(tmp_path):
    """A second process stands within its write: what it has begun stays, and it ends well."""
    path = tmp_path / "model.bin"
    half = [tmp_path / f".{name}.{'0' * 16}.part" for name in ("model.bin", "model", "other.model.bin")]
    for remains in half:
        remains.write_bytes(b"half")
    program = (
        "import os, sys\nfrom unrolled.files import atomic\nsync = os.fsync\n"
        "os.fsync = lambda one: (print(flush=True), input(), sync(one))\n"
        "atomic.write_bytes(sys.argv[1], b'living')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as living:
        living.stdout.readline()
        begun = set(tmp_path.iterdir()) - set(half)
        atomic.write_bytes(path, b"mine")
        assert set(tmp_path.iterdir()) == {path, *begun, *half[1:]} and len(begun) == 1
        living.communicate(b"\n\n")
    assert path.read_bytes() == b"living" and set(tmp_path.iterdir()) == {path, *half[1:]}


def test_remains_go_where_only_writers_may_lock(tmp_path, monkeypatch):
    """As on NFS, where flock(2) is a lock of fcntl(2)."""
    flock = fcntl.flock

    def lock(descriptor, how):
        reads = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
        if reads and not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", lock)
    (tmp_path / f".model.bin.{'0' * 16}.part").write_bytes(b"half")
    (tmp_path / f".run.{'0' * 16}.part").mkdir()
    atomic.write_bytes(tmp_path / "model.bin", b"mine")
    with atomic.growing_folder(tmp_path / "run"):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"model.bin", "run"}


def test_a_link_is_written_through(tmp_path):
    """The file appears where the link says, which stays; also over two links, and where nothing is yet."""
    there, here = tmp_path / "there", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    (here / "link").symlink_to("../there/second")
    (there / "second").symlink_to("model.bin")
    for data in (b"first", b"then"):
        atomic.write_bytes(here / "link", data)
        assert (here / "link").is_symlink() and (there / "second").is_symlink()
        assert (there / "model.bin").read_bytes() == data
        assert {p.name for p in tmp_path.rglob("*")} == {"there", "here", "link", "second", "model.bin"}


def test_what_is_no_file_is_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "null").symlink_to("/dev/null")
    for name, reason in (
        ("pipe", "it is a pipe, and only regular files are taken"),
        ("null", "it is a device, and only regular files are taken"),
        ("circle", "Too many levels of symbolic links"),
    ):
        with pytest.raises(RunError) as error:
            atomic.write_bytes(tmp_path / name, b"x")
        assert str(error.value) == f"cannot write {tmp_path / name}: {reason}; {REMEDY}"
    assert Path("/dev/null").is_char_device()
    assert (tmp_path / "pipe").is_fifo()


def test_a_folder_appears_whole_behind_its_link(tmp_path):
    (tmp_path / "run").symlink_to("there")
    dead = tmp_path / f".there.{'0' * 16}.part"
    (dead / "plots").mkdir(parents=True)
    with pytest.raises(KeyError), atomic.growing_folder(tmp_path / "run") as growing:
        (growing / "a").write_text("x")
        raise KeyError
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    with atomic.growing_folder(tmp_path / "run") as growing:
        (growing / "a").write_text("x")
    assert (tmp_path / "there" / "a").read_text() == "x" and (tmp_path / "run").is_symlink()
