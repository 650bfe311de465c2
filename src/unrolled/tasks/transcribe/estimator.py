"""Transcriber: transcripts of sequences, learned without knowing which step belongs to which label.

network.py says what is learned, ctc.py how, scores.py how it is judged: beside the training sequence's
transcript that is nearest by what sums sequences up (codecs/inputs.py), and the most frequent transcript.
"""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.batching import splits
from unrolled.batching.buckets import padded
from unrolled.blocks import transcriber as blocks
from unrolled.codecs.tokenizers import TOKENIZERS
from unrolled.codecs.unicode import normalized
from unrolled.decoding.ctc import Found
from unrolled.errors import DataError
from unrolled.files import arrays
from unrolled.files.examples import Sequences
from unrolled.files.labels import Kind
from unrolled.files.manifest import is_recording
from unrolled.files.messages import counted
from unrolled.models.transcribe import Whole, between, in_steps
from unrolled.plots import figures
from unrolled.plots.alignments import Aligned, alignments
from unrolled.tasks import augment, levels, neighbours, unseen
from unrolled.tasks.config import from_sections, to_sections
from unrolled.tasks.estimator import Prepared
from unrolled.tasks.evaluation import MODEL, Evaluation, Row, verdict
from unrolled.tasks.examples import in_batches, mean_loss, mean_step
from unrolled.tasks.forward import ForwardEstimator
from unrolled.tasks.inputs import read
from unrolled.tasks.pooled import encoded
from unrolled.tasks.sources import Source
from unrolled.tasks.split_data import Shares, Splits
from unrolled.tasks.transcribe import pictures, scores
from unrolled.tasks.transcribe.codec import Numbers, TranscribeCodec
from unrolled.tasks.transcribe.config import TranscribeConfig, TranscribeDecoding
from unrolled.tasks.transcribe.criterion import Criterion
from unrolled.tasks.transcribe.ctc import Ctc
from unrolled.tasks.transcribe.examples import Batch, Examples, require_labels
from unrolled.tasks.transcribe.hybrid import Hybrid
from unrolled.tasks.transcribe.network import Network, network_of, outputs, together
from unrolled.tasks.transcribe.selection import selection
from unrolled.tasks.transcribe.tuning import tuned
from unrolled.training.batches import Batches, Step
from unrolled.training.selection import Validated

# What is known of labels beside the sequences, and may be told to a trained model.
KNOWN = ("lm_order", "lm_text", "lexicon")


