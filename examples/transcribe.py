"""What a noisy sequence spells, learned from sequences and their transcripts alone: no step has a label.

Each label is a shape of 4 to 8 steps; shapes follow one another after pauses of random length, in which there
is nothing but noise.
"""

import numpy as np

from unrolled import Transcriber

draw = np.random.default_rng(0)
SHAPES = {"a": (1, 0), "b": (0, 1), "c": (1, 1), "d": (-1, 0)}


def sequence(transcript: str) -> np.ndarray:
    parts = [np.zeros((draw.integers(1, 6), 2))]
    for label in transcript:
        parts += [np.tile(SHAPES[label], (draw.integers(4, 9), 1)), np.zeros((draw.integers(1, 6), 2))]
    x = np.concatenate(parts)
    return x + draw.normal(0, 0.2, x.shape)


transcripts = ["".join(draw.choice(list(SHAPES), draw.integers(1, 7))) for _ in range(200)]
transcriber = Transcriber(hidden=24, layers=1, epochs=15, learning_rate=0.01, patience=0)
transcriber.fit([sequence(one) for one in transcripts], transcripts)
print(*transcriber.evaluation.verdict, sep="\n")
new = [sequence("abba"), sequence("dcab")]
print(transcriber.predict(new))
print(transcriber.using(best=2).frame(new).select("name", "rank", "transcript", "score"))
