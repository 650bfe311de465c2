"""A frozen model: all its modules, over exceptions, several times over."""

import pytest
from torch import nn

from unrolled.kernels.packs import Packs
from unrolled.nn import frozen


class Keeper(nn.Module):
    def __init__(self):
        super().__init__()
        self._packs = Packs()


def test_every_module_is_frozen_as_long_as_it_lasts():
    model = nn.Sequential(nn.Linear(2, 3), Keeper(), nn.Sequential(Keeper()))
    packs = [model[1]._packs, model[2][0]._packs]
    with frozen(model):
        with frozen(model[2]):
            assert [p.frozen for p in packs] == [True, True]
        assert [p.frozen for p in packs] == [True, True]
    assert [p.frozen for p in packs] == [False, False]


def test_an_exception_thaws():
    keeper = Keeper()
    with pytest.raises(KeyError), frozen(keeper):
        raise KeyError
    assert not keeper._packs.frozen
