"""The short form of scripts/fuzz_printing.py: hostile names through every command."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "fuzz_printing.py"


def script():
    spec = importlib.util.spec_from_file_location("fuzz_printing", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FUZZ = script()


@pytest.mark.parametrize("task, seed", [("classify", 1), ("forecast", 2)])
def test_hostile_names_are_text_wherever_they_are_printed_or_written(task, seed):
    became = FUZZ.run_case(task, seed)
    assert {"trained", "evaluated 0", "predicted", "streamed", "refused"} <= set(became), became
