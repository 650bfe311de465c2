"""What is printed, whatever names and encodings are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import printed
from unrolled.console import note, say
from unrolled.ending import ended
from unrolled.errors import DataError


@pytest.mark.parametrize(
    ("encoding", "out", "err"),
    [("ascii", "a \\u2013 b\n\\xfc\n", "\\u6f22\n"), ("utf-8", "a – b\nü\n", "漢\n")],
)
def test_what_an_encoding_lacks_is_escaped(encoding, out, err):
    assert printed(lambda: ended(lambda: (say("a – b", "ü"), note("漢"))), encoding) == (0, out, err)


def test_an_error_is_a_line_whatever_it_names():
    def fail():
        raise DataError("a\nb\x1b]0;x\x07\udc80 [/]: –")

    line = "unrolled: a\\nb\\x1b]0;x\\x07\\udc80 [/]: \\u2013\n"
    assert printed(lambda: ended(fail), "ascii") == (1, "", line)


@pytest.mark.parametrize("module", ["unrolled", "unrolled.runtime"])
@pytest.mark.parametrize(
    ("descriptor", "told"), [(0, "standard input"), (1, "standard output"), (2, "standard error")]
)
def test_a_closed_descriptor_is_refused_at_once(module, descriptor, told):
    done = subprocess.run(
        [sys.executable, "-m", module, "--version"],
        preexec_fn=lambda: os.close(descriptor),
        capture_output=True,
        text=True,
    )
    line = f"unrolled: {told} is closed; give it a file or a pipe, or /dev/null\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", line if descriptor < 2 else "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_note_that_nobody_can_hear_changes_nothing():
    code = (
        "import sys\nfrom unrolled.console import note\nfrom unrolled.ending import ended\n"
        "ended(lambda: (note('x'), note('y' * 99_999), sys.exit(143)))"
    )
    with Path("/dev/full").open("wb", buffering=0) as full:
        assert subprocess.run([sys.executable, "-c", code], stderr=full).returncode == 143


def test_a_long_error_is_cut_between_what_was_wrong_and_what_to_do():
    def fail():
        raise DataError(f"wanted a word, got {'x' * 5667}; write one")

    answer = printed(lambda: ended(fail))
    assert answer.err.startswith("unrolled: wanted a word, got xx") and answer.err.endswith("xx; write one\n")
    assert len(answer.err) < 1600


@pytest.mark.parametrize(("number", "remedy"), [(28, "make room"), (13, "check the path and its rights")])
def test_an_error_of_the_system_has_a_remedy_of_its_kind(number, remedy):
    def fail():
        raise OSError(number, os.strerror(number), "a\nb")

    assert printed(lambda: ended(fail)).err == f"unrolled: a\\nb: {os.strerror(number)}; {remedy}\n"
