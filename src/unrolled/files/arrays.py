"""Data in memory as what files become: one container for each kind of examples, without answers or with them.

sequences    arrays (N, T) or (N, T, F), a list of arrays (T_i,) or (T_i, F), texts, or lists of words, which
             are texts with a space between
tagged       the same, and texts are words with spaces between
pairs        texts, or lists of words
text         texts, a line or several each; or lists of words, a line each
captioned    pictures (N, H, W) or (N, H, W, C) of bytes, or numbers (N, F)
long_table   series: arrays as of sequences, or one array (T,), as the table that they are in a file
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import polars as pl

from unrolled.errors import DataError
from unrolled.files import labels
from unrolled.files.at_hand import plain
from unrolled.files.captioned import Attributes, Captioned
from unrolled.files.captions import attributes_key, gathered, picture_key
from unrolled.files.examples import Examples, Numbers, Sequences
from unrolled.files.labels import Kind, SetKind
from unrolled.files.messages import counted, option, shown
from unrolled.files.pairs import Pairs
from unrolled.files.tagged import Tagged
from unrolled.files.text import Text, text_of

E = TypeVar("E", bound=Examples[Any, Any])

SERIES = "series"  # the column that tells series apart


def from_arrays(X: Any, y: Any = None, lengths: Any = None) -> Sequences:
    """Sequences, with answers where there are any. DataError, which names the sequence, for what is none."""
    inputs = tuple(_input(x, f"sequence {i}") for i, x in enumerate(_cut(X, lengths)))
    names, places = _numbered(inputs, "sequence")
    data = Sequences(inputs, _features(inputs), None, names, places, named=False)
    return data if y is None else answered(data, y)


def tagged(X: Any, lengths: Any = None) -> Tagged:
    """Sequences of words, or of numbers."""
    each = _cut(X, lengths)
    inputs = tuple(
        _words(x, f"sequence {i}") if _is_words(x) or isinstance(x, str) else _steps(x, f"sequence {i}")
        for i, x in enumerate(each)
    )
    names, places = _numbered(inputs, "sequence")
    return Tagged(inputs, _features(inputs), None, names, places, named=False)


def pairs(X: Any) -> Pairs:
    """Sources."""
    sources = tuple(_spoken(x, f"pair {i}", "the source") for i, x in enumerate(X))
    _, places = _numbered(sources, "pair")
    return Pairs(sources, (), None, places, places, named=False)


def text(X: Any) -> Text:
    """One text of all, each behind a line end."""
    lines = [_spoken(x, f"text {i}", "it") for i, x in enumerate(X)]
    _numbered(lines, "text")
    return text_of("".join(f"{line.removesuffix(chr(10))}\n" for line in lines))


def captioned(X: Any) -> Captioned:
    """Inputs of one step, by what they hold: bytes are pictures."""
    rows = [np.asarray(x) for x in X]
    names, places = _numbered(rows, "input")
    inputs: list[Any] = []
    for x, place in zip(rows, places, strict=True):
        if x.dtype == np.uint8 and x.ndim in (2, 3) and x.size:
            inputs.append(np.ascontiguousarray(x[..., None] if x.ndim == 2 else x))
        elif x.ndim == 1 and x.dtype.kind in "iufb" and np.isfinite(x).all() and x.size:
            inputs.append(Attributes(x.astype(np.float64), None))
        else:
            raise DataError(
                f"{place}: wanted a picture (H, W) or (H, W, C) of uint8, or finite numbers (F,), got "
                f"{x.dtype.name} {x.shape}; give one of these, or paths of pictures"
            )
    kinds = {one.numbers.shape if isinstance(one, Attributes) else one.shape[2:] for one in inputs}
    if len(kinds) > 1:
        raise DataError("X holds inputs of several kinds; wanted pictures alike, or as many numbers of each")
    first = inputs[0]
    features = tuple(f"x{f}" for f in range(len(first.numbers))) if isinstance(first, Attributes) else ()
    return Captioned(tuple(inputs), features, None, names, places, named=False)


def long_table(
    X: Any, y: Any = None, lengths: Any = None, beside: str = "y", known: Sequence[str] = ()
) -> pl.DataFrame:
    """A row for every step: SERIES, x0, x1, …, and what stands beside them in `y`: `beside`, or with 0, 1, …
    behind where there are several. Series are known by their place; to a model that knows another number of
    them by name, these are new."""
    each = [_steps(x, f"series {i}") for i, x in enumerate(_cut(_several(X), lengths))]
    _numbered(each, "series")
    values = {f"x{f}": np.concatenate([x[:, f] for x in each]) for f in range(len(_features(each)))}
    if y is not None:
        answers = [_steps(one, f"y, series {i}") for i, one in enumerate(_cut(_several(y), lengths))]
        _require_as_many(len(each), len(answers), "series")
        for i, (x, one) in enumerate(zip(each, answers, strict=True)):
            if len(x) != len(one):
                raise DataError(f"series {i} has {len(x):,} steps and y of it {len(one):,}; wanted as many")
        width = len(_features(answers))
        names = [beside] if width == 1 else [f"{beside}{k}" for k in range(width)]
        values |= {name: np.concatenate([one[:, k] for one in answers]) for k, name in enumerate(names)}
    new = "new " if known and len(known) != len(each) else ""
    ids = np.repeat([f"{new}{i}" for i in range(len(each))], list(map(len, each)))
    return pl.DataFrame({SERIES: ids} | values).with_columns(pl.selectors.float().fill_nan(None))


def answered(data: E, y: Any, like: Kind | None = None) -> E:
    """`data` with one answer each, of the kind `like` where they can be. DataError where there are not as
    many as inputs, or one is none."""
    _require_as_many(len(data), len(y), data.noun)
    answers, kind = labels.written(y, like)
    return replace(data, answers=answers, kind=kind)


def answered_with_sets(data: E, y: Any, like: SetKind | None = None) -> E:
    """`data` with several labels each, or none."""
    y = y.toarray() if hasattr(y, "toarray") else y
    _require_as_many(len(data), len(y), data.noun)
    answers, kind = labels.written_sets(y, like)
    note = f"y is read as an indicator array, of {counted(kind.columns, 'label')}" if kind.columns else ""
    return replace(data, answers=answers, kind=kind, notes=(*data.notes, *([note] if note else [])))


def weighted(data: E, weights: Any) -> E:
    """`data` with what each example counts, weights (N,). DataError for what is no weight."""
    array = np.asarray(plain(weights))
    if array.ndim != 1 or array.dtype.kind not in "biuf":
        raise DataError(
            f"sample_weight: wanted numbers (N,), one for each {data.noun}, got {array.dtype.name} "
            f"{array.shape}; give these"
        )
    if len(array) != len(data):
        raise DataError(
            f"X holds {counted(len(data), data.noun)} and sample_weight {len(array):,}; wanted as many"
        )
    wrong = np.flatnonzero(~(np.isfinite(array) & (array >= 0)))
    if len(wrong):
        raise DataError(
            f"sample_weight of {data.noun} {wrong[0]}: wanted a finite number from 0, got {array[wrong[0]]}; "
            "correct it"
        )
    return replace(data, weights=tuple(array.astype(np.float64).tolist()))


def grouped(data: E, groups: Any) -> E:
    """`data` with the group of each example, groups (N,) of names or numbers. DataError for what is none."""
    values = plain(groups)
    names = [] if isinstance(values, str) or np.ndim(values) != 1 else [str(one).strip() for one in values]
    if len(names) != len(data):
        got = f"{len(names):,}" if names else shown(groups)
        raise DataError(
            f"groups: wanted {counted(len(data), 'name')} or numbers, one for each {data.noun}, got {got}"
        )
    for i, (value, name) in enumerate(zip(values, names, strict=True)):
        if value is None or value != value or not name:
            raise DataError(f"groups of {data.noun} {i}: wanted a name or a number, got {shown(value)}")
    return replace(data, groups=tuple(names))


def tagged_with(data: Tagged, y: Any, like: Kind | None = None) -> Tagged:
    """`data` with the tags of each step."""
    _require_as_many(len(data), len(y), data.noun)
    for i, (length, tags) in enumerate(zip(data.lengths, y, strict=True)):
        if isinstance(tags, str) or np.ndim(tags) != 1 or len(tags) != length:
            got = f"{len(tags):,}" if not isinstance(tags, str) and np.ndim(tags) == 1 else shown(tags)
            raise DataError(
                f"sequence {i}: wanted {counted(length, 'tag')}, one for each step, got {got}; correct y"
            )
    written, kind = labels.written(np.concatenate([np.asarray(plain(tags)) for tags in y]), like)
    begins = np.cumsum([0, *data.lengths]).tolist()
    answers = tuple(written[begin:end] for begin, end in pairwise(begins))
    return replace(data, answers=answers, kind=kind)


def paired_with(data: Pairs, y: Any) -> Pairs:
    """`data` with the target of each source."""
    _require_as_many(len(data), len(y), data.noun)
    targets = tuple(_spoken(one, f"pair {i}", "the target") for i, one in enumerate(y))
    return replace(data, answers=targets)


def captioned_with(data: Captioned, y: Any) -> Captioned:
    """`data` with the right captions of each input, one or several, equal inputs as one; or with sequences of
    numbers (T_i, D)."""
    _require_as_many(len(data), len(y), data.noun)
    if all(isinstance(one, str) or _is_words(one) for one in y):
        several = [(one,) if isinstance(one, str) else tuple(one) for one in y]
        answers = tuple(tuple(map(str, each)) for each in several)
        keys = [attributes_key(x) if isinstance(x, Attributes) else picture_key(x) for x in data.inputs]
        return gathered(replace(data, answers=answers), keys)
    steps = [_steps(one, f"y, input {i}").astype(np.float64) for i, one in enumerate(y)]
    targets = tuple(f"y{d}" for d in range(len(_features(steps))))
    return replace(data, answers=tuple((one,) for one in steps), targets=targets)


def require_transcripts(y: Any) -> Any:
    """`y` where it holds texts. DataError for anything else."""
    for i, one in enumerate(y):
        if not isinstance(one, str):
            raise DataError(
                f"y, answer {i}: wanted a transcript as a text, got {shown(one)}; write its labels with a "
                f"space between, and say {option('tokens', 'symbols')}"
            )
    return y


def _cut(X: Any, lengths: Any) -> Sequence[Any]:
    """Each input, its padding cut off."""
    if lengths is None:
        return list(X)
    counts = np.asarray(lengths)
    _require_as_many(len(X), len(counts), "sequence")
    if counts.dtype.kind not in "iu" or counts.ndim != 1:
        raise DataError(f"lengths: wanted whole numbers (N,), got {counts.dtype.name} {counts.shape}")
    for i, (x, length) in enumerate(zip(X, counts, strict=True)):
        if not 1 <= length <= len(x):
            raise DataError(f"sequence {i}: a length of {length}; wanted 1 to {len(x):,}, its padded steps")
    return [x[:length] for x, length in zip(X, counts, strict=True)]


def _several(X: Any) -> Any:
    """One series (T,) as the only one."""
    return [X] if len(X) and np.ndim(X[0]) == 0 and not isinstance(X[0], str) else X


def _input(x: Any, place: str) -> Any:
    if isinstance(x, str):
        return str(x)
    return " ".join(_words(x, place)) if _is_words(x) else _steps(x, place)


def _is_words(x: Any) -> bool:
    if isinstance(x, np.ndarray) and x.dtype.kind not in "UOT":
        return False
    return isinstance(x, list | tuple | np.ndarray) and len(x) > 0 and all(isinstance(one, str) for one in x)


def _words(x: Any, place: str) -> tuple[str, ...]:
    words = tuple(x.split()) if isinstance(x, str) else tuple(map(str, x))
    if not words or not all(word.strip() for word in words):
        raise DataError(
            f"{place}: wanted words, none of them empty, got {shown(x)}; write them, or leave it out"
        )
    return words


def _spoken(x: Any, place: str, side: str) -> str:
    """A text, or words with a space between."""
    if not isinstance(x, str) and not _is_words(x):
        raise DataError(f"{place}: wanted a text, or a list of words, got {shown(x)}; give one of these")
    text = str(x) if isinstance(x, str) else " ".join(_words(x, place))
    if not text.strip():
        raise DataError(f"{place}: {side} is empty; write it, or leave it out")
    return text


def _numbered(inputs: Sequence[Any], noun: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and places. DataError where there is none."""
    if not len(inputs):
        raise DataError(f"X holds no {noun if noun == 'series' else f'{noun}s'}; wanted at least one")
    return tuple(map(str, range(len(inputs)))), tuple(f"{noun} {i}" for i in range(len(inputs)))


