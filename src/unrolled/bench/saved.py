"""How much a forward call keeps for its backward: bytes of the storages that autograd saves.

Counted once each, in full, however many tensors look at one; what the caller holds in any case is left out:
the parameters, the input, and what the call returns. Copies of weights and packed weights that autograd keeps
are counted.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from unrolled.bench.workload import Peer


def saved_bytes(peer: Peer) -> int:
    """Bytes saved by one call of `run`, which returns tensors by name."""
    saved: list[Tensor] = []  # kept alive, so that no address is used twice

    def pack(tensor: Tensor) -> Tensor:
        saved.append(tensor)
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = peer.run()
    assert isinstance(output, dict)
    held = _storages([*peer.held, *output.values()])
    return sum(size for address, size in _storages(saved).items() if address not in held)


def _storages(tensors: Iterable[Tensor]) -> dict[int, int]:
    storages = [tensor.untyped_storage() for tensor in tensors]
    return {storage.data_ptr(): storage.nbytes() for storage in storages}
