"""The short form of scripts/torch_modules.py: PyTorch's own tests of its recurrent modules, with ours."""

import pytest

from tests.scripts import script
from unrolled.kernels import dispatch

pytestmark = pytest.mark.skipif(dispatch.MISSING is not None, reason="the compiled kernels are missing")


@pytest.mark.filterwarnings("ignore")
def test_pytorchs_tests_pass_with_our_classes():
    tests = script("torch_modules")
    made, failed, differs = tests.run(short=True)
    assert not failed, "\n".join(failed)
    assert len(made) == len(tests.NAMES) * (2 * (len(tests.CHECKS) + 1) - 1) and min(made.values()) > 0
    # What is refused is refused in our words; nothing else differs (docs/accelerate.md).
    assert all("ours  ValueError: " in line or "ours  TypeError: " in line for line in differs)
