"""Captioner: the task `caption` behind the estimator that tasks share."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from torch import Tensor

from unrolled.batching import splits
from unrolled.codecs.answers import Texts
from unrolled.codecs.conditions import AttributeInputs, Rows
from unrolled.decoding.search import in_one_line
from unrolled.errors import ConfigError
from unrolled.files import arrays
from unrolled.files.at_hand import InMemory
from unrolled.files.captioned import Captioned
from unrolled.files.captions import read_captioned
from unrolled.files.images import is_picture
from unrolled.files.labels import Kind
from unrolled.files.messages import counted, option
from unrolled.models.caption import as_step
from unrolled.plots import figures
from unrolled.tasks import text_selection, unseen
from unrolled.tasks.caption import answering, pictures, scores
from unrolled.tasks.caption.codec import Codec
from unrolled.tasks.caption.config import OF_ROWS, CaptionConfig
from unrolled.tasks.caption.examples import Batch, Examples, at_once
from unrolled.tasks.caption.network import Network, captioner, losses
from unrolled.tasks.decoding import JUDGED, Decoding, tuned
from unrolled.tasks.ensemble import mean_of
from unrolled.tasks.estimator import Prepared
from unrolled.tasks.evaluation import MODEL, Evaluation, verdicts
from unrolled.tasks.examples import mean_loss, mean_step
from unrolled.tasks.selection import Selection, judged
from unrolled.tasks.sources import Source
from unrolled.tasks.split_data import Shares, SplitEstimator, Splits
from unrolled.training.batches import Step
from unrolled.training.selection import Validated


class Captioner(SplitEstimator[CaptionConfig, Captioned, Codec, Network]):
    """Tells about a picture, numbers or a class, in words or in a sequence of numbers. Options are the fields
    of CaptionConfig, each by its own name:

    captioner = Captioner(minutes=5).fit("pictures.csv", out="run")
    captioner.evaluation.table(); captioner.predict("newer.csv"); captioner.using(beam=10, best=3).predict()
    """

    task = "caption"
    config_class = CaptionConfig
    codec_class = Codec

    def frame(self, X: Source = None) -> pl.DataFrame:
        """Rows for each input, the best answer first: its "name", "rank" from 1, "caption", and "score", the
        logarithm of its probability over the penalty of its length. Of sequences of numbers a row for each
        step: "name", "step" from 1, and the columns. Without data, of the test part."""
        inputs, decoding = self._data_for(X), self._decoding
        if not isinstance(self.codec.answers, Texts):
            return _steps(inputs, answering.sequences(self.network, self.codec, inputs, decoding), self.codec)
        answers = answering.captions(self.network, self.codec, inputs, decoding)
        rows = [
            {"name": name, "rank": rank, "caption": one.text, "score": one.score}
            for name, several in zip(inputs.names, answers, strict=True)
            for rank, one in enumerate(several, 1)
        ]
        schema = {"name": pl.String, "rank": pl.Int64, "caption": pl.String, "score": pl.Float64}
        return pl.DataFrame(rows, schema)

    def _bare(self, source: Any, table: pl.DataFrame) -> Any:
        """(N,) the best caption of each input, or the sequence of numbers (T_i, D) of each."""
        if isinstance(self.codec.answers, Texts):
            return table.filter(rank=1)["caption"].to_numpy().astype(np.str_)
        begins = np.flatnonzero(table["step"].to_numpy() == 1)
        return np.split(table.drop("name", "step").to_numpy(), begins[1:])

    def _score(self, data: Captioned) -> float:
        """The share of inputs whose caption is a right one; of sequences of numbers the RMSE, negative."""
        if isinstance(self.codec.answers, Texts):
            questions = scores.questions(data)
            answers = {MODEL: _best(self.network, self.codec, questions, self._decoding)}
            return float(scores.of_captions(self.codec.texts, questions, answers)[0]["exact match"])
        steps = answering.sequences(self.network, self.codec, data, self._decoding)
        return -float(scores.of_numbers(self.codec.numbers, data, {MODEL: steps})[0]["RMSE"])

    _paths_column = "image"

    def _source(self, X: Source, y: Any = None, lengths: Any = None) -> Any:
        """Paths of pictures in a list are the inputs themselves."""
        source = super()._source(X, y, lengths)
        if isinstance(source, tuple) and all(is_picture(one) for one in source):
            return InMemory(pl.DataFrame({self._paths_column: list(map(str, source))}))
        return source

    def _answers_bare(self, source: Any) -> bool:
        return super()._answers_bare(source) or _are_pictures(source)

    def _held(self, source: Any, *how: Any) -> Captioned:
        """A picture that stands several times in a list is an input each time: every one has its answer."""
        if not _are_pictures(source):
            return super()._held(source, *how)
        rows = source.X[self._paths_column].to_list()
        each = super()._held(InMemory(source.X.unique(maintain_order=True)), *how)
        at = {name: i for i, name in enumerate(each.names)}
        data = each.select([at[name] for name in rows])
        return data if source.y is None else self._with_answers(data, source.y, None)

    def _read_source(self, config: CaptionConfig, source: Source, answers: bool = True) -> Captioned:
        return read_captioned(source, config.data.query(answers=answers))

    def _of_arrays(self, X: Any, lengths: Any) -> Captioned:
        return arrays.captioned(X)

    def _with_answers(self, data: Captioned, y: Any, like: Kind | None) -> Captioned:
        return arrays.captioned_with(data, y)

    def _read_new(self, data: Source, answers: bool = True) -> Captioned:
        known: Any = self.codec.inputs
        query = self.config.data.query(
            features=known.features, label=known.class_column, answers=answers, alike=False, fitted=True
        )  # the codec knows the size of pictures
        targets = getattr(self.codec.answers, "columns", ())
        return read_captioned(data, replace(query, targets=targets) if targets else query)

    def _split(self, config: CaptionConfig, data: Captioned, shares: Shares) -> splits.Parts:
        """Every class has its share of each part."""
        if data.class_column is None:
            return super()._split(config, data, shares)
        return splits.by_class([label or "" for label in data.labels], *shares)

    def _prepare(
        self, config: CaptionConfig, data: Splits[Captioned], start: Codec | None
    ) -> Prepared[CaptionConfig, Codec]:
        if data.train.named and bool(data.train.targets) != (config.data.id is not None):
            raise ConfigError(
                f"sequences of numbers have a column that tells them apart, and captions have none; give "
                f"{option('id')}, or leave it out"
            )
        codec = Codec.fit(config.data, data.train) if start is None else start.again(data.train)
        config = _settled(config, data.train)
        train, validation = data.encoded(partial(Examples.of, codec))
        answers = sum(map(len, data.train.truth))
        select = _selection(config, codec, data.validation)
        captions = f" with {counted(answers, 'caption')}" if answers != len(data.train) else ""
        return Prepared(
            config,
            codec,
            train.buckets(config.training),
            lambda network: Validated(
                mean_loss(
                    partial(_losses(config, codec), network), validation.batches(at_once(codec.inputs))
                ),
                select.measures(network),
            ),
            (data.sizes(captions), *data.train.notes, *select.notes),
            lambda network: _tuned(network, codec, data.validation, config.decoding),
        )

    @classmethod
    def _network(cls, config: CaptionConfig, codec: Codec) -> Network:
        return Network(captioner(config, codec))

    def _step(self, network: Network, prepared: Prepared[CaptionConfig, Codec]) -> Step[Batch]:
        each = _losses(prepared.config, prepared.codec)
        return mean_step(lambda batch: mean_of(network, lambda member: each(member, batch)))

    def _judge(self, data: Captioned, about: dict[str, Any]) -> Evaluation:
        train, sentences = self._train_part()
        judge = self._judge_captions if isinstance(self.codec.answers, Texts) else self._judge_numbers
        evaluation = judge(data, train, about | {"inputs": len(data)})
        return Evaluation(
            evaluation.rows, [*evaluation.verdict, *sentences], evaluation.about, evaluation.details
        )

    def _judge_captions(self, data: Captioned, train: Captioned | None, about: dict[str, Any]) -> Evaluation:
        codec, questions = self.codec, scores.questions(data)
        captions = _best(self.network, codec, questions, self._decoding)
        baselines = scores.caption_baselines(codec, questions, train)
        rows = scores.of_captions(codec.texts, questions, {MODEL: captions} | baselines)
        symbols = unseen.of_texts(codec.texts.side, (text for several in data.truth for text in several))
        sentences = verdicts(rows, {"exact match": True, "BLEU": True})
        sentences += unseen.sentences("symbols of captions", symbols)
        return Evaluation(rows, sentences, about | {"unseen_symbols": symbols}, (questions, captions))

    def _judge_numbers(self, data: Captioned, train: Captioned | None, about: dict[str, Any]) -> Evaluation:
        codec = self.codec
        answers = answering.sequences(self.network, codec, data, self._decoding)
        rows = scores.of_numbers(
            codec.numbers, data, {MODEL: answers} | scores.number_baselines(codec, data, train)
        )
        return Evaluation(rows, verdicts(rows, {"RMSE": False}), about, (data, answers))

    def _draw(self, folder: Path) -> None:
        """answers, as PNG and SVG."""
        evaluation, codec = self.evaluation, self.codec
        data, answers = evaluation.details
        inputs = counted(len(data), "input")
        if not isinstance(codec.answers, Texts):
            title = f"RMSE {evaluation.rows[0]['RMSE']:.3g} over {inputs}"
            figures.save(pictures.sequences(data, answers, title), folder, "answers")
        elif data.is_pictures:
            symbols = codec.texts.side.symbols
            truths = [[symbols(text) for text in several] for several in data.truth]
            right = [symbols(text) in several for text, several in zip(answers, truths, strict=True)]
            title = f"{np.mean(right):.1%} of the captions of {inputs} are right"
            figures.save(pictures.captioned(data, answers, right, title), folder, "answers")

    @property
    def _decoding(self) -> Decoding:
        decoding: Decoding = self.config.decoding
        return decoding.settled(self.codec.beam)

    @property
    def loss_name(self) -> str:
        if isinstance(self.codec.answers, Texts):
            return "nats of a symbol"
        return "loss of a step, of scaled values"

    def _answers_about(self) -> dict[str, Any]:
        return self._decoding.about(self._decoding.longest_of(self.codec.answers.longest))

    def _rows(self, data: Source = None) -> list[NDArray[Any]]:
        rows = self.codec.inputs.encode(self._data_for(data))
        return list(rows[0]) if len(rows) == 1 else [as_step(*one) for one in zip(*rows, strict=True)]

    def _raw(self, rows: Sequence[NDArray[Any]], fill: float) -> list[NDArray[Any]]:
        inputs: Rows = (np.stack(rows),)
        if isinstance(self.codec.inputs, AttributeInputs):
            inputs = tuple(np.concatenate([row[name] for row in rows]) for name in ("z", "class"))
        arguments = self.network, self.codec, inputs, self._decoding
        if isinstance(self.codec.answers, Texts):
            return [in_one_line(several) for several in answering.hypotheses(*arguments)]
        return list(answering.scores(*arguments))


def _are_pictures(source: Any) -> bool:
    """Whether these are paths of pictures, without a table around them."""
    return isinstance(source, InMemory) and source.is_frame and source.X.columns == [Captioner._paths_column]


def _losses(config: CaptionConfig, codec: Codec) -> Callable[[Network, Batch], Tensor]:
    """(network, batch) -> (M,) the losses of all that counts in it."""
    return partial(losses, unknown=codec.answers.unknown, noise=config.numbers.noise)


def _settled(config: CaptionConfig, data: Captioned) -> CaptionConfig:
    """With the encoder and the attention that were open. ConfigError for options that data lack."""
    model, decoder = config.model, config.decoder
    grey = None if config.data.channels == "rgb" else config.data.channels
    of_pictures = {"encoder": model.encoder, "image_size": config.data.image_size, "channels": grey}
    for name, value in of_pictures.items():
        if value is not None and not data.is_pictures:
            raise ConfigError(
                f"{option(name, value)} is for pictures, and these are numbers or classes; leave it out"
            )
    encoder = model.encoder or ("convolution" if data.is_pictures else None)
    for name in OF_ROWS:
        if getattr(model, name) and encoder != "rows":
            raise ConfigError(
                f"{option(name)} is for layers that read rows; set {option('encoder', 'rows')}, or leave it "
                "out"
            )
    usual = "additive" if data.is_pictures and not data.targets else "none"
    settled = {
        "model": model.model_copy(update={"encoder": encoder}),
        "decoder": decoder.model_copy(update={"attention": decoder.attention or usual}),
    }
    return config.model_copy(update=settled)


def _tuned(network: Network, codec: Codec, validation: Captioned, decoding: Decoding) -> tuple[Codec, str]:
    if not isinstance(codec.answers, Texts):
        return codec, ""
    questions = scores.questions(validation)
    questions = questions.select(range(min(JUDGED, len(questions))))

    best = partial(_best, network, codec, questions)
    return tuned(codec, codec.texts.side, decoding, best, questions.truth)


def _best(network: Network, codec: Codec, questions: Captioned, decoding: Decoding) -> list[str]:
    return [answers[0].text for answers in answering.captions(network, codec, questions, decoding)]


def _selection(config: CaptionConfig, codec: Codec, validation: Captioned) -> Selection:
    if not isinstance(codec.answers, Texts):
        return Selection()
    questions, decoding = scores.questions(validation), config.decoding.greedy()
    some = questions.select(judged(len(questions)))
    return text_selection.selection(
        config.training.select,
        codec.texts.side,
        lambda network: _best(network, codec, some, decoding),
        some.truth,
        len(questions),
        "input",
    )


def _steps(data: Captioned, answers: list[NDArray[np.float64]], codec: Codec) -> pl.DataFrame:
    lengths = [len(answer) for answer in answers]
    columns: dict[str, Any] = {
        "name": np.repeat(np.array(data.names, object), lengths).tolist(),
        "step": np.concatenate([np.arange(1, length + 1) for length in lengths]),
    }
    values = np.concatenate(answers)
    return pl.DataFrame(columns | {name: values[:, d] for d, name in enumerate(codec.numbers.columns)})
