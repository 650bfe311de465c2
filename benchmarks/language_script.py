"""How many characters a second `train language` learns from, beside a plain PyTorch script.

    python benchmarks/language_script.py [--cell lstm] [--threads 1] [--rounds 7] [--steps 20] [--json FILE]

Both do the same steps: an embedding, recurrent layers and a linear head (the default sizes of `language`),
cross entropy at every step, truncated backpropagation with the state carried, the global norm clipped at 1,
Adam. The script is what a textbook would write with torch.nn's layers. Ours is the loop as the command runs
it, with its history and its checks. The two take turns in one process at one thread count; the figures are
medians over the rounds, the first left out.

Targets: 2 for the GRU, 1.5 for the LSTM.
"""

import argparse
import json
import platform
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from unrolled.batching.streams import Streams
from unrolled.codecs.tokenizers import Characters
from unrolled.codecs.vocabulary import Vocabulary
from unrolled.tasks.config import from_options
from unrolled.tasks.estimator import Prepared
from unrolled.tasks.language import Codec, LanguageConfig, LanguageModel
from unrolled.training.loop import Training
from unrolled.training.progress import Reporter

TARGETS = {"gru": 2.0, "lstm": 1.5}
SYMBOLS = 65


class Plain(nn.Module):
    """w (B, T) -> logits (B, T, V), state."""

    def __init__(self, cell, symbols, size, hidden, layers):
        super().__init__()
        self.embedding = nn.Embedding(symbols, size)
        self.layer = {"gru": nn.GRU, "lstm": nn.LSTM}[cell](size, hidden, layers, batch_first=True)
        self.head = nn.Linear(hidden, symbols)

    def forward(self, w, state):
        h, state = self.layer(self.embedding(w), state)
        return self.head(h), state


def plain_script(text, config):
    """Seconds of one pass over `text` (N,)."""
    o, B, W = config.model, config.training.batch_size, config.sampling.window
    model = Plain(o.cell, SYMBOLS, o.embedding_size, o.hidden, o.layers)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.training.learning_rate)
    length = (len(text) - 1) // B
    x = torch.stack([text[r * length : (r + 1) * length] for r in range(B)])
    y = torch.stack([text[r * length + 1 : (r + 1) * length + 1] for r in range(B)])
    start = time.perf_counter()
    state = None
    for at in range(0, length, W):
        logits, state = model(x[:, at : at + W], state)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), y[:, at : at + W].flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), config.training.clip)
        optimizer.step()
        state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
    return time.perf_counter() - start


def ours(text, config):
    """The same by what `unrolled train language` runs."""
    estimator = LanguageModel(config)
    codec = Codec("characters", Characters(Vocabulary(tuple(map(str, range(SYMBOLS))))))
    batches = Streams(text.numpy().astype(np.int32), config.sampling.window, config.training.batch_size)
    network = LanguageModel._network(config, codec)
    step = estimator._step(network, Prepared(config, codec, batches, None))
    start = time.perf_counter()
    options = {"checkpoints": None, "validate": lambda: 1.0, "report": Reporter()}
    Training(network, batches, step, config.training, **options).run()
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cell", choices=TARGETS, nargs="*", default=list(TARGETS))
    for name, value in {
        "threads": 1,
        "rounds": 7,
        "steps": 20,
        "hidden": 256,
        "layers": 1,
        "embedding": 128,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    found = {cell: measure(cell, asked) for cell in asked.cell}
    machine = {"torch": torch.__version__, "platform": platform.platform(), "threads": asked.threads}
    if asked.json:
        asked.json.write_text(json.dumps({"machine": machine, "characters_per_second": found}))


def measure(cell, asked):
    config = from_options(
        LanguageConfig,
        {
            "cell": cell,
            "hidden": asked.hidden,
            "layers": asked.layers,
            "embedding_size": asked.embedding,
            "output_dropout": 0.0,
            "threads": asked.threads,
            "epochs": 1,
        },
    )
    B, W = config.training.batch_size, config.sampling.window
    text = torch.randint(SYMBOLS, (B * W * asked.steps + 1,), generator=torch.Generator().manual_seed(0))
    peers = {"plain": plain_script, "ours": ours}
    seconds = {name: [] for name in peers}
    for _ in range(asked.rounds + 1):
        for name, run in peers.items():
            seconds[name].append(run(text, config))
    rates = {name: (len(text) - 1) / statistics.median(every[1:]) for name, every in seconds.items()}
    ratios = [plain / own for plain, own in zip(seconds["plain"][1:], seconds["ours"][1:], strict=True)]
    print(
        f"{cell}: ours {rates['ours']:,.0f}, plain PyTorch {rates['plain']:,.0f} characters a second; "
        f"{statistics.median(ratios):.2f} times, from {min(ratios):.2f} to {max(ratios):.2f} "
        f"(target {TARGETS[cell]:g})"
    )
    return rates


if __name__ == "__main__":
    main()
