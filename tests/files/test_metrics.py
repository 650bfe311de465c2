from pathlib import Path

import pytest

from unrolled.errors import RunError
from unrolled.files.metrics import lines_of, rows_of


def test_rows_become_lines_and_rows_again():
    rows = [{"kind": "step", "loss": 0.1 + 0.2}, {"kind": "epoch", "epoch": 3}]
    assert rows_of(Path("m.jsonl"), lines_of(rows)) == rows
    assert lines_of(rows).endswith(b"}\n")


@pytest.mark.parametrize("line", ["{", "[1, 2]", "3", "[" * 100_000, "", '{"a": 1, "a": 2}', '{"a": NaN}'])
def test_a_damaged_line_is_named(line):
    with pytest.raises(RunError, match=r"m\.jsonl, line 2: wanted a JSON object"):
        rows_of(Path("m.jsonl"), f'{{"kind": "step"}}\n{line}\n'.encode())
