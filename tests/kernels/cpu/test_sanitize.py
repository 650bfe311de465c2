"""scripts/sanitize.sh, its short form: whole layers from several threads at once, under three sanitizers."""

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "scripts" / "sanitize.sh"
CANNOT = 77


def test_no_race_and_no_stray_access():
    result = subprocess.run([SCRIPT, "short"], capture_output=True, text=True, check=False)
    if result.returncode == CANNOT:
        pytest.skip(result.stderr.splitlines()[-1])
    assert result.returncode == 0, result.stdout + result.stderr
    assert [line for line in result.stdout.splitlines() if line.endswith(": clean")] == [
        "thread: clean",
        "address,undefined: clean",
    ]
