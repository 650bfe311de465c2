"""Texts that become other texts: sentences, words letter by letter, questions. See network.py for the model,
codec.py for the symbols, scores.py for how it is judged.

An answer is found by beam search or drawn (tasks/decoding.py); it holds L(S) symbols at most, codec.py, and
has the same bits alone and in any batch. What is drawn follows from sample_seed and the source alone.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.batching import splits
from unrolled.decoding.search import Hypothesis, in_one_line
from unrolled.errors import ConfigError
from unrolled.files import arrays
from unrolled.files.labels import Kind
from unrolled.files.messages import counted, option, shown
from unrolled.files.pairs import Pairs, read_pairs
from unrolled.files.query import Query
from unrolled.plots import figures
from unrolled.plots.attention import MOST, Read, attention
from unrolled.tasks import text_selection, unseen
from unrolled.tasks.decoding import JUDGED, Decoding, tuned
from unrolled.tasks.ensemble import members_step
from unrolled.tasks.estimator import Prepared
from unrolled.tasks.evaluation import MODEL, Evaluation, verdicts
from unrolled.tasks.selection import Selection, judged
from unrolled.tasks.sources import Source
from unrolled.tasks.split_data import Shares, SplitEstimator, Splits
from unrolled.tasks.symbol_dropout import unknown_rate
from unrolled.tasks.text_scores import text_rows
from unrolled.tasks.translate import answering, scores
from unrolled.tasks.translate.codec import Batch, Examples, TranslateCodec
from unrolled.tasks.translate.config import SAMPLING_EPOCHS, TranslateConfig
from unrolled.tasks.translate.network import Network, Scheduled, losses, translator, weights
from unrolled.training.batches import Step
from unrolled.training.selection import Validated
from unrolled.training.state import State

Numbers = NDArray[np.int64]

DRAWN, LOOKED_AT = 4, 100  # the longest that can be drawn, of so many, are in the plot of attention

COLUMNS = {
    "source": pl.String,
    "rank": pl.Int64,
    "answer": pl.String,
    "score": pl.Float64,
    "log_p": pl.Float64,
    "log_p_per_symbol": pl.Float64,
}

# The measures, and whether more of each is better.
MEASURES = {"exact match": True, "symbol error rate": False, "BLEU": True}


class Translator(SplitEstimator[TranslateConfig, Pairs, TranslateCodec, Network]):
    """Writes the target of a source. Options are the fields of TranslateConfig, each by its own name:

    model = Translator(source_tokens="characters", target_tokens="symbols").fit("words.tsv", out="run")
    model.evaluation.table(); model.predict(["colonel", "queue"]); model.using(beam=10, best=3).predict()

    In memory X are texts, or lists of words, and y the same; a list of tuples (source, target) is both.
    """

    task = "translate"
    config_class = TranslateConfig
    codec_class = TranslateCodec
    reads_numbers, reads_texts = False, True
    loss_name = "nats of a target symbol"

    def frame(self, X: Source = None) -> pl.DataFrame:
        """Rows for each source, the best answer first: "source", "rank" from 1, "answer", "score" that they
        are ranked by, "log_p" of the answer and "log_p_per_symbol", its end counted. Without data, of the
        test part."""
        pairs = self._data_for(X)
        hypotheses, decode = self._answers(pairs), self.codec.target.tokenizer.decode
        rows = [
            (source, rank, decode(one.tokens), one.score, one.log_p, one.log_p / (len(one.tokens) + 1))
            for source in pairs.inputs
            for rank, one in enumerate(hypotheses[source], 1)
        ]
        return pl.DataFrame(rows, schema=COLUMNS, orient="row")

    def _bare(self, source: Any, table: pl.DataFrame) -> NDArray[Any]:
        """(N,) the best answer to each source."""
        return table.filter(rank=1)["answer"].to_numpy().astype(np.str_)

    def _score(self, data: Pairs) -> float:
        """The share of sources whose answer is a right one."""
        first, truths = scores.questions(data)
        answers = {MODEL: _best(self.network, self.codec, data.select(first), self._decoding)}
        (row,) = text_rows(self.codec.target, truths, answers)
        return float(row["exact match"])

    def notices(self, data: Source = None) -> list[str]:
        """What was left out, and where symbols stand that training did not hold, or held too seldom."""
        left_out = super().notices(data)
        pairs, side = self._data_for(data), self.codec.source
        unknown = [
            (place, symbol)
            for text, place, row in zip(pairs.inputs, pairs.places, self.codec.encode(pairs), strict=True)
            if (row == side.unknown).any()
            for symbol, number in zip(side.symbols(text), row, strict=True)
            if number == side.unknown
        ]
        if not unknown:
            return left_out
        place, symbol = unknown[0]
        others = f", and {counted(len(unknown) - 1, 'other symbol')} likewise" if len(unknown) > 1 else ""
        odd = f"{place}: {shown(symbol)} is not among the symbols of training, it is read as <unk>{others}"
        return [*left_out, odd]

    def _read_source(self, config: TranslateConfig, source: Source, answers: bool = True) -> Pairs:
        return read_pairs(source, _query(config, answers))

    def _read_new(self, data: Source, answers: bool = True) -> Pairs:
        return read_pairs(data, replace(_query(self.config, answers), fitted=True))

    def _source(self, X: Source, y: Any = None, lengths: Any = None) -> Any:
        if y is None and _are_pairs(X):
            X, y = zip(*X, strict=True)
            X, y = list(X), list(y)
        return super()._source(X, y, lengths)

    def _of_arrays(self, X: Any, lengths: Any) -> Pairs:
        return arrays.pairs(X)

    def _with_answers(self, data: Pairs, y: Any, like: Kind | None) -> Pairs:
        return arrays.paired_with(data, y)

    def _split(self, config: TranslateConfig, data: Pairs, shares: Shares) -> splits.Parts:
        """By lot, all pairs of a source in one part, however many blanks stand between its words; or all of a
        group, in which sources of others may stand too."""
        if shares[-1] is not None:
            return super()._split(config, data, shares)
        same: dict[str, list[int]] = {}
        for source, pairs in data.grouped().items():
            same.setdefault(" ".join(source.split()), []).extend(pairs)
        groups = list(same.values())
        train, validation, test = (
            np.array(sorted(i for g in part for i in groups[g]), np.int64)
            for part in splits.by_sequence(len(groups), *shares)
        )
        return train, validation, test

    def _prepare(
        self, config: TranslateConfig, data: Splits[Pairs], start: TranslateCodec | None
    ) -> Prepared[TranslateConfig, TranslateCodec]:
        learning = config.learning
        _check_columns(config, data)
        codec = TranslateCodec.fit(config.data, data.train) if start is None else start.again(data.train)
        chosen = codec.chosen(config.data)
        config = config.model_copy(update={"data": codec.named(config.data)})
        train, validation = data.encoded(partial(Examples.of, codec))
        batches = train.buckets(config.training)
        select = _selection(config, codec, data.validation)
        sides = f"{codec.source.size:,} symbols of sources, {codec.target.size:,} of targets"
        return Prepared(
            config,
            codec,
            Scheduled(batches, learning.scheduled_sampling, learning.sampling_epochs or SAMPLING_EPOCHS),
            lambda network: Validated(
                _mean_loss(network, validation, codec.target.unknown), select.measures(network)
            ),
            (*data.train.notes, f"{data.sizes()}, {sides}", *chosen, *select.notes),
            lambda network: _tuned(network, codec, data.validation, config.decoding),
        )

    @classmethod
    def _network(cls, config: TranslateConfig, codec: TranslateCodec) -> Network:
        sizes = codec.source.size, codec.target.size
        unknown = unknown_rate(config.model, codec.source.kind, "source_tokens")
        return Network(translator(config.model, config.decoder, *sizes, unknown))

    def _step(self, network: Network, prepared: Prepared[TranslateConfig, TranslateCodec]) -> Step[Batch]:
        unknown, smoothing = prepared.codec.target.unknown, prepared.config.learning.label_smoothing

        def of_member(member: Network, batch: Batch, state: State) -> tuple[Tensor, State]:
            total, symbols = losses(member, batch, unknown, smoothing)
            return total / symbols, None

        return members_step(network, of_member)

    def _judge(self, data: Pairs, about: dict[str, Any]) -> Evaluation:
        first, truths = scores.questions(data)
        questions = data.select(first)
        answers = {MODEL: _best(self.network, self.codec, questions, self._decoding)}
        train, sentences = self._train_part()
        symbols = unseen.of_texts(self.codec.target, data.truth)
        sentences += unseen.sentences("symbols of targets", symbols)
        answers |= scores.baselines(questions.inputs, train)
        rows = text_rows(self.codec.target, truths, answers, with_chrf=True)
        measures = {name: more for name, more in MEASURES.items() if any(row.get(name) for row in rows)}
        about = about | {"questions": len(questions), "pairs": len(data), "unseen_symbols": symbols}
        return Evaluation(rows, [*verdicts(rows, measures), *sentences], about | self._unknown(data))

    @property
    def _decoding(self) -> Decoding:
        decoding: Decoding = self.config.decoding
        return decoding.settled(self.codec.beam)

    def _draw(self, folder: Path) -> None:
        """attention, as PNG and SVG: what was read at each symbol of some answers."""
        if self.config.decoder.attention == "none":
            return
        pairs, codec = self._data_for(None), self.codec
        pairs = pairs.select([group[0] for group in pairs.grouped().values()][:LOOKED_AT])
        rows = codec.encode(pairs)
        longest = sorted(range(len(rows)), key=lambda i: (len(rows[i]) > MOST, -len(rows[i])))[:DRAWN]
        hypotheses = self._answers(pairs.select(longest))
        reads = []
        for source, x in ((pairs.inputs[i], rows[i]) for i in longest):
            tokens = hypotheses[source][0].tokens
            read_at = weights(self.network, torch.from_numpy(x), torch.tensor([*tokens, codec.end]))
            assert read_at is not None
            written = [codec.target.tokenizer.decode([number]) for number in tokens]
            read = [codec.source.tokenizer.decode([number]) for number in x]
            reads.append(Read(read, [*written, "end"], read_at.numpy()))
        figures.save(attention(reads), folder, "attention")

    def _answers_about(self) -> dict[str, Any]:
        return self._decoding.about(self._decoding.longest)

    def _rows(self, data: Source = None) -> list[Numbers]:
        return self.codec.encode(self._data_for(data))

    def _raw(self, rows: Sequence[Numbers], fill: float) -> list[NDArray[Any]]:
        symbol = 0 if fill == 0 else self.codec.source.size - 1
        hypotheses = answering.search(self.network, self.codec, rows, self._decoding, symbol)
        return [in_one_line(of_row) for of_row in hypotheses]

    def _answers(self, data: Pairs) -> dict[str, list[Hypothesis]]:
        return answering.answers(self.network, self.codec, data, self._decoding)

    def _unknown(self, data: Pairs) -> dict[str, int]:
        """How many symbols training did not hold, or held too seldom."""
        counts = {}
        for side, rows in (("source", self.codec.encode(data)), ("target", self.codec.encode_targets(data))):
            unknown = getattr(self.codec, side).unknown
            if unknown is not None:
                counts[f"unknown_{side}_symbols"] = int(sum((row == unknown).sum() for row in rows))
        return counts


def _query(config: TranslateConfig, answers: bool) -> Query:
    o = config.data
    return o.query(source=o.source_column, target=o.target_column, answers=answers)


def _are_pairs(X: Any) -> bool:
    """Whether these are tuples (source, target) of texts: a list of two texts is one of words."""
    return (
        isinstance(X, list)
        and len(X) > 0
        and all(
            isinstance(one, tuple) and len(one) == 2 and all(isinstance(t, str) for t in one) for one in X
        )
    )


def _mean_loss(network: Network, examples: Examples, unknown: int | None) -> float:
    sums = [losses(network, batch, unknown) for batch in examples.batches(answering.BATCH)]
    return sum(float(total) for total, _ in sums) / sum(symbols for _, symbols in sums)


def _selection(config: TranslateConfig, codec: TranslateCodec, validation: Pairs) -> Selection:
    first, truths = scores.questions(validation)
    places = judged(len(first))
    questions, decoding = validation.select([first[i] for i in places]), config.decoding.greedy()
    return text_selection.selection(
        config.training.select,
        codec.target,
        lambda network: _best(network, codec, questions, decoding),
        [truths[i] for i in places],
        len(first),
        "source",
    )


def _tuned(
    network: Network, codec: TranslateCodec, validation: Pairs, decoding: Decoding
) -> tuple[TranslateCodec, str]:
    first, truths = scores.questions(validation)
    questions = validation.select(first[:JUDGED])
    return tuned(codec, codec.target, decoding, partial(_best, network, codec, questions), truths[:JUDGED])


def _best(network: Network, codec: TranslateCodec, questions: Pairs, decoding: Decoding) -> list[str]:
    """The best answer to each of some sources, no two of which are the same."""
    answers, decode = answering.answers(network, codec, questions, decoding), codec.target.tokenizer.decode
    return [decode(answers[source][0].tokens) for source in questions.inputs]


def _check_columns(config: TranslateConfig, data: Splits[Pairs]) -> None:
    """ConfigError for a column that is named where no data are a table."""
    parts = data.train, data.validation, data.test
    for name in ("source_column", "target_column"):
        column = getattr(config.data, name)
        if column is not None and not any(part is not None and part.named for part in parts):
            raise ConfigError(f"{option(name, column)} is for tables, and these data are none; leave it out")
