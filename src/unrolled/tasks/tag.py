"""A tag for every step of a sequence: of words, or of numbers.

    o_t = network(steps)_t                   blocks/tagger.py, both directions by default

    softmax   p_t = softmax(o_t)             loss = mean of -w_k ln p_t[k], k the true tag of step t
    crf       p(y | o) of nn/crf.py          loss = mean of -ln p(y | o) for each step

    answer    the likeliest tag of each step, of a CRF the likeliest path; where tags are of entities, the
              likeliest path that entities.py allows
    probability of an answer: p_t of softmax, the marginal of a CRF

Tags are those of the training part, in the order of their names. A tag of other data that it does not hold
cannot be answered: such a step counts as wrong, and the evaluation names these tags; no loss is made of it.
Judged by the share of steps that are right, of words that training did not know, and by the F1 of entities;
beside two that need no network: the word's most frequent tag (of unknown words the most frequent of all) and
always the most frequent tag.

Shapes   words or x (B, T, F), lengths (B,) -> o (B, T, K), path (B, T)
Source   Huang, Xu and Yu 2015, arXiv:1508.01991; with characters Lample et al. 2016, arXiv:1603.01360
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.batching import splits
from unrolled.batching.buckets import by_length
from unrolled.batching.lookahead import Lookahead
from unrolled.blocks.tagger import Tagger as Block
from unrolled.codecs import padding
from unrolled.codecs.inputs import NumberInputs
from unrolled.codecs.words import WordRows
from unrolled.decoding.tags import Decoder, Kernels, decoder, masks
from unrolled.errors import DataError
from unrolled.files import arrays, conll_out
from unrolled.files.labels import Kind
from unrolled.files.messages import option
from unrolled.files.tagged import Tagged
from unrolled.files.tagging import read_tagged
from unrolled.kernels.torch import crf
from unrolled.nn.functional import cross_entropy, log_softmax, softmax
from unrolled.tasks import confusion, entities, tag_scores, tag_selection, tag_windows, unseen
from unrolled.tasks.ensemble import members_step
from unrolled.tasks.estimator import Prepared
from unrolled.tasks.evaluation import MODEL, Evaluation, verdicts
from unrolled.tasks.examples import in_batches
from unrolled.tasks.forward import ForwardEstimator, tensors
from unrolled.tasks.sources import Source
from unrolled.tasks.split_data import Shares, Splits
from unrolled.tasks.tag_codec import Batch, CodedWords, Examples, NumberRows, TagCodec
from unrolled.tasks.tag_config import TagConfig
from unrolled.tasks.tag_network import Network, dropping_rates, network_of, with_words_dropped
from unrolled.tasks.unseen import UNSEEN
from unrolled.training.batches import Step
from unrolled.training.selection import Validated

Array = NDArray[np.float64]
Path_ = NDArray[np.int64]
Steps = WordRows | NumberRows | CodedWords


def _on_arrays(kernel: Callable[..., Tensor]) -> Callable[..., Any]:
    """A kernel of torch on numpy's arrays."""

    def run(x: Any, *chain: Any) -> Any:
        inputs: list[Any] = []
        if chain:
            scores, lengths = chain
            inputs = [tuple(map(torch.from_numpy, scores)), torch.from_numpy(lengths)]
        return kernel(torch.from_numpy(x), *inputs).numpy()

    return run


# With torch's threads, and where nothing is compiled.
TORCH = Kernels(*(_on_arrays(kernel) for kernel in (softmax, log_softmax, crf.viterbi, crf.marginals)))
# Sequences, and steps of them, that go through a network at once where nothing is learnt.
BATCH, MOST_STEPS = 128, 2**18


