"""`python -m unrolled.runtime MODEL`, which is `unrolled stream MODEL`: needs numpy alone."""

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from unrolled.console import say, versions
from unrolled.ending import ended
from unrolled.errors import ConfigError
from unrolled.files.pcm import FORM, Pcm
from unrolled.models import saved
from unrolled.streaming import lines
from unrolled.streaming.gaps import POLICIES
from unrolled.streaming.records import FORMATS
from unrolled.streaming.sequences import INTERVALS
from unrolled.streaming.sessions import MOST_IDS, Every, Options
from unrolled.streaming.writers import OUTPUTS

ABOUT = """Go on with a model line by line: lines in on standard input, an answer out on standard output for
each, the state carried from one to the next. Needs numpy alone.

  tables of numbers   CSV with a header (without, where training had none), or JSON lines, by the names
                      of the columns of the training; forecasts of the next steps, of more with --ahead
  words to tag        one word a line; an empty line ends the sentence
  text                what its lines are like: nats of each, the likeliest symbols with --next
  sound               with --pcm: no lines but samples; what is heard, with begin and end in seconds"""

EXAMPLES = """examples:
  sensor | unrolled stream runs/forecast-load --snapshot load.state --every 60s
  unrolled stream model.unrolled --id machine --from csv --to csv < values.csv
  unrolled stream runs/language-book --next 3 < text.txt
  arecord -f S16_LE -r 16000 | unrolled stream runs/transcribe-words --pcm s16le:16000
"""


class Parser(argparse.ArgumentParser):
    """Tells a wrong call as all commands do."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see {self.prog} --help")


class Version(argparse.Action):
    """Looks versions up where they are asked for: a stream that starts need not wait for it."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        say(versions())
        parser.exit()


class HelpAll(Version):
    """Shows the options too that `--help` leaves out."""

    def __call__(self, short: argparse.ArgumentParser, *_: object) -> NoReturn:
        parser(short.prog, every=True).print_help()
        short.exit()


def parser(program: str, every: bool = False) -> Parser:
    """The options of `unrolled stream`; of the rare ones the help tells where it tells of `every`."""
    parser = Parser(
        program, description=ABOUT, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "model", metavar="RUN|FILE", type=Path, help="run folder, or what unrolled export --to runtime wrote"
    )
    parser.add_argument("--help-all", action=HelpAll, help="show all options, in groups, and exit")
    parser.add_argument(
        "--version", action=Version, help="print the versions of unrolled and what it uses, and exit"
    )

    def group(title: str) -> Callable[..., None]:
        add = parser.add_argument_group(title).add_argument

        def declare(flag: str, meaning: str, rare: bool = False, **how: Any) -> None:
            add(flag, help=argparse.SUPPRESS if rare and not every else meaning, **how)

        return declare

    _lines(group("lines in and out"))
    _sound(group("sound"))
    _series(group("series"))
    _many(group("many sequences at once"))
    _going_on(group("stopping and going on"))
    return parser


def _lines(option: Callable[..., None]) -> None:
    option(
        "--from",
        "what the lines that come in are (as the first one looks)",
        dest="input_format",
        choices=FORMATS,
    )
    option(
        "--to",
        "what the answers are written as (json)",
        dest="output_format",
        choices=OUTPUTS,
        default="json",
    )
    option(
        "--json",
        "write answers as JSON lines: the same as --to json",
        dest="output_format",
        action="store_const",
        const="json",
    )
    likeliest = "text: add the K likeliest next symbols to each answer, with their probabilities"
    option("--next", likeliest, metavar="K", type=_count, dest="likeliest", default=0)
    option(
        "--skip-wrong",
        "pass over wrong lines and tell them; without, the first one ends it",
        action="store_true",
    )


def _sound(option: Callable[..., None]) -> None:
    what = f"the input is sound: samples, {FORM}"
    option("--pcm", what, metavar="FORMAT:RATE", type=_pcm)
    each = "classify: tell the classes after each frame (where the likeliest one changes)"
    option("--each-frame", each, rare=True, action="store_true")


def _series(option: Callable[..., None]) -> None:
    ahead = "forecast: answer each line with the forecasts of the next N steps; far ones are less sure"
    option("--ahead", ahead, metavar="N", type=_count, default=0)
    option(
        "--gaps",
        "what stands for steps and values that are missing: refuse them, the last value, 0, the last value "
        "and a mark, restart the sequence, or the model's own forecast (as in the training)",
        choices=POLICIES,
    )
    longest = "fill at most N missing steps in a row, and refuse the line after more (the model's window)"
    option("--longest-gap", longest, rare=True, metavar="N", type=_count)
    option(
        "--intervals",
        "of forecasts: widened and narrowed by how those before were met, or as predict tells them "
        "(adaptive)",
        rare=True,
        choices=INTERVALS,
    )


def _many(option: Callable[..., None]) -> None:
    names = "column that tells sequences apart, or several: shop,article; each has a state of its own"
    option("--id", names, metavar="COLUMN", type=str)
    end = "a line with 1 or true in this column is the last of its sequence: the next one begins anew"
    option("--end", end, metavar="COLUMN", type=str)
    forget = "id: forget a sequence that has no line among N; one that comes later begins anew"
    option("--forget-after", forget, rare=True, metavar="N", type=_count)
    most = f"id: keep at most N sequences, a limit for the memory; new ones are refused then ({MOST_IDS})"
    option("--most-ids", most, rare=True, metavar="N", type=_count)


def _going_on(option: Callable[..., None]) -> None:
    snapshot = "go on from the state in this file, and save it there on leaving: nothing is lost between"
    option("--snapshot", snapshot, metavar="FILE", type=Path)
    option(
        "--every",
        "save it every N lines (samples), or every N seconds too: a power cut loses no more",
        metavar="N|Ns",
        type=_every,
    )
    keep = "keep the last N answers in it, for --after and --replay (those of the last 256 KiB)"
    option("--keep-answers", keep, rare=True, metavar="N", type=_count_from_0)
    after = "the reader has the answers up to this line (answer): give those after it, again where need be"
    option("--after", after, rare=True, metavar="LINE", type=_count_from_0)
    replay = "the input begins with line (sample) 1 again: pass over what is done; answer only what is new"
    option("--replay", replay, rare=True, action="store_true")


def stream(arguments: Sequence[str], program: str = "unrolled stream") -> None:
    """What the command does. ConfigError for a wrong call; errors as of `lines.run` and `saved.load`."""
    values = vars(parser(program).parse_args(arguments))
    path = values.pop("model")
    options = Options(**values)
    lines.run(saved.load(path), options)


def _count(text: str, least: int = 1) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19 and int(text) >= least):
        raise argparse.ArgumentTypeError(f"wanted a number from {least}, got '{text:.40}'")
    return int(text)


def _count_from_0(text: str) -> int:
    return _count(text, 0)


def _every(text: str) -> Every:
    """So many lines, or seconds for a number with an s behind it."""
    if not text.endswith("s"):
        return Every(lines=_count(text))
    with suppress(ValueError):
        if 0.001 <= (seconds := float(text[:-1])) <= 1e9:
            return Every(seconds=seconds)
    raise argparse.ArgumentTypeError(f"wanted lines such as 100, or seconds such as 60s, got '{text}'")


def _pcm(text: str) -> Pcm:
    try:
        return Pcm.parse(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def main() -> None:
    """`python -m unrolled.runtime`."""
    ended(lambda: stream(sys.argv[1:], "python -m unrolled.runtime"))
