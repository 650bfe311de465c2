"""What is found for a sequence, and how much the n-gram model of labels counts for it."""

from typing import NamedTuple

from unrolled.models.transcribe import Decoding
from unrolled.tasks.transcribe.codec import Numbers, TranscribeCodec
from unrolled.tasks.transcribe.config import TranscribeDecoding


class Answer(NamedTuple):
    """`labels` (L,) of ln probability `log_p`, ranked by `score`; `spans` (L, 2) the first and last step of
    the network where each stands."""

    labels: Numbers
    log_p: float
    score: float
    spans: Numbers


def weights(codec: TranscribeCodec, decoding: TranscribeDecoding) -> tuple[float, float]:
    """The weight of ln p under the n-gram, and what each label adds."""
    weight = codec.lm_weight if decoding.lm_weight is None else decoding.lm_weight
    bonus = codec.share * weight * codec.nats if decoding.label_bonus is None else decoding.label_bonus
    return weight, bonus


def settled(codec: TranscribeCodec, decoding: TranscribeDecoding) -> Decoding:
    """All of it in values, for the runtime."""
    return Decoding(decoding.decoder, decoding.beam, decoding.best, *weights(codec, decoding))
