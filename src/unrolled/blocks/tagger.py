"""The network of taggers: a score for each tag at every step of a row.

    x_t = encoder(step t)                 words: below; numbers as they are
    y   = layer(dropout(x))               the recurrent layers
    o_t = W dropout(y_t) + b              a score for each of K tags

Of a word w with characters c, upper case kept:

    e = E[number of w in lower case]      a row of the table; row 0 for words too rare to know
    s = last states of the layers over the embedded characters c, both directions
    a = [A_1[a_1]; …; A_9[a_9]]           its shape, prefixes and suffixes: codecs/affixes.py
    x = [e; s; a]

A conditional random field (nn/crf.py) has scores of its own for what tag follows which; decoding/tags.py
makes tags of both.

Source   characters: Ling et al. 2015, arXiv:1508.02096; the field: Huang, Xu and Yu 2015, arXiv:1508.01991
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from unrolled.blocks.block import Block
from unrolled.blocks.ensemble import Averaged, mean
from unrolled.blocks.leaves import CRF, Embedding, Linear
from unrolled.blocks.ops import Array, Carried, Ops, State
from unrolled.blocks.pooled import Numbers
from unrolled.blocks.recurrent import Recurrent


@dataclass(frozen=True)
class Words(Block):
    """Words (codecs/words.py's WordBatch) -> x (…, E + S + A). `letters` and `spelling` may be missing, and
    `affixes` may be none."""

    table: Embedding
    letters: Embedding | None = None
    spelling: Recurrent | None = None
    affixes: tuple[Embedding, ...] = ()

    def rules(self) -> Iterator[tuple[object, str]]:
        sizes = self.letters and self.letters.size, self.spelling and self.spelling.input_size
        yield sizes[0] == sizes[1], f"letters of size {sizes[0]} into layers that read {sizes[1]}"

    @property
    def reads(self) -> tuple[str, int]:
        """What a step is: one of so many words."""
        return "words", self.table.rows

    @property
    def size(self) -> int:
        spelling = self.spelling.state_sizes if self.spelling else {}
        return self.table.size + sum(spelling.values()) + sum(one.size for one in self.affixes)

    def start(self, ops: Ops, p: Any, rows: int) -> State:
        """Nothing: every word is read by itself."""
        return {}

    @property
    def causal(self) -> bool:
        """The layers read a word backward, but no step that is later."""
        return True

    def __call__(self, ops: Ops, p: Any, words: Any, lengths: Array = None) -> Array:
        e = self.table(ops, p.table, words.numbers)
        forms = list(self._spelling(ops, p, words))
        forms += [one(ops, p.affixes[k], words.affixes[k]) for k, one in enumerate(self.affixes)]
        return ops.concat(e, ops.rows(ops.concat(*forms), words.which)) if forms else e

    def _spelling(self, ops: Ops, p: Any, words: Any) -> Iterator[Array]:
        if self.letters is not None and self.spelling is not None:
            c = self.letters(ops, p.letters, words.characters)
            _, last = self.spelling(ops, p.spelling, c, None, words.sizes)
            yield from last.values()


@dataclass(frozen=True)
class Tagger(Averaged):
    """steps -> o (…, K). `others`: further members (ensemble.py); the scores of their fields are averaged
    too."""

    encoder: Words | Numbers
    layer: Recurrent
    head: Linear
    crf: CRF | None = None
    input_dropout: float = 0.0
    output_dropout: float = 0.0
    others: tuple["Tagger", ...] = ()

    def rules(self) -> Iterator[tuple[object, str]]:
        yield from super().rules()
        sizes = self.encoder.size, self.layer.output_size
        wanted = self.layer.input_size, self.head.inputs
        yield sizes == wanted, f"sizes {sizes} do not meet {wanted}"
        tags = self.head.outputs
        yield self.crf in (None, CRF(tags)), f"{self.crf} for {tags} tags"

    def chain(self, p: Any) -> tuple[Array, Array, Array] | None:
        """What the field says: transitions, start and end."""
        if self.crf is None:
            return None
        chains = [weights.crf for _, weights in self.parts(p)]
        a, start, end = (
            mean([getattr(one, name) for one in chains]) for name in ("transitions", "start", "end")
        )
        return a, start, end

    def alone(
        self, ops: Ops, p: Any, steps: Any, state: Carried = None, lengths: Array = None
    ) -> tuple[Array, State]:
        x = ops.dropout(self.encoder(ops, p.encoder, steps, lengths), self.input_dropout)
        y, after = self.layer(ops, p.layer, x, state, lengths)
        return self.head(ops, p.head, ops.dropout(y, self.output_dropout)), after
