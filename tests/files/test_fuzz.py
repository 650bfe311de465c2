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


@pytest.mark.parametrize(
    "kind, cases",
    [
        ("csv", 600),
        ("parquet", 30),
        ("conll", 600),
        ("conllu", 600),
        ("tagged words", 300),
        ("tagged numbers", 300),
    ],
)
def test_damaged_files_are_read_or_refused_by_one_line(fuzz, tmp_path, kind, cases):
    data = fuzz.sound_files()[kind]
    assert fuzz.read_case(tmp_path, kind, data) == "read"
    taken = {
        fuzz.read_case(tmp_path, kind, fuzz.damaged(data, random.Random(f"9 {n}"))) for n in range(cases)
    }
    assert "read" in taken and len(taken) > cases / 20  # damage of many kinds was seen, and some was harmless
