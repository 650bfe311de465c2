"""DistributedDataParallel: two processes with half the batch each train as one with all of it."""

import os

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from safetensors.torch import load_file, save_file
from torch.nn.parallel import DistributedDataParallel

from unrolled.nn import GRU, LSTM, RNN, Stack


def build():
    torch.manual_seed(3)
    layers = [RNN(3, 4, bidirectional=True), LSTM(8, 5, peephole=True), GRU(5, 3, learn_initial_state=True)]
    return Stack(layers).double()


def batch():
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(5, 4, 3, generator=generator, dtype=torch.float64)
    return x, torch.tensor([5, 2, 0, 4]), torch.randn(5, 4, 3, generator=generator, dtype=torch.float64)


def train(model, rows):
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    x, lengths, weights = batch()
    for _ in range(3):
        optimizer.zero_grad()
        (model(x[:, rows], lengths=lengths[rows])[0] * weights[:, rows]).sum(0).mean().backward()
        optimizer.step()


def worker(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=2)
    model = build()
    train(DistributedDataParallel(model), slice(2 * rank, 2 * rank + 2))
    save_file(model.state_dict(), f"{folder}/{rank}.safetensors")
    dist.destroy_process_group()
    # gloo's threads outlive the group and may still free a tensor of Python's; where the interpreter is then
    # shutting down, that aborts the process (pytorch#190489). All that is asked for is written by now.
    os._exit(0)


@pytest.mark.skipif(not dist.is_available(), reason="torch was built without torch.distributed")
def test_two_processes_train_as_one(tmp_path):
    mp.spawn(worker, (tmp_path,), nprocs=2)
    alone = build()
    train(alone, slice(None))
    for rank in (0, 1):
        weights = load_file(tmp_path / f"{rank}.safetensors")
        for name, wanted in alone.state_dict().items():
            torch.testing.assert_close(weights[name], wanted, rtol=1e-12, atol=1e-14)
