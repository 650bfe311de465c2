"""docs/guarantees.md names tests and scripts that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_what_is_said_to_show_a_promise_is_there():
    named = set(re.findall(r"(?:tests|scripts)/[\w/]+\.py", (ROOT / "docs/guarantees.md").read_text()))
    assert len(named) > 10 and [name for name in named if not (ROOT / name).is_file()] == []
