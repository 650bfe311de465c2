from pathlib import Path

import pytest

import unrolled
from unrolled.files.json_text import parse


def test_no_other_reader_of_json_is_used():
    sources = Path(unrolled.__file__).parent.rglob("*.py")
    used = {
        path.name for path in sources if "json.load" in path.read_text() or "JSONDecoder" in path.read_text()
    }
    assert used == {"json_text.py"}


@pytest.mark.parametrize(
    "number", ["1" + "0" * 30, str(2**64), str(-(2**63) - 1), "9" * 5000, "31e999", "-1e400"]
)
def test_numbers_are_of_64_bits(number):
    with pytest.raises(ValueError, match="no number that is read") as caught:
        parse(f'{{"counts": [{number}]}}')
    assert len(str(caught.value)) < 100
    assert parse(f"[{2**64 - 1}, {-(2**63)}, 1e308]") == [2**64 - 1, -(2**63), 1e308]