class Tagger(ForwardEstimator[TagConfig, Tagged, TagCodec, Block]):
    """Tags every word or step. Options are the fields of TagConfig, each by its own name:

    tagger = Tagger(column="upos", minutes=10).fit("train.conllu", validation="dev.conllu", out="run")
    tagger.evaluation.table(); tagger.predict("new.conllu"); Tagger.load("run").predict_proba("new.conllu")
    """

    task = "tag"
    config_class = TagConfig
    codec_class = TagCodec
    reads_texts = True
    loss_name = "negative log-likelihood of a step in nats"

    def frame(self, X: Source = None) -> pl.DataFrame:
        """A row for each step: "name" of the sequence, "position" in it from 1, "word" (null of numbers),
        "tag" and its "probability". Without data, of the test part."""
        sequences = self._data_for(X)
        answers = self._answers(sequences)
        words: list[Any] = [None] * sum(sequences.lengths)
        if sequences.is_text:
            words = [word for one in sequences.inputs for word in one]
        columns = {
            "name": [
                name for name, T in zip(sequences.names, sequences.lengths, strict=True) for _ in range(T)
            ],
            "position": [t for T in sequences.lengths for t in range(1, T + 1)],
            "word": pl.Series(words, dtype=pl.String),
            "tag": self.codec.labels[np.concatenate([path for path, _ in answers])],
            "probability": np.concatenate([p[np.arange(len(path)), path] for path, p in answers]),
        }
        return pl.DataFrame(columns)

    def conll(self, data: Source = None, ending: str = conll_out.CONLL) -> str:
        """The words of `data` with their tags as a file with this ending holds them, .conll or .conllu: the
        lines of such a file as they stand, with the tag in the column that was learned. Without data, of the
        test part."""
        sources = self._source(data)
        several = sources if isinstance(sources, tuple) else (sources,)
        column = conll_out.Column(self.config.data.column or self.config.data.target, self.codec.layout)
        texts, options = [], self.config.data
        for source in several:
            sequences = self._data_for(source)
            tags = [[self.codec.tags[k] for k in path] for path, _ in self._answers(sequences)]
            how = options.skip_wrong, options.encoding
            texts.append(conll_out.written(source, sequences.inputs, tags, column, ending, *how))
        return conll_out.joined(texts)

    def notices(self, data: Source = None) -> list[str]:
        """How the lines of files were read, where that is no matter of course."""
        left_out = super().notices(data)
        if data is None:
            return left_out
        sequences = self._data_for(data)
        notes = sequences.notes if sequences.answers is None and sequences.is_text else ()
        return [*notes, *left_out]

    def predict_proba(self, X: Source = None, *, lengths: Any = None) -> list[Array]:
        """(N,) of (T_i, K) the probability of each tag at each step, in the order of `tags`."""
        return [p for _, p in self._answers(self._data_for(self._source(X, None, lengths)))]

    def _bare(self, source: Any, table: pl.DataFrame) -> list[list[Any]]:
        """(N,) the tags of each sequence."""
        begins = np.flatnonzero(table["position"].to_numpy() == 1)
        return [one.tolist() for one in np.split(table["tag"].to_numpy(), begins[1:])]

    def _score(self, data: Tagged) -> float:
        """The share of steps that are right."""
        paths = chain.from_iterable(path.tolist() for path, _ in self._answers(data))
        truth = chain.from_iterable(data.truth)
        return float(np.mean([self.tags[k] == tag for k, tag in zip(paths, truth, strict=True)]))

    @property
    def classes_(self) -> NDArray[Any]:
        """(K,) the tags in their own type. NotFittedError before `fit`."""
        self._require_fitted("classes_")
        return self.codec.labels

    @property
    def tags(self) -> tuple[str, ...]:
        """(K,) names, as the columns of predict_proba."""
        return self.codec.tags

    def _read_source(self, config: TagConfig, source: Source, answers: bool = True) -> Tagged:
        return read_tagged(source, config.data.query(answers=answers))

    def _of_arrays(self, X: Any, lengths: Any) -> Tagged:
        return arrays.tagged(X, lengths)

    def _with_answers(self, data: Tagged, y: Any, like: Kind | None) -> Tagged:
        return arrays.tagged_with(data, y, like)

    def _read_new(self, data: Source, answers: bool = True) -> Tagged:
        features, layout = getattr(self.codec.inputs, "features", ()), self.codec.layout
        query = self.config.data.query(answers=answers, known=features, layout=layout, fitted=True)
        sequences = read_tagged(data, query if answers else replace(query, column=None))
        if answers:
            self.codec.require_layout(sequences)
        return sequences

    def _split(self, config: TagConfig, data: Tagged, shares: Shares) -> splits.Parts:
        """By lot, so that every tag is in every part as far as possible."""
        return splits.by_label(data.truth, *shares)

    def _cut(self, config: TagConfig, data: Tagged, shares: Shares) -> tuple[Tagged, Tagged, Tagged]:
        """Of one or two long series each in time: there is none for every part."""
        if not tag_windows.is_cut_in_time(data, shares):
            return super()._cut(config, data, shares)
        return tag_windows.cut_in_time(data, shares)

    def _prepare(
        self, config: TagConfig, data: Splits[Tagged], start: TagCodec | None
    ) -> Prepared[TagConfig, TagCodec]:
        codec = TagCodec.fit(config, data.train) if start is None else start.again(data.train)
        config, read = tag_windows.chosen(config, data, partial(self._tried, codec, data))
        config, lookahead = tag_selection.settled(config, codec, data), tag_windows.lookahead_of(config)
        train, validation = data.encoded(partial(Examples.of, codec))
        if all((tags == UNSEEN).all() for tags in validation.tags):
            raise DataError(
                f"{data.validation.places[0]}: no tag of the validation part is in the training part"
            )
        loss, truth = self._loss(config, codec), data.validation.truth
        shown = tag_selection.shown(config, codec, data.validation)
        learned = validation if lookahead is None else validation.windowed(lookahead)

        def validate(network: Network) -> Validated:
            answers = _answers(network, codec, validation.steps, validation.lengths, lookahead)
            measured = tag_selection.measured(shown, codec.tags, truth, [path for path, _ in answers])
            return Validated(_mean_loss(network, learned, loss), {shown: measured})

        return Prepared(
            config,
            codec,
            tag_windows.batches(train, config),
            validate,
            (
                f"{data.sizes()}, {len(codec.tags)} tags{_of_scheme(codec.scheme)}",
                *data.train.notes,
                *_remarks(codec, data.train),
                *(entities.remarks(codec.tags) if _lacks_scheme(config, codec) else ()),
                *read,
            ),
        )

    def _tried(
        self, codec: TagCodec, data: Splits[Tagged], config: TagConfig, steps: int
    ) -> NDArray[np.float64]:
        """(P,) the losses of pieces of the validation part after a training of so many steps."""
        config = config.model_copy(update={"model": config.model.model_copy(update={"members": 1})})
        batches = tag_windows.batches(Examples.of(codec, data.train), config)
        network = self._after_trial(config, codec, batches, steps, tag_windows.TRIAL_SHARE)
        judged = Examples.of(codec, data.validation)
        outputs = _outputs(network, judged.steps, judged.lengths, tag_windows.lookahead_of(config))
        return tag_windows.piece_losses(outputs, judged.tags, config.tag.window or 1)

    def _judged_in(self, codec: TagCodec, part: Tagged) -> tuple[int, str]:
        """Segments of one tag: the steps of one hardly differ, and each sequence has one at least."""
        begun = sum(1 + sum(tag != before for before, tag in pairwise(tags)) for tags in part.truth)
        return begun, "tag segment"

    @classmethod
    def _network(cls, config: TagConfig, codec: TagCodec) -> Network:
        return network_of(codec.inputs, config.model, len(codec.tags), config.tag.crf)

    def _step(self, network: Network, prepared: Prepared[TagConfig, TagCodec]) -> Step[Batch]:
        loss = self._loss(prepared.config, prepared.codec)

        def of_member(member: Network, batch: Batch, state: Any) -> tuple[Tensor, Any]:
            if state is not None and batch.begins is not None:
                state = member.p.layer.reset_state(state, batch.begins)
            total, steps, state = loss(member, batch, state)
            return total / max(1, steps), None if batch.begins is None else state

        return members_step(network, of_member)

    @staticmethod
    def _loss(config: TagConfig, codec: TagCodec) -> Any:
        """(network, batch, state) -> the sum of the losses (), over how many steps, the state to carry."""
        balanced = codec.counts.sum() / (len(codec.counts) * np.maximum(codec.counts, 1))
        weights = (
            torch.tensor(balanced, dtype=torch.float32) if config.tag.class_weights == "balanced" else None
        )
        rates = dropping_rates(codec.inputs, config.tag.rare_word_dropout)

        def loss(network: Network, batch: Batch, state: Any = None) -> tuple[Tensor, int, Any]:
            x, tags = batch.x, batch.tags
            if network.training and rates is not None:
                x = with_words_dropped(x, rates)
            o, state = network(x, state, batch.lengths)
            inside = torch.arange(tags.shape[1]) < batch.lengths[:, None]
            known = inside & (tags != UNSEEN)
            chain = network.block.chain(network.p)
            if chain is None:
                losses = cross_entropy(o[known], tags[known], weights, reduction="none")
                return losses.sum(), int(known.sum()), state
            known_rows = (known | ~inside).all(1)
            likelihood = crf.log_likelihood(o, chain, tags.clamp(min=0), batch.lengths)[known_rows]
            return -likelihood.sum(), int(batch.lengths[known_rows].sum()), None

        return loss

    def _judge(self, data: Tagged, about: dict[str, Any]) -> Evaluation:
        codec, names = self.codec, self.codec.tags
        truth, most = data.truth, int(codec.counts.argmax())
        answers: dict[str, list[Path_]] = {MODEL: [path for path, _ in self._answers(data)]}
        if codec.usual:
            answers["word's most frequent tag"] = tag_scores.by_word(data, codec.usual, most)
        answers["most frequent tag"] = [np.full(T, most) for T in data.lengths]
        tags = {
            name: [[names[k] for k in path.tolist()] for path in paths] for name, paths in answers.items()
        }
        rows = [
            {"model": name} | tag_scores.scores(codec.scheme, codec.usual, data, truth, one)
            for name, one in tags.items()
        ]
        every = list(chain.from_iterable(truth))
        judged = unseen.joined(names, every)
        numbers = np.array(unseen.numbered(every, judged), np.int64)
        m = confusion.confusion(numbers, np.concatenate(answers[MODEL]), len(judged))
        new = judged[len(names) :]
        parts = {"tags": confusion.by_class("tag", "step", judged, m)}
        if codec.scheme != entities.NONE:
            parts = {"entities": entities.by_kind(truth, tags[MODEL])} | parts
        about = about | {"sequences": len(data), "steps": len(every), "unseen_tags": list(new)} | parts
        sentences = verdicts(rows, {"accuracy": True, "entity F1": True})
        sentences += unseen.sentences("tags", new, int((numbers >= len(names)).sum()), "step")
        sentences += confusion.untested("step", "tags", judged, m)
        return Evaluation(rows, sentences, about, (judged, m), tuple(parts.values()))

    def _draw(self, folder: Path) -> None:
        confusion.draw(folder, self.evaluation, "step")

    def _encoded(self, data: Tagged) -> list[NDArray[Any]]:
        return self.codec.rows(data)

    def _answers(self, data: Tagged) -> list[tuple[Path_, Array]]:
        """(N,) of the path (T_i,) and p (T_i, K), each with the bits that it has alone."""
        return _answers(self.network, self.codec, self.codec.steps(data), data.lengths, self._lookahead)

    def _raw(self, rows: Sequence[NDArray[Any]], fill: float) -> list[NDArray[Any]]:
        if self._lookahead is None:
            return super()._raw(rows, fill)
        steps = self.codec.steps_of(rows, fill)
        return _outputs(self.network, steps, list(map(len, rows)), self._lookahead)

    def _answers_about(self) -> dict[str, Any]:
        lookahead = self._lookahead
        return super()._answers_about() | ({} if lookahead is None else {"lookahead": asdict(lookahead)})

    @property
    def _lookahead(self) -> Lookahead | None:
        return tag_windows.lookahead_of(self.config)


