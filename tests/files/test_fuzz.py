"""The short form of scripts/fuzz_files.py."""

import importlib.util
import random
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "fuzz_files.py"


@pytest.fixture(scope="module")
def fuzz():
    spec = importlib.util.spec_from_file_location("fuzz_files", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FORMATS = [
    "csv",
    "parquet",
    "long",
    "texts",
    "idx",
    "idx-gzip",
    "idx-labels",
    "ts",
    "ts-timed",
    "wav",
    "wav-list",
]
CASES = {"csv": 600, "parquet": 30}  # each case of Parquet starts a process


def test_every_format_of_the_script_is_tried(fuzz):
    assert [*fuzz.FORMATS] == [*FORMATS, "long-parquet"]


@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_files_are_read_or_refused_by_one_line(fuzz, tmp_path, kind):
    data, cases = fuzz.FORMATS[kind].sound(), CASES.get(kind, 200)
    assert fuzz.read_case(tmp_path, kind, data) == "read"
    taken = {
        fuzz.read_case(tmp_path, kind, fuzz.damaged(data, random.Random(f"9 {n}"))) for n in range(cases)
    }
    assert "read" in taken and len(taken) > cases / 40  # damage of many kinds was seen, and some was harmless
