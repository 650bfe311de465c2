"""The short form of scripts/fuzz_tasks.py."""

import pytest

from tests.scripts import script

CASES = 200


fuzz = script("fuzz_tasks")


@pytest.mark.parametrize("kind", fuzz.KINDS)
def test_random_cases(kind):
    wrong = [line for seed in range(CASES) for line in fuzz.failures(kind, seed)]
    assert not wrong, "\n".join([f"{len(wrong)} wrong", *wrong[:5]])
