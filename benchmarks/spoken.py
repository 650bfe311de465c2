"""Spoken commands of known words, voices and places, made by a speech synthesiser: what models that hear are
judged on.

    python benchmarks/spoken.py FOLDER            needs espeak-ng and sox
    python benchmarks/spoken.py FOLDER choosing   the same of other voices, on which choices are made

    commands/   a word a recording: train.csv of five VOICES, test.csv of the same voices said otherwise,
                unseen.csv of two others; unseen-quiet.csv at -20 dB, unseen-mp3.csv through MP3 at
                64 kbit/s, unseen-noise.csv with white noise 10 dB below; so too of test
    words/      two to four words a recording, pauses between and noise in front: train.csv, unseen.csv, and
                places.csv with the begin and the end of each word in seconds; unseen-60.csv and
                unseen-600.csv the recordings of unseen.csv joined to 60 and to 600 seconds

Everything follows from the seed; the voices were fixed before anything was trained. Wordless ends of what the
synthesiser says, below 1 % of the word's largest sample, are cut off: the places are those of the rest.
"""

import csv
import io
import subprocess
import sys
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]

RATE, LEAST = 16_000, 0.01
COMMANDS = (
    "on",
    "off",
    "up",
    "down",
    "left",
    "right",
    "yes",
    "no",
    "stop",
    "go",
    "start",
    "pause",
    "play",
    "next",
    "back",
    "open",
    "close",
    "louder",
    "quieter",
    "lights",
    "music",
    "door",
    "window",
    "hello",
    "help",
    "cancel",
    "repeat",
    "save",
    "delete",
    "search",
)
JOINED = (60, 600)  # seconds


class Voices(NamedTuple):
    """What training hears, and what it does not; `seed` of all that is drawn."""

    seen: tuple[str, ...]
    unseen: tuple[str, ...]
    seed: int


JUDGED = Voices(
    ("en-us", "en-gb+f2", "en-gb-scotland+m3", "en-us+f4", "en-gb-x-rp+m7"),
    ("en-gb-x-gbclan+f1", "en-us+m2"),
    0,
)
CHOOSING = Voices(
    ("en-gb", "en-us+f3", "en-gb-x-gbcwmd+m1", "en-gb+f5", "en-us+m5"), ("en-029+m4", "en-gb-x-rp+f4"), 1
)


class Sentence(NamedTuple):
    """`places` (L, 2): begin and end of each word, in samples."""

    words: list[str]
    samples: Samples
    places: list[tuple[int, int]]


def said(word: str, voice: str, draw: np.random.Generator) -> Samples:
    """One word, at a speed and a pitch by lot."""
    speed, pitch = draw.integers(120, 200), draw.integers(30, 70)
    spoken = ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout", word]
    sound = subprocess.run(spoken, check=True, capture_output=True).stdout
    raw = sox(["-t", "wav", "-"], ["-r", str(RATE), "-b", "16", "-e", "signed", "-t", "raw", "-"], sound)
    s = np.frombuffer(raw, "<i2") / 32768
    loud = np.flatnonzero(np.abs(s) > LEAST * np.abs(s).max())
    return s[loud[0] : loud[-1] + 1]


def sox(source: Sequence[str], target: Sequence[str], data: bytes) -> bytes:
    """Without dither: the same bytes each time."""
    return subprocess.run(["sox", "-D", *source, *target], input=data, check=True, capture_output=True).stdout


def room(s: Samples, front: float, behind: float, draw: np.random.Generator) -> Samples:
    """At a level by lot, with so many seconds around it, in the noise of a quiet room."""
    level = 10 ** (draw.uniform(-12, -3) / 20) / np.abs(s).max()
    whole = np.concatenate([np.zeros(round(front * RATE)), s * level, np.zeros(round(behind * RATE))])
    return whole + 10 ** (draw.uniform(-66, -54) / 20) * draw.standard_normal(len(whole))


def sentence(voice: str, draw: np.random.Generator) -> Sentence:
    words = [COMMANDS[k] for k in draw.integers(len(COMMANDS), size=draw.integers(2, 5))]
    front, parts, places, at = draw.uniform(0.1, 1.4), list[Samples](), list[tuple[int, int]](), 0
    for word in words:
        s = said(word, voice, draw)
        places.append((at + round(front * RATE), at + len(s) + round(front * RATE)))
        pause = np.zeros(round(draw.uniform(0.05, 0.4) * RATE))
        parts += [s / np.abs(s).max(), pause]
        at += len(s) + len(pause)
    return Sentence(words, room(np.concatenate(parts[:-1]), front, draw.uniform(0.1, 0.5), draw), places)


