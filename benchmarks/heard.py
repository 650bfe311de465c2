"""What models that hear make of other microphones, rooms and voices: accuracies of `unrolled train classify`
with its defaults, the mean over seeds.

    python benchmarks/heard.py FOLDER [--seeds 5] [--options '…']     FOLDER/commands of benchmarks/spoken.py
    python benchmarks/heard.py --digits DATA [--seeds 5]              DATA/spoken-digits, recordings 0 to 4 of
                                                                      each speaker and digit to judge on

Of spoken commands: the same voices, others, and each at -20 dB, through MP3 and in noise; of digits: as they
are, at -20 dB, and at +10 dB, where they are clipped.
"""

import argparse
import csv
import shlex
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

import numpy as np

from unrolled import load

PARTS = tuple(f"{part}{change}" for part in ("test", "unseen") for change in ("", "-quiet", "-mp3", "-noise"))
GAINS = {"clean": 1.0, "-20 dB": 0.1, "+10 dB": 10**0.5}


def digits(data: Path, folder: Path) -> dict[str, Path]:
    """Lists of the training part and of the others at each gain, in 16 bits."""
    rows: dict[str, list[tuple[str, str]]] = {"train": []} | {name: [] for name in GAINS}
    for path in sorted((data / "spoken-digits" / "recordings").glob("*.wav")):
        digit, _, index = path.stem.split("_")
        for name, gain in GAINS.items() if int(index) < 5 else [("train", 1.0)]:
            (folder / name).mkdir(exist_ok=True)
            (folder / name / path.name).write_bytes(path.read_bytes())
            if gain != 1:
                amplify(folder / name / path.name, gain)
            rows[name].append((path.name, digit))
    for name, some in rows.items():
        with (folder / name / "all.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("path", "label"), *some])
    return {name: folder / name / "all.csv" for name in rows}


def amplify(path: Path, gain: float) -> None:
    with wave.open(str(path), "rb") as file:
        params, samples = file.getparams(), np.frombuffer(file.readframes(file.getnframes()), "<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams(params)
        file.writeframes(np.clip(np.rint(samples * gain), -32768, 32767).astype("<i2").tobytes())


def accuracies(train: Path, parts: dict[str, Path], seed: int, options: list[str]) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as scratch:
        run = Path(scratch) / "run"
        command = [sys.executable, "-m", "unrolled", "train", "classify", str(train), "--out", str(run)]
        judged = ["--test-files", str(next(iter(parts.values()))), "--seed", str(seed)]
        subprocess.run([*command, *judged, *options], check=True, stdout=subprocess.DEVNULL)
        model = load(run)
        return {name: float(model.score(str(path))) for name, path in parts.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--digits", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--options", default="")
    how = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        if how.digits:
            parts = digits(how.digits, Path(scratch))
            train = parts.pop("train")
        else:
            train = how.folder / "commands" / "train.csv"
            parts = {part: how.folder / "commands" / f"{part}.csv" for part in PARTS}
        each = [accuracies(train, parts, seed, shlex.split(how.options)) for seed in range(how.seeds)]
    print(f"{'part':14} {'mean':>6}  each seed")
    for name in parts:
        values = [one[name] for one in each]
        print(f"{name:14} {np.mean(values):6.3f}  {' '.join(f'{value:.3f}' for value in values)}", flush=True)


if __name__ == "__main__":
    main()
