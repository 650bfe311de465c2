import pytest

from unrolled.files.messages import (
    cut,
    for_the_command_line,
    natural,
    option,
    resuming,
    rounded,
    shown,
    visible,
)

HOSTILE = "\0\t\n\r\x1b[31m\x7f\x9b\u2028\u202e\u2066\udc80"


def test_control_characters_are_seen_and_others_stay():
    assert visible(HOSTILE) == r"\x00\t\n\r\x1b[31m\x7f\x9b\u2028\u202e\u2066\udc80"
    assert visible("Käse 漢 👍🏽 [/] $x \\n") == "Käse 漢 👍🏽 [/] $x \\n"
    assert visible("a\tb\nc\r", but="\t\n") == "a\tb\nc\\r"


@pytest.mark.parametrize("value", [HOSTILE, [HOSTILE], {"a": HOSTILE}])
def test_what_is_shown_holds_no_control_characters(value):
    assert visible(shown(value, 200)) == shown(value, 200)


def test_options_are_spelt_as_the_caller_writes_them():
    calls = [("top_k", 3), ("gaps", "forward"), ("reset_after", False), ("id", None), ("target", "a b")]
    with for_the_command_line():
        typed = [option(*call) for call in calls]
    assert typed == ["--top-k 3", "--gaps forward", "--reset-after off", "--id", "--target 'a b'"]
    python = ["top_k=3", "gaps='forward'", "reset_after=False", "id", "target='a b'"]
    assert [option(*call) for call in calls] == python


def test_a_long_text_is_cut_in_its_middle():
    assert cut("abcdefgh", 8) == "abcdefgh"
    assert cut("abc\ndefgh", 6) == "abc…fgh"


def test_numbers_in_names_are_sorted_by_value():
    in_order = ["", "02", "2", "10", "10 a", "10 b", "1" * 5000, "a", "p2", "p2b", "p10"]
    assert sorted({*in_order}, key=natural) == in_order


def test_a_command_with_a_path_can_be_pasted_into_a_shell():
    assert resuming("runs/my sales") == "unrolled train --resume 'runs/my sales'"


def test_numbers_are_rounded_but_not_before_the_point():
    cases = [
        (9304.2, 4),
        (14130.4, 4),
        (148.2, 2),
        (0.0123456, 2),
        (-31234567.8, 4),
        (2.5e12, 4),
        (float("nan"), 4),
    ]
    said = ["9304", "14130", "148", "0.012", "-31234568", "2.5e+12", "nan"]
    assert [rounded(*case) for case in cases] == said
