"""`unrolled stream` as a process among others: signals, slow writers and readers, closed pipes, memory, and
with numpy alone."""

import contextlib
import fcntl
import json
import os
import pty
import random
import signal
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

import pytest

from tests.streaming.stub import Stub, answers, notes_of
from unrolled import LanguageModel, runtime
from unrolled.errors import ConfigError
from unrolled.files.text import text_of

from .command import unrolled

ROOT = Path(__file__).parents[2]
SMALL = {"hidden": 6, "embedding_size": 5, "window": 16, "batch_size": 4, "epochs": 1}
ROWS = [json.dumps({"id": "uvw"[t % 3], "a": t % 7 - 3.3, "b": 1 / (t + 1)}) + "\n" for t in range(120)]
FORMAT_OPTIONS = ("from", "to", "json")
SAVING_OPTIONS = ("snapshot", "every", "keep-answers", "after", "replay", "forget-after", "most-ids")
# What a base installation does not have.
FORBIDDEN = (
    "torch",
    "polars",
    "pydantic",
    "typer",
    "rich",
    "safetensors",
    "matplotlib",
    "tokenizers",
    "tomli_w",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stream")
    text = text_of("Anna sees Bob.\nBob hears Anna.\n" * 40)
    LanguageModel(**SMALL).fit(text, out=folder / "run")
    runtime.save(folder / "model.unrolled", runtime.load(folder / "run"))
    (folder / "stub.json").write_text("{}")
    return folder


@contextlib.contextmanager
def started(*arguments, module="tests.streaming.stub", **how):
    """A process with pipes, its working folder that of the tests; ended with the test."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | how
    process = subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)], cwd=ROOT, text=True, bufsize=1, **pipes
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            with contextlib.suppress(OSError, ValueError):
                pipe and pipe.close()


def of(lines):
    return [{name: value for name, value in json.loads(line).items() if name != "line"} for line in lines]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_in_the_middle_it_goes_on_to_the_same_lines(folder, tmp_path, number):
    arguments = (folder / "stub.json", "--snapshot", tmp_path / "state")
    for column in ((), ("--id", "id")):
        (tmp_path / "state").unlink(missing_ok=True)
        found, draw = [], random.Random(number)
        while len(found) < len(ROWS):
            stop = len(found) + draw.randrange(1, 60)
            with started(*arguments, *column) as process:
                feed = threading.Thread(target=_fed, args=(process, ROWS[len(found) :]))
                feed.start()
                for line in process.stdout:
                    found.append(line)
                    if len(found) == stop:
                        process.send_signal(number)
                assert process.wait() == 128 + number if stop <= len(ROWS) else process.wait() >= 0
                feed.join()
                assert "Traceback" not in process.stderr.read()
        assert of(found) == answers(Stub(), "".join(ROWS), id="id" if column else None)


def _fed(process, lines):
    with contextlib.suppress(BrokenPipeError):
        for line in lines:
            process.stdin.write(line)
        process.stdin.close()


def test_a_signal_while_it_waits_is_heard_at_once(folder, tmp_path):
    with started(folder / "stub.json", "--snapshot", tmp_path / "state") as process:
        process.stdin.write(ROWS[0])
        assert process.stdout.readline()
        begin = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 143 and time.monotonic() - begin < 2
        assert process.stdout.read() == process.stderr.read() == ""
    assert notes_of(tmp_path / "state")["line"] == 1


def test_a_line_that_comes_in_pieces_is_waited_for(folder):
    with started(folder / "stub.json") as process:
        out = []
        for line in ROWS[:3]:
            for piece in (line[:5], line[5:9], line[9:]):
                process.stdin.write(piece)
                process.stdin.flush()
                time.sleep(0.02)
            out.append(process.stdout.readline())  # without waiting for another line
        process.stdin.write(ROWS[3].strip())
        process.stdin.close()
        out += process.stdout.readlines()
        assert process.wait() == 0
    assert of(out) == answers(Stub(), "".join(ROWS[:4]))


def test_a_closed_reader_ends_it_quietly_with_the_lines_it_took(folder, tmp_path):
    with started(folder / "stub.json", "--snapshot", tmp_path / "state") as process:
        process.stdin.write("".join(ROWS[:4]))
        first = [process.stdout.readline() for _ in range(4)]
        process.stdout.close()
        assert process.wait(timeout=10) == 0  # though no line came after that
        assert process.stderr.read() == ""
    with started(folder / "stub.json", "--snapshot", tmp_path / "state") as process:
        out, _ = process.communicate("".join(ROWS[4:9]))
    assert of(first + out.splitlines()) == answers(Stub(), "".join(ROWS[:9]))


def test_a_reader_that_took_one_answer_gets_the_others(folder, tmp_path):
    """Others were in the pipe, which nobody can tell."""
    lines = "".join(ROWS) * 20
    arguments = (folder / "stub.json", "--snapshot", tmp_path / "state")
    with started(*arguments) as process:
        feed = threading.Thread(target=_fed, args=(process, [lines]))
        feed.start()
        first = os.read(process.stdout.fileno(), 1 << 16).partition(b"\n")[0].decode()
        time.sleep(0.3)
        process.stdout.close()
        assert process.wait(timeout=10) == 0
        feed.join()
    done = notes_of(tmp_path / "state")["line"]
    assert 100 < done < 2400
    with started(*arguments, "--after", "1") as process:
        rest, told = process.communicate("".join(lines.splitlines(keepends=True)[done:]))
    assert f"send from line {done + 1}\n" in told
    assert of([first, *rest.splitlines()]) == answers(Stub(), lines)


def test_a_terminal_that_closes_loses_nothing(folder, tmp_path):
    """It is the input, and where notes go: both fail when it hangs up."""
    terminal, side = pty.openpty()
    arguments = ("--snapshot", tmp_path / "state", "--skip-wrong")
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.streaming.stub", folder / "stub.json", *arguments],
            cwd=ROOT,
            stdin=side,
            stdout=out,
            stderr=side,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
    os.close(side)
    os.write(terminal, "".join([*ROWS[:3], "wrong\n", ROWS[3]]).encode())
    until = time.monotonic() + 20
    while (tmp_path / "out").read_bytes().count(b"\n") < 4:
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.02)
    os.close(terminal)
    assert process.wait(timeout=10) == 128 + signal.SIGHUP
    assert notes_of(tmp_path / "state")["line"] == 5


def test_a_second_stream_on_one_snapshot_is_told_who_has_it(folder, tmp_path):
    arguments = (folder / "stub.json", "--snapshot", tmp_path / "state")
    with started(*arguments) as process:
        process.stdin.write(ROWS[0])
        process.stdout.readline()
        with started(*arguments) as second:
            out, told = second.communicate(ROWS[1])
        assert (second.returncode, out) == (1, "")
        assert f"state is in use by process {process.pid} on " in told and told.count("\n") == 1
        process.kill()
        process.wait()
    with started(*arguments) as third:  # the kernel gave it free
        third.communicate("".join(ROWS[:2]))
    assert third.returncode == 0 and [path.name for path in tmp_path.iterdir()] == ["state"]


def test_a_slow_reader_holds_the_writer_back(folder, tmp_path):
    """What is not yet answered stays with the writer: two pipes and a chunk are all that is between."""
    written = 0
    with started(folder / "stub.json", "--snapshot", tmp_path / "state") as process:
        process.stdin.write(ROWS[0])
        first = process.stdout.readline()
        os.set_blocking(process.stdin.fileno(), False)
        still = time.monotonic()
        while time.monotonic() - still < 0.7:
            try:
                written += os.write(process.stdin.fileno(), "".join(ROWS).encode())
                still = time.monotonic()
            except BlockingIOError:
                time.sleep(0.02)
        assert written < 1 << 20, written
        process.send_signal(signal.SIGTERM)  # while it waits for the reader
        assert process.wait(timeout=10) == 143
        taken = [first, *process.stdout.readlines()]
    assert notes_of(tmp_path / "state")["line"] == len(taken) > 100
    assert taken[-1].endswith("}\n")


def test_the_state_is_saved_while_no_line_comes(folder, tmp_path):
    path = tmp_path / "state"
    with started(folder / "stub.json", "--snapshot", path, "--every", "0.05s") as process:
        process.stdin.write(ROWS[0])
        process.stdout.readline()
        until = time.monotonic() + 10
        while notes_of(path)["line"] == 0:
            assert time.monotonic() < until
            time.sleep(0.02)
        process.kill()
    with started(folder / "stub.json", "--snapshot", path) as process:
        out, told = process.communicate(ROWS[1])
    assert of(out.splitlines()) == answers(Stub(), "".join(ROWS[:2]))[1:]
    assert f"goes on from {path}, which holds the lines up to 1: send from line 2; --after" in told


def test_memory_does_not_grow_with_the_lines(folder):
    """Lines of two sequences, one of which ends again and again and comes under a new name."""
    peaks = []
    for count in (1_000, 15_000):
        feed = f"""
for t in range({count}):
    name = "x" if t % 2 else t // 100
    print('{{"id": "%s", "a": %d, "b": 0.5, "end": %d}}' % (name, t % 5, t % 100 == 98))
"""
        writer = subprocess.Popen([sys.executable, "-c", feed], stdout=subprocess.PIPE)
        code = (
            "import resource, sys, tests.streaming.stub as s\n"
            "from unrolled.streaming import lines, sessions\n"
            "lines.run(s.Stub(), sessions.Options(id='id', end='end'))\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            stdin=writer.stdout,
            capture_output=True,
            text=True,
            check=True,
        )
        writer.stdout.close()
        writer.wait()
        assert done.stdout.count("\n") == count
        peaks.append(int(done.stderr))
    assert peaks[1] - peaks[0] < 1_000, peaks  # KiB; a line more kept would be 14,000 of some 300 bytes


def test_wrong_calls_and_wrong_lines_are_one_line(folder, tmp_path):
    cases = [
        ((tmp_path / "none",), 1, "cannot read"),
        ((folder / "stub.json",), 1, "no safetensors file"),
        ((tmp_path,), 1, "is not a run"),
        ((folder / "model.unrolled", "--id", "x"), 2, "lines of text have no columns"),
        ((folder / "model.unrolled", "--every", "5"), 2, "is for a stream that is saved; give --"),
        ((folder / "model.unrolled", "--replay"), 2, "give --snapshot FILE too"),
        ((folder / "model.unrolled", "--after", "0"), 2, "give --snapshot FILE too"),
        ((folder / "model.unrolled", "--after", "-1", "--snapshot", "x"), 2, "argument --after"),
        ((folder / "model.unrolled", "--keep-answers", "3"), 2, "give --snapshot FILE too"),
        ((folder / "model.unrolled", "--forget-after", "3"), 2, "give --id COLUMN too"),
        ((folder / "model.unrolled", "--most-ids", "3"), 2, "give --id COLUMN too"),
        ((folder / "model.unrolled", "--every", "0s", "--snapshot", "x"), 2, "wanted lines such as 100"),
        ((folder / "model.unrolled", "--next", "0"), 2, "wanted a number from 1, got '0'"),
        ((folder / "model.unrolled", "--from", "xml"), 2, "invalid choice"),
        ((), 2, "RUN|FILE"),
    ]
    for arguments, status, complaint in cases:
        done = unrolled("stream", *arguments)
        assert done.status == status and complaint in done.err and "Traceback" not in done.err, (
            arguments,
            done,
        )
        assert done.err.splitlines()[-1].startswith("unrolled")


def test_a_model_that_reads_backward_is_refused_with_the_reason(folder):
    model = Stub()
    model.causal = False
    with pytest.raises(
        ConfigError, match=r"reads every sequence.* from its end.*bidirectional=False and without reverse"
    ):
        answers(model, "b,a\n1,2\n")


def test_the_help_names_every_option(folder):
    shown = unrolled("stream", "--help-all").out
    for option in (*FORMAT_OPTIONS, *SAVING_OPTIONS, "id", "end", "next", "ahead", "skip-wrong"):
        assert f"--{option} " in shown.replace("\n", " ")
    assert "examples:" in shown
    assert unrolled("stream", "--help").out == unrolled("stream", "-h").out
    assert "stream" in unrolled("--help").out


@pytest.mark.parametrize("module", ["unrolled.runtime", "unrolled"])
def test_it_needs_numpy_alone(folder, tmp_path, module):
    """With everything else hidden, as on a base installation."""
    blocked = f"""
import runpy, sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {FORBIDDEN}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hidden())
sys.argv = ["unrolled", *sys.argv[1:]]
runpy.run_module({module!r}, run_name="__main__", alter_sys=True)
"""
    command = ("stream",) if module == "unrolled" else ()
    for model in ("run", "model.unrolled"):
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                blocked,
                *command,
                folder / model,
                "--snapshot",
                tmp_path / f"{module}.{model}",
            ],
            input="Bob\nsees\n",
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert of(done.stdout.splitlines()) == answers(runtime.load(folder / model), "Bob\nsees\n")
    if module == "unrolled":
        done = subprocess.run([sys.executable, "-c", blocked, "kernels"], capture_output=True, text=True)
        assert done.returncode == 2 and done.stderr.count("\n") == 1
        assert "pip install 'unrolled[train]'" in done.stderr


def test_the_whole_installation_streams_without_torch(folder):
    code = (
        "import sys; from unrolled.cli import main; sys.argv[0] = 'unrolled'\n"
        "try: main()\n"
        "finally: print('torch' in sys.modules, 'polars' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "stream", folder / "run"], input="Bob", capture_output=True, text=True
    )
    assert done.returncode == 0 and done.stderr == "False False\n"
