import numpy as np
import pytest
import torch

from unrolled.kernels.numpy import heads
from unrolled.nn import functional


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tanh_is_that_of_float64_and_no_bit_depends_on_the_place(dtype):
    x = torch.randn(37, 19, dtype=dtype) * 4
    y = functional.tanh(x)
    assert torch.allclose(y.double(), torch.tanh(x.double()), rtol=0, atol=4 * torch.finfo(dtype).eps)
    for rows in (slice(3, 4), slice(5, 22), slice(36, 37)):
        for columns in (slice(0, 1), slice(7, 18)):
            assert torch.equal(functional.tanh(x[rows, columns]), y[rows, columns])
    assert np.array_equal(heads.tanh(x.numpy()), y.numpy())


def test_derivatives_of_tanh_to_the_second_and_under_transforms():
    x = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(functional.tanh, x)
    assert torch.autograd.gradgradcheck(functional.tanh, x)
    y = x.detach()
    assert torch.equal(torch.func.vmap(functional.tanh)(y), functional.tanh(y))
    slope = torch.func.vmap(torch.func.grad(lambda v: functional.tanh(v).sum()))(y)
    assert torch.allclose(slope, 1 - torch.tanh(y) ** 2)
    torch.library.opcheck(torch.ops.unrolled.tanh.default, ([y], "tanh"), test_utils="test_schema")
