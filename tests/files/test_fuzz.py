"""The short form of scripts/fuzz_files.py, and files that hypothesis makes of pieces of sound ones."""

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scripts import script

FUZZ = script("fuzz_files")
CASES = {"csv": 600, "parquet": 30, "long-parquet": 0}  # each case of Parquet starts a process


@pytest.mark.parametrize("kind", [kind for kind in FUZZ.FORMATS if CASES.get(kind, 1)])
def test_damaged_files_are_read_or_refused_by_one_line(tmp_path, kind):
    data, cases = FUZZ.FORMATS[kind].sound(), CASES.get(kind, 200)
    assert FUZZ.read_case(tmp_path, kind, data) == "read"
    taken = {
        FUZZ.read_case(tmp_path, kind, FUZZ.damaged(data, random.Random(f"9 {n}"))) for n in range(cases)
    }
    assert "read" in taken and len(taken) > cases / 40  # damage of many kinds was seen, and some was harmless


@pytest.mark.parametrize("kind", [kind for kind in FUZZ.FORMATS if "parquet" not in kind])
def test_pieces_in_any_order_are_read_or_refused_by_one_line(tmp_path_factory, kind):
    sound, folder = FUZZ.FORMATS[kind].sound(), tmp_path_factory.mktemp(kind)
    pieces = st.sampled_from(sorted(set(re.findall(rb"\w+|\W", sound)))) | st.binary(max_size=4)
    starts = st.sampled_from([0, len(sound) // 4, len(sound) // 2, len(sound)])

    @settings(max_examples=80, deadline=None, database=None)
    @given(starts, st.lists(pieces, max_size=30))
    def read(start, some):
        FUZZ.read_case(folder, kind, sound[:start] + b"".join(some))

    read()
