"""torch's random generators (dropout draws on them): seeded for a training, kept in checkpoints."""

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor


@contextlib.contextmanager
def own_generators(device: torch.device, seed: int) -> Iterator[None]:
    """Seeds the generators of the processor and of `device`; afterwards they are as the caller had them."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def generator_states(device: torch.device) -> dict[str, Tensor]:
    """Their states by name, as bytes."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_generator_states(device: torch.device, states: Mapping[str, Tensor]) -> None:
    """Puts back what `generator_states` gave. KeyError, TypeError or RuntimeError for anything else."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)
