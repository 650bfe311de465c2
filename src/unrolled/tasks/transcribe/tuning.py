"""How much the n-gram model of labels counts: as much as answers the validation part best.

    score(y) = ln p(y | x) + α ln p_lm(y · end) + β |y|        β = share · α · nats

`nats` is what a label of the validation part costs under the n-gram, so with a share of 1 it makes answers
neither shorter nor longer on average, and with less shorter. Of PAIRS of α and share the one with the fewest
edits of labels is taken, the first of those that tie; or each step's likeliest label, where that needs fewer.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.decoding.prefix_search import LM_WEIGHT
from unrolled.files.messages import counted
from unrolled.tasks import distances
from unrolled.tasks.transcribe.codec import TranscribeCodec
from unrolled.tasks.transcribe.config import TranscribeDecoding
from unrolled.tasks.transcribe.criterion import Criterion
from unrolled.tasks.transcribe.examples import Examples
from unrolled.tasks.transcribe.network import Network, outputs, together

PAIRS = (*product((LM_WEIGHT, LM_WEIGHT / 2, LM_WEIGHT * 2), (1.0, 0.5, 0.0)), (0.0, 1.0))
# What is answered with each pair: so many sequences, fewer of more labels; and how widely.
MOST, LEAST, FEW_LABELS, BEAM = 200, 20, 50, 32


def tuned(
    criterion: Criterion, network: Network, options: TranscribeDecoding, validation: Examples
) -> tuple[TranscribeCodec, str]:
    """The codec with the best pair, or greedy, and what to tell of it. As it was where there is no n-gram,
    none is heeded, or a weight or bonus is asked for, and the decoder is named, or a lexicon."""
    codec, pairs, beams = criterion.codec, list[tuple[float, float]](), list[TranscribeDecoding]()
    if _weighed(codec, options):
        pairs = list(PAIRS)
        beams = [_beam(options, weight, share * weight * codec.nats) for weight, share in pairs]
    elif options.decoder is None:
        beams = [_beam(options, options.lm_weight, options.label_bonus)]
    undecided = options.decoder is None and options.of_no_beam and codec.words is None
    others = list(criterion.other_decodings(options).values()) if undecided else []
    if len(beams) + len(others) < 2:
        return codec, ""
    edits, count = _edits(criterion, network, [*beams, *others], validation)
    best = int(edits.argmin())
    judged = (
        f"{counted(int(edits[best]), 'wrong label')} in {counted(count, 'sequence')} of the validation part"
    )
    if best == len(beams):
        return replace(codec, greedy=True), (
            f"greedy answers better than the beam: {judged}, {edits[:best].min():,} with the beam"
        )
    if not pairs:
        return codec, ""
    weight, share = pairs[best]
    usual = f", {edits[0]:,} with lm_weight {LM_WEIGHT:g}, label_bonus {beams[0].label_bonus:.3g}"
    return replace(codec, lm_weight=weight, share=share), (
        f"the search heeds lm_weight {weight:g}, label_bonus {beams[best].label_bonus:.3g}: "
        f"{judged}{usual if best else ''}"
    )


def _beam(options: TranscribeDecoding, weight: float | None, bonus: float | None) -> TranscribeDecoding:
    """A search with these, less wide."""
    beam = min(options.beam, BEAM)
    return TranscribeDecoding(decoder="beam", beam=beam, lm_weight=weight, label_bonus=bonus)


def _weighed(codec: TranscribeCodec, options: TranscribeDecoding) -> bool:
    """Whether there are weights to choose."""
    if options.decoder == "greedy" or (options.lm_weight, options.label_bonus) != (None, None):
        return False
    return codec.grams is not None and bool(codec.nats)


def _edits(
    criterion: Criterion, network: Network, each: Sequence[TranscribeDecoding], validation: Examples
) -> tuple[NDArray[np.int64], int]:
    """(N,) the edits of labels that each needs, in how many sequences of the validation part."""
    K = len(criterion.codec.labels)
    rows = validation.rows[: max(LEAST, MOST * FEW_LABELS // max(FEW_LABELS, K))]
    edits = np.zeros(len(each), np.int64)
    for indices in together(network, [len(row) for row in rows]):
        batch = validation.collate(indices)
        with torch.no_grad():
            log_p, steps = (one.numpy() for one in outputs(network, batch.x, batch.lengths))
        truths = [validation.labels[i].tolist() for i in indices]
        for k, decoding in enumerate(each):
            answers = criterion.answers(network, log_p, steps, decoding)
            edits[k] += sum(
                distances.edits(best.labels.tolist(), truth)
                for (best, *_), truth in zip(answers, truths, strict=True)
            )
    return edits, len(rows)
