"""The network of taggers as training has it. Equations: blocks/tagger.py.

In training a word is taken for an unknown one with the probability a / (a + n), n the times it stands in the
training part, so that row 0 of the embedding is learned from words like those that a new text will hold.

Source   Kiperwasser and Goldberg 2016, arXiv:1603.04351, a = 1/4 there
"""

import numpy as np
import torch
from torch import Tensor

from unrolled.blocks.ensemble import ensemble
from unrolled.blocks.leaves import CRF, Embedding, Linear
from unrolled.blocks.pooled import Numbers
from unrolled.blocks.recurrent import Recurrent
from unrolled.blocks.tagger import Tagger, Words
from unrolled.cells import CELLS
from unrolled.codecs import words
from unrolled.codecs.affixes import CHARACTERS
from unrolled.codecs.inputs import NumberInputs
from unrolled.codecs.words import WordBatch
from unrolled.ops.torch import Network as AnyNetwork
from unrolled.tasks.embedding import begin_with, embedding
from unrolled.tasks.model import recurrent
from unrolled.tasks.tag_config import TagModelConfig

Network = AnyNetwork[Tagger]


def network_of(inputs: words.Words | NumberInputs, config: TagModelConfig, tags: int, crf: bool) -> Network:
    """A new network, whose embedding begins with the vectors that there are."""
    encoder = _encoder(inputs, config)
    layer = recurrent(config, encoder.size)
    head, chain = Linear(layer.output_size, tags), CRF(tags) if crf else None
    alone = Tagger(encoder, layer, head, chain, config.input_dropout or 0.0, config.output_dropout)
    network = Network(ensemble(alone, config.members))
    if isinstance(inputs, words.Words) and (inputs.vectors is not None or config.freeze_vectors):
        for member in network.ensemble:
            begin_with(member.p.encoder.table, inputs.words, inputs.vectors, config.freeze_vectors)
    return network


def _encoder(inputs: words.Words | NumberInputs, config: TagModelConfig) -> Words | Numbers:
    """What the network begins with."""
    if isinstance(inputs, NumberInputs):
        return Numbers(inputs.width)
    table = embedding(len(inputs.words), config.embedding_size, inputs.vectors, config.word_dropout)
    affixes = _affixes(inputs, config)
    if not config.character_hidden:
        return Words(table, affixes=affixes)
    letters = Embedding(len(inputs.characters), config.character_size, unknown=config.character_dropout)
    spelling = Recurrent(CELLS["gru"](), letters.size, config.character_hidden, bidirectional=True)
    return Words(table, letters, spelling, affixes)


def _affixes(inputs: words.Words, config: TagModelConfig) -> tuple[Embedding, ...]:
    """Of k characters is unknown in training what has one that is: 1 - (1 - q)^k."""
    known = zip(inputs.affixes.vocabularies, CHARACTERS, strict=True) if inputs.affixes else ()
    rates = [(one, 1 - (1 - config.character_dropout) ** k) for one, k in known]
    return tuple(embedding(len(one), config.affix_size, unknown=rate) for one, rate in rates)


def with_words_dropped(batch: WordBatch, rates: Tensor) -> WordBatch:
    """The same with words that are unknown, each with its own probability; rates (V,)."""
    drawn = torch.rand(batch.numbers.shape) < rates[batch.numbers]
    return batch._replace(numbers=torch.where(drawn, 0, batch.numbers))


def dropping_rates(inputs: words.Words | NumberInputs, a: float) -> Tensor | None:
    """(V,) a / (a + n) of each word, None where none is dropped."""
    if not isinstance(inputs, words.Words) or not a:
        return None
    return torch.from_numpy(a / (a + inputs.counts.astype(np.float64))).float()
