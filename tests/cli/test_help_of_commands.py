"""Every command's help says of each option what it does to the answer; what few people change is shown by
`--help-all` alone."""

import re

import pytest

from .command import unrolled

COMMANDS = (
    "train",
    "evaluate",
    "predict",
    "generate",
    "stream",
    "export",
    "verify",
    "kernels",
    "bench",
    "demo",
)
# Those with more options than a dozen or so, and some that only `--help-all` shows.
RARE = {
    "evaluate": {"--temperature", "--no-repeat"},
    "predict": {"--seed", "--length-penalty"},
    "stream": {"--after", "--intervals"},
}
MOST, LEAST_WORDS = 16, 6
PLAIN = {"--help", "--json"}


def lines(command, option, monkeypatch):
    """The options that a help shows -> what it says of each, in one line."""
    monkeypatch.setenv("COLUMNS", "400")
    answer = unrolled(*command.split(), option)
    assert answer.status == 0, answer.err
    shown = r"^(?:│ [* ] +|│ |  )(--?[a-z][\w-]*)(.*)$"
    text = re.sub(r"\n {24}", "   ", answer.out)  # argparse puts it below a long name
    options = {match[1]: match[2] for match in re.finditer(shown, text, re.MULTILINE)}
    return {name: re.split(r"\s{2,}", rest.strip(" │"))[-1] for name, rest in options.items()}


def test_these_are_all_commands(monkeypatch):
    answer = unrolled("--help")
    listed = re.findall(r"^│ ([a-z]+) ", answer.out, re.MULTILINE)
    assert sorted(listed) == sorted(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
class TestHelp:
    def test_it_has_about_a_dozen_options(self, command, monkeypatch):
        short = lines(command, "--help", monkeypatch)
        assert 2 <= len(short) <= MOST
        assert ("--help-all" in short) == (command in RARE)

    def test_each_line_says_what_an_option_does(self, command, monkeypatch):
        every = lines(command, "--help-all" if command in RARE else "--help", monkeypatch)
        few = {name: text for name, text in every.items() if len(text.split()) < LEAST_WORDS}
        assert few.keys() <= PLAIN | {"-h"}, few


@pytest.mark.parametrize("command, rare", RARE.items())
def test_rare_options_are_shown_when_all_are_asked_for(command, rare, monkeypatch):
    short, every = lines(command, "--help", monkeypatch), lines(command, "--help-all", monkeypatch)
    assert short.items() <= every.items()
    assert rare <= every.keys() - short.keys()


def test_a_rare_option_is_an_option(tmp_path):
    answer = unrolled("predict", tmp_path, "--no-repeat", 2)
    assert answer.status == 1 and "no-repeat" not in answer.err
