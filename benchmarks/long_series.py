"""Long series with known answers: which of two noisy sines a sensor gives, and how often that can be right.

    python benchmarks/long_series.py --out DATA --seed 1
    unrolled train tag DATA/train.csv --id id --time t --target tag --test-files DATA/test.csv

A segment ends at each step with probability 1 / STAY. Each has one of the two PERIODS and one of PHASES
phases by lot, all alike:

    x_t = sin(2π (t / PERIODS[k] + p / PHASES)) + NOISE ε_t         ε_t normal

So (k, p) is a hidden Markov chain: the forward algorithm gives the likeliest k from the steps so far
(filtering), the forward-backward algorithm from all steps (smoothing), and on average no tagger is more often
right.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Tags = NDArray[np.int64]

PERIODS, PHASES, NOISE, STAY = (20, 28), 32, 0.7, 200
NAMES = np.array(["fast", "slow"])


def series(draw: np.random.Generator, steps: int) -> tuple[Numbers, Tags]:
    """x (T,) and the number k of the sine at each step (T,)."""
    segment = np.cumsum(draw.random(steps) < 1 / STAY)
    k, phase = (draw.integers(size, size=segment[-1] + 1)[segment] for size in (len(PERIODS), PHASES))
    noise = NOISE * draw.normal(size=steps)
    return _sines(steps)[np.arange(steps), k, phase] + noise, k


def optimum(x: Numbers) -> tuple[Tags, Tags]:
    """The likeliest k at each step (T,): by filtering, by smoothing."""
    steps = len(x)
    likelihoods = np.exp(-0.5 * ((x[:, None, None] - _sines(steps)) / NOISE) ** 2) + 1e-300
    forward, backward = np.ones_like(likelihoods), np.ones_like(likelihoods)
    before = np.ones(likelihoods.shape[1:])
    for t in range(steps):
        forward[t] = _normal(_moved(before) * likelihoods[t])
        before = forward[t]
    for t in range(steps - 2, -1, -1):
        backward[t] = _normal(_moved(likelihoods[t + 1] * backward[t + 1]))
    return forward.sum(2).argmax(1), (forward * backward).sum(2).argmax(1)


def table(draw: np.random.Generator, count: int, steps: int) -> str:
    """So many series as CSV: id, t, x, tag."""
    lines = ["id,t,x,tag"]
    for number in range(count):
        x, k = series(draw, steps)
        lines += [f"s{number},{t},{v:.4f},{NAMES[one]}" for t, (v, one) in enumerate(zip(x, k, strict=True))]
    return "\n".join(lines) + "\n"


def _sines(steps: int) -> Numbers:
    """(T, K, PHASES)."""
    turns = np.arange(steps)[:, None] / np.array(PERIODS)
    return np.sin(2 * np.pi * (turns[..., None] + np.arange(PHASES) / PHASES))


def _moved(p: Numbers) -> Numbers:
    """One step of the chain, of p (K, PHASES)."""
    return np.asarray((1 - 1 / STAY) * p + p.mean() / STAY)


def _normal(p: Numbers) -> Numbers:
    return np.asarray(p / p.sum())


def main() -> None:
    """Writes train.csv of 6 series and test.csv of 2, and prints what is optimal on the latter."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=20_000)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    draws = [np.random.default_rng([options.seed, part]) for part in (0, 1)]
    for name, count, draw in zip(("train", "test"), (6, 2), draws, strict=True):
        (options.out / f"{name}.csv").write_text(table(draw, count, options.steps))
    draw = np.random.default_rng([options.seed, 1])
    right = [
        [np.mean(one == k) for one in optimum(x)] for x, k in (series(draw, options.steps) for _ in range(2))
    ]
    filtering, smoothing = np.mean(right, 0)
    print(f"right at best: {filtering:.3f} by filtering, {smoothing:.3f} by smoothing")


if __name__ == "__main__":
    main()
