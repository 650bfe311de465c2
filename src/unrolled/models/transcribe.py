"""Transcripts without torch: labels of whole sequences, and of a stream as they are decided. Equations:
blocks/transcriber.py, decoding/ctc.py, decoding/hybrid.py.

A stream of t steps is at any time a sequence of t steps: of k steps side by side those that are still missing
are zeros. A label is told at the step that completes the k in which it begins.

Shapes   encoded steps (T, B, F) -> log p (T, B, 1 + K), that of the network's step in which each stands; the
         state is that of the network, the label before and, where k > 1, the steps that wait for others
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice, pairwise
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.blocks.transcriber import Transcriber
from unrolled.codecs import own_scales
from unrolled.codecs.inputs import NumberInputs
from unrolled.codecs.tokenizers import TOKENIZERS
from unrolled.decoding import ctc
from unrolled.decoding.aligner import Aligner
from unrolled.decoding.ctc import Found
from unrolled.decoding.hmm import Topology
from unrolled.decoding.hybrid import States
from unrolled.decoding.lexicon import SPACE, Lexicon
from unrolled.decoding.ngram_model import Grams
from unrolled.decoding.pieces import Pieces, bounds, joined
from unrolled.decoding.prefix_search import Options
from unrolled.errors import ConfigError
from unrolled.files.messages import option
from unrolled.models.forward import Forward
from unrolled.models.model import Answers, codec_arrays
from unrolled.ops.state import Array, State

NOTHING = 0  # number of the output that says that no label stands at a step
DECODERS, MOST_BEAM = ("beam", "greedy"), 4096
MOST_WEIGHT = 1 << 16
MOST_PIECE = 1 << 24  # steps
MOST_PIECES = Pieces(MOST_PIECE, 2 * MOST_PIECE, MOST_PIECE)
MOST_KEPT = 1 << 27  # numbers of a beam: for each prefix that it holds one of each label
TOGETHER = 256  # pieces that are answered at once
MOST_LOUDER = 2 * math.log(10)  # nats of power, 20 dB
LABEL, WAITING, COUNT = "transcript.label", "transcript.waiting", "transcript.count"


class Decoding(NamedTuple):
    """How transcripts are found, see tasks/transcribe/config.py."""

    decoder: str
    beam: int
    best: int
    lm_weight: float
    label_bonus: float
    most: int = 0
    whole: int = 0
    quiet: int = 1

    @property
    def pieces(self) -> Pieces:
        return Pieces(self.most, self.whole, self.quiet)

    @classmethod
    def of(cls, about: Mapping[str, Any]) -> Self:
        """As a description has it. LookupError, TypeError or ValueError for one that is none."""
        decoding = cls(**about)
        counts, numbers = (decoding.beam, decoding.best), (decoding.lm_weight, decoding.label_bonus)
        if decoding.decoder not in DECODERS or not all(
            type(number) is int and 1 <= number <= MOST_BEAM for number in counts
        ):
            raise ValueError(f"decoder {decoding.decoder!r:.40} with beam {decoding.beam!r:.40}")
        if not all(type(number) in (int, float) and abs(number) <= MOST_WEIGHT for number in numbers):
            raise ValueError(f"weights {numbers!r:.80}")
        if not all(
            type(size) is int and 0 <= size <= most
            for size, most in zip(decoding.pieces, MOST_PIECES, strict=True)
        ):
            raise ValueError(f"pieces {tuple(decoding.pieces)!r:.80}")
        return decoding


def transcripts(
    log_p: Array, steps: Array, decoding: Decoding, grams: Grams | None, lexicon: Lexicon | None
) -> list[list[Found]]:
    """log p (B, S, 1 + K), steps (B,) -> the answers to each row, one at least, the best first. Of greedy,
    log_p and score are those of the path."""
    if decoding.decoder == "greedy":
        return [[_likeliest(row[:count])] for row, count in zip(log_p, steps, strict=True)]
    beam, best, weight, bonus = decoding[1:5]
    options = Options(NOTHING, beam, grams, weight, bonus, lexicon)
    silent = Found(np.empty(0, np.int64), -np.inf, -np.inf, 0.0, np.empty((0, 2), np.int64))
    return [
        row or [silent] for row in ctc.beams(log_p, steps, options, best)
    ]  # where a lexicon leaves nothing that has a probability


def made_grams(about: Mapping[str, Any] | None, arrays: Mapping[str, Array]) -> Grams | None:
    """The n-gram model among a codec's arrays."""
    if about is None:
        return None
    return Grams.restore(about, _of("grams.", arrays))


