"""Nothing is touched outside the shapes of heads' kernels."""

import subprocess
import sys
from pathlib import Path


def test_nothing_is_touched_outside_the_shapes(isa):
    """Every array ends where memory that cannot be touched begins: a crash of the child is the failure."""
    child = Path(__file__).with_name("guarded_heads.py")
    result = subprocess.run([sys.executable, child, isa], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
