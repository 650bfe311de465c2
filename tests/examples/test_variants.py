"""The example runs, and its layers learn."""

import os
import re
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "variants.py"


def test_every_variant_learns():
    result = subprocess.run(
        [sys.executable, EXAMPLE], capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert result.returncode == 0, result.stderr
    errors = [float(found) for found in re.findall(r"mean squared error (\S+)", result.stdout)]
    assert len(errors) == 3 and max(errors) < 0.2, "always answering the mean gives 0.39"
