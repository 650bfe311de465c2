import pytest

from unrolled.files.wording import for_the_command_line, option, shown, visible

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
