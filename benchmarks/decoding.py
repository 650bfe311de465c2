"""How long decoding takes: milliseconds a sequence, the median over rounds.

    python benchmarks/decoding.py [--rounds 15] [--frames 1000] [--labels 30] [--beam 16] [--json FILE]

CTC prefix beam search on one thread, from float32 log-probabilities to labels and their frames, without and
with a 3-gram, on frames that are flat (any label may stand anywhere: the most work there is) and peaky (the
blank or one label nearly certain, as of a trained network); and with a lexicon of a thousand words.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.blocks.decoder import Condition
from unrolled.decoding import ctc
from unrolled.decoding.lexicon import Lexicon
from unrolled.decoding.ngram_model import Grams
from unrolled.decoding.prefix_search import Options
from unrolled.decoding.search import beam_search
from unrolled.nn import GRU
from unrolled.ops.torch import Network
from unrolled.tasks.decoder import decoder
from unrolled.tasks.model import DecoderConfig, ModelConfig

TARGET_MS, TARGET_RATIO = 50.0, 5.0
ROWS, LENGTH, SYMBOLS, UNITS = 64, 12, 40, 128
LETTERS = [chr(code) for code in range(0x3B1, 0x3B1 + 1000)]
SIGMA = {"flat": 1.0, "peaky": 8.0}

Frames = NDArray[np.float32]


def frames(T: int, K: int, sigma: float, draw: np.random.Generator) -> Frames:
    """log_p (T, K); the blank 0 is likelier than any other label, as it is of a trained network."""
    x = sigma * draw.normal(size=(T, K))
    x[:, 0] += 1.5 * sigma
    found: Frames = (x - np.logaddexp.reduce(x, axis=1, keepdims=True)).astype(np.float32)
    return found


def cases(T: int, K: int, beam: int) -> dict[str, Callable[[], object]]:
    """What is timed, by name. Label 0 is the blank, the last is the space between words."""
    draw = np.random.default_rng(1)
    symbols = ["<blank>", *LETTERS[: K - 2], " "]
    words = ["".join(draw.choice(symbols[1:-1], size)) for size in draw.integers(2, 9, 1000)]
    grams = Grams.fit([draw.integers(1, K, 40) for _ in range(300)], 3, K)
    options = {"": {}, " 3-gram": {"grams": grams}}
    options[" 3-gram lexicon"] = {"grams": grams, "lexicon": Lexicon.spelled(symbols, words)}
    found: dict[str, Callable[[], object]] = {}
    for name, sigma in SIGMA.items():
        x = frames(T, K, sigma, draw)
        for more, own in options.items():
            search = Options(0, beam, **own)
            found[f"ctc {name}{more}"] = lambda x=x, search=search: ctc.beams(x[None], [len(x)], search)
        found[f"ctc {name} greedy"] = lambda x=x: ctc.greedy(x, 0)
    return found


def answers(beam: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """All sources in one batch, and one by one."""
    torch.manual_seed(1)
    layer = GRU(UNITS, UNITS, bidirectional=True, batch_first=True)
    config, memory_size = DecoderConfig(attention="additive"), layer.output_size
    block = decoder(
        SYMBOLS, config, ModelConfig(hidden=UNITS), reads=layer.state_sizes(), memory_size=memory_size
    )
    network = Network(block).eval()
    x = torch.randn(ROWS, LENGTH, UNITS)

    @torch.no_grad()
    def answer(first: int, last: int) -> object:
        y, h = layer(x[first:last])
        read = dict(zip(layer.state_sizes(), h.unbind(), strict=True))
        assert block.bridge is not None
        state = block.bridge(network.ops, network.p.bridge, read)
        memory = block.memory(network.ops, network.p, y, torch.full((last - first,), LENGTH))
        step = block.stepper(network.ops, network.p, Condition(state, memory))
        longest = [LENGTH] * (last - first)
        return beam_search(step, longest, begin=block.begin, end=block.end, beam=beam)

    return lambda: answer(0, ROWS), lambda: [answer(k, k + 1) for k in range(ROWS)]


def milliseconds(run: Callable[[], object], rounds: int) -> float:
    run()
    spent = []
    for _ in range(rounds):
        begin = time.perf_counter()
        run()
        spent.append(1000 * (time.perf_counter() - begin))
    return statistics.median(spent)


def main() -> None:
    parser = argparse.ArgumentParser(description="How long decoding takes.")
    for name, value in (("rounds", 15), ("frames", 1000), ("labels", 30), ("beam", 16)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    runs = cases(given.frames, given.labels, given.beam)
    measured = {name: milliseconds(run, given.rounds) for name, run in runs.items()}
    print(f"{given.frames:,} frames of {given.labels} labels, beam {given.beam}, one thread")
    for name, ms in measured.items():
        print(f"{name:28} {ms:8.2f} ms    target {TARGET_MS:g} ms")
    for width in (1, 5):
        together, alone = (milliseconds(run, given.rounds) / ROWS for run in answers(width))
        measured |= {f"answers, beam {width}": together, f"answers, beam {width}, one by one": alone}
        print(
            f"answers, beam {width}: {together:.2f} ms a source of {ROWS}, {alone:.2f} ms one by one: "
            f"{alone / together:.1f} times    target {TARGET_RATIO:g} times for a beam of 5"
        )
    if given.json is not None:
        given.json.write_text(
            json.dumps({"arguments": vars(given) | {"json": None}, "ms": measured}, indent=1)
        )


if __name__ == "__main__":
    main()