class Transcriber(ForwardEstimator[TranscribeConfig, Sequences, TranscribeCodec, blocks.Transcriber]):
    """Finds the labels of each sequence. Options are the fields of TranscribeConfig, each by its own name:

    transcriber = Transcriber(tokens="words", minutes=10).fit("train.csv", test="test.csv", out="run")
    transcriber.evaluation.table(); transcriber.predict("new.csv"); Transcriber.load("run").predict("a.wav")
    """

    task = "transcribe"
    config_class = TranscribeConfig
    codec_class = TranscribeCodec

    def frame(self, X: Source = None) -> pl.DataFrame:
        """A row for each sequence, or for each of its `best` transcripts with their "rank": "name",
        "transcript", "log_p" (the natural logarithm of its probability), "score" (by which answers are
        ranked, see ctc.py), and lists of its "labels" with where each begins and ends: of recordings in
        seconds, "begins_s" and "ends_s", else the "first" and the "last" step, from 1."""
        sequences = self._data_for(X)
        rows: list[Row] = []
        ends = ("first", "last") if self.codec.inputs.rate_hz is None else ("begins_s", "ends_s")
        every = self._answers(sequences, self.config.decoding)
        for name, answers in zip(sequences.names, every, strict=True):
            for rank, answer in enumerate(answers, 1):
                row: Row = {
                    "name": name,
                    "rank": rank,
                    "transcript": self._text(answer),
                    "log_p": answer.log_p,
                    "score": answer.score,
                    "labels": [self.codec.labels[k] for k in answer.labels.tolist()],
                }
                times = (time.tolist() for time in self._times(answer.spans))
                rows.append(row | dict(zip(ends, times, strict=True)))
        number = pl.Int64 if self.codec.inputs.rate_hz is None else pl.Float64
        lists = {"labels": pl.List(pl.String)} | dict.fromkeys(ends, pl.List(number))
        frame = pl.DataFrame(rows, schema_overrides=lists)  # where all answers are empty too
        return frame if self.config.decoding.best > 1 else frame.drop("rank")

    def _bare(self, source: Any, table: pl.DataFrame) -> NDArray[Any]:
        """(N,) the best transcript of each."""
        first = table.filter(rank=1) if "rank" in table.columns else table
        return first["transcript"].to_numpy().astype(np.str_)

    def _score(self, data: Sequences) -> float:
        """1 less the label error rate."""
        answers = [self._text(best) for best, *_ in self._answers(data, self.config.decoding)]
        return 1 - float(scores.row(self.codec, answers, data.truth)["label error rate"])

    def using(self, **options: Any) -> Self:
        """With another n-gram model or lexicon too (`lm_order`, `lm_text`, `lexicon`), which change no weight
        either."""
        known = {name: options[name] for name in KNOWN if name in options}
        other = super().using(**{name: value for name, value in options.items() if name not in known})
        if not known:
            return other
        values = to_sections(other.config)
        values["transcribe"] = values.get("transcribe", {}) | known
        other.config = from_sections(self.config_class, values)
        other._codec_ = self.codec.knowing(other.config.transcribe)
        if self.judged is not self:
            other._judged = self.judged.using(**options)
        return other

    @property
    def labels(self) -> tuple[str, ...]:
        """(K,) names."""
        return self.codec.labels[1:]

    def _are_files(self, texts: Sequence[str]) -> bool:
        return all(map(is_recording, texts))

    def _read_source(self, config: TranscribeConfig, source: Source, answers: bool = True) -> Sequences:
        return read(config.data, source, answers, transcripts=True)

    def _of_arrays(self, X: Any, lengths: Any) -> Sequences:
        return arrays.from_arrays(X, lengths=lengths)

    def _with_answers(self, data: Sequences, y: Any, like: Kind | None) -> Sequences:
        return arrays.answered(data, arrays.require_transcripts(y))

    def _read_new(self, data: Source, answers: bool = True) -> Sequences:
        inputs = self.codec.inputs
        return read(
            self.config.data, data, answers, inputs.features, inputs.rate_hz, transcripts=True, fitted=True
        )

    def _split(self, config: TranscribeConfig, data: Sequences, shares: Shares) -> splits.Parts:
        """By lot, so that every label is in every part as far as possible."""
        tokenizer: Any = TOKENIZERS[config.data.tokens]
        transcripts = [normalized(one, config.data.unicode) for one in data.truth]
        return splits.by_label(list(map(tokenizer.split, transcripts)), *shares)

    def _prepare(
        self, config: TranscribeConfig, data: Splits[Sequences], start: TranscribeCodec | None
    ) -> Prepared[TranscribeConfig, TranscribeCodec]:
        if start is None:
            config = config.model_copy(update={"model": levels.settled(config.model, data.train)})
            codec = TranscribeCodec.fit(config, data.train, data.validation)
        else:
            codec = start.again(data.train, data.validation)
        train, validation = data.encoded(partial(Examples.of, codec))
        require_labels(codec, data.train, train)
        criterion = criterion_of(config, codec)
        if config.model.subsample is None:
            subsample = criterion.subsample(data.train.rate_hz is not None, train, validation)
            config = config.model_copy(
                update={"model": config.model.model_copy(update={"subsample": subsample})}
            )
        for part, examples in ((data.train, train), (data.validation, validation)):
            criterion.require_steps(config.model.subsample or 1, part, examples)
        known = validation.known()
        if not known.rows:
            raise DataError(
                f"{data.validation.places[0]}: each transcript of the validation part has labels that the "
                "training part does not hold; keep more sequences to train on"
            )
        select = selection(config.training.select, criterion, known)
        return Prepared(
            config.model_copy(update={"hmm": config.hmm.settled()}),
            codec,
            train.buckets(config.training, augment.of(config, codec.inputs, data.train, paced=False)),
            lambda network: Validated(
                mean_loss(
                    partial(criterion.validation_losses, network),
                    map(known.collate, together(network, known.lengths)),
                ),
                select.measures(network),
            ),
            (
                f"{data.sizes()}, {counted(len(codec.labels) - 1, 'label')}",
                *data.train.notes,
                *select.notes,
                *levels.notes(config.model, data.train),
            ),
            lambda network: tuned(criterion, network, config.decoding, known),
        )

    @classmethod
    def _network(cls, config: TranscribeConfig, codec: TranscribeCodec) -> Network:
        criterion = criterion_of(config, codec)
        return network_of(config.model, codec.inputs.width, criterion.outputs, criterion.chain())

    def _batches(
        self, network: Network, prepared: Prepared[TranscribeConfig, TranscribeCodec]
    ) -> Batches[Batch]:
        buckets: Any = prepared.batches
        trained = prepared.config.training.start_from is not None
        return criterion_of(prepared.config, prepared.codec).batches(network, buckets, trained)

    def _step(self, network: Network, prepared: Prepared[TranscribeConfig, TranscribeCodec]) -> Step[Batch]:
        return mean_step(partial(criterion_of(prepared.config, prepared.codec).losses, network))

    def _judge(self, data: Sequences, about: dict[str, Any]) -> Evaluation:
        codec, truth, decoding = self.codec, data.truth, self.config.decoding
        decodings = {MODEL: decoding} | criterion_of(self.config, codec).other_decodings(decoding)
        answers = {
            name: [self._text(best) for best, *_ in self._answers(data, options)]
            for name, options in decodings.items()
        }
        nearest = neighbours.nearest_summaries(codec.summary, codec.inputs.summaries(data))
        frequent = Counter(codec.transcripts).most_common(1)[0][0]
        answers |= {
            f"nearest by {codec.inputs.summed}": [codec.transcripts[i] for i in nearest],
            "most frequent transcript": [frequent] * len(data),
        }
        rows: list[Row] = [{"model": name} | scores.row(codec, each, truth) for name, each in answers.items()]
        compared = scores.counts(codec, answers[MODEL], truth)
        baselines = [row for row in rows if row["model"] not in decodings]
        sentences = [verdict([rows[0], *baselines], "label error rate", higher_is_better=False)]
        new = sorted({label for label, _ in compared if label is not None} - set(codec.labels))
        sentences += unseen.sentences("labels", new)
        about = about | {
            "sequences": len(data),
            "labels": sum(number for (label, _), number in compared.items() if label is not None),
            "mistakes": scores.mistakes(compared),
            "unseen_labels": new,
        }
        return Evaluation(rows, sentences, about, (data, answers[MODEL], compared))

    def _draw(self, folder: Path) -> None:
        """alignment and confusion, as PNG and SVG."""
        data, answered, compared = self.evaluation.details
        rate = self.evaluation.rows[0]["label error rate"]
        figures.save(pictures.confusion(compared, rate), folder, "confusion")
        chosen = data.select(pictures.chosen(answered, data.truth))
        rows = encoded(self.codec.inputs, chosen)
        answers = self._answers(chosen, self.config.decoding)
        recorded = self.codec.inputs.rate_hz is not None
        around = np.zeros(2) if recorded else np.array([-0.5, 0.5])  # a step alone can be seen too
        criterion, panels = criterion_of(self.config, self.codec), list[Aligned]()
        k, whole = self.network.block.subsample, self._whole(self.config.decoding)
        for name, truth, row, (answer, *_) in zip(chosen.names, chosen.truth, rows, answers, strict=True):
            part = next(whole.parts(row.numpy(), whole.cuts(row.numpy())))  # of a long recording the first
            log_p, size = _outputs(self.network, [torch.from_numpy(part)])[0], len(part)
            steps, inside = np.arange(log_p.shape[1])[:, None].repeat(2, 1), answer.spans[:, 1] < size
            panels.append(
                Aligned(
                    pictures.title(name, self._text(answer), truth),
                    np.mean(self._times(in_steps(steps, k, size)), 0),
                    criterion.shares(log_p[0]),
                    [pictures.visible(label) for label in self.codec.labels],
                    answer.labels[inside].tolist(),
                    np.stack(self._times(answer.spans[inside]), 1) + around,
                )
            )
        title = "Labels from begin to end, shaded; how likely each is, as lines; nothing, grey"
        figures.save(alignments(panels, "seconds" if recorded else "step", title), folder, "alignment")

    @property
    def loss_name(self) -> str:
        return criterion_of(self.config, self.codec).loss_name

    def _answers_about(self) -> dict[str, Any]:
        decoding = self.codec.decoding(self.config.decoding)._asdict()
        return {"decoding": decoding, "states": criterion_of(self.config, self.codec).about_states()}

    def _raw(self, rows: Sequence[NDArray[Any]], fill: float) -> list[NDArray[Any]]:
        each = zip(self._outputs_of_rows(rows, fill), map(len, rows), strict=True)
        return [log_p[: self.network.block.steps(length)] for log_p, length in each]

    def _answers(self, data: Sequences, decoding: TranscribeDecoding) -> list[list[Found]]:
        """(N,) the answers to each sequence, with the bits that they have alone; spans of its steps."""
        criterion, codec = criterion_of(self.config, self.codec), self.codec

        def of_pieces(parts: Sequence[NDArray[np.float32]]) -> list[list[Found]]:
            def of_batch(indices: Numbers) -> list[list[Found]]:
                log_p, steps = _outputs(self.network, [torch.from_numpy(parts[i]) for i in indices])
                return criterion.answers(self.network, log_p, steps, decoding)

            return in_batches(together(self.network, list(map(len, parts))), of_batch)

        rows = [row.numpy() for row in encoded(codec.inputs, data)]
        return self._whole(decoding).answers(rows, of_pieces)

    def _whole(self, decoding: TranscribeDecoding) -> Whole:
        codec, how = self.codec, self.codec.decoding(decoding)
        space, stride = between(codec.labels, codec.tokens), self.network.block.subsample
        return Whole(how.pieces, stride, how.best, space, codec.aligner, codec.inputs)

    def _text(self, answer: Found) -> str:
        return str(self.codec.tokenizer.decode(answer.labels))

    def _times(self, spans: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any]]:
        """spans (L, 2) of steps -> where each begins and ends (L,): of recordings in seconds, else the first
        and the last step, from 1."""
        (first, last), rate = spans.T, self.codec.inputs.rate_hz
        if rate is None:
            return first + 1, last + 1
        W, V = self.config.data.audio().samples(rate)
        return first * V / rate, (last * V + W) / rate


def criterion_of(config: TranscribeConfig, codec: TranscribeCodec) -> Criterion:
    return Hybrid(codec, config.hmm) if config.hmm.hmm else Ctc(codec)


@torch.no_grad()
def _outputs(network: Network, rows: Sequence[Tensor]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """log p (B, S, O), steps (B,) of all rows in one batch."""
    log_p, steps = outputs(network, *padded(rows))
    return log_p.numpy(), steps.numpy()
