"""The example runs in a tiny form: both kinds of questions over longer and longer stories."""

import os
import re
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "comprehend.py"


def test_questions_are_answered_by_rooms():
    result = subprocess.run(
        [sys.executable, EXAMPLE, "300", "3"],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert result.returncode == 0, result.stderr
    kinds = re.findall(r"(\d+) sentences, question of (\d) facts?: (\d+)%", result.stdout)
    assert [kind[:2] for kind in kinds] == [(n, f) for n in ("3", "6", "12") for f in ("1", "2")]
    assert all(15 < int(right) < 70 for _, _, right in kinds), "better than nothing after so little training"
    assert len(re.findall(r"\?\n  (?:kitchen|garden|hall|cellar)$", result.stdout, re.MULTILINE)) == 2
