"""Bytes saved for backward, against calls whose savings are known."""

import torch
from torch import Tensor

from unrolled.bench.saved import saved_bytes
from unrolled.bench.workload import Peer


def peer(run, *held: Tensor) -> Peer:  # type: ignore[no-untyped-def]
    return Peer(run, run, gradients=True, held=held)


def test_what_is_saved_is_counted_once_and_in_full() -> None:
    x = torch.randn(3, 50, requires_grad=True)

    def run() -> dict[str, Tensor]:
        middle = x.exp()  # saves its result: 600 bytes
        return {"y": (middle[:, :7] * middle[:, 1:8]).sum(-1)}  # saves two views of the same 600

    assert saved_bytes(peer(run, x)) == 600


def test_what_the_caller_holds_is_left_out() -> None:
    x, weight = torch.randn(3, 5, requires_grad=True), torch.randn(5, 5, requires_grad=True)

    def product() -> dict[str, Tensor]:
        return {"y": x @ weight}  # saves x and weight

    assert saved_bytes(peer(product, x, weight)) == 0
    assert saved_bytes(peer(product, x)) == 100
    assert saved_bytes(peer(lambda: {"y": x.exp()}, x)) == 0  # saves what it returns
    assert saved_bytes(peer(lambda: {"y": (2 * x).exp()[0]}, x)) == 0  # a view of it is returned


def test_a_copy_of_a_weight_counts() -> None:
    x, weight = torch.randn(3, 5, requires_grad=True), torch.randn(5, 5, requires_grad=True)
    assert saved_bytes(peer(lambda: {"y": x @ weight.clone()}, x, weight)) == 100


def test_addresses_that_come_again_are_not_confused() -> None:
    x = torch.randn(1000, requires_grad=True)

    def run() -> dict[str, Tensor]:
        y = x
        for _ in range(10):
            y = (y * 1.5).sin()  # saves its argument, 4000 bytes each
        return {"y": y.sum()}

    assert saved_bytes(peer(run, x)) == 10 * 4000


def test_it_counts_even_where_gradients_are_off() -> None:
    x = torch.randn(10, requires_grad=True)
    with torch.no_grad():
        assert saved_bytes(peer(lambda: {"y": x.exp().sum()}, x)) == 40
