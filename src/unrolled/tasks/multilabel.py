"""Several labels a sequence: from which probability each is answered, and how answers are judged.

    threshold   named, or for each label the one with the best F1 on the validation part, of LEAST_VALIDATION
                sequences or more, where LEAST_POSITIVE or more have the label; else ½

Judged by label_scores.py, beside the labels of the nearest training sequences, the most frequent set of
labels, and every label: answers that need no input. A label that training did not hold cannot be answered and
counts as missed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from unrolled.codecs.class_outputs import HALF, Multilabel
from unrolled.files.examples import Sequences
from unrolled.files.messages import counted, listed, natural
from unrolled.plots import figures
from unrolled.plots import scores as plots
from unrolled.tasks import label_scores, neighbours, unseen
from unrolled.tasks.class_codec import ClassCodec, Sets, indicators
from unrolled.tasks.confusion import ratio
from unrolled.tasks.evaluation import MODEL, Evaluation, Row, verdicts
from unrolled.training.config import LEAST_VALIDATION

Array = NDArray[np.float64]
LEAST_POSITIVE = 5
FREQUENT, EVERY = "most frequent set", "every label"


def tuned(codec: ClassCodec, o: Tensor, y: Tensor) -> tuple[ClassCodec, str]:
    """The codec with the thresholds that outputs o (V, C) and labels y (V, C) of the validation part ask for,
    and what to tell of them."""
    p = codec.output.probabilities(o.numpy())
    right = y.numpy() > 0
    enough = len(p) >= LEAST_VALIDATION
    heeded = [k for k in range(p.shape[1]) if enough and right[:, k].sum() >= LEAST_POSITIVE]
    chosen = [HALF] * p.shape[1]
    if not heeded:
        return codec.with_thresholds(chosen), (
            f"labels are answered from a probability of {HALF} on: too few sequences to validate have them"
        )
    for k in heeded:
        chosen[k] = label_scores.best_threshold(right[:, k], p[:, k])
    some = [chosen[k] for k in heeded]
    rest = p.shape[1] - len(heeded)
    others = f"; 0.5 for {counted(rest, 'label')} that fewer than {LEAST_POSITIVE} have there" if rest else ""
    return codec.with_thresholds(chosen), (
        f"labels are answered from probabilities of {min(some):.2g} to {max(some):.2g} on, by their best F1 "
        f"on the validation part{others}"
    )


def taken_over(codec: ClassCodec, other: ClassCodec) -> ClassCodec:
    """`codec` with the thresholds of the labels that the other one knows."""
    assert isinstance(other.output, Multilabel)
    known = dict(zip(other.classes, other.output.thresholds, strict=True))
    return codec.with_thresholds([known.get(name, HALF) for name in codec.classes])


def measures(select: str, o: Tensor, y: Tensor) -> dict[str, float]:
    """Of a validation part, labels answered from ½ on."""
    right, answered = y.numpy() > 0, o.numpy() >= 0
    if select == "accuracy":
        return {"accuracy": label_scores.exact_match(right, answered)}
    measure = label_scores.macro_f1 if select == "macro-f1" else label_scores.micro_f1
    name = select if select == "macro-f1" else "micro-f1"
    return {name: float(np.nan_to_num(measure(right, answered)))}


def judged(
    codec: ClassCodec,
    sets: Sets,
    o: Tensor,
    nearest: Mapping[str, NDArray[Any]],
    about: dict[str, Any],
) -> Evaluation:
    """`sets` (N,) are right, o (N, C) the outputs; `nearest`: by its name what a baseline answers, (N, C)."""
    output = codec.output
    p = output.probabilities(o.numpy())
    names = unseen.joined(codec.classes, frozenset().union(*sets))
    Y, N = indicators(sets, names) > 0, len(sets)
    rates = codec.truth.mean(0)
    said = {MODEL: (output.chosen(o.numpy(), p), p)}
    said |= {name: (truth > 0, truth.astype(np.float64)) for name, truth in nearest.items()}
    each = np.broadcast_to(rates, p.shape)
    said[FREQUENT] = np.broadcast_to(_most_frequent(codec.truth), p.shape), each
    said[EVERY] = np.ones(p.shape, np.bool_), each
    more = ((0, 0), (0, len(names) - len(codec.classes)))
    wide = {name: (np.pad(A, more), np.pad(S, more, constant_values=-1.0)) for name, (A, S) in said.items()}
    rows: list[Row] = [{"model": name} | label_scores.scores(Y, A, S) for name, (A, S) in wide.items()]
    parts = _by_label(output, names, Y, wide[MODEL][0])
    about = about | {
        "sequences": N,
        "labels": parts,
        "labels_each": float(Y.sum(1).mean()),
        "without_label": int((~Y.any(1)).sum()),
    }
    sentences = verdicts(rows, label_scores.MEASURES)
    new = names[len(codec.classes) :]
    sentences += unseen.sentences("labels", new, int(Y[:, len(codec.classes) :].any(1).sum()), "sequence")
    if none := [name for k, name in enumerate(names) if not Y[:, k].any()]:
        sentences.append(f"no sequence that was judged has the labels {listed(none)}: no average counts them")
    return Evaluation(rows, sentences, about, parts, (parts,))


def _by_label(output: Any, names: Sequence[str], Y: NDArray[np.bool_], A: NDArray[np.bool_]) -> list[Row]:
    right = (Y & A).sum(0)
    columns = {
        "sequences": Y.sum(0),
        "answered": A.sum(0),
        "precision": ratio(right, A.sum(0)),
        "recall": ratio(right, Y.sum(0)),
        "F1": label_scores.f1(Y, A),
    }
    thresholds = dict(zip(output.names, output.thresholds, strict=True))
    return [
        {"label": name}
        | {column: values[k].item() for column, values in columns.items()}
        | {"from p": thresholds.get(name)}
        for k, name in enumerate(names)
    ]


def _most_frequent(truth: NDArray[Any]) -> NDArray[np.bool_]:
    """(C,) the most frequent row of truth (N, C); of equals the first of those sorted."""
    rows, counts = np.unique(truth, axis=0, return_counts=True)
    return np.asarray(rows[counts.argmax()] > 0)


def nearest(codec: ClassCodec, data: Sequences, series: Sequences | None) -> dict[str, NDArray[Any]]:
    """The labels (N, C) of the nearest training sequences: by the series themselves, where they are here, and
    by what sums them up."""
    at = neighbours.nearest_summaries(codec.summary, codec.inputs.summaries(data))
    by_sums = {f"nearest by {codec.inputs.summed}": codec.truth[at]}
    if series is None:
        return by_sums
    return {neighbours.NEAREST: indicators(codec.sets(series), codec.classes)} | by_sums


def told(codec: ClassCodec, validation: Sequences) -> list[str]:
    """What labels were read, and which of the validation part training does not hold."""
    counts, sign = codec.truth.sum(1), codec.multilabel.sign if codec.multilabel else ""
    notes = [
        f"labels: {listed(codec.classes)}, divided by {sign!r} in cells; {counts.mean():.3g} a sequence on "
        f"average, {counted(int((counts == 0).sum()), 'sequence')} without any"
    ]
    new = frozenset().union(*codec.sets(validation)) - set(codec.classes)
    if new:
        names = listed(sorted(new, key=natural))
        notes.append(f"labels to validate that training does not hold have no loss: {names}")
    return notes


def draw(folder: Path, evaluation: Evaluation) -> None:
    """labels, as PNG and SVG."""
    row, about = evaluation.rows[0], evaluation.about
    title = (
        f"{about['sequences']:,} sequences: micro-F1 {row['micro-F1']:.3f}, macro-F1 {row['macro-F1']:.3f}"
    )
    figures.save(plots.labels(evaluation.details, title), folder, "labels")
