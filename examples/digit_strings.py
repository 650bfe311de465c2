"""Strings recordings of single digits together: 3 to 7 of them with silence between, and their transcripts.

    python examples/digit_strings.py recordings --out strings --train 2000 --test 300 --seed 1
    unrolled train transcribe strings/train.csv --test-files strings/test.csv --tokens words

The folder holds WAV files of 16 bits and one channel that are called digit_speaker_index.wav, as those of the
Free Spoken Digit Dataset. Clips with an index below 5 are in test strings alone, all others in training ones.
The clips of a string are of one speaker; before, between and after them stand 50 to 400 ms of noise as loud
as the quietest 10 ms of the clip before it.
"""

import argparse
import random
import wave
from collections import defaultdict
from pathlib import Path

import numpy as np

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
LEAST, MOST = 3, 7
LEAST_S, MOST_S = 0.05, 0.4
TEST_BELOW = 5

Sound = tuple[int, np.ndarray]
Clips = dict[str, list[Path]]


def read(path: Path) -> Sound:
    """The rate and the samples."""
    with wave.open(str(path)) as file:
        if (file.getnchannels(), file.getsampwidth()) != (1, 2):
            raise SystemExit(f"{path}: wanted one channel of 16 bits")
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return file.getframerate(), samples


def write(path: Path, rate: int, samples: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())


def clips_of(folder: Path) -> tuple[Clips, Clips]:
    """The clips of each speaker, to train on and to test on."""
    parts: tuple[Clips, Clips] = defaultdict(list), defaultdict(list)
    for path in sorted(folder.glob("*_*_*.wav")):
        _, speaker, index = path.stem.split("_")
        parts[int(index) < TEST_BELOW][speaker].append(path)
    if not all(parts):
        raise SystemExit(
            f"{folder}: wanted clips digit_speaker_index.wav of indices below {TEST_BELOW} and above"
        )
    return parts


def silence(clip: np.ndarray, rate: int, draw: random.Random) -> np.ndarray:
    """Noise as loud as the quietest 10 ms of the clip."""
    frames = clip[: len(clip) // (rate // 100) * (rate // 100)].reshape(-1, rate // 100)
    floor = np.sqrt(np.square(frames.astype(float)).mean(1)).min() if len(frames) else 0.0
    size = round(rate * draw.uniform(LEAST_S, MOST_S))
    return np.random.default_rng(draw.getrandbits(64)).normal(0, floor, size).round()


def string(paths: list[Path], draw: random.Random) -> Sound:
    clips = [read(path) for path in paths]
    rate = clips[0][0]
    if any(other != rate for other, _ in clips):
        raise SystemExit(f"{paths[0].parent}: wanted clips of one rate")
    parts = [silence(clips[0][1], rate, draw)]
    for _, samples in clips:
        parts += [samples, silence(samples, rate, draw)]
    return rate, np.clip(np.concatenate(parts), -(2**15), 2**15 - 1)


def make(clips: Clips, count: int, out: Path, name: str, draw: random.Random) -> None:
    """`count` strings in `out`/`name`, and the list of them in `out`/`name`.csv."""
    (out / name).mkdir(parents=True, exist_ok=True)
    lines = ["path,transcript"]
    for number in range(count):
        own = clips[draw.choice(sorted(clips))]
        chosen = [draw.choice(own) for _ in range(draw.randint(LEAST, MOST))]
        path = Path(name) / f"{number:05}.wav"
        write(out / path, *string(chosen, draw))
        lines.append(f"{path.as_posix()},{' '.join(WORDS[int(one.name[0])] for one in chosen)}")
    (out / f"{name}.csv").write_text("\n".join(lines) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--train", type=int, default=2000, help="strings to train on")
    parser.add_argument("--test", type=int, default=300, help="strings to test on")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    for part, clips in zip(("train", "test"), clips_of(asked.folder), strict=True):
        make(clips, getattr(asked, part), asked.out, part, random.Random(f"{asked.seed} {part}"))


if __name__ == "__main__":
    main()