def made_aligner(about: Mapping[str, Any] | None, arrays: Mapping[str, Array]) -> Aligner | None:
    """What puts labels to their steps, among a codec's arrays."""
    return None if about is None else Aligner.restore(about, _of("aligner.", arrays))


def _of(head: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {name.removeprefix(head): array for name, array in arrays.items() if name.startswith(head)}


class Whole(NamedTuple):
    """From answers to pieces of sequences, as a network's steps of `stride` each have them, to those to the
    whole: at most `best` of each, with spans of steps of the sequence. `between`: the label that stands
    between two pieces."""

    pieces: Pieces
    stride: int
    best: int
    between: int
    aligner: Aligner | None
    inputs: NumberInputs

    def answers(
        self,
        rows: Sequence[NDArray[np.float32]],
        of_pieces: Callable[[list[NDArray[np.float32]]], list[list[Found]]],
    ) -> list[list[Found]]:
        """Of encoded rows (T_i, width); each with the bits that it has alone."""
        cuts = [self.cuts(row) for row in rows]
        every = (part for row, cut in zip(rows, cuts, strict=True) for part in self.parts(row, cut))
        each = list[list[Found]]()
        while parts := list(islice(every, TOGETHER)):
            each += self._placed(parts, of_pieces(parts))
        answers = iter(each)
        return [
            joined(cut[:-1], list(islice(answers, len(cut) - 1)), self.best, self.between) for cut in cuts
        ]

    def cuts(self, row: NDArray[np.float32]) -> list[int]:
        cuts: list[int] = bounds(row, self.pieces, self.stride).tolist()
        return cuts

    def parts(self, row: NDArray[np.float32], cuts: Sequence[int]) -> Iterator[NDArray[np.float32]]:
        """The pieces between `cuts`. Where a recording is measured against its loudest, or scaled by itself,
        each piece is so again, by itself."""
        for a, b in pairwise(cuts):
            yield row[a:b] if len(cuts) == 2 else _alone(row[a:b], self.inputs)

    def _placed(
        self, parts: Sequence[NDArray[np.float32]], answers: Sequence[Sequence[Found]]
    ) -> list[list[Found]]:
        k = self.stride
        answered = [
            [one._replace(spans=in_steps(one.spans, k, len(part))) for one in each]
            for part, each in zip(parts, answers, strict=True)
        ]
        if self.aligner is None:
            return answered
        rows = [part for part, each in zip(parts, answered, strict=True) for _ in each]
        every = [one for each in answered for one in each]
        labels, spans = [one.labels for one in every], [one.spans for one in every]
        aligned = iter(self.aligner.placed(rows, labels, spans))
        return [[one._replace(spans=next(aligned)) for one in each] for each in answered]


def _alone(x: NDArray[np.float32], inputs: NumberInputs) -> NDArray[np.float32]:
    """A piece x (T, width) as if it were a recording."""
    F = len(inputs.features)
    if inputs.by_sequence:
        return np.concatenate(
            [own_scales.of_whole(x[:, :F].astype(np.float64)), x[:, F:]], 1, dtype=np.float32
        )
    level = inputs.level
    return _louder(x, inputs) if level is not None and level.kind == "recording" else x


def _louder(x: NDArray[np.float32], inputs: NumberInputs) -> NDArray[np.float32]:
    """A piece x (T, width), so much louder that its loudest band is that of the whole recording, but for what
    is more than MOST_LOUDER below it, where nobody may speak."""
    F, scaler = len(inputs.features), inputs.scaler
    below = -float((x[:, :F] * scaler.scale + scaler.mean).max())
    return np.concatenate([x[:, :F] + min(below, MOST_LOUDER) / scaler.scale, x[:, F:]], 1, dtype=np.float32)


def in_steps(spans: NDArray[np.int64], stride: int, length: int) -> NDArray[np.int64]:
    """(L, 2) the first and the last step of a sequence of `length`, of those of its network."""
    return np.stack([spans[:, 0] * stride, np.minimum((spans[:, 1] + 1) * stride, length) - 1], 1)


def between(labels: Sequence[str], tokens: str) -> int:
    """The label that stands between two pieces of a recording: a space between words that are spelled."""
    return labels.index(SPACE) if tokens == "characters" and SPACE in labels else NOTHING


def made_lexicon(labels: Sequence[str], tokens: str, words: Any, name: str = "lexicon") -> Lexicon | None:
    """That of `words`, spelled in labels that are characters."""
    if words is None:
        return None
    return (Lexicon.spelled if tokens == "characters" else Lexicon.allowed)(labels, words, name)


class Runtime(Forward):
    """Steps are rows of numbers. Answers of a stream: "label", the name of one that is decided at a step,
    None at most steps, and "log_p"."""

    kind = Transcriber
    block: Transcriber
    compared = "log_p"
    uses = ("features.", "grams.", "aligner.")

    def __init__(self, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        super().__init__(about, arrays)
        how, codec, fitted = about["answers"], about["codec"], codec_arrays(self.arrays)
        self.stride, self.width = self.block.subsample, self.block.encoder.size
        self._carried = tuple(self.network.start(0))  # names of the network's state
        self.tokenizer = TOKENIZERS[codec["tokens"]].restore(codec)
        vocabulary: Any = self.tokenizer
        self.labels = ("", *vocabulary.vocabulary.symbols[1:])
        self._names = np.array([None, *self.labels[1:]], np.object_)
        self.grams = made_grams(codec["grams"], fitted)
        if self.grams is not None and self.grams.symbols != len(self.labels):
            raise ValueError(f"n-grams of {self.grams.symbols} symbols for {len(self.labels)}")
        self.lexicon = made_lexicon(self.labels, codec["tokens"], codec["words"])
        self.decoding = Decoding.of(how["decoding"])
        aligner = made_aligner(codec.get("aligner"), fitted)
        if aligner is not None and not aligner.fits(len(self.labels) - 1, self.width):
            raise ValueError(f"an aligner of other labels or features than {len(self.labels) - 1}")
        space, inputs = between(self.labels, codec["tokens"]), NumberInputs.restore(codec["inputs"], fitted)
        self.whole = Whole(self.decoding.pieces, self.stride, self.decoding.best, space, aligner, inputs)
        if self.decoding.beam * len(self.labels) > MOST_KEPT:
            raise ValueError(f"a beam of {self.decoding.beam} for {len(self.labels):,} labels")
        self.states, outputs = None, len(self.labels)
        if self.block.chain is not None:
            topology = Topology(outputs - 1, int(how["states"]["states"]), bool(how["states"]["silence"]))
            self.states, outputs = States.of(topology, self.grams, **self.network.p.chain), topology.size
        if self.block.head.outputs != outputs:
            raise ValueError(f"a network of {self.block.head.outputs} outputs; wanted {outputs}")

    def start(self, rows: int) -> State:
        """ConfigError of a hidden Markov model: its best path is known when a sequence has ended."""
        if self.states is not None:
            raise ConfigError(
                "the best path of a hidden Markov model is known when a sequence has ended; train a model "
                f"without {option('hmm')} to stream"
            )
        carried = {LABEL: np.zeros((rows, 1), np.int64)}
        if self.stride > 1:
            carried[WAITING] = np.zeros((rows, self.stride * self.width), self.network.dtype)
            carried[COUNT] = np.zeros((rows, 1), np.int64)
        return super().start(rows) | carried

    def advance(self, steps: Array, state: Mapping[str, Array]) -> tuple[Answers, State]:
        """{"label" (T, B), "log_p" (T, B, 1 + K)}."""
        x, carried = self.reader(steps, state)
        log_p, complete, after = (self._each if self.stride == 1 else self._grouped)(x, state)
        label, said = state[LABEL][:, 0], np.zeros(steps.shape[:2], np.int64)
        for t, (labels, done) in enumerate(zip(log_p.argmax(-1), complete, strict=True)):
            said[t] = np.where(done & (labels != label), labels, NOTHING)
            label = np.where(done, labels, label)
        return {"label": self._names[said], "log_p": log_p}, after | carried | {LABEL: label[:, None]}

    def predict(self, sequences: Sequence[Any]) -> list[list[Answers]]:
        """For each sequence, or path of a recording, the best transcripts, as `predict` of the task:
        "transcript", "log_p", "score", "labels" (L,) and the "first" and the "last" step (L,) of each, from
        1."""
        return [self._answers(steps) for steps in self.encoded(sequences, least=1)]

    def outputs(self, steps: Array) -> Array:
        log_p: Array = self.network(self.reader(steps[:, None], self.reader.start(1))[0])[0]
        return log_p[:, 0]

    def record(self, answer: Answers) -> dict[str, Any]:
        return {"label": answer["label"]}

    def _answers(self, steps: Array) -> list[Answers]:
        x = self.reader(steps[:, None], self.reader.start(1))[0][:, 0]
        row = self.whole.answers([x], lambda parts: list(map(self._found, parts)))[0]
        return [
            {
                "transcript": np.array(self.tokenizer.decode(hypothesis.labels), np.object_),
                "log_p": np.array(hypothesis.log_p),
                "score": np.array(hypothesis.score),
                "labels": self._names[hypothesis.labels],
                "first": hypothesis.spans[:, 0] + 1,
                "last": hypothesis.spans[:, 1] + 1,
            }
            for hypothesis in row
        ]

    def _found(self, x: Array) -> list[Found]:
        """x (T, width) of a sequence, or a piece of it."""
        rows, how = self.network(x[:, None])[0].swapaxes(0, 1), self.decoding
        count = np.array([rows.shape[1]])
        if self.states is not None:
            return self.states.found(rows, count, how.lm_weight, how.label_bonus)
        return transcripts(rows, count, how, self.grams, self.lexicon)[0]

    def _each(self, x: Array, state: Mapping[str, Array]) -> tuple[Array, Array, State]:
        log_p, after = self.network(x, state)
        return log_p, np.ones(x.shape[:2], np.bool_), after

    def _grouped(self, x: Array, state: Mapping[str, Array]) -> tuple[Array, Array, State]:
        """x (T, B, width) -> log p (T, B, 1 + K) as if each step were the last, which of them complete their
        k (T, B), and the state after them."""
        T, B, width = x.shape
        carried = {name: state[name] for name in self._carried}
        waiting, count = (
            state[WAITING].reshape(B, self.stride, width).copy(),
            state[COUNT][:, 0] % self.stride,
        )
        log_p, complete = np.zeros((T, B, len(self.labels)), self.network.dtype), np.zeros((T, B), np.bool_)
        for t in range(T):
            waiting[np.arange(B), count] = x[t]
            log_p_now, after = self.network(waiting.swapaxes(0, 1), carried)
            count = (count + 1) % self.stride
            log_p[t], complete[t] = log_p_now[0], count == 0
            carried = {name: _chosen(complete[t], after[name], array) for name, array in carried.items()}
            waiting = _chosen(complete[t], np.zeros_like(waiting), waiting)
        return log_p, complete, carried | {WAITING: waiting.reshape(B, -1), COUNT: count[:, None]}


def _chosen(rows: Array, one: Array, other: Array) -> Array:
    """The rows (B, …) of `one` where `rows` (B,) is true, else of `other`."""
    return np.where(rows.reshape(-1, *[1] * (one.ndim - 1)), one, other)


def _likeliest(log_p: Array) -> Found:
    labels, spans = ctc.greedy(log_p, NOTHING)
    of_path = float(log_p.max(1).sum(dtype=np.float64))
    return Found(labels, of_path, of_path, 0.0, spans)
