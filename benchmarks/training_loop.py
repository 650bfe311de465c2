"""What the training loop costs over the bare torch loop that does the same steps.

    python benchmarks/training_loop.py [--threads 2] [--rounds 15] [--steps 400] [--json FILE]

20 steps × batch 50 × 100 relu units, input 1, outputs projected to 1, mean squared error at every step, Adam,
global norm clipped at 1. The peers take turns in one process at one thread count; the figures are medians
over the rounds. Training pays for all it does: the seed, two checkpoints and the history of each round.
"""

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

import unrolled.nn
from unrolled.batching.windows import Windows
from unrolled.runs import Run
from unrolled.training.config import TrainingConfig
from unrolled.training.loop import Training
from unrolled.training.progress import Reporter

T, B, H = 20, 50, 100
TARGET = 1.10


class Model(nn.Module):
    """x (B, T, 1) -> (B, T, 1)."""

    def __init__(self, layer: Callable[..., nn.Module]) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.rnn = layer(1, H, nonlinearity="relu", batch_first=True)
        self.head = nn.Linear(H, 1)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.head(self.rnn(x)[0])
        return output


def bare(model: Model, windows: Windows, fused: bool) -> Callable[[], None]:
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001, fused=fused)

    def epoch() -> None:
        for batch in windows.batches(1):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(batch.x), batch.y)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()

    return epoch


def ours(model: Model, windows: Windows, folder: Path) -> Callable[[], None]:
    config = TrainingConfig(epochs=1, clip=1.0, batch_size=B)
    checkpoints = Run.create(folder, {}, "benchmark").checkpoints

    def step(batch, state):  # type: ignore[no-untyped-def]
        return nn.functional.mse_loss(model(batch.x), batch.y), None

    def epoch() -> None:
        options = {"checkpoints": checkpoints, "validate": lambda: 0.0, "report": Reporter()}
        Training(model, windows, step, config, **options).run()
        model.train()

    return epoch


def measure(peers: dict[str, Callable[[], None]], rounds: int, steps: int) -> dict[str, float]:
    """Median microseconds a step of each peer."""
    seconds: dict[str, list[float]] = {name: [] for name in peers}
    for number in range(rounds + 1):
        for name, epoch in peers.items():
            begun = time.perf_counter()
            epoch()
            if number > 0:
                seconds[name].append(time.perf_counter() - begun)
    return {name: statistics.median(times) / steps * 1e6 for name, times in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    series = torch.sin(torch.arange(B * options.steps + T) * 0.1).unsqueeze(1)
    windows = Windows([series], [series], T, B, seed=1, ahead=1)
    assert windows.steps_per_epoch == options.steps

    with tempfile.TemporaryDirectory() as folder:
        peers = {
            "train, unrolled.nn.RNN": ours(Model(unrolled.nn.RNN), windows, Path(folder) / "a"),
            "bare, unrolled.nn.RNN": bare(Model(unrolled.nn.RNN), windows, fused=False),
            "bare, unrolled.nn.RNN, fused Adam": bare(Model(unrolled.nn.RNN), windows, fused=True),
            "train, torch.nn.RNN": ours(Model(nn.RNN), windows, Path(folder) / "b"),
            "bare, torch.nn.RNN": bare(Model(nn.RNN), windows, fused=False),
            "bare, torch.nn.RNN, fused Adam": bare(Model(nn.RNN), windows, fused=True),
        }
        medians = measure(peers, options.rounds, options.steps)
    report(medians, options)


def report(medians: dict[str, float], options: argparse.Namespace) -> None:
    ratios = {
        name: medians[f"train, {name.partition(',')[0]}"] / medians[f"bare, {name}"]
        for name in (peer.removeprefix("bare, ") for peer in medians if peer.startswith("bare"))
    }
    for name, value in medians.items():
        print(f"{name:36} {value:8.0f} µs a step")
    for name, value in ratios.items():
        print(f"train / bare, {name:34} {value:5.3f}   (target ≤ {TARGET})")
    machine = {"torch": torch.__version__, "platform": platform.platform(), "threads": options.threads}
    if options.json:
        options.json.write_text(json.dumps({"machine": machine, "microseconds": medians, "ratios": ratios}))


if __name__ == "__main__":
    main()
