"""What tag.py fits on its training part, and the examples that a network learns from.

Shapes   words or x (B, T, F), lengths (B,), tags (B, T)
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.batching.buckets import padded
from unrolled.batching.lookahead import Lookahead, Window
from unrolled.batching.stretches import Stretch
from unrolled.codecs import padding
from unrolled.codecs.inputs import NumberInputs
from unrolled.codecs.words import WordBatch, WordRows, Words
from unrolled.errors import ConfigError, DataError
from unrolled.files import labels
from unrolled.files.conll import columns_of
from unrolled.files.labels import Kind
from unrolled.files.messages import natural, option, shown
from unrolled.files.tagged import Layout, Tagged
from unrolled.files.typed import shaped
from unrolled.tasks import entities, examples, tag_scores, unseen
from unrolled.tasks.entities import Allowed
from unrolled.tasks.forward import tensors
from unrolled.tasks.tag_config import TagConfig
from unrolled.tasks.unseen import UNSEEN

Classes = NDArray[np.int64]
INPUTS: dict[str, type[Words | NumberInputs]] = {"words": Words, "numbers": NumberInputs}


@dataclass(frozen=True)
class TagCodec:
    """`tags` (K,) names, `counts` (K,) of them in training; `usual`: the number of each training word's most
    frequent tag, {} of numbers; `scheme` of entities.py, and `allowed` where it constrains the tags; `layout`
    of the training files; `kind`: the type that the caller had the tags in, None where a file held them."""

    inputs: Words | NumberInputs
    tags: tuple[str, ...]
    counts: Classes
    usual: Mapping[str, int]
    scheme: str
    allowed: Allowed | None
    layout: Layout | None = None
    kind: Kind | None = None

    @property
    def labels(self) -> NDArray[Any]:
        """(K,) the tags in their own type."""
        return labels.given_back(self.tags, self.kind)

    @classmethod
    def fit(cls, config: TagConfig, data: Tagged) -> Self:
        """On the training part. DataError where all its steps have one tag."""
        truth, vectors, kind = data.truth, config.model.vectors, labels.of_one(data.kind)
        counted_tags = Counter(tag for one in truth for tag in one)
        names = tuple(sorted(counted_tags, key=natural))
        if kind is not None:
            names = labels.in_order(names, kind)
        if len(names) == 1:
            raise DataError(
                f"all {sum(data.lengths):,} steps of the training part have the tag {shown(names[0])}; "
                "wanted two tags or more"
            )
        inputs: Words | NumberInputs
        if data.is_text:
            sentences: Any = data.inputs
            limits = config.data.least_count, config.data.most_symbols
            inputs = Words.fit(sentences, *limits, vectors, config.data.unicode, config.model.affix_size > 0)
        elif vectors is not None:
            raise ConfigError(f"{option('vectors')} is for words, and these data are numbers; leave it out")
        else:
            inputs = NumberInputs.fit(data)
        scheme = _scheme(config.tag.scheme, names, truth)
        bound = config.tag.constraints and scheme != entities.NONE
        return cls(
            inputs,
            names,
            np.array([counted_tags[name] for name in names], np.int64),
            tag_scores.usual_tags(data, names, truth) if data.is_text else {},
            scheme,
            entities.allowed(scheme, names, truth) if bound else None,
            data.layout,
            kind,
        )

    def again(self, data: Tagged) -> Self:
        """The same with another training part. DataError for a tag that it does not know."""
        self._require_kind(data)
        truth = data.truth
        unseen.require_known("tags", truth, self.tags, data.places)
        counted_tags = Counter(tag for one in truth for tag in one)
        usual = tag_scores.usual_tags(data, self.tags, truth) if data.is_text else {}
        counts = np.array([counted_tags[name] for name in self.tags], np.int64)
        return replace(self, counts=counts, usual={**self.usual, **usual})

    def encode(self, data: Tagged) -> list[Tensor]:
        """(N,) of (T_i,) the numbers of the tags, UNSEEN for those that training does not hold."""
        return [torch.tensor(unseen.numbered(one, self.tags)) for one in data.truth]

    def steps(self, data: Tagged) -> "WordRows | NumberRows":
        """The encoded inputs: `batch(indices)` of them is what the network takes."""
        self._require_kind(data)
        if isinstance(self.inputs, Words):
            sentences: Any = data.inputs
            return WordRows.of(self.inputs, sentences)
        return NumberRows(list(map(self.inputs.whole, self.rows(data))))

    def steps_of(self, rows: Sequence[NDArray[Any]], fill: float) -> "CodedWords | NumberRows":
        """The same of what `rows` gives, with `fill` in the padding of its batches."""
        if isinstance(self.inputs, Words):
            return CodedWords(rows, self.inputs, fill)
        return NumberRows([self.inputs.whole(z) for z in rows], fill)

    def rows(self, data: Tagged) -> list[NDArray[Any]]:
        """(N,) of (T_i, …) each sequence as the runtime's `encode` gives it."""
        self._require_kind(data)
        if isinstance(self.inputs, Words):
            return list(map(self.inputs.encode, data.inputs))
        return self.inputs.rows(data)

    def about(self) -> dict[str, Any]:
        bound = self.allowed and {name: part.tolist() for name, part in self.allowed._asdict().items()}
        return {
            "tags": list(self.tags),
            "counts": self.counts.tolist(),
            "usual": dict(self.usual),
            "inputs": self.inputs.about(),
            "scheme": self.scheme,
            "allowed": bound,
            "layout": self.layout and self.layout._asdict(),
        } | ({} if self.kind is None else {"kind": self.kind})

    def arrays(self) -> dict[str, NDArray[Any]]:
        return self.inputs.arrays()

    @classmethod
    def restore(cls, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        inputs = INPUTS[about["inputs"]["kind"]].restore(about["inputs"], arrays)
        bound, tags, usual = about["allowed"], tuple(about["tags"]), about["usual"]
        if not all(type(number) is int and 0 <= number < len(tags) for number in dict(usual).values()):
            raise ValueError("a word whose usual tag is none")
        allowed = bound and Allowed(*(np.array(bound[name], np.bool_) for name in Allowed._fields))
        for part, dimensions in zip(allowed or (), (1, 2, 1), strict=False):
            shaped(part, *[len(tags)] * dimensions)
        if about["scheme"] not in (entities.NONE, *entities.SCHEMES):
            raise ValueError(f"tags of a scheme {about['scheme']!r:.40}")
        codec = cls(
            inputs,
            tags,
            shaped(np.array(about["counts"], np.int64), len(tags)),
            usual,
            about["scheme"],
            allowed,
            about["layout"] and Layout(int(about["layout"]["columns"]), bool(about["layout"]["tabs"])),
            about.get("kind"),
        )
        _ = codec.labels  # ValueError where they are of another
        return codec

    def require_layout(self, data: Tagged) -> None:
        """DataError where lines have other columns than those of training: what they hold is not known."""
        wanted, got = self.layout, data.layout
        if wanted is not None and got is not None and wanted.columns != got.columns:
            raise DataError(
                f"{data.places[0]}: wanted {columns_of(wanted)} as in the training files, got "
                f"{columns_of(got)}; give files of one kind"
            )

    def _require_kind(self, data: Tagged) -> None:
        if data.is_text != isinstance(self.inputs, Words):
            kinds = ("words", "numbers") if data.is_text else ("numbers", "words")
            raise DataError(f"{data.places[0]}: these are {kinds[0]}; this model reads {kinds[1]}")


def _scheme(named: str | None, tags: Sequence[str], truth: tag_scores.Tags) -> str:
    """What was named, which the tags must be of, else what they are of."""
    if named is None:
        return entities.scheme_of(truth)
    if named != entities.NONE:
        entities.require_scheme(named, tags)
    return named


@dataclass(frozen=True)
class NumberRows:
    """Encoded sequences of numbers (T_i, I)."""

    rows: Sequence[NDArray[np.float32]]
    fill: float = 0.0

    def batch(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        return padding.padded([self.rows[i] for i in indices], self.fill)

    def cut(self, rows: Sequence[slice], indices: NDArray[np.int64]) -> Self:
        """Stretches of the sequences `indices`."""
        return replace(self, rows=[self.rows[i][part] for i, part in zip(indices, rows, strict=True)])


@dataclass(frozen=True)
class CodedWords:
    """Encoded sequences of words (T_i, width), as the runtime has them."""

    rows: Sequence[NDArray[np.int64]]
    inputs: Words
    fill: float

    def batch(self, indices: NDArray[np.int64]) -> WordBatch:
        return self.inputs.padded([self.rows[i] for i in indices], self.fill)

    def cut(self, rows: Sequence[slice], indices: NDArray[np.int64]) -> Self:
        """Stretches of the sequences `indices`."""
        return replace(self, rows=[self.rows[i][part] for i, part in zip(indices, rows, strict=True)])


class Batch(NamedTuple):
    """`x` as the network takes it, lengths (B,), tags (B, T); of stretches of long sequences which rows begin
    one (B,), the others going on with the state of the batch before."""

    x: Any
    lengths: Tensor
    tags: Tensor
    begins: Tensor | None = None


@dataclass(frozen=True)
class Examples(examples.Examples[Batch]):
    """Encoded sequences and their tags (T_i,)."""

    steps: Any
    tags: Sequence[Tensor]

    @classmethod
    def of(cls, codec: TagCodec, data: Tagged) -> Self:
        """DataError where there are no tags, or lines have other columns than those of training."""
        tags = codec.encode(data)
        codec.require_layout(data)
        return cls(codec.steps(data), tags)

    @property
    def lengths(self) -> list[int]:
        return [len(tags) for tags in self.tags]

    def collate(self, indices: NDArray[np.int64]) -> Batch:
        tags, lengths = padded([self.tags[i] for i in indices])
        return Batch(tensors(self.steps.batch(indices)), lengths, tags)

    def windows(self, windows: Sequence[Window]) -> Self:
        """Windows as sequences of their own; what is beside their pieces has no tag."""
        rows, indices = [one.steps for one in windows], np.array([one.sequence for one in windows])
        tags = []
        for one in windows:
            tags.append(torch.full((one.end - one.begin,), UNSEEN))
            tags[-1][one.piece] = self.tags[one.sequence][one.first : one.last]
        return type(self)(self.steps.cut(rows, indices), tags)

    def windowed(self, lookahead: Lookahead) -> Self:
        """All of them in windows."""
        return self.windows(lookahead.of(self.lengths))

    def batch_of(self, windows: Sequence[Window]) -> Batch:
        return self.windows(windows).collate(np.arange(len(windows)))

    def cut(self, stretch: Stretch) -> Batch:
        indices = stretch.indices
        rows = [slice(s, s + n) for s, n in zip(stretch.starts, stretch.lengths, strict=True)]
        tags, lengths = padded([self.tags[i][part] for i, part in zip(indices, rows, strict=True)])
        x = tensors(self.steps.cut(rows, indices).batch(np.arange(len(rows))))
        return Batch(x, lengths, tags, torch.from_numpy(stretch.begins))
