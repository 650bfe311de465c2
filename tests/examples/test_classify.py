"""The example runs, and its model wins."""

import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "classify.py"


def test_the_classes_are_told_apart():
    result = subprocess.run(
        [sys.executable, EXAMPLE], capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert result.returncode == 0, result.stderr
    assert "the model beats every baseline on accuracy" in result.stdout
    assert "['rising' 'falling' 'falling']" in result.stdout
