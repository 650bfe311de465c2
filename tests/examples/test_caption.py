"""The examples run: captions are right, and the made pictures and strokes are those of their seed."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name, *options):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, EXAMPLES / name, *map(str, options)]
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_captioner_beats_every_baseline():
    assert "the model beats every baseline on exact match" in run("caption.py")


def test_shapes_are_where_their_sentence_says(tmp_path):
    for folder in ("a", "b"):
        run("coloured_shapes.py", tmp_path / folder, "--train", 60, "--test", 5, "--unseen", 20)
    rows = list(csv.DictReader((tmp_path / "a" / "train.csv").open()))
    assert len(rows) == 60 and len({row["caption"] for row in rows}) > 50
    for row in rows:
        path = tmp_path / "a" / row["image"]
        assert path.read_bytes() == (tmp_path / "b" / row["image"]).read_bytes()
        pixels = np.asarray(Image.open(path)).astype(int)
        ground = np.abs(pixels - pixels[0, 0]).max(2) < 30
        y, x = np.nonzero(~ground)
        words = row["caption"].split()
        if " at the " in row["caption"]:
            where = [
                ("top", "middle", "bottom").index(words[-2]),
                ("left", "centre", "right").index(words[-1]),
            ]
            assert [int(np.median(at) * 3 // 40) for at in (y, x)] == where
        else:
            spread = np.ptp(y) - np.ptp(x)
            assert spread > 0 if "above" in words else spread < 0
        colours = {words[k - 1] for k, word in enumerate(words) if word in ("circle", "square", "triangle")}
        means = {"red": 0, "green": 1, "blue": 2}
        for colour in colours & set(means):
            strongest = pixels[~ground].argmax(1) == means[colour]
            assert strongest.sum() > 10
    unseen = [row["caption"] for row in csv.DictReader((tmp_path / "a" / "unseen.csv").open())]
    apart = ("green circle", "purple triangle", "red square")
    assert all(any(pair in caption for pair in apart) for caption in unseen)
    assert not any(pair in row["caption"] for row in rows for pair in apart)


def test_strokes_of_a_digit_are_alike_and_those_of_two_are_not(tmp_path):
    run("digit_strokes.py", tmp_path, "--train", 40, "--test", 10)
    rows = list(csv.DictReader((tmp_path / "train.csv").open()))
    paths = {}
    for row in rows:
        x, y = float(row["x"]) - float(row["slant"]) * float(row["y"]), float(row["y"])
        paths.setdefault((row["digit"], row["id"]), []).append((x / float(row["width"]), y))
    starts = {key: np.array(path[:4]).mean(0) for key, path in paths.items()}
    for (digit, id), start in starts.items():
        same = [other for (d, i), other in starts.items() if d == digit and i != id]
        assert len(same) == 3 and max(np.abs(start - other).max() for other in same) < 0.1
    lifted = {digit: sum(row["pen"] == "0" for row in rows if row["digit"] == digit) / 4 for digit in "0457"}
    assert lifted == {"0": 1, "4": 2, "5": 2, "7": 2}
