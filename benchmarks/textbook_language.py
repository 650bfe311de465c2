"""How fast the textbooks' character model trains on one-hot vectors, beside a plain PyTorch script.

    python benchmarks/textbook_language.py poems.txt [--sampling random consecutive] [--threads 1]
                                           [--rounds 5] [--epochs 3] [--json FILE]

The experiment of Zhang et al., "Dive into Deep Learning", chapter 9: the first 10,000 characters, 256 tanh
units that read one-hot vectors, 35 steps, batches of 32, first weights from N(0, 0.01²), SGD at 100, the
global norm clipped at 0.01. The script is what the textbook writes with torch.nn's layers: one_hot,
RNN, Linear, cross entropy. Ours is what `unrolled train language` runs, with its history and checks. The two
take turns in one process at one thread count; the figures are medians over the rounds, the first left out.

Target: 1.6.
"""

import argparse
import json
import math
import platform
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from unrolled.batching.streams import Streams
from unrolled.files.atomic import write_text
from unrolled.files.text import text_of
from unrolled.tasks.config import from_options
from unrolled.tasks.estimator import Prepared
from unrolled.tasks.language import Codec, LanguageConfig, LanguageModel
from unrolled.training.first_weights import draw_normal
from unrolled.training.loop import Training
from unrolled.training.progress import Reporter

TARGET = 1.6
CHARACTERS = 10_000
TEXTBOOK = {
    "embedding": "none",
    "cell": "rnn",
    "hidden": 256,
    "output_dropout": 0.0,
    "window": 35,
    "batch_size": 32,
    "optimizer": "sgd",
    "schedule": "constant",
    "learning_rate": 100.0,
    "clip": 0.01,
    "validation": 0.0,
    "test": 0.0,
}


class Plain(nn.Module):
    """w (B, T) -> logits (B, T, V), state."""

    def __init__(self, symbols, hidden):
        super().__init__()
        self.symbols = symbols
        self.layer = nn.RNN(symbols, hidden, batch_first=True)
        self.head = nn.Linear(hidden, symbols)
        for name, parameter in self.named_parameters():
            nn.init.zeros_(parameter) if "bias" in name else nn.init.normal_(parameter, 0, 0.01)

    def forward(self, w, state):
        x = nn.functional.one_hot(w, self.symbols).float()
        h, state = self.layer(x, state)
        return self.head(h), state


def plain_script(batches, symbols, config):
    """Seconds and the perplexity of the last epoch."""
    torch.manual_seed(0)
    model = Plain(symbols, config.model.hidden)
    optimizer = torch.optim.SGD(model.parameters(), lr=config.training.learning_rate)
    start = time.perf_counter()
    for epoch in range(1, config.training.epochs + 1):
        state, total, count = None, 0.0, 0
        for x, y, goes_on in batches.batches(epoch):
            logits, state = model(x, state.detach() if goes_on else None)
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), config.training.clip)
            optimizer.step()
            total, count = total + loss.item() * y.numel(), count + y.numel()
    return time.perf_counter() - start, math.exp(total / count)


def ours(batches, codec, config):
    """The same by what `unrolled train language` runs."""
    estimator = LanguageModel(config)
    torch.manual_seed(0)
    network = LanguageModel._network(config, codec)
    draw_normal(network, 0.01)
    step = estimator._step(network, Prepared(config, codec, batches, None))
    start = time.perf_counter()
    options = {"checkpoints": None, "validate": None, "report": Reporter()}
    history = Training(network, batches, step, config.training, **options).run()
    seconds = time.perf_counter() - start
    return seconds, math.exp([row for row in history.rows if row["kind"] == "epoch"][-1]["train_loss"])


def measure(text, sampling, asked):
    config = from_options(
        LanguageConfig, TEXTBOOK | {"sampling": sampling, "epochs": asked.epochs, "threads": asked.threads}
    )
    codec = Codec.fit(config, text)
    tokens = codec.encode(text, "the text")
    batches = Streams(np.asarray(tokens), config.sampling.window, config.training.batch_size, sampling)
    symbols = codec.tokenizer.size
    peers = {
        "plain": lambda: plain_script(batches, symbols, config),
        "ours": lambda: ours(batches, codec, config),
    }
    results = {name: [] for name in peers}
    for _ in range(asked.rounds + 1):
        for name, run in peers.items():
            results[name].append(run())
    seconds = {name: [one for one, _ in every[1:]] for name, every in results.items()}
    ratios = [plain / own for plain, own in zip(seconds["plain"], seconds["ours"], strict=True)]
    each = {name: statistics.median(every) / asked.epochs for name, every in seconds.items()}
    reached = {name: every[-1][1] for name, every in results.items()}
    print(
        f"{sampling}, {symbols:,} symbols: ours {each['ours']:.3f}, plain PyTorch {each['plain']:.3f} seconds"
        f" an epoch; {statistics.median(ratios):.2f} times, from {min(ratios):.2f} to {max(ratios):.2f} "
        f"(target {TARGET:g}); perplexity after {asked.epochs} epochs {reached['ours']:.0f} and "
        f"{reached['plain']:.0f}"
    )
    return {"seconds_an_epoch": each, "ratios": ratios, "perplexity": reached}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text", type=Path)
    samplings = ["random", "consecutive"]
    parser.add_argument("--sampling", choices=samplings, nargs="*", default=samplings)
    for name, value in {"threads": 1, "rounds": 5, "epochs": 3}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    text = text_of(asked.text.read_text(encoding="utf-8")[:CHARACTERS])
    times = {sampling: measure(text, sampling, asked) for sampling in asked.sampling}
    machine = {"torch": torch.__version__, "platform": platform.platform(), "threads": asked.threads}
    if asked.json:
        write_text(asked.json, json.dumps({"machine": machine, "textbook": times}))


if __name__ == "__main__":
    main()
