"""The example runs, its model wins, and its answers are right."""

import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "transcribe.py"


def test_the_shapes_are_spelled():
    result = subprocess.run(
        [sys.executable, EXAMPLE], capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert result.returncode == 0, result.stderr
    assert "the model beats every baseline on label error rate" in result.stdout
    assert "┆ abba" in result.stdout and "┆ dcab" in result.stdout
