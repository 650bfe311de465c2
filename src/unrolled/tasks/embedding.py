"""The rows that stand for symbols at the beginning of a network."""

import torch
from torch import nn

from unrolled.blocks.leaves import Embedding
from unrolled.codecs.vocabulary import Vocabulary
from unrolled.errors import ConfigError
from unrolled.files.messages import option
from unrolled.files.vectors import Vectors


def embedding(symbols: int, size: int, vectors: Vectors | None = None, unknown: float = 0.0) -> Embedding:
    """Rows drawn from N(0, 1 / size); `unknown`: the chance of a symbol to be an unknown one in training.
    ConfigError where vectors of words have another size."""
    if vectors is not None and vectors.size != size:
        raise ConfigError(
            f"{option('embedding_size')} is {size}, and the vectors have {vectors.size} numbers; set "
            f"{option('embedding_size', vectors.size)}, or give other vectors"
        )
    return Embedding(symbols, size, size**-0.5, unknown)


def begin_with(table: nn.Embedding, vocabulary: Vocabulary, vectors: Vectors) -> None:
    """Puts the vectors of words that there are into the rows of these words."""
    with torch.no_grad():
        for number, symbol in enumerate(vocabulary.symbols):
            if symbol in vectors.rows:
                table.weight[number] = torch.from_numpy(vectors.rows[symbol])
