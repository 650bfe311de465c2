"""The example runs, and its model wins."""

import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "forecast.py"


def test_the_forecast_beats_every_baseline():
    result = subprocess.run(
        [sys.executable, EXAMPLE], capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert result.returncode == 0, result.stderr
    assert "the model beats every baseline on RMSE" in result.stdout
    assert "2024-02-26 00:00:00" in result.stdout, "the first hour after eight weeks"
