"""What `transcribe` fits on its training part beside the network: labels, what is known of them, baselines.

Labels are the symbols of the training transcripts, with numbers 1 … K; number 0 says that nothing is labelled
there, and stands for symbols that training does not hold.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.codecs.inputs import NumberInputs
from unrolled.codecs.tokenizers import TOKENIZERS, fitted
from unrolled.decoding.aligner import Aligner
from unrolled.decoding.lexicon import Lexicon, read_words
from unrolled.decoding.ngram_model import Grams
from unrolled.decoding.pieces import Pieces
from unrolled.decoding.prefix_search import LM_WEIGHT
from unrolled.errors import ConfigError, DataError
from unrolled.files import json_text
from unrolled.files.examples import Sequences
from unrolled.files.messages import option
from unrolled.files.opening import FOREIGN, clean_text, read_bytes, refuse_foreign
from unrolled.files.typed import shaped
from unrolled.models.transcribe import (
    MOST_PIECE,
    NOTHING,
    Decoding,
    made_aligner,
    made_grams,
    made_lexicon,
)
from unrolled.tasks import levels, unseen
from unrolled.tasks.transcribe.config import (
    LEAST_PIECE_S,
    TranscribeConfig,
    TranscribeDecoding,
    TranscribeOptions,
)

Numbers = NDArray[np.int64]

QUIET_S = 0.2  # of the stretch that is quietest where a long recording is cut


@dataclass(frozen=True)
class TranscribeCodec:
    """`tokens` names the tokenizer; `grams` and `words` of a lexicon are None where there is none. `nats`:
    what a label of the validation part costs under the n-gram, the ends of transcripts spread over all. Of
    the training part the `transcripts` (N,) and what sums the sequences up, `summary` (N, S). `lm_weight` and
    `share` say how much the n-gram counts, and `greedy` whether each step's likeliest label answers better,
    tuning.py. `hop_s`: from step to step of recordings, None of others; `longest`: steps of the longest
    training sequence, 0 where none is cut by default."""

    inputs: NumberInputs
    tokens: str
    tokenizer: Any
    grams: Grams | None
    nats: float
    words: tuple[str, ...] | None
    transcripts: tuple[str, ...]
    summary: NDArray[np.float32]
    lm_weight: float = LM_WEIGHT
    share: float = 1.0
    greedy: bool = False
    hop_s: float | None = None
    longest: int = 0
    aligner: Aligner | None = None

    @classmethod
    def fit(cls, config: TranscribeConfig, train: Sequences, validation: Sequences) -> Self:
        """DataError where these are texts, or no transcript holds a label."""
        if train.is_text:
            raise DataError(
                f"{train.places[0]}: this is a text; wanted sequences of numbers or recordings, with "
                "their transcripts"
            )
        tokens, known = config.data.tokens, config.transcribe
        transcripts = train.truth
        tokenizer: Any = fitted(tokens, transcripts, 1, unicode=config.data.unicode)
        if tokenizer.size == 1:
            raise DataError(
                f"{train.places[0]}: all {len(train):,} transcripts of the training part are empty; wanted "
                "labels in some"
            )
        inputs, rate = levels.inputs(config.model, config.data, train), train.rate_hz
        summary = inputs.summaries(train).astype(np.float32)
        codec = cls(inputs, tokens, tokenizer, None, 0.0, None, transcripts, summary).knowing(known)
        nats = 0.0 if codec.grams is None else _nats(codec.grams, codec.numbers(validation))
        backward = config.model.bidirectional or config.model.reverse
        return replace(
            codec,
            nats=nats,
            hop_s=None if rate is None else config.data.audio().samples(rate)[1] / rate,
            longest=max(map(len, train.inputs)) if backward and rate is not None else 0,
            aligner=codec._aligner(config, train),
        )

    def knowing(self, known: TranscribeOptions) -> Self:
        """The same with the n-gram model and the lexicon of these options."""
        grams = None
        if known.lm_order:
            more = [] if known.lm_text is None else _lines(known.lm_text)
            every = [self.tokenizer.encode(one) for one in (*self.transcripts, *more)]
            grams = Grams.fit(every, known.lm_order, self.tokenizer.size)
        words = None if known.lexicon is None else read_words(known.lexicon, self.tokenizer.normalized)
        if words is not None:  # refuses what cannot be spelled, with its line
            made_lexicon(self.labels, self.tokens, words, str(known.lexicon))
        return replace(self, grams=grams, words=None if words is None else tuple(words), greedy=False)

    def _aligner(self, config: TranscribeConfig, train: Sequences) -> Aligner | None:
        """Where the options ask for one, or leave it open and these are recordings."""
        asked = config.transcribe.align
        if not (train.rate_hz is not None if asked is None else asked):
            return None
        pairs = zip(train.inputs, train.places, strict=True)
        rows = [self.inputs.encode(x, place) for x, place in pairs]
        return Aligner.fit(rows, self.numbers(train), len(self.labels) - 1)

    def again(self, train: Sequences, validation: Sequences) -> Self:
        """The same with another training part. DataError for a label that it does not know."""
        unseen.require_known("labels", map(self.split, train.truth), self.labels[1:], train.places)
        nats = 0.0 if self.grams is None else _nats(self.grams, self.numbers(validation))
        summary = self.inputs.summaries(train).astype(np.float32)
        return replace(self, nats=nats, transcripts=train.truth, summary=summary)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """(1 + K,) the first, for nothing, is empty."""
        return ("", *self.tokenizer.vocabulary.symbols[1:])

    @cached_property
    def lexicon(self) -> Lexicon | None:
        return made_lexicon(self.labels, self.tokens, self.words)

    def weights(self, options: TranscribeDecoding) -> tuple[float, float]:
        """The weight of ln p under the n-gram, and what each label adds."""
        weight = self.lm_weight if options.lm_weight is None else options.lm_weight
        bonus = self.share * weight * self.nats if options.label_bonus is None else options.label_bonus
        return weight, bonus

    def decoder(self, options: TranscribeDecoding) -> Literal["beam", "greedy"]:
        """Greedy by itself only where there is nothing more that a beam would heed, or ask of it."""
        if options.decoder is not None:
            return options.decoder
        return "greedy" if self.greedy and options.of_no_beam else "beam"

    def decoding(self, options: TranscribeDecoding) -> Decoding:
        """How answers are found, in values for a model without torch."""
        weights, pieces = self.weights(options), self.pieces(options)
        return Decoding(self.decoder(options), options.beam, options.best, *weights, *pieces)

    def pieces(self, options: TranscribeDecoding) -> Pieces:
        """How long recordings are cut. ConfigError where it is asked for and these are none."""
        seconds = options.piece_seconds
        if self.hop_s is None:
            if seconds is not None:
                raise ConfigError(
                    f"{option('piece_seconds')} is for recordings, and this model reads none; leave it out"
                )
            return Pieces()
        quiet = max(1, round(QUIET_S / self.hop_s))
        if seconds is not None:
            most = min(round(seconds / self.hop_s), MOST_PIECE)
            return Pieces(most, most, quiet) if most else Pieces()
        if not self.longest:
            return Pieces()
        most = min(max(self.longest, round(LEAST_PIECE_S / self.hop_s)), MOST_PIECE)
        return Pieces(most, 2 * most, quiet)

    def numbers(self, data: Sequences) -> list[Numbers]:
        """(N,) of (L_i,) labels, NOTHING for those that training does not hold."""
        return [self.tokenizer.encode(one) for one in data.truth]

    def split(self, transcript: str) -> list[str]:
        """Its labels, those too that training does not hold."""
        symbols: list[str] = self.tokenizer.symbols(transcript)
        return symbols

    def about(self) -> dict[str, Any]:
        return {
            "tokens": self.tokens,
            "nats": self.nats,
            "lm_weight": self.lm_weight,
            "share": self.share,
            "greedy": self.greedy,
            "hop_s": self.hop_s,
            "longest": self.longest,
            "aligner": None if self.aligner is None else self.aligner.about(),
            "grams": None if self.grams is None else self.grams.about(),
            "words": None if self.words is None else list(self.words),
            **self.tokenizer.about(),
            "inputs": self.inputs.about(),
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        grams = {} if self.grams is None else self.grams.arrays()
        of_grams = {f"grams.{name}": array for name, array in grams.items()}
        aligner = {} if self.aligner is None else self.aligner.arrays()
        of_grams |= {f"aligner.{name}": array for name, array in aligner.items()}
        said = np.frombuffer(json.dumps(self.transcripts).encode(), np.uint8)
        return self.inputs.arrays() | of_grams | {"summary": self.summary, "transcripts": said}

    @classmethod
    def restore(cls, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        hop_s, longest = about.get("hop_s"), about.get("longest", 0)
        if (
            not (hop_s is None or (type(hop_s) is float and hop_s > 0))
            or type(longest) is not int
            or longest < 0
        ):
            raise ValueError(f"steps of {hop_s!r:.40} s, {longest!r:.40} at most")
        words, inputs = about["words"], NumberInputs.restore(about["inputs"], arrays)
        transcripts = tuple(map(str, json_text.parse(arrays["transcripts"].tobytes())))
        return cls(
            inputs,
            about["tokens"],
            TOKENIZERS[about["tokens"]].restore(about),
            made_grams(about["grams"], arrays),
            float(about["nats"]),
            None if words is None else tuple(map(str, words)),
            transcripts,
            shaped(arrays["summary"], len(transcripts), inputs.sums),
            float(about["lm_weight"]),
            float(about["share"]),
            bool(about.get("greedy", False)),
            hop_s,
            longest,
            made_aligner(about.get("aligner"), arrays),
        )


def _lines(path: str) -> list[str]:
    """The transcripts of a file; a blank line is none."""
    wanted = "a text file with one transcript in each line"
    data = read_bytes(Path(path), wanted)
    refuse_foreign(path, data, FOREIGN, wanted)
    lines = clean_text(path, data, wanted, "one in each line", nameable=False).decode().split("\n")
    return [line.strip() for line in lines if line.strip()]


def _nats(grams: Grams, sequences: Sequence[Numbers]) -> float:
    known = [one for one in sequences if (one != NOTHING).all()]
    labels = sum(len(one) for one in known)
    return -sum(grams.score(one) for one in known) / labels if labels else 0.0
