"""The example runs, and its model wins."""

import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "tag.py"


def test_the_tagger_beats_every_baseline():
    result = subprocess.run(
        [sys.executable, EXAMPLE], capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert result.returncode == 0, result.stderr
    assert "the model beats every baseline on entity F1" in result.stdout
    assert "I-PER" in result.stdout and "B-LOC" in result.stdout
