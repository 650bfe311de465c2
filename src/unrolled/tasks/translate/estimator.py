"""Texts that become other texts: sentences, words letter by letter, questions. See network.py for the model,
codec.py for the symbols, scores.py for how it is judged.

An answer is found by beam search or drawn (tasks/decoding.py); it holds L(S) symbols at most, codec.py, and
has the same bits alone and in any batch. What is drawn follows from sample_seed and the source alone.
"""

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.batching.buckets import by_length
from unrolled.batching.splits import by_sequence
from unrolled.codecs import padding
from unrolled.decoding.search import Hypothesis, in_one_line
from unrolled.errors import ConfigError
from unrolled.files.messages import counted, option, shown
from unrolled.files.pairs import Pairs, read_pairs
from unrolled.files.query import Query
from unrolled.plots import figures
from unrolled.plots.attention import MOST, Read, attention
from unrolled.tasks import unseen
from unrolled.tasks.decoder import stepper
from unrolled.tasks.decoding import JUDGED, Decoding, chosen
from unrolled.tasks.estimator import Prepared
from unrolled.tasks.evaluation import MODEL, Evaluation, verdict
from unrolled.tasks.sources import Source
from unrolled.tasks.split_data import Parts, PartsEstimator
from unrolled.tasks.translate import scores
from unrolled.tasks.translate.codec import Batch, Examples, TranslateCodec, targets_of
from unrolled.tasks.translate.config import SAMPLING_EPOCHS, TranslateConfig
from unrolled.tasks.translate.network import Network, Scheduled, losses, translator, weights
from unrolled.training.loop import Step
from unrolled.training.state import State

Numbers = NDArray[np.int64]

BATCH = 128  # sources that are answered at once, or pairs whose loss is
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