def _answers(
    network: Network,
    codec: TagCodec,
    steps: WordRows | NumberRows,
    every: Sequence[int],
    lookahead: Lookahead | None,
) -> list[tuple[Path_, Array]]:
    """Those of encoded sequences whose lengths (N,) are `every`."""
    decoder, outputs = _decoder(network, codec), _outputs(network, steps, every, lookahead)

    def of_batch(indices: NDArray[np.int64]) -> list[tuple[Path_, Array]]:
        o, lengths = padding.padded([outputs[i] for i in indices]), np.array(every, np.int64)[indices]
        answers = zip(*decoder.decode(o, lengths, TORCH), lengths, strict=True)
        return [(path[:T], p[:T]) for path, p, T in answers]

    return in_batches(by_length(every, BATCH), of_batch)


def _outputs(
    network: Network,
    steps: Steps,
    every: Sequence[int],
    lookahead: Lookahead | None,
) -> list[NDArray[Any]]:
    """(N,) of o (T_i, K)."""
    if lookahead is not None:
        windows = lookahead.of(every)
        steps = steps.cut(
            [one.steps for one in windows], np.array([one.sequence for one in windows], np.int64)
        )
        lengths = [one.end - one.begin for one in windows]
        return lookahead.joined(every, _outputs(network, steps, lengths, None))

    def of_batch(indices: NDArray[np.int64]) -> list[NDArray[Any]]:
        lengths = [every[i] for i in indices]
        o, _ = network(tensors(steps.batch(indices)), lengths=torch.tensor(lengths))
        return [one[:T] for one, T in zip(o.numpy(), lengths, strict=True)]

    with torch.no_grad():
        return in_batches(by_length(every, _batch(every)), of_batch)


