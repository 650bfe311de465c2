"""The short form of scripts/kill_streams.py, which forks: in a process without torch's threads."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "kill_streams.py"


def test_ends_at_either_side_lose_no_line_and_step_none_twice():
    command = [sys.executable, SCRIPT, "--ends", "30", "--rows", "250", "--seed", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    assert "nothing lost" in done.stdout