class Translator(PartsEstimator[TranslateConfig, Pairs, TranslateCodec, Network]):
    """Writes the target of a source. Options are the fields of TranslateConfig, each by its own name:

    model = Translator(source_tokens="characters", target_tokens="symbols").fit("words.tsv", out="run")
    model.evaluation.table(); model.predict(["colonel", "queue"]); model.using(beam=10, best=3).predict()

    Sources are files as of files/pairs.py, a polars frame, or a list of pairs (source, target); `predict`
    also takes a list of sources, so there a file in a list is a Path.
    """

    task = "translate"
    config_class = TranslateConfig
    codec_class = TranslateCodec
    loss_name = "nats of a target symbol"

    def predict(self, data: Source = None) -> pl.DataFrame:
        """Rows for each source, the best answer first: "source", "rank" from 1, "answer", "score" that they
        are ranked by, "log_p" of the answer and "log_p_per_symbol", its end counted. Without data, of the
        test part."""
        asked = self._asked_for(data)
        found, decode = self._found(asked), self.codec.target.tokenizer.decode
        rows = [
            (source, rank, decode(one.tokens), one.score, one.log_p, one.log_p / (len(one.tokens) + 1))
            for source in asked.inputs
            for rank, one in enumerate(found[source], 1)
        ]
        return pl.DataFrame(rows, schema=COLUMNS, orient="row")

    def notices(self, data: Source = None) -> list[str]:
        """Where symbols stand that training did not hold, or held too seldom."""
        asked, side = self._asked_for(data), self.codec.source
        odd = [
            (place, symbol)
            for text, place, row in zip(asked.inputs, asked.places, self.codec.encode(asked), strict=True)
            if (row == side.unknown).any()
            for symbol, number in zip(side.symbols(text), row, strict=True)
            if number == side.unknown
        ]
        if not odd:
            return []
        place, symbol = odd[0]
        others = f", and {counted(len(odd) - 1, 'other symbol')} likewise" if len(odd) > 1 else ""
        return [f"{place}: {shown(symbol)} is not among the symbols of training, it is read as <unk>{others}"]

    def _read_source(self, config: TranslateConfig, source: Source, answers: bool = True) -> Pairs:
        o = config.data
        return read_pairs(source, Query(source=o.source_column, target=o.target_column, answers=answers))

    def _read_new(self, data: Source, answers: bool = True) -> Pairs:
        return self._read_source(self.config, data, answers)

    def _split(
        self, config: TranslateConfig, data: Pairs, validation: float, test: float, seed: int
    ) -> tuple[Pairs, Pairs, Pairs]:
        """By lot, all pairs of a source in one part, however many blanks stand between its words."""
        same: dict[str, list[int]] = {}
        for source, own in data.grouped().items():
            same.setdefault(" ".join(source.split()), []).extend(own)
        groups = [np.array(group) for group in same.values()]
        parts = by_sequence(len(groups), validation, test, seed)
        train, watched, tests = (
            data.select(np.sort(np.concatenate([groups[g] for g in part])) if len(part) else [])
            for part in parts
        )
        return train, watched, tests

    def _prepare(
        self, config: TranslateConfig, data: Parts[Pairs]
    ) -> Prepared[TranslateConfig, TranslateCodec]:
        learning = config.learning
        _check_columns(config, data)
        codec = TranslateCodec.fit(config.data, data.train)
        train, validation = data.encoded(partial(Examples.of, codec))
        batches = train.buckets(config.training)
        sides = f"{codec.source.size:,} symbols of sources, {codec.target.size:,} of targets"
        return Prepared(
            config,
            codec,
            Scheduled(batches, learning.scheduled_sampling, learning.sampling_epochs or SAMPLING_EPOCHS),
            lambda network: _mean_loss(network, validation, codec.target.unknown),
            (*data.train.notes, f"{data.sizes()}, {sides}", *_whole_words(config, data.train)),
            lambda network: self._tuned(config, network, codec, data.validation),
        )

    @classmethod
    def _network(cls, config: TranslateConfig, codec: TranslateCodec) -> Network:
        sizes = codec.source.size, codec.target.size
        return Network(translator(config.model, config.decoder, *sizes))

    def _step(self, network: Network, prepared: Prepared[TranslateConfig, TranslateCodec]) -> Step[Batch]:
        unknown, smoothing = prepared.codec.target.unknown, prepared.config.learning.label_smoothing

        def step(batch: Batch, state: State) -> tuple[Tensor, State]:
            total, symbols = losses(network, batch, unknown, smoothing)
            return total / symbols, None

        return step

    def _judge(self, data: Pairs, about: dict[str, Any]) -> Evaluation:
        first, truths = scores.questions(data)
        asked = data.select(first)
        found, decode = self._found(asked), self.codec.target.tokenizer.decode
        answers = {MODEL: [decode(found[source][0].tokens) for source in asked.inputs]}
        train, told = self._train_part()
        symbols = unseen.of_texts(self.codec.target, targets_of(data))
        told += unseen.sentences("symbols of targets", symbols)
        rows = scores.table(self.codec.target, truths, answers | scores.baselines(asked.inputs, train))
        judged = [
            verdict(rows, name, higher_is_better=more)
            for name, more in MEASURES.items()
            if name in rows[0] and any(row[name] for row in rows)
        ]
        own = {"questions": len(asked), "pairs": len(data), "unseen_symbols": symbols} | self._unknown(data)
        return Evaluation(rows, [*judged, *told], about | own)

    def _tuned(
        self, config: TranslateConfig, network: Network, codec: TranslateCodec, validation: Pairs
    ) -> tuple[TranslateCodec, str]:
        """The codec with the beam that answers the validation part best, and what to tell of it."""
        trial, side = copy(self), codec.target
        trial.config, trial._network_, trial._codec_ = config, network, codec
        first, truths = scores.questions(validation)
        asked = validation.select(first[:JUDGED])

        def answers(how: Decoding) -> list[list[str]]:
            trial.config = config.model_copy(update={"decoding": how})
            found = trial._found(asked)
            return [side.symbols(side.tokenizer.decode(found[x][0].tokens)) for x in asked.inputs]

        wanted = [[side.symbols(text) for text in several] for several in truths[:JUDGED]]
        beam, note = chosen(config.decoding, answers, wanted)
        return replace(codec, beam=beam), note

    @property
    def _how(self) -> Decoding:
        decoding: Decoding = self.config.decoding
        return decoding.settled(self.codec.beam)

    def _draw(self, folder: Path) -> None:
        """attention, as PNG and SVG: what was read at each symbol of some answers."""
        if self.config.decoder.attention == "none":
            return
        asked, codec = self._asked_for(None), self.codec
        asked = asked.select([group[0] for group in asked.grouped().values()][:LOOKED_AT])
        rows = codec.encode(asked)
        longest = sorted(range(len(rows)), key=lambda i: (len(rows[i]) > MOST, -len(rows[i])))[:DRAWN]
        found = self._found(asked.select(longest))
        reads = []
        for source, x in ((asked.inputs[i], rows[i]) for i in longest):
            tokens = found[source][0].tokens
            read_at = weights(self.network, torch.from_numpy(x), torch.tensor([*tokens, codec.end]))
            assert read_at is not None
            written = [codec.target.tokenizer.decode([number]) for number in tokens]
            read = [codec.source.tokenizer.decode([number]) for number in x]
            reads.append(Read(read, [*written, "end"], read_at.numpy()))
        figures.save(attention(reads), folder, "attention")

    def _answers_about(self) -> dict[str, Any]:
        return self._how.about(self._how.longest)

    def _rows(self, data: Source = None) -> list[Numbers]:
        return self.codec.encode(self._asked_for(data))

    def _raw(self, rows: Sequence[Numbers], fill: float) -> list[NDArray[Any]]:
        other = 0 if fill == 0 else self.codec.source.size - 1
        return [in_one_line(several) for several in self._answers(rows, other)]

    def _found(self, data: Pairs) -> dict[str, list[Hypothesis]]:
        """Every distinct source -> its answers, each with the bits that it has alone."""
        own = data.select([group[0] for group in data.grouped().values()])
        rows, found = self.codec.encode(own), dict[str, list[Hypothesis]]()
        together = self._how.together(BATCH, self.codec.target.size)
        for indices in by_length([len(row) for row in rows], together):
            several = self._answers([rows[i] for i in indices])
            found |= {own.inputs[i]: one for i, one in zip(indices, several, strict=True)}
        return found

    def _answers(self, rows: Sequence[Numbers], fill: int = 0) -> list[list[Hypothesis]]:
        """Of sources (S_i,); `fill` stands behind the shorter ones."""
        codec, how = self.codec, self._how
        x, lengths = torch.from_numpy(padding.padded(rows, fill)), torch.tensor([len(row) for row in rows])
        with torch.no_grad():
            condition = self.network(x, lengths)
        longest = [codec.most(len(row)) if how.longest is None else how.longest for row in rows]
        return how.answers(
            lambda: stepper(self.network, condition),
            longest,
            lambda n: [how.generator(n, *row.tolist()) for row in rows],
            self.network.block.decoder,
            codec.never,
        )

    def _unknown(self, data: Pairs) -> dict[str, int]:
        """How many symbols training did not hold, or held too seldom."""
        found = {}
        for side, rows in (("source", self.codec.encode(data)), ("target", self.codec.encode_targets(data))):
            unknown = getattr(self.codec, side).unknown
            if unknown is not None:
                found[f"unknown_{side}_symbols"] = int(sum((row == unknown).sum() for row in rows))
        return found


def _mean_loss(network: Network, examples: Examples, unknown: int | None) -> float:
    sums = [losses(network, batch, unknown) for batch in examples.batches(BATCH)]
    return sum(float(total) for total, _ in sums) / sum(symbols for _, symbols in sums)


def _check_columns(config: TranslateConfig, data: Parts[Pairs]) -> None:
    """ConfigError for a column that is named where no data are a table."""
    parts = data.train, data.validation, data.test
    for name in ("source_column", "target_column"):
        asked = getattr(config.data, name)
        if asked is not None and not any(part is not None and part.named for part in parts):
            raise ConfigError(f"{option(name, asked)} is for tables, and these data are none; leave it out")


def _whole_words(config: TranslateConfig, train: Pairs) -> Iterable[str]:
    """Of a side whose texts are single words that hardly repeat: none of them teaches another."""
    for name, texts in (("source", train.inputs), ("target", train.answers or ())):
        single = getattr(config.data, f"{name}_tokens") == "words" and all(
            len(one.split()) < 2 for one in texts
        )
        if single and 2 * len(set(texts)) > len(texts):
            yield f"each {name} is one word, read whole; for its letters set {name}_tokens characters"
