"""Inputs that tests make, and small networks for them."""

import numpy as np

from unrolled import Captioner
from unrolled.files.captioned import Attributes, Captioned

PLACES = ("top left", "top right", "bottom left", "bottom right")
COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (20, 40, 210)}
SMALL = {
    "stages": 2,
    "filters": 4,
    "code_size": 16,
    "hidden": 20,
    "target_embedding_size": 8,
    "learning_rate": 0.01,
    "batch_size": 16,
    "patience": 0,
    "schedule": "cosine",
}


def gathered(inputs, answers, features=(), given=None, columns=()):
    numbers = range(1, len(inputs) + 1)
    names, places = tuple(map(str, numbers)), tuple(f"input {n}" for n in numbers)
    several = tuple(answer if isinstance(answer, tuple) else (answer,) for answer in answers)
    return Captioned(
        tuple(inputs), tuple(features), several, names, places, class_column=given, targets=tuple(columns)
    )


def pictures(count, seed=0):
    """A blot of some colour in one quarter of 8 × 9 pixels: two sentences are right for each."""
    draw, inputs, answers = np.random.default_rng(seed), [], []
    for _ in range(count):
        place, colour = int(draw.integers(4)), str(draw.choice(list(COLOURS)))
        x = draw.integers(200, 256, (8, 9, 3))
        top, left = place // 2 * 4 + int(draw.integers(2)), place % 2 * 5 + int(draw.integers(2))
        x[top : top + 3, left : left + 3] = COLOURS[colour]
        inputs.append(x.astype(np.uint8))
        answers.append((f"a {colour} blot at the {PLACES[place]}", f"{colour}, {PLACES[place]}"))
    return gathered(inputs, answers)


def points(count, seed=0):
    """Numbers and what their signs are called, beside a class."""
    draw, inputs, answers = np.random.default_rng(seed), [], []
    for _ in range(count):
        u, v = draw.uniform(0.5, 4, 2) * draw.choice([-1, 1], 2)
        label = str(draw.choice(["dot", "star"]))
        inputs.append(Attributes(np.array([u, 50 + v]), label))
        answers.append(f"a {label} {'above' if v > 0 else 'below'} and {'right' if u > 0 else 'left'}")
    return gathered(inputs, answers, ("u", "v"), "kind")


def classes(count):
    """A class alone: one caption comes twice as often as the other."""
    labels = [("cat", "dog", "eel")[n % 3] for n in range(count)]
    said = {
        "cat": ("it purrs", "it sleeps all day"),
        "dog": ("it barks", "it runs"),
        "eel": ("it bites", "it swims"),
    }
    answers = [said[label][int(n % 9 < 3)] for n, label in enumerate(labels)]
    return gathered([Attributes(np.empty(0), label) for label in labels], answers, (), "animal")


def lines(count, seed=0):
    """A class and a slope -> steps of a line and of its negative; one class has twice as many."""
    draw, inputs, answers = np.random.default_rng(seed), [], []
    for _ in range(count):
        slope, label = draw.uniform(-1, 1), str(draw.choice(["short", "long"]))
        t = np.arange(1.0, 5 if label == "short" else 9)
        inputs.append(Attributes(np.array([slope]), label))
        answers.append(np.stack([slope * t, 7 - 100 * slope * t], 1))
    return gathered(inputs, answers, ("slope",), "kind", ("y", "z"))


def fitted(data, out=None, **options):
    return Captioner(**({"epochs": 1} | SMALL | options)).fit(data, out=out)
