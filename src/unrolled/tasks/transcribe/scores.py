"""How near transcripts are to the true ones, label by label.

label error rate   distances.py, over the labels of all sequences; those that training does not hold are wrong
word error rate    the same of what stands between spaces, where labels are characters
exact              the share of transcripts that are right
"""

from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest

from rapidfuzz.distance import Levenshtein

from unrolled.tasks import distances
from unrolled.tasks.evaluation import Row
from unrolled.tasks.transcribe.codec import TranscribeCodec

# One label of the truth and one of the answer that stand for each other; None: put in, or left out.
Pair = tuple[str | None, str | None]


def row(codec: TranscribeCodec, answers: Sequence[str], truth: Sequence[str]) -> Row:
    """Of transcripts (N,)."""
    labels = [[codec.split(one) for one in several] for several in (answers, truth)]
    scores: Row = {"label error rate": distances.error_rate(labels[0], [[one] for one in labels[1]])}
    if codec.tokens == "characters":
        words, true = (
            [codec.tokenizer.normalized(one).split() for one in several] for several in (answers, truth)
        )
        scores["word error rate"] = distances.error_rate(words, [[one] for one in true])
    return scores | {"exact": distances.exact(labels[0], [[one] for one in labels[1]])}


def pairs(answer: Sequence[str], truth: Sequence[str]) -> list[Pair]:
    """The labels of an answer beside those of the truth, with the fewest edits."""
    beside: list[Pair] = []
    for part in Levenshtein.opcodes(truth, answer):
        true, answered = truth[part.src_start : part.src_end], answer[part.dest_start : part.dest_end]
        beside += zip_longest(true, answered)
    return beside


def counts(codec: TranscribeCodec, answers: Sequence[str], truth: Sequence[str]) -> Counter[Pair]:
    """How often each label stands for each in transcripts (N,)."""
    every: Counter[Pair] = Counter()
    for one, other in zip(answers, truth, strict=True):
        every.update(pairs(codec.split(one), codec.split(other)))
    return every


def mistakes(counted: Counter[Pair]) -> dict[str, int]:
    """How many labels were exchanged, left out and put in."""
    numbers = {"exchanged": 0, "left out": 0, "put in": 0}
    for (truth, answer), number in counted.items():
        if truth != answer:
            numbers["put in" if truth is None else "left out" if answer is None else "exchanged"] += number
    return numbers
