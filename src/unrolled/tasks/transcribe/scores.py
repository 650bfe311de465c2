"""How near transcripts are to the true ones, label by label.

label error rate   distances.py, over the labels of all sequences; those that training does not hold are wrong
word error rate    the same of what stands between spaces, where labels are characters
exact              the share of transcripts that are right
"""

from collections import Counter
from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

from unrolled.tasks import distances
from unrolled.tasks.evaluation import Row
from unrolled.tasks.transcribe.codec import TranscribeCodec

# One label of the truth and one of the answer that stand for each other; None: put in, or left out.
Pair = tuple[str | None, str | None]


def row(codec: TranscribeCodec, found: Sequence[str], truth: Sequence[str]) -> Row:
    """Of transcripts (N,)."""
    labels = [[codec.split(one) for one in several] for several in (found, truth)]
    scores: Row = {"label error rate": distances.error_rate(labels[0], [[one] for one in labels[1]])}
    if codec.tokens == "characters":
        words = [one.split() for one in found]
        scores["word error rate"] = distances.error_rate(words, [[one.split()] for one in truth])
    return scores | {"exact": distances.exact(labels[0], [[one] for one in labels[1]])}


def pairs(found: Sequence[str], truth: Sequence[str]) -> list[Pair]:
    """The labels of an answer beside those of the truth, with the fewest edits."""
    beside: list[Pair] = []
    for kind, begin, end, own_begin, own_end in Levenshtein.opcodes(truth, found):
        if kind in ("equal", "replace"):
            beside += zip(truth[begin:end], found[own_begin:own_end], strict=True)
        beside += [(label, None) for label in truth[begin:end] if kind == "delete"]
        beside += [(None, label) for label in found[own_begin:own_end] if kind == "insert"]
    return beside


def counts(codec: TranscribeCodec, found: Sequence[str], truth: Sequence[str]) -> Counter[Pair]:
    """How often each label stands for each in transcripts (N,)."""
    every: Counter[Pair] = Counter()
    for one, other in zip(found, truth, strict=True):
        every.update(pairs(codec.split(one), codec.split(other)))
    return every


def mistakes(counted: Counter[Pair]) -> dict[str, int]:
    """How many labels were exchanged, left out and put in."""
    kinds = {
        "exchanged": lambda truth, found: None not in (truth, found) and truth != found,
        "left out": lambda truth, found: found is None,
        "put in": lambda truth, found: truth is None,
    }
    return {
        kind: sum(number for pair, number in counted.items() if is_it(*pair)) for kind, is_it in kinds.items()
    }
