"""Language models: the distribution of the next symbol of a text, from all symbols before it. Per step t:

    log p_t = log softmax(logits_t)    of w_{t+1}; blocks/language.py has the network
    loss    = - mean log p_t[w_{t+1}]

It reads plain text in UTF-8, larger than memory if need be. Symbols are characters, words or byte pairs, and
those that the training part did not hold are the one symbol <unk>, which is predicted and counted like any
other. The training part comes first in the text, then the validation part, the test part last.

    perplexity            exp of the mean of - log p_t over all tokens of a part but its first, which is given
    bits_per_character    the same sum in bits, for each character of the text, whatever the tokens are

Shapes   w (B, T) int64 -> log p (B, T, V), state
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.batching.splits import chronological
from unrolled.batching.streams import Batch, Streams, Tokens, encoded
from unrolled.blocks.ensemble import ensemble
from unrolled.blocks.language import Language
from unrolled.codecs import padding
from unrolled.codecs.tokenizers import TOKENIZERS, Tokenizer, beginning, fitted
from unrolled.errors import ConfigError, DataError, UnrolledError
from unrolled.files import arrays
from unrolled.files.columns import TEXTS, usual
from unrolled.files.labels import Kind
from unrolled.files.messages import counted, listed, option
from unrolled.files.table import open_table
from unrolled.files.text import Text, open_text, text_of
from unrolled.files.vectors import Vectors, read_vectors
from unrolled.nn.functional import log_softmax
from unrolled.plots import figures
from unrolled.runs import Run
from unrolled.tasks.embedding import begin_with, embedding, one_hot, read_one_hot
from unrolled.tasks.ensemble import members_step
from unrolled.tasks.estimator import Plan, Prepared
from unrolled.tasks.evaluation import MODEL, Evaluation, verdict
from unrolled.tasks.language_config import LanguageConfig
from unrolled.tasks.model import recurrent
from unrolled.tasks.next_symbol import Network, loss, loss_through, mean_loss, nats, nats_of_rows
from unrolled.tasks.perplexity import baselines, perplexity, row_of
from unrolled.tasks.sampling import Sampling
from unrolled.tasks.seen import SeenText
from unrolled.tasks.sources import Source
from unrolled.tasks.split_data import Shares, SplitEstimator, Splits
from unrolled.tasks.symbol_dropout import unknown_rate
from unrolled.tasks.writing import Samples, written
from unrolled.training.batches import Step
from unrolled.training.config import LEAST_VALIDATION
from unrolled.training.progress import Reporter
from unrolled.training.selection import by_loss
from unrolled.training.state import State

VALIDATION_ROWS = 32
LINES_AT_ONCE = 4096
SAMPLE = 50  # tokens of a text that is written on the way of a training

COLUMNS = {
    "line": pl.Int64,
    "tokens": pl.Int64,
    "characters": pl.Int64,
    "unknown": pl.Int64,
    "nats": pl.Float64,
    "perplexity": pl.Float64,
}


@dataclass(frozen=True)
class Codec:
    """Text to tokens and back. `vectors` are for a new network alone, and are not kept."""

    kind: str
    tokenizer: Tokenizer
    vectors: Vectors | None = None

    @classmethod
    def fit(cls, config: LanguageConfig, text: Text) -> "Codec":
        """On the training part."""
        data, file = config.data, config.model.vectors
        kind = data.tokens
        limits = data.least_count, data.most_symbols
        tokenizer: Any = fitted(kind, text.pieces(), *limits, data.unicode)
        words = set() if file is None else {symbol.strip(" ") for symbol in tokenizer.vocabulary.symbols}
        vectors = None if file is None else read_vectors(file, words)
        return cls(kind, tokenizer, vectors)

    @property
    def unknown(self) -> int | None:
        """The number of <unk>; byte pairs have none."""
        return self.tokenizer.unknown

    def encode(self, text: Text, part: str) -> Tokens:
        """(N,) in a file mapped into memory. DataError for fewer than two tokens."""
        tokens = encoded(text.pieces(), self.tokenizer.encode)
        if len(tokens) < 2:
            raise DataError(
                f"{text.name}: {part} of {len(text)} characters has {len(tokens)} tokens; wanted 2 or more, "
                "give a longer text"
            )
        return tokens

    def about(self) -> dict[str, Any]:
        return {"tokens": self.kind, "tokenizer": self.tokenizer.about()}

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {}

    @classmethod
    def restore(cls, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> "Codec":
        kind = about["tokens"]
        return cls(kind, TOKENIZERS[kind].restore(about["tokenizer"]))


class LanguageModel(SplitEstimator[LanguageConfig, Text, Codec, Network]):
    """A language model of a text. Options are the fields of LanguageConfig, each by its own name:

    model = LanguageModel(hidden=512, minutes=15).fit("shakespeare.txt", out="run")
    print(model.generate(300, "ROMEO:\\n", temperature=0.8)); model.predict("sonnets.txt")
    """

    task = "language"
    config_class = LanguageConfig
    codec_class = Codec
    estimator_type, takes_answers = "density_estimator", False
    reads_numbers, reads_texts = False, True
    loss_name = "nats of a token"
    exponential = "perplexity"
    seen_class, groups_examples = SeenText, False

    def frame(self, X: Source = None) -> pl.DataFrame:
        """How likely each line is, alone: what follows a line end and the state that a text begins with.

        A row for each line, empty ones too: "line" from 1, "tokens", "characters", "unknown" (tokens that are
        <unk>), "nats" (- log of the line's probability), "perplexity" of a token (null where there is none).
        Without data, the lines of the test part.
        """
        network, codec = self.network, self.codec
        text = self._test_part() if X is None else self._new(X)
        return pl.DataFrame(list(_lines(network, codec, text)), COLUMNS)

    def generate(
        self,
        length: int,
        prime: str = "",
        *,
        stop: str | None = None,
        number: int | None = None,
        sample: bool = True,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
    ) -> str | list[str]:
        """`prime` and the text that the model goes on with, `length` tokens, never <unk>, or fewer: what was
        drawn ends before the text `stop`. With a `number` a list of so many such texts.

        Each token is drawn as tasks/sampling.py says, or is the likeliest where not `sample`. ConfigError for
        what cannot be drawn from.
        """
        for name, value, least in (("length", length, 1), ("number", number, 1), ("seed", seed, 0)):
            if value is not None and value < least:
                raise ConfigError(f"{option(name)}: wanted {least} or more, got {value}")
        if stop == "":
            raise ConfigError(f"{option('stop')}: wanted a text, got an empty one; leave it out")
        sampling = Sampling(sample, temperature, top_k, top_p)
        if number is not None and number > 1 and not sample:
            raise ConfigError(
                f"the likeliest text is the same each time; leave {option('number')} out, or set "
                f"{option('sample')}"
            )
        network, tokenizer, generator = self.network, self.codec.tokenizer, np.random.default_rng(seed)
        texts = [
            written(network, tokenizer, length, prime, sampling, generator, stop) for _ in range(number or 1)
        ]
        return texts[0] if number is None else texts

    def _bare(self, source: Any, table: pl.DataFrame) -> NDArray[Any]:
        """(N,) the nats of each text."""
        texts = source.X
        if len(table) != len(texts):
            raise DataError(
                f"X holds {len(texts):,} texts of {len(table):,} lines, and each line is judged alone; give "
                "each line as a text"
            )
        return table["nats"].to_numpy()

    def _score(self, data: Text) -> float:
        """The mean of log p of a token, negative."""
        tokens = self.codec.encode(data, "the text to judge")
        total = math.fsum(math.fsum(part) for part in nats(self.network, tokens, self.codec.tokenizer.size))
        return -total / (len(tokens) - 1)

    def _read_source(self, config: LanguageConfig, source: Source, answers: bool = True) -> Text:
        if not isinstance(source, pl.DataFrame):
            return open_text(source, config.data.encoding)
        column = usual(source.columns, TEXTS, nested=True)
        if column is None and source.width != 1:
            raise DataError(
                f"the table: wanted a column of texts, found none by a usual name ({listed(TEXTS)}); name it "
                "so"
            )
        return arrays.text(open_table(source).texts(column or source.columns[0], "texts"))

    def _of_arrays(self, X: Any, lengths: Any) -> Text:
        return arrays.text(X)

    def _with_answers(self, data: Text, y: Any, like: Kind | None) -> Text:
        raise ConfigError("a language model learns from texts alone; leave y out")

    def _cut(self, config: LanguageConfig, data: Text, shares: Shares) -> tuple[Text, Text, Text]:
        train, end = chronological(len(data), *shares[:2], "characters")
        return data.part(0, train), data.part(train, end), data.part(end, len(data))

    def _prepare(
        self, config: LanguageConfig, data: Splits[Text], start: Codec | None
    ) -> Prepared[LanguageConfig, Codec]:
        codec = start or Codec.fit(config, data.train)
        tokens = codec.encode(data.train, "the training part")
        watched = codec.encode(data.validation, "the validation part")
        training, cut = config.training, config.sampling
        for prime in filter(None, training.prime):
            text_of(prime)
        batches = Streams(tokens, cut.window, training.batch_size, cut.sampling, training.seed)
        note = data.sizes(f", {len(tokens):,} tokens of {codec.tokenizer.size:,} symbols,")
        validation = Streams(watched, cut.window, VALIDATION_ROWS)
        validate = by_loss(lambda network: mean_loss(network, validation))
        return Prepared(config, codec, batches, validate, (note, *_on_line_ends(codec, data.train)))

    def _judged_in(self, codec: Codec, part: Text) -> tuple[int, str]:
        """Tokens but the first, counted as far as it matters."""
        tokens = -1
        for piece in part.pieces():
            tokens += len(codec.tokenizer.encode(piece))
            if tokens >= LEAST_VALIDATION:
                break
        return tokens, "token"

    @classmethod
    def _network(cls, config: LanguageConfig, codec: Codec) -> Network:
        o, V = config.model, codec.tokenizer.size
        learned, unknown = o.embedding == "learned", unknown_rate(o, codec.kind)
        if learned:
            table = embedding(V, o.embedding_size, codec.vectors, unknown)
        else:
            table = one_hot(V, recurrent(o, V), unknown)
        layer, rates = recurrent(o, table.size), (o.input_dropout, o.output_dropout)
        network = Network(ensemble(Language.of(table, layer, o.tie, *rates), o.members))
        for member in network.ensemble:
            if not learned:
                read_one_hot(member.p.embedding, member.p.layer)
            if codec.vectors is not None or o.freeze_vectors:
                tokenizer: Any = codec.tokenizer  # of words, where there are vectors
                begin_with(member.p.embedding, tokenizer.vocabulary, codec.vectors, o.freeze_vectors)
        return network

    def _step(self, network: Network, prepared: Prepared[LanguageConfig, Codec]) -> Step[Batch]:
        sampling = prepared.config.sampling
        carries, windows = sampling.sampling == "consecutive", sampling.backprop_windows

        def of_member(member: Network, batch: Batch, state: State) -> tuple[Tensor, State]:
            if windows > 1:
                return loss_through(member, batch, state, windows)
            value, state = loss(member, batch, state)
            return value, state if carries else None

        return members_step(network, of_member)

    def _reporter(
        self, plan: Plan[LanguageConfig, Splits[Text], Codec, Network], run: Run | None, report: Reporter
    ) -> Reporter:
        training, network, tokenizer = plan.config.training, plan.network, plan.prepared.codec.tokenizer
        if training.samples_every is None:
            return report

        def write(epoch: int) -> list[str]:
            generator, length = np.random.default_rng([training.seed, epoch]), training.samples_length
            network.eval()
            texts = [
                written(network, tokenizer, length or SAMPLE, prime, Sampling(), generator)
                for prime in training.prime or ("",)
            ]
            network.train()
            return texts

        folder = None if run is None else run.folder / "samples"
        return Samples(report, training.samples_every, write, folder)

    def _judge(self, data: Text, about: dict[str, Any]) -> Evaluation:
        network, codec = self.network, self.codec
        tokens = codec.encode(data, "the part to judge on")
        symbols, scored = codec.tokenizer.size, len(tokens) - 1
        characters = len(data) * scored / len(tokens)
        learned = self.config.model.embedding == "learned"  # else one of the weights is the identity
        parameters = sum(p.numel() for p in network.parameters() if learned or p.requires_grad)
        total = math.fsum(math.fsum(part) for part in nats(network, tokens, symbols))
        rows = [row_of(MODEL, total, scored, characters, parameters)]
        about = about | {"tokens": scored, "characters": len(data)}
        sentences = []
        if codec.unknown is not None:
            about["unknown"] = int(np.count_nonzero(tokens == codec.unknown))
            number = f"{counted(about['unknown'], 'token')} that training did not hold, or too seldom"
            sentences += [f"{number}, judged as <unk>"] if about["unknown"] else []
        try:
            known = codec.encode(self._splits().train, "the training part")
            rows += baselines(known, tokens, symbols, characters)
        except UnrolledError as error:
            return Evaluation(rows, [f"there are no n-grams to compare with: {error}", *sentences], about)
        return Evaluation(rows, [verdict(rows, "perplexity", higher_is_better=False), *sentences], about)

    def _draw(self, folder: Path) -> None:
        values = {row["model"]: row["perplexity"] for row in self.evaluation.rows}
        figures.save(
            figures.compared(values, "Perplexity on the test part: lower is better"), folder, "perplexity"
        )

    def _rows(self, data: Source = None) -> list[NDArray[Any]]:
        text = self._test_part() if data is None else self._new(data)
        rows = (self.codec.tokenizer.encode(line) for line in text.lines())
        return [row for row in rows if len(row)]

    def _raw(self, rows: Sequence[NDArray[Any]], fill: float) -> list[NDArray[Any]]:
        symbol = 0 if fill == 0 else self.codec.tokenizer.size - 1
        w, lengths = torch.from_numpy(padding.padded(rows, symbol)), torch.tensor([len(row) for row in rows])
        with torch.no_grad():
            log_p = log_softmax(self.network(w, lengths=lengths)[0]).numpy()
        return [of_row[: len(row)] for of_row, row in zip(log_p, rows, strict=True)]


def _on_line_ends(codec: Codec, text: Text) -> list[str]:
    """What to say of line ends of Windows, by the first piece of a text whose spaces count."""
    if codec.kind in ("words", "symbols") or "\r\n" not in next(text.pieces()):
        return []
    return [
        "its lines end as Windows writes them: the \\r before each \\n is a symbol too, which other texts "
        "lack; to model the lines alone, save it with line ends of Unix"
    ]


def _lines(network: Network, codec: Codec, text: Text) -> Iterator[dict[str, Any]]:
    lines = enumerate(text.lines(), 1)
    while pool := list(islice(lines, LINES_AT_ONCE)):
        tokens = [codec.tokenizer.encode(line) for _, line in pool]
        sums = nats_of_rows(network, tokens, beginning(codec.tokenizer), codec.tokenizer.size)
        for (number, line), row, total in zip(pool, tokens, sums, strict=True):
            yield {
                "line": number,
                "tokens": len(row),
                "characters": len(line),
                "unknown": 0 if codec.unknown is None else int(np.count_nonzero(row == codec.unknown)),
                "nats": total,
                "perplexity": perplexity(total / len(row)) if len(row) else None,
            }
