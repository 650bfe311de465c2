import pytest
import torch

from unrolled.kernels import _cpu


@pytest.fixture(autouse=True)
def fill_new_memory_with_nan():
    """What a kernel leaves unwritten in an output shows."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture(params=_cpu.isas())
def isa(request):
    """Each instruction set that this machine can run, one after another."""
    before = _cpu.isa()
    _cpu.use_isa(request.param)
    yield request.param
    _cpu.use_isa(before)


@pytest.fixture
def restore_isa():
    before = _cpu.isa()
    yield
    _cpu.use_isa(before)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)
