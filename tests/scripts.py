"""Scripts of this repository as modules: tests run their short forms."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

SCRIPTS = Path(__file__).parents[1] / "scripts"
BENCHMARKS = SCRIPTS.with_name("benchmarks")


def script(name: str, folder: Path = SCRIPTS) -> ModuleType:
    """FOLDER/NAME.py, which finds the scripts that it imports."""
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))
