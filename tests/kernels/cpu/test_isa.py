"""The choice of an instruction set."""

import os
import subprocess
import sys

import pytest

from unrolled.kernels import _cpu


def chosen(name):
    """What a fresh process says that runs with UNROLLED_ISA=name."""
    program = "from unrolled.kernels import _cpu; print(_cpu.isa())"
    environment = {**os.environ, "UNROLLED_ISA": name}
    return subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )


def test_portable_runs_everywhere_and_comes_last():
    assert _cpu.isas()[-1] == "portable"


def test_the_environment_names_one():
    for name in _cpu.isas():
        assert chosen(name).stdout.strip() == name


def test_without_a_name_the_best_runs():
    assert chosen("").stdout.strip() == _cpu.isas()[0]


def test_a_name_that_cannot_run_is_refused():
    result = chosen("avx1024")
    assert result.returncode == 1
    assert "ValueError: instruction set 'avx1024' (UNROLLED_ISA) does not run here" in result.stderr
    with pytest.raises(ValueError, match=r"wanted one of .*portable"):
        _cpu.use_isa("avx1024")
    assert _cpu.isa() in _cpu.isas()


def test_importing_the_kernels_loads_no_torch():
    program = "import sys, unrolled.kernels._cpu; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
