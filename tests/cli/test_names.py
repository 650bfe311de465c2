"""The short form of scripts/fuzz_printing.py: hostile names through every command."""

import pytest

from tests.scripts import script

FUZZ = script("fuzz_printing")


@pytest.mark.parametrize("task, seed", [("classify", 1), ("forecast", 2)])
def test_hostile_names_are_text_wherever_they_are_printed_or_written(task, seed):
    became = FUZZ.run_case(task, seed)
    assert {"trained", "evaluated 0", "predicted", "streamed", "refused"} <= set(became), became
