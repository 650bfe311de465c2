"""The short form of scripts/fuzz_tasks.py."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "fuzz_tasks.py"
CASES = 200


def load():
    spec = importlib.util.spec_from_file_location("fuzz_tasks", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


fuzz = load()


@pytest.mark.parametrize("kind", fuzz.KINDS)
def test_random_cases(kind):
    wrong = [line for seed in range(CASES) for line in fuzz.failures(kind, seed)]
    assert not wrong, "\n".join([f"{len(wrong)} wrong", *wrong[:5]])