def as_wav(s: Samples) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(np.clip(np.rint(s * 32768), -32768, 32767).astype("<i2").tobytes())
    return out.getvalue()


def quiet(s: Samples, draw: np.random.Generator) -> bytes:
    return as_wav(s / 10)


def through_mp3(s: Samples, draw: np.random.Generator) -> bytes:
    packed = sox(["-t", "wav", "-"], ["-C", "64", "-t", "mp3", "-"], as_wav(s))
    return sox(["-t", "mp3", "-"], ["-t", "wav", "-"], packed)


def noisy(s: Samples, draw: np.random.Generator) -> bytes:
    """Noise 10 dB below the mean power of what is louder than a tenth of the largest sample."""
    power = np.mean(np.square(s[np.abs(s) > 0.1 * np.abs(s).max()]))
    return as_wav(s + np.sqrt(power / 10) * draw.standard_normal(len(s)))


CHANGES = {"quiet": quiet, "mp3": through_mp3, "noise": noisy}


def table(path: Path, header: str, rows: Iterator[tuple[object, ...]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])


def commands(folder: Path, who: Voices, draw: np.random.Generator) -> None:
    said_by = {"train": (who.seen, 4), "test": (who.seen, 2), "unseen": (who.unseen, 4)}
    for part, (voices, times) in said_by.items():
        rows = [
            (f"{part}-{voice}-{word}-{k}.wav", word, voice)
            for voice in voices
            for word in COMMANDS
            for k in range(times)
        ]
        for name, word, voice in rows:
            s = room(said(word, voice, draw), draw.uniform(0.1, 0.5), draw.uniform(0.1, 0.5), draw)
            (folder / name).write_bytes(as_wav(s))
            for change, changed in CHANGES.items() if part != "train" else ():
                (folder / f"{change}-{name}").write_bytes(changed(s, draw))
        for change in ["", *CHANGES] if part != "train" else [""]:
            lines = ((f"{change}-{name}".lstrip("-"), word, voice) for name, word, voice in rows)
            table(folder / (f"{part}-{change}".rstrip("-") + ".csv"), "path,label,voice", lines)


def words(folder: Path, who: Voices, draw: np.random.Generator) -> None:
    places = list[tuple[object, ...]]()
    for part, (voices, count) in {"train": (who.seen, 600), "unseen": (who.unseen, 150)}.items():
        each = [sentence(voices[k % len(voices)], draw) for k in range(count)]
        for k, one in enumerate(each):
            (folder / f"{part}-{k}.wav").write_bytes(as_wav(one.samples))
            for word, (begin, end) in zip(one.words, one.places, strict=True):
                places.append((f"{part}-{k}.wav", word, begin / RATE, end / RATE))
        rows = (
            (f"{part}-{k}.wav", " ".join(one.words), voices[k % len(voices)]) for k, one in enumerate(each)
        )
        table(folder / f"{part}.csv", "path,transcript,voice", rows)
        for seconds in JOINED if part != "train" else ():
            joined = list(together(each, seconds))
            for k, (s, _) in enumerate(joined):
                (folder / f"{part}-{seconds}-{k}.wav").write_bytes(as_wav(s))
            texts = ((f"{part}-{seconds}-{k}.wav", text) for k, (_, text) in enumerate(joined))
            table(folder / f"{part}-{seconds}.csv", "path,transcript", texts)
    table(folder / "places.csv", "path,word,begin,end", iter(places))


def together(each: Sequence[Sentence], seconds: int) -> Iterator[tuple[Samples, str]]:
    """Recordings one after another, and what is said in them: all that fill so many seconds; where there are
    too few for one, from the first again."""
    parts, texts, size, at, whole = list[Samples](), list[str](), 0, 0, 0
    while whole < 1 or at < len(each):
        one = each[at % len(each)]
        parts.append(one.samples)
        texts += one.words
        size, at = size + len(one.samples), at + 1
        if size >= seconds * RATE:
            yield np.concatenate(parts), " ".join(texts)
            parts, texts, size, whole = [], [], 0, whole + 1


def main() -> None:
    folder, who = Path(sys.argv[1]), CHOOSING if "choosing" in sys.argv[2:] else JUDGED
    for number, (name, make) in enumerate({"commands": commands, "words": words}.items()):
        (folder / name).mkdir(parents=True, exist_ok=True)
        make(folder / name, who, np.random.default_rng([who.seed, number]))


if __name__ == "__main__":
    main()
