"""Ends streams at random moments, from either side, and sees that no line is lost and none is stepped twice.

    python scripts/kill_streams.py --ends 400 --seed 1

A stream reads a table with blank and wrong lines in it, of one sequence or many, or hears the samples of a
recording, and is ended again and again:

    kill, term, int, hup   a signal, within a line, a save or the start
    reader                 whoever reads answers leaves, with answers unread
    feeder                 whoever sends lines dies within one
    full                   answers go to a full disk
    disk                   the disk of the snapshot is full for a while; root alone can make one

It goes on as docs/streaming.md says: the feeder begins after the line that standard error names, with the
header again or not, or with --replay at line 1; the reader names its last answer with --after. What the
reader has in the end, and the last snapshot, are to the byte those of a stream that nobody ended. The model
is the one of the tests, so that a life takes milliseconds. A short form is in tests/streaming/test_kills.py.
"""

import argparse
import collections
import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.streaming.hearing import hearing, sound
from tests.streaming.stub import Stub
from unrolled.ending import ended
from unrolled.files.pcm import Pcm
from unrolled.models.model import Model
from unrolled.streaming import lines
from unrolled.streaming.sessions import Every, Options

SIGNALS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "int": signal.SIGINT, "hup": signal.SIGHUP}
STATUSES = {
    "kill": {-signal.SIGKILL},
    "term": {143},
    "int": {130},
    "hup": {129},
    "reader": {0},
    "feeder": {0},
    "full": {1},
    "disk": {1},
}
SHORT = b"were done before; send all of them"  # the feeder died before it had sent what was done
EARLY = {-signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP, 130}  # before it has begun, or when it has ended
SENT_FROM = re.compile(rb"send from (?:line|sample) (\d+)")
KINDS = ONE, MANY, HEARD = "one", "many", "heard"  # of what a stream reads
SAMPLES = 40  # for each row that a table would have
DISK = "2m"  # twice what a snapshot takes, and some


def read(draw: random.Random, count: int, kind: str) -> list[bytes]:
    """Lines of a file, of many sequences with ids that come and go; of a recording its samples."""
    if kind == HEARD:
        return [sample.tobytes() for sample in sound(SAMPLES * count, draw.randrange(1 << 30))]
    many = kind == MANY
    rows = ["id,b,a" if many else "b,a"]
    for t in range(count):
        row = f"{draw.uniform(-2, 2):.3f},{draw.uniform(-2, 2):.3f}"
        row = draw.choices([row, "", "1,x"], [20, 1, 1])[0] if t < count - 1 else row
        rows.append(f"u{draw.randrange(1 + t // 40, 4 + t // 20)},{row}" if many else row)
    return [row.encode() + b"\n" for row in rows]


MODELS: dict[str, Model] = {ONE: Stub(), MANY: Stub(), HEARD: hearing("transcribe", 2)}


