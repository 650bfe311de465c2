"""The short form of scripts/torch_modules.py: PyTorch's own tests of its recurrent modules, with ours."""

import importlib.util
import sys
from pathlib import Path

import pytest

from unrolled.kernels import dispatch

pytestmark = pytest.mark.skipif(dispatch.MISSING is not None, reason="the compiled kernels are missing")

ROOT = Path(__file__).parents[2]


def load():
    spec = importlib.util.spec_from_file_location("torch_modules", ROOT / "scripts" / "torch_modules.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings("ignore")
def test_pytorchs_tests_pass_with_our_classes():
    script = load()
    made, failed, differs = script.run(short=True)
    assert not failed, "\n".join(failed)
    assert len(made) == len(script.NAMES) * (2 * (len(script.CHECKS) + 1) - 1) and min(made.values()) > 0
    # What is refused is refused in our words; nothing else differs (docs/accelerate.md).
    assert all("ours  ValueError: " in line or "ours  TypeError: " in line for line in differs)
