"""What is announced of made persons, and what holds for new ones, whose best is known.

    python benchmarks/unseen_persons.py [--seeds 5] [--persons 100] [--sequences 10]

A sequence shows who a person is (8 values, the same in all sequences of hers), her activity in a way of her
own (habit · activity, habit -1 or 1 by lot), and a level that is ±D by the activity alone, and normal noise
of deviation 1. Who knows the person is nearly always right; of new persons the level alone tells, and the
best that can be is Φ(D), as noise within a sequence is small. The noise of a person's sequences is drawn
from equal parts of its distribution, one each, so that a few persons have nearly the figures of all. A
classifier is trained with all defaults, by persons (--group) and by lot, and both are judged on persons
that neither has seen.
"""

import argparse
from statistics import NormalDist

import numpy as np
import polars as pl

from unrolled import Classifier

D, HABIT, SIGNS, STEPS, NOISE = 0.84, 3.0, 8, 6, 0.1
BEST = NormalDist().cdf(D)
NEW = 10_000  # where the numbers of new persons begin


def persons(first: int, count: int, sequences: int, seed: int = 0) -> pl.DataFrame:
    """A long table of those with the numbers `first`, `first` + 1, …"""
    rows: list[tuple[object, ...]] = []
    for person in range(first, first + count):
        draw = np.random.default_rng([seed, person])
        signs, habit = draw.normal(0, 2, SIGNS), draw.choice([-1, 1])
        for k, noise in enumerate(_spread(sequences, draw)):
            activity = 1 if k % 2 else -1
            level = [*signs, HABIT * habit * activity, activity * D + noise]
            steps = level + draw.normal(0, NOISE, (STEPS, len(level)))
            rows += [(f"{person}-{k}", person, *step, "walk" if activity > 0 else "run") for step in steps]
    columns = ["id", "person", *(f"s{k}" for k in range(SIGNS)), "habit", "level", "activity"]
    return pl.DataFrame(rows, columns, orient="row")


def _spread(number: int, draw: np.random.Generator) -> list[float]:
    """Normal noise of sequences: of each second one, one draw from each of as many equally likely parts."""
    noise = np.empty(number)
    for first in (0, 1):
        some = np.arange(first, number, 2)
        shares = (draw.permutation(len(some)) + draw.random(len(some))) / len(some)
        noise[some] = [NormalDist().inv_cdf(share) for share in shares]
    return noise.tolist()


def figures(
    train: pl.DataFrame, new: pl.DataFrame, group: str | None, **options: object
) -> tuple[float, float]:
    """The accuracy that is announced, and that on new persons."""
    model = Classifier(target="activity", group=group, **options).fit(train)
    announced, unseen = model.evaluation.rows[0], model.evaluate(new).rows[0]
    return announced["accuracy"], unseen["accuracy"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name, default in (("seeds", 5), ("persons", 100), ("sequences", 10)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    print(f"the best that can be of new persons: {BEST:.3f}")
    for group, how in (("person", "by persons"), (None, "by lot")):
        each = []
        for seed in range(options.seeds):
            train = persons(0, options.persons, options.sequences, seed)
            new = persons(NEW, 200, options.sequences, seed)
            each.append(figures(train, new, group, seed=seed, split_seed=seed))
            print(
                f"{how}, seed {seed}: announced {each[-1][0]:.3f}, of new persons {each[-1][1]:.3f}",
                flush=True,
            )
        announced, unseen = np.mean(each, 0)
        print(f"{how}, the mean: announced {announced:.3f}, of new persons {unseen:.3f}", flush=True)


if __name__ == "__main__":
    main()
