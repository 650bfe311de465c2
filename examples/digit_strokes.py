"""Makes the way a pen goes when it writes a digit, for the task caption: one class in, a sequence out.

    python examples/digit_strokes.py strokes --train 2000 --test 400
    unrolled train caption strokes/train.csv --test-files strokes/test.csv --id id --given digit \\
        --features slant --features width

A row is a point of a digit: id, step, the digit, how far its upper end leans (slant) and how wide it is, then
x, y, and pen: 1 on paper, 0 where the pen is lifted behind the point. Hand and speed shake: points are about
0.07 apart, so a wide digit has more of them, and each is off by about 0.01. Digits of a seed are the same
everywhere.
"""

import argparse
import csv
import math
import random
from itertools import pairwise
from pathlib import Path

STEP, SHAKE = 0.07, 0.01


def arc(x, y, rx, ry, start, end, n=16):
    """Points of an ellipse around (x, y), from one angle to another in degrees, anticlockwise if rising."""
    angles = (math.radians(start + (end - start) * k / n) for k in range(n + 1))
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]


# The strokes of each digit, in a box 0.6 wide and 1 high.
DIGITS = {
    0: [arc(0.3, 0.5, 0.3, 0.5, 90, 450)],
    1: [[(0.1, 0.75), (0.35, 1.0), (0.35, 0.0)]],
    2: [[*arc(0.3, 0.72, 0.28, 0.28, 170, -35), (0.0, 0.0), (0.6, 0.0)]],
    3: [[*arc(0.27, 0.75, 0.27, 0.25, 150, -90), *arc(0.27, 0.26, 0.31, 0.26, 90, -150)]],
    4: [[(0.4, 1.0), (0.0, 0.35), (0.6, 0.35)], [(0.45, 0.6), (0.45, 0.0)]],
    5: [[(0.1, 1.0), (0.05, 0.58), *arc(0.26, 0.3, 0.32, 0.3, 120, -150)], [(0.1, 1.0), (0.55, 1.0)]],
    6: [[(0.5, 1.0), (0.15, 0.6), *arc(0.3, 0.27, 0.28, 0.27, 150, 510)]],
    7: [[(0.0, 1.0), (0.6, 1.0), (0.2, 0.0)], [(0.15, 0.5), (0.5, 0.5)]],
    8: [[*arc(0.3, 0.76, 0.22, 0.24, -90, 270), *arc(0.3, 0.26, 0.29, 0.26, 90, -270)]],
    9: [[*arc(0.3, 0.72, 0.27, 0.27, 0, 360), (0.5, 0.0)]],
}


def walk(line, step):
    """Points along a line, `step` apart, its last one too."""
    points, left = [line[0]], step
    for (x0, y0), (x1, y1) in pairwise(line):
        length, at = math.hypot(x1 - x0, y1 - y0), 0.0
        while length - at >= left:
            at += left
            points.append((x0 + (x1 - x0) * at / length, y0 + (y1 - y0) * at / length))
            left = step
        left -= length - at
    return [*points, line[-1]] if left < 0.7 * step else [*points[:-1], line[-1]]


def write(digit, slant, width, chance):
    """The points (x, y, pen) of a digit."""
    step = STEP * chance.uniform(0.95, 1.05)
    for stroke in DIGITS[digit]:
        leaning = [(width * x + slant * y, y) for x, y in stroke]
        points = walk(leaning, step)
        for n, (x, y) in enumerate(points, 1):
            yield x + chance.gauss(0, SHAKE), y + chance.gauss(0, SHAKE), int(n < len(points))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", type=int, default=2000)
    parser.add_argument("--test", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    for part, count in (("train", asked.train), ("test", asked.test)):
        chance = random.Random(f"{asked.seed} {part}")
        with (asked.folder / f"{part}.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["id", "step", "digit", "slant", "width", "x", "y", "pen"])
            for number in range(count):
                digit, slant, width = number % 10, chance.uniform(-0.3, 0.4), chance.uniform(0.7, 1.3)
                for step, (x, y, pen) in enumerate(write(digit, slant, width, chance), 1):
                    given = (f"{part} {number}", step, digit, f"{slant:.3f}", f"{width:.3f}")
                    table.writerow([*given, f"{x:.4f}", f"{y:.4f}", pen])


if __name__ == "__main__":
    main()
