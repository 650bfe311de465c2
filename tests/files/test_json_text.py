from pathlib import Path

import pytest

import unrolled
from unrolled.files.json_text import parse, require


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


FORM = {"names": [str], "count": int, "share": float, "usual": {str: int}, "more": (dict, None), "yes": bool}
SOUND = {"names": ["a"], "count": 1, "share": 1, "usual": {"x": 2}, "more": None, "yes": True}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"names": "a"}, "it.'names': wanted a list of a text, got 'a'"),
        ({"names": ["a", 1]}, "it.'names'[1]: wanted a text, got 1"),
        ({"count": 1.0}, "it.'count': wanted a whole number, got 1.0"),
        ({"count": True}, "it.'count': wanted a whole number, got True"),
        ({"share": "1"}, "it.'share': wanted a number, got '1'"),
        ({"usual": {"x": "y"}}, "it.'usual'.'x': wanted a whole number, got 'y'"),
        ({"more": []}, "it.'more': wanted a table or null, got []"),
        ({"yes": 1}, "it.'yes': wanted true or false, got 1"),
        ({"else": 1}, "it: wanted a table of names, count, share, usual, more, yes, got {'names'"),
    ],
)
def test_a_form_names_what_is_not_of_it(change, said):
    require(SOUND, FORM)
    require(SOUND | {"more": {"a": [1]}, "share": 0.5, "names": []}, FORM)
    with pytest.raises(ValueError) as caught:
        require(SOUND | change, FORM)
    assert str(caught.value).startswith(said)