def _batch(lengths: Sequence[int]) -> int:
    """How many sequences go through a network at once."""
    return max(1, min(BATCH, MOST_STEPS // max([1, *lengths])))


def _decoder(network: Network, codec: TagCodec) -> Decoder:
    allowed, chain = codec.allowed, network.block.chain(network.p)
    scores: Any = None if chain is None else tuple(score.detach().numpy() for score in chain)
    bound = None if allowed is None else masks(*allowed)
    dtype = network.p.head.weight.detach().numpy().dtype
    return decoder(len(codec.tags), dtype, bound, scores)


def _lacks_scheme(config: TagConfig, codec: TagCodec) -> bool:
    """Whether none was named and none fits."""
    return config.tag.scheme is None and codec.scheme == entities.NONE


def _remarks(codec: TagCodec, train: Tagged) -> list[str]:
    """What is odd about columns of numbers."""
    return codec.inputs.remarks(train) if isinstance(codec.inputs, NumberInputs) and train.named else []


def _of_scheme(scheme: str) -> str:
    return "" if scheme == entities.NONE else f" of entities ({option('scheme', scheme)})"


def _mean_loss(network: Network, examples: Examples, loss: Any) -> float:
    sums = [loss(network, batch) for batch in examples.batches(_batch(examples.lengths))]
    steps = sum(count for _, count, _ in sums)
    return sum(float(total) for total, _, _ in sums) / steps if steps else float("nan")
