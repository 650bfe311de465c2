"""Weights that are promised not to change, so that a call need not look at them."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from torch import nn

from unrolled.kernels.packs import Packs


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """While it lasts nothing may write to a weight of `model`: calls may be computed from the weights as they
    were before.

    Without it each call reads every weight once, to see whether it was written to. Steps of few rows are
    faster without that. A model may be frozen several times over, by several threads too.
    """
    packs = [packs for module in model.modules() if isinstance(packs := vars(module).get("_packs"), Packs)]
    for pack in packs:
        pack.freeze()
    try:
        yield
    finally:
        for pack in packs:
            pack.thaw()


class Freezable(nn.Module):
    """A module with packed weights."""

    def frozen(self) -> AbstractContextManager[None]:
        """While it lasts nothing may write to a weight (`frozen`): steps of few rows are faster so."""
        return frozen(self)
