"""Questions to judge a translator by, and answers that need no network. A source with several targets is one
question; text_scores.py says how answers are judged."""

from collections.abc import Sequence

from unrolled.files.pairs import Pairs
from unrolled.tasks.translate.nearest import Nearest


def questions(data: Pairs) -> tuple[list[int], list[list[str]]]:
    """The first pair of every distinct source, and its different targets."""
    targets = data.truth
    groups = data.grouped().values()
    return [group[0] for group in groups], [
        list(dict.fromkeys(targets[i] for i in group)) for group in groups
    ]


def baselines(sources: Sequence[str], train: Pairs | None) -> dict[str, list[str]]:
    """The answers of those that need no network; without the training part of one alone."""
    answers = {"copy of the source": list(sources)}
    if train is not None:
        nearest = Nearest(train.inputs, train.truth)
        answers["nearest training pair"] = [nearest.answer(source) for source in sources]
    return answers
