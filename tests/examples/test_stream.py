"""The example runs, and a stream from a snapshot says what the first one says."""

import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "stream.py"


def test_a_stream_goes_on_from_its_snapshot():
    result = subprocess.run(
        [sys.executable, EXAMPLE], capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert len(lines) == 29 and lines[0].startswith("1981: ") and lines[27].endswith("was 2.9")
    assert lines[28].startswith("the next three years: [")
