"""Labels that training did not hold: classes, tags, labels of a transcript, symbols of an answer. No model
can answer them, so in data that it is judged on they count as wrong, and the evaluation names them. In a
validation part no loss is made of them."""

from collections.abc import Iterable, Sequence

from unrolled.codecs.texts import TextCodec
from unrolled.errors import DataError
from unrolled.files.messages import counted, listed, natural, option

UNSEEN = -1  # the number of one, where all others have theirs


def numbered(labels: Iterable[str], known: Sequence[str]) -> list[int]:
    """The number of each in `known`, or UNSEEN."""
    numbers = {name: k for k, name in enumerate(known)}
    return [numbers.get(label, UNSEEN) for label in labels]


def joined(known: Sequence[str], truth: Iterable[str]) -> tuple[str, ...]:
    """`known`, and behind them in order the labels of `truth` that are not among them."""
    return *known, *sorted(set(truth) - set(known), key=natural)


def require_known(
    what: str, labels: Iterable[Iterable[str]], known: Sequence[str], places: Iterable[str]
) -> None:
    """DataError where an example to train on has a label that the model which the training starts from cannot
    answer. `what` they are called; the `labels` of each example, and where it stands."""
    new = {label: place for one, place in zip(labels, places, strict=True) for label in set(one) - set(known)}
    if new:
        names = sorted(new, key=natural)
        raise DataError(
            f"{new[names[0]]}: the model that this training starts from does not know the {what} "
            f"{listed(names)}; it knows {listed(known)}; leave out what has others, or train anew without "
            f"{option('start_from')}"
        )


def sentences(labels: str, unseen: Sequence[str], count: int = 0, one: str = "") -> list[str]:
    """What an evaluation says of them, nothing where there are none: of `count` examples, called `one` each,
    that have such labels, "2 steps with tags that …"."""
    if not unseen:
        return []
    kind = f"{counted(count, one)} with {labels}" if one else labels
    verb = "counts" if count == 1 else "count"
    return [f"{kind} that training did not hold {verb} as wrong: {listed(unseen)}"]


def of_texts(side: TextCodec, texts: Iterable[str]) -> list[str]:
    """The symbols of texts that a model cannot write: training did not hold them, or too seldom. None of byte
    pairs, which write all."""
    vocabulary = getattr(side.tokenizer, "vocabulary", None)
    if vocabulary is None:
        return []
    symbols = {symbol for text in texts for symbol in side.symbols(text)}
    return sorted(symbols - set(vocabulary.symbols), key=natural)
