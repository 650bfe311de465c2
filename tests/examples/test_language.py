"""The example runs: grammar is likelier than its words in another order, and what is generated follows it."""

import os
import re
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "language.py"


def test_grammar_is_likely_and_generated():
    result = subprocess.run(
        [sys.executable, EXAMPLE], capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert result.returncode == 0, result.stderr
    good, bad = (float(nats) for nats in re.findall(r"┆ 0 +┆ ([\d.]+) +┆", result.stdout))
    assert good < bad / 2
    name, verb = "(the cat|the dog|a bird|my uncle)", "(sees|likes|follows)"
    sentences = re.findall(rf"^{name} {verb} {name}\.$", result.stdout, re.MULTILINE)
    assert len(sentences) >= 3