class Stream:
    """A stream in its folder, over all its lives; `seen`: the answers that its reader has."""

    def __init__(self, folder: Path, given: list[bytes], kind: str, draw: random.Random) -> None:
        self.folder, self.given, self.draw, self.kind = folder, given, draw, kind
        self.path, self.seen = folder / "t.state", list[bytes]()
        self.number = "answer" if kind == HEARD else "line"
        self.how = {
            ONE: {"skip_wrong": True},
            MANY: {"skip_wrong": True, "id": "id", "forget_after": 90},
            HEARD: {"pcm": Pcm.parse("s16le:8000")},
        }[kind]

    @property
    def done(self) -> bool:
        if self.kind != HEARD:
            return bool(self.seen) and json.loads(self.seen[-1])["line"] == len(self.given)
        if not self.path.exists():
            return False
        notes = MODELS[HEARD].stream(snapshot=self.path.read_bytes()).notes
        return bool(json.loads(notes.partition(b"\n")[0])["line"] == len(self.given))

    def life(self, end: str) -> int:
        """One process, ended so; its exit status. AssertionError where it says what it must not."""
        draw, replay = self.draw, self.draw.random() < 0.4
        after = json.loads(self.seen[-1])[self.number] if self.seen else 0
        every = Every(lines=draw.randrange(1, 50) * (SAMPLES if self.kind == HEARD else 1))
        options = Options(snapshot=self.path, every=every, after=after, replay=replay, **self.how)
        known = self.path.exists() and not replay
        source, feed = os.pipe()
        out, sink = os.pipe()
        heard, told = os.pipe()
        others = (feed, out, heard)
        process = started(self.kind, options, source, out if end == "full" else sink, told, others, end)
        for descriptor in (source, sink, told):
            os.close(descriptor)
        stop = threading.Event()
        feeder = threading.Thread(target=self._feed, args=(feed, heard, known, end == "feeder", stop))
        feeder.start()
        self._read(out, end, process)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        stop.set()
        feeder.join()
        said = b"".join(iter(lambda: os.read(heard, 1 << 16), b""))
        os.close(heard)
        assert b"Traceback" not in said and b"no longer kept" not in said, said.decode()
        wanted = EARLY | {0} | STATUSES.get(end, set()) | ({1} if SHORT in said else set())
        assert status in wanted, (end, status, said.decode())
        return status

    def _feed(self, feed: int, heard: int, known: bool, tear: bool, stop: threading.Event) -> None:
        """Sends the lines in pieces, from the one that standard error names."""
        first, said, draw = 1, b"", random.Random(self.draw.random())
        with contextlib.suppress(BrokenPipeError):
            if known:
                while not (found := SENT_FROM.search(said)) and (piece := os.read(heard, 4096)):
                    said += piece
                first = int(found[1]) if found else len(self.given) + 1
            rest = self.given[first - 1 :]
            if first > 1 and self.kind != HEARD and draw.random() < 0.3:
                rest = self.given[:1] + rest
            if tear:
                at = draw.randrange(len(rest) + 1)
                rest = [*rest[:at], *(one[: draw.randrange(len(one))] for one in rest[at : at + 1])]
            while rest and not stop.is_set():
                at = draw.choice([1, 7, 200]) * (SAMPLES if self.kind == HEARD else 1)
                piece, rest = b"".join(rest[:at]), rest[at:]
                while piece and not stop.is_set():
                    piece = piece[os.write(feed, piece[:4096]) :]
        os.close(feed)

    def _read(self, out: int, end: str, process: int) -> None:
        """Takes answers until the end is due, and what is left after it, unless the reader leaves."""
        due, rest = self.draw.choice([0, 1, 10, 100, 300]), b""
        seen = len(self.seen)
        while True:
            if end != "none" and len(self.seen) - seen >= due:
                time.sleep(self.draw.random() * 0.02)
                if end == "reader":
                    break
                self._end(end, process)
                end = "none"
            piece = os.read(out, self.draw.choice([100, 4096, 1 << 16]))
            *whole, rest = (rest + piece).split(b"\n")
            self.seen += [line + b"\n" for line in whole]
            if not piece:
                break
        os.close(out)

    def _end(self, end: str, process: int) -> None:
        if end in SIGNALS:
            os.kill(process, SIGNALS[end])
        elif end == "disk":
            with contextlib.suppress(OSError), (self.folder / "ballast").open("wb", buffering=0) as ballast:
                while True:
                    ballast.write(bytes(1 << 12))


def started(
    kind: str, options: Options, source: int, sink: int, told: int, others: tuple[int, ...], end: str
) -> int:
    """The process, forked, since imports take longer than most lives."""
    if process := os.fork():
        return process
    status = 1
    try:
        for number, descriptor in enumerate((source, sink, told)):
            os.dup2(descriptor, number)
        for descriptor in (source, sink, told, *others):
            os.close(descriptor)
        if end == "full":
            os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
        sys.stdout, sys.stderr = (open(number, "w", closefd=False) for number in (1, 2))  # noqa: SIM115
        ended(lambda: lines.run(MODELS[kind], options))
        status = 0
    except SystemExit as leave:
        status = int(leave.code or 0)
    finally:
        os._exit(status)


def whole(folder: Path, given: list[bytes], kind: str) -> tuple[bytes, bytes]:
    """What a stream that nobody ends answers, and its snapshot."""
    folder.mkdir()
    stream = Stream(folder, given, kind, random.Random(0))
    assert stream.life("none") == 0
    return b"".join(stream.seen), stream.path.read_bytes()


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[list[str]]:
    """Ends that a disk of its own makes possible."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        yield []
        return
    try:
        yield ["disk"] * 2
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def ends(count: int, seed: int, rows: int) -> collections.Counter[str]:
    """How often a stream was ended in which way. AssertionError where anything is not as nobody had."""
    found: collections.Counter[str] = collections.Counter()
    number, usual = 0, [end for end in STATUSES if end != "disk"]
    with tempfile.TemporaryDirectory() as name, small_disk(Path(name, "disk")) as more:
        while sum(found.values()) < count:
            number += 1
            draw, kind = random.Random(f"{seed} {number}"), KINDS[number % len(KINDS)]
            given = read(draw, rows, kind)
            wanted = whole(Path(name, f"whole{number}"), given, kind)
            folder = Path(name, "disk", str(number))
            folder.mkdir()
            stream = Stream(folder, given, kind, draw)
            while not stream.done:
                end = draw.choice([*usual, *more])
                status = stream.life(end)
                (folder / "ballast").unlink(missing_ok=True)
                found[end] += status != 0 or end in ("reader", "feeder")
            assert stream.life("none") == 0
            remains = [path.name for path in folder.iterdir()]
            assert b"".join(stream.seen) == wanted[0], (seed, number)
            assert stream.path.read_bytes() == wanted[1], (seed, number)
            assert remains == ["t.state"], remains
            stream.path.unlink()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ends", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=2000, help="of each table")
    arguments = parser.parse_args()
    begun = time.monotonic()
    found = ends(arguments.ends, arguments.seed, arguments.rows)
    print(f"{sum(found.values())} ends in {time.monotonic() - begun:.0f} s, nothing lost: {dict(found)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