def _features(inputs: Sequence[Any]) -> tuple[str, ...]:
    """Names of the columns of numbers. DataError for texts beside numbers, or numbers of unequal width."""
    if len({isinstance(x, str | tuple) for x in inputs}) > 1:
        raise DataError("X holds texts and numbers; wanted one kind")
    widths = {
        0 if isinstance(x, str | tuple) else x.shape[1]: i for i, x in reversed(list(enumerate(inputs)))
    }
    if len(widths) > 1:
        (F, _), (other, at), *_ = sorted(widths.items(), key=lambda item: item[1])
        raise DataError(f"sequence {at} has {other} features; the first has {F}; wanted the same of all")
    return tuple(f"x{f}" for f in range(*widths))


def _require_as_many(inputs: int, answers: int, noun: str) -> None:
    if inputs != answers:
        nouns = noun if noun == "series" else f"{noun}s"
        raise DataError(f"X holds {inputs:,} {nouns} and y {answers:,} answers; wanted as many")


def _steps(x: Any, place: str) -> Numbers:
    """One sequence (T, F). DataError where it is none."""
    try:
        values = np.asarray(plain(x))
        if values.dtype.kind == "c":
            raise DataError(f"{place}: Complex data not supported; wanted real numbers (T,) or (T, F)")
        values = values if values.dtype.kind in "iufb" else values.astype(np.float64)
    except DataError:
        raise
    except (TypeError, ValueError):
        raise DataError(f"{place}: wanted an array of numbers (T,) or (T, F), got {shown(x)}") from None
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or not values.size:
        raise DataError(f"{place}: wanted numbers (T,) or (T, F), one at least, got shape {np.shape(x)}")
    if np.isinf(values).any():
        raise DataError(f"{place}: wanted finite numbers, got infinity; correct it, or put NaN for missing")
    return values
