"""What is printed, whatever names and encodings are."""

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
