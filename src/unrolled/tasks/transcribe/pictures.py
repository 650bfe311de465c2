"""The plots of a run: where labels were found in some sequences, and which are taken for which."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from unrolled.files.messages import shown
from unrolled.plots import scores as drawn
from unrolled.tasks.transcribe.scores import Pair, mistakes

PANELS = 4
NOTHING = "–"
LONGEST = 48  # letters of a transcript in a title


def chosen(answers: Sequence[str], truth: Sequence[str]) -> list[int]:
    """Which sequences to draw: up to half of them with mistakes, the others right; the first of each."""
    wrong = [i for i, (answer, true) in enumerate(zip(answers, truth, strict=True)) if answer != true]
    right = [i for i in range(len(answers)) if i not in set(wrong)]
    some = wrong[: max(PANELS // 2, PANELS - len(right))]
    return sorted([*some, *right[: PANELS - len(some)]])


def title(name: str, transcript: str, truth: str) -> str:
    answer = "right" if transcript == truth else f"answer {shown(transcript, LONGEST)}"
    return f"{name}: truth {shown(truth, LONGEST)}, {answer}"


def confusion(compared: Counter[Pair], rate: float) -> Figure:
    """What stands for each label of the truth."""
    names = sorted({label for pair in compared for label in pair if label is not None})
    numbers: dict[str | None, int] = {name: n for n, name in enumerate(names)} | {None: len(names)}
    counts = np.zeros((len(numbers), len(numbers)), np.int64)
    for (truth, found), number in compared.items():
        counts[numbers[truth], numbers[found]] += number
    wrong = mistakes(compared)
    title = (
        f"{rate:.1%} label errors: {wrong['exchanged']:,} exchanged,\n{wrong['left out']:,} left out "
        f"(column {NOTHING}), {wrong['put in']:,} put in (row {NOTHING})"
    )
    return drawn.confusion(counts, [*map(visible, names), NOTHING], title)


def visible(name: str) -> str:
    """A label that is a space can be seen too."""
    return name if name.strip() else "␣"
