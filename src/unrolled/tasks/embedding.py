"""The rows that stand for symbols at the beginning of a network."""

import torch

from unrolled.codecs.vocabulary import Vocabulary
from unrolled.errors import ConfigError
from unrolled.files.vectors import Vectors
from unrolled.files.wording import option
from unrolled.nn import Embedding


def embedding(vocabulary: Vocabulary, size: int, vectors: Vectors | None = None) -> Embedding:
    """number (…) -> row (…, size). Rows of words in `vectors` are theirs, all others drawn from
    N(0, 1 / size). ConfigError where the vectors have another size."""
    if vectors is not None and vectors.size != size:
        raise ConfigError(
            f"{option('embedding_size')} is {size}, and the vectors have {vectors.size} numbers; set "
            f"{option('embedding_size', vectors.size)}, or give other vectors"
        )
    table = Embedding(len(vocabulary), size)
    with torch.no_grad():
        table.weight.mul_(size**-0.5)
        for number, symbol in enumerate(vocabulary.symbols):
            if vectors is not None and symbol in vectors.rows:
                table.weight[number] = torch.from_numpy(vectors.rows[symbol])
    return table
