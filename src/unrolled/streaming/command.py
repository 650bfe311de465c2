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
from unrolled.models import saved
from unrolled.streaming import lines
from unrolled.streaming.gaps import POLICIES
from unrolled.streaming.records import FORMATS
from unrolled.streaming.sequences import INTERVALS
from unrolled.streaming.sessions import MOST_IDS, Every, Options
from unrolled.streaming.writers import OUTPUTS

ABOUT = """Go on with a model line by line: lines in on standard input, an answer out on standard output for
each, the state carried from one to the next. Needs numpy alone.

  tables of numbers   CSV with a header, or JSON lines, by the names of the columns of the training;
                      forecasts of the next steps, of more with --ahead
  words to tag        one word a line; an empty line ends the sentence
  text                what its lines are like: nats of each, the likeliest symbols with --next"""

EXAMPLES = """examples:
  sensor | unrolled stream runs/forecast-load --snapshot load.state --every 60s
  unrolled stream model.unrolled --id machine --from csv --to csv < values.csv
  unrolled stream runs/language-book --next 3 < text.txt
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


def parser(program: str) -> Parser:
    """The options of `unrolled stream`."""
    parser = Parser(
        program, description=ABOUT, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument

    def value(flag: str, metavar: str, kind: Callable[[str], Any], meaning: str, **more: Any) -> None:
        add(flag, metavar=metavar, type=kind, help=meaning, **more)

    add("model", metavar="RUN|FILE", type=Path, help="run folder, or what unrolled export --to runtime wrote")
    add("--from", dest="input_format", choices=FORMATS, help="what lines are (found by the first one)")
    add("--to", dest="output_format", choices=OUTPUTS, default="json", help="what answers are (json)")
    add("--json", dest="output_format", action="store_const", const="json", help="the same as --to json")
    value(
        "--id",
        "COLUMN",
        str,
        "many sequences at once: the column that tells them apart, or several: shop,article",
    )
    value("--end", "COLUMN", str, "a line with 1 or true here is the last of its sequence")
    value("--next", "K", _count, "tell the K likeliest next symbols", dest="likeliest", default=0)
    value("--ahead", "N", _count, "tell the forecasts of the next N steps", default=0)
    add(
        "--gaps",
        choices=POLICIES,
        help="what stands for steps and values of a series that are missing: refuse them, the last value, 0, "
        "the last value and a mark, restart the sequence, or the model's own forecast (as in the training)",
    )
    value("--longest-gap", "N", _count, "fill at most N steps (the model's window)")
    add(
        "--intervals",
        choices=INTERVALS,
        help="of forecasts: widened and narrowed by how those before were met, or as predict tells them "
        "(adaptive)",
    )
    value("--snapshot", "FILE", Path, "go on from this file, and save the state there on leaving")
    value("--every", "N|Ns", _every, "save it every N lines, or every N seconds too")
    keep = "keep the last N answers in it, for --after and --replay (those of the last 256 KiB)"
    value("--keep-answers", "N", _count_from_0, keep)
    after = "the reader has the answers up to this line: give those after it, again where need be"
    value("--after", "LINE", _count_from_0, after)
    add("--replay", action="store_true", help="the input begins with line 1 again: pass over what is done")
    value("--forget-after", "N", _count, "with --id: forget a sequence that has no line among N")
    value("--most-ids", "N", _count, f"with --id: keep at most N sequences ({MOST_IDS})")
    add("--skip-wrong", action="store_true", help="tell wrong lines and go on")
    add("--version", action=Version, help="print versions and exit")
    return parser


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


def main() -> None:
    """`python -m unrolled.runtime`."""
    ended(lambda: stream(sys.argv[1:], "python -m unrolled.runtime"))
