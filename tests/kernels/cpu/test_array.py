"""How the compiled module reads arrays: torch's tensors, numpy's arrays, and what it refuses."""

import array
import subprocess
import sys

import numpy as np
import pytest
import torch

from unrolled.kernels import _cpu

OLD_TORCH = """
import torch
del torch.Tensor.__dlpack_c_exchange_api__
from unrolled.kernels import _cpu
x = torch.randn(6, 5)
assert not hasattr(torch.nn.Parameter, "__dlpack_c_exchange_api__")
assert _cpu.fingerprint(torch.nn.Parameter(x[::2])) == _cpu.fingerprint(x.numpy()[::2])
"""


def test_a_tensor_and_an_array_of_the_same_numbers_are_read_alike():
    for dtype in (torch.float32, torch.float64):
        x = torch.randn(7, 13, dtype=dtype)
        print_ = _cpu.fingerprint(x)
        for same in (x.numpy(), torch.nn.Parameter(x), torch.nn.Buffer(x), memoryview(x.numpy()), x.clone()):
            assert _cpu.fingerprint(same) == print_


@pytest.mark.parametrize("index", [np.s_[::2], np.s_[:, 2:9], np.s_[1:5, :12], np.s_[3:4], np.s_[:, 4:5]])
def test_rows_may_have_any_stride(index):
    x = torch.randn(7, 13)
    assert _cpu.fingerprint(x[index]) == _cpu.fingerprint(x.numpy()[index])


def test_rows_that_are_repeated_are_read_again():
    row = torch.randn(1, 5)
    repeated = row.expand(3, 5)
    assert _cpu.fingerprint(repeated) == _cpu.fingerprint(np.broadcast_to(row.numpy(), (3, 5)))


def test_a_torch_without_the_c_exchange_is_read_through_capsules():
    if not hasattr(torch.Tensor, "__dlpack_c_exchange_api__"):
        pytest.skip("every other test here runs this way with this torch")
    child = subprocess.run([sys.executable, "-c", OLD_TORCH], capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr


@pytest.mark.parametrize(
    "wrong, message",
    [
        (None, r"array is None; wanted float64 \(M, N\)"),
        (torch.zeros(2, 3, dtype=torch.float16), r"array is float16 \(2, 3\); wanted float64 \(M, N\)"),
        (torch.zeros(2, 3, dtype=torch.bfloat16), r"array is bfloat16 \(2, 3\)"),
        (torch.zeros(2, 3, dtype=torch.bool), r"array is bool \(2, 3\)"),
        (np.zeros((2, 3), np.int32), r"array is int32 \(2, 3\)"),
        (np.zeros((2, 3), ">f4"), r"array is of another type \(2, 3\)"),
        (np.zeros((2, 3, 4)), r"array is float64 \(2, 3, 4\); wanted float64 \(M, N\)"),
        (np.zeros((2, 1, 2, 1, 2)), r"array is float64 \(2, 1, 2, 1, ...\)"),
        (np.zeros(()), r"array is float64 \(\)"),
        (np.zeros((4, 6)).T, "array has a stride of 6 in its last dimension; wanted 1"),
        (torch.zeros(4, 6)[:, ::2], "array has a stride of 2 in its last dimension; wanted 1"),
        (torch.zeros(1).expand(3, 6), "array has a stride of 0 in its last dimension; wanted 1"),
        (np.frombuffer(bytes(33), np.uint8)[1:].view(np.float32), "array is not aligned in memory"),
        (np.zeros(5, "f4, i1")["f0"].reshape(5, 1), "array is not aligned in memory"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_in_one_line(wrong, message):
    with pytest.raises(ValueError, match=message) as refusal:
        _cpu.fingerprint(wrong)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("wrong", [3.0, [1.0, 2.0], "text", object(), torch.float32])
def test_what_is_no_array_is_a_type_error(wrong):
    with pytest.raises(TypeError, match=f"array is a {type(wrong).__name__}|; wanted a tensor or an array"):
        _cpu.fingerprint(wrong)


def test_a_tensor_without_memory_is_refused():
    x = torch.randn(3, 4)
    x.untyped_storage().resize_(0)
    with pytest.raises(ValueError, match="without memory of its own"):
        _cpu.fingerprint(x)
    with pytest.raises((ValueError, BufferError, RuntimeError)):
        _cpu.fingerprint(torch.randn(3, 4, device="meta"))


def test_memory_is_let_go():
    owner = array.array("d", [1.0, 2.0, 3.0])
    x = np.random.default_rng(0).normal(size=4)
    tensor = torch.randn(4)
    before = sys.getrefcount(x), sys.getrefcount(tensor)
    for _ in range(10):
        _cpu.fingerprint(owner)
        _cpu.fingerprint(x)
        _cpu.fingerprint(tensor)
        with pytest.raises(ValueError, match="wanted"):
            _cpu.fingerprint(tensor[None, None])
    owner.append(4.0)  # raises while a view is held
    assert (sys.getrefcount(x), sys.getrefcount(tensor)) == before
