"""Feeds one stream a million lines of a hundred thousand sequences, and measures memory, saves and rates.

    python scripts/soak_streams.py
    python scripts/soak_streams.py --lines 1000000 --ids 100000 --forget-after 200000

Ids are drawn at random among a window that moves over all of them, so that sequences come, go idle and are
followed by others. The model is the one of the tests, an LSTM of 5 units: what is measured is the stream.
"""

import argparse
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.streaming.stub import Stub
from unrolled.streaming import lines
from unrolled.streaming.sessions import Every, Options, Session

PIECES = 20


def fed(count: int, ids: int, window: int) -> Iterator[str]:
    """The lines; the window of ids that are drawn moves from the first to the last."""
    draw = random.Random(0)
    yield "id,b,a\n"
    for t in range(count):
        first = t * (ids - window) // max(1, count - 1)
        yield f"u{first + draw.randrange(window)},{t % 7},{t % 5}.5\n"


def measured(arguments: argparse.Namespace, path: Path) -> int:
    """In the process of the stream: how it went, on standard error. Its exit status."""
    saves, snapshot = list[float](), Session.snapshot

    def timed(session: Session) -> bytes:
        begun = time.monotonic()
        data = snapshot(session)
        saves.append(time.monotonic() - begun)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        state = f"{session.line:9,} lines, {len(session.sequences):7,} sequences, peak {peak:4} MiB"
        print(f"{state}, snapshot {len(data) / 1e6:5.1f} MB made in {saves[-1]:.2f} s", file=sys.stderr)
        return data

    Session.snapshot = timed  # type: ignore[method-assign]
    options = Options(
        id="id",
        snapshot=path,
        every=Every(lines=-(-arguments.lines // PIECES)),
        forget_after=arguments.forget_after,
        most_ids=arguments.ids,
    )
    begun = time.monotonic()
    lines.run(Stub(), options)
    seconds = time.monotonic() - begun
    print(
        f"{arguments.lines / seconds:,.0f} lines a second, saves {sum(saves):.1f} s of {seconds:.0f} s",
        file=sys.stderr,
    )
    begun = time.monotonic()
    Session(Stub(), options).restore(path.read_bytes())
    print(f"gone on from in {time.monotonic() - begun:.2f} s", file=sys.stderr)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--ids", type=int, default=100_000)
    parser.add_argument("--window", type=int, help="how many of the ids are alive at once (all)")
    parser.add_argument("--forget-after", type=int)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source, feed = os.pipe()
        if not (process := os.fork()):
            os.close(feed)
            os.dup2(source, 0)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os._exit(measured(arguments, Path(folder, "t.state")))
        os.close(source)
        with os.fdopen(feed, "w") as pipe:
            pipe.writelines(fed(arguments.lines, arguments.ids, arguments.window or arguments.ids))
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


if __name__ == "__main__":
    sys.exit(main())
