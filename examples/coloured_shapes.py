"""Makes pictures of coloured shapes, each with the one sentence that is true of it, for the task caption.

    python examples/coloured_shapes.py shapes --train 8000 --test 1000
    unrolled train caption shapes/train.csv --test-files shapes/test.csv

One to three shapes of three kinds, five colours and two sizes stand apart from one another on a light ground:

    one     a large red circle at the top left           nine places, a third of the picture each way
    two     a small red circle above a large blue square
    three   … above … above …, or … left of … left of …  they stand in a column, or in a row

What is named first stands above or to the left, so a picture has one sentence. In train.csv and test.csv some
colours and kinds never meet; every picture of unseen.csv holds such a pair. Pictures of a seed are the same
everywhere.
"""

import argparse
import csv
import math
import random
from itertools import pairwise
from pathlib import Path

from PIL import Image, ImageDraw

SIDE, FINER = 40, 4  # pixels; drawn finer and made smaller, so that edges are smooth
COLOURS = {
    "red": (214, 40, 40),
    "green": (42, 157, 70),
    "blue": (38, 84, 200),
    "yellow": (240, 200, 30),
    "purple": (140, 50, 170),
}
KINDS = ("circle", "square", "triangle")
RADII = {"small": 3.5, "large": 6.0}
APART = {("green", "circle"), ("purple", "triangle"), ("red", "square")}  # colours and kinds that never meet
ROWS, COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")


class Shape:
    def __init__(self, chance, pairs):
        self.colour, self.kind = chance.choice(pairs)
        self.size = chance.choice(list(RADII))
        self.radius = RADII[self.size] * chance.uniform(0.9, 1.1)
        self.x = self.y = 0.0

    def __str__(self):
        return f"a {self.size} {self.colour} {self.kind}"

    def draw(self, canvas, chance):
        colour = tuple(max(0, min(255, level + chance.randint(-20, 20))) for level in COLOURS[self.colour])
        x, y, r = (FINER * value for value in (self.x, self.y, self.radius))
        if self.kind == "circle":
            canvas.ellipse((x - r, y - r, x + r, y + r), fill=colour)
        elif self.kind == "square":
            canvas.rectangle((x - 0.9 * r, y - 0.9 * r, x + 0.9 * r, y + 0.9 * r), fill=colour)
        else:
            canvas.polygon([(x, y - r), (x - r, y + 0.9 * r), (x + r, y + 0.9 * r)], fill=colour)


def place_one(shape, chance):
    """In the middle half of one of nine fields; returns the sentence."""
    row, column = chance.randrange(3), chance.randrange(3)
    field = SIDE / 3
    shape.x, shape.y = ((at + 0.5 + chance.uniform(-0.25, 0.25)) * field for at in (column, row))
    shape.x, shape.y = (min(max(at, shape.radius + 1), SIDE - shape.radius - 1) for at in (shape.x, shape.y))
    return f"{shape} at the {ROWS[row]} {COLUMNS[column]}"


def place_line(shapes, chance):
    """One after another along an axis, apart, and less far from one another across it; the sentence."""
    down = chance.random() < 0.5
    room = SIDE - 2 - sum(2 * shape.radius for shape in shapes)
    cuts = sorted(chance.uniform(0, room) for _ in shapes)
    at = 1.0
    for shape, cut in zip(shapes, cuts, strict=True):
        along = at + cut + shape.radius
        at += 2 * shape.radius
        shape.x, shape.y = (0.0, along) if down else (along, 0.0)
    steps = [abs(a.y - b.y) if down else abs(a.x - b.x) for a, b in pairwise(shapes)]
    sway = min(steps) / 2 * 0.7  # so that along the axis they are clearly farther apart
    widest = max(shape.radius for shape in shapes)
    middle = chance.uniform(widest + sway + 1, SIDE - widest - sway - 1)
    for shape in shapes:
        across = middle + chance.uniform(-sway, sway)
        shape.x, shape.y = (across, shape.y) if down else (shape.x, across)
    return (" above " if down else " left of ").join(map(str, shapes))


def make(chance, pairs):
    """A picture of shapes whose colours and kinds are among `pairs`, and its sentence."""
    shapes = [Shape(chance, pairs) for _ in range(chance.choice((1, 2, 2, 3, 3)))]
    sentence = place_one(shapes[0], chance) if len(shapes) == 1 else place_line(shapes, chance)
    ground = tuple(chance.randint(215, 255) for _ in range(3))
    image = Image.new("RGB", (SIDE * FINER, SIDE * FINER), ground)
    canvas = ImageDraw.Draw(image)
    for shape in shapes:
        shape.draw(canvas, chance)
    return image.resize((SIDE, SIDE), Image.Resampling.BOX), sentence, shapes


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", type=int, default=8000)
    parser.add_argument("--test", type=int, default=1000)
    parser.add_argument("--unseen", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    every = [(colour, kind) for colour in COLOURS for kind in KINDS]
    usual = [pair for pair in every if pair not in APART]
    for part, count in (("train", asked.train), ("test", asked.test), ("unseen", asked.unseen)):
        (asked.folder / part).mkdir(parents=True, exist_ok=True)
        chance = random.Random(f"{asked.seed} {part}")
        with (asked.folder / f"{part}.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["image", "caption"])
            digits = math.ceil(math.log10(max(10, count)))
            number = 0
            while number < count:
                image, sentence, shapes = make(chance, every if part == "unseen" else usual)
                if part == "unseen" and not any((shape.colour, shape.kind) in APART for shape in shapes):
                    continue
                name = f"{part}/{number:0{digits}}.png"
                image.save(asked.folder / name)
                table.writerow([name, sentence])
                number += 1


if __name__ == "__main__":
    main()
