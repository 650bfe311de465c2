"""The example runs in a tiny form: it sums up better than the nearest report, and cannot name a new city."""

import os
import re
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "summarise.py"


def test_reports_are_summed_up_and_new_cities_are_not_copied():
    result = subprocess.run(
        [sys.executable, EXAMPLE, "600", "4"],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert result.returncode == 0, result.stderr
    assert "the model beats every baseline on symbol error rate" in result.stdout
    known, new = re.findall(r"model: \w+ closes \w+ in (\w+) until \w+", result.stdout)
    assert {known, new}.isdisjoint({"Riga", "Accra"}) and result.stdout.endswith("it sums up 0% rightly.\n")
