"""Captions from Python: what stands in a picture, and where.

The pictures are made here: a square or a disc of some colour on a light ground, 16 × 16 pixels.
"""

import random
import tempfile
from pathlib import Path

import polars as pl
from PIL import Image, ImageDraw

from unrolled import Captioner

COLOURS = {"red": (214, 40, 40), "green": (42, 157, 70), "blue": (38, 84, 200)}
random.seed(0)


def picture(path):
    """Draws one, and returns the sentence about it."""
    colour, kind = random.choice(list(COLOURS)), random.choice(["square", "disc"])
    x, y = random.randint(0, 9), random.randint(0, 9)
    image = Image.new("RGB", (16, 16), (random.randint(220, 255),) * 3)
    draw = ImageDraw.Draw(image)
    (draw.rectangle if kind == "square" else draw.ellipse)((x, y, x + 6, y + 6), fill=COLOURS[colour])
    image.save(path)
    return f"a {colour} {kind} at the {'top' if y < 5 else 'bottom'} {'left' if x < 5 else 'right'}"


with tempfile.TemporaryDirectory() as folder:
    paths = [Path(folder, f"{n}.png") for n in range(800)]
    frame = pl.DataFrame({"image": map(str, paths), "caption": map(picture, paths)})
    captioner = Captioner(
        stages=2, filters=8, code_size=48, hidden=48, epochs=10, learning_rate=0.005, schedule="cosine"
    ).fit(frame)
    print(*captioner.evaluation.verdict, sep="\n")
    print(captioner.using(best=2).predict(frame.head(2)).select("rank", "caption", "score"))
