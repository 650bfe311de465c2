"""How much the n-gram model of labels counts: as much as answers the validation part best.

    score(y) = ln p(y | x) + α ln p_lm(y · end) + β |y|        β = share · α · nats

`nats` is what a label of the validation part costs under the n-gram, so with a share of 1 it makes answers
neither shorter nor longer on average, and with less shorter. Of PAIRS of α and share the one with the fewest
edits of labels is taken, the first of those that tie.
"""

from dataclasses import replace
from itertools import product

import numpy as np
import torch

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
    """The codec with the best pair, and what to tell of it. As it was where there is no n-gram, none is
    heeded, or a weight or bonus is asked for."""
    codec = criterion.codec
    chosen = options.decoder == "greedy" or (options.lm_weight, options.label_bonus) != (None, None)
    if chosen or codec.grams is None or not codec.nats:
        return codec, ""
    beam, K = min(options.beam, BEAM), len(codec.labels)
    each = [TranscribeDecoding(beam=beam, lm_weight=a, label_bonus=s * a * codec.nats) for a, s in PAIRS]
    rows = validation.rows[: max(LEAST, MOST * FEW_LABELS // max(FEW_LABELS, K))]
    edits = np.zeros(len(PAIRS), np.int64)
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
    best = int(edits.argmin())
    weight, share = PAIRS[best]
    usual = f", {edits[0]:,} with lm_weight {LM_WEIGHT:g}, label_bonus {each[0].label_bonus:.3g}"
    return replace(codec, lm_weight=weight, share=share), (
        f"the search heeds lm_weight {weight:g}, label_bonus {each[best].label_bonus:.3g}: "
        f"{counted(int(edits[best]), 'wrong label')} in {counted(len(rows), 'sequence')} of the validation "
        f"part{usual if best else ''}"
    )
