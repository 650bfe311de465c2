"""The kernels find the OpenMP that torch itself runs on."""

import ctypes
import sys

import pytest
import torch

from unrolled.kernels import _cpu
from unrolled.kernels.torch import openmp
from unrolled.nn import LSTM


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looked for on Linux alone")
@pytest.mark.skipif(not torch.backends.openmp.is_available(), reason="torch was built without OpenMP")
def test_torch_s_openmp_is_found(monkeypatch):
    given = []
    monkeypatch.setattr(_cpu, "use_openmp", lambda *addresses: given.append(addresses))
    assert openmp.share()
    (addresses,) = given
    assert len(set(addresses)) == 3
    team_size = ctypes.CFUNCTYPE(ctypes.c_int)(addresses[1])
    assert team_size() == 1, "outside of a parallel region"


def test_where_there_is_none_nothing_is_done(monkeypatch):
    monkeypatch.setattr(openmp, "_libraries", list)
    monkeypatch.setattr(_cpu, "use_openmp", lambda *addresses: pytest.fail("handed over"))
    assert not openmp.share()


def test_threads_of_torch_s_pool_change_no_bit(two_threads):
    layer, x = LSTM(40, 64), torch.randn(50, 33, 40)
    two = layer(x)[0]
    torch.set_num_threads(1)
    assert torch.equal(layer(x)[0], two)
