"""The rows that stand for symbols at the beginning of a network.

One-hot vectors x_t of V symbols need no embedding: W x_t is the column w_t of the input weights W (S, V), for
S sums of a layer. The kernels take whatever they read through a product, so one of two matrices is the
identity and is not trained, that which makes the product small:

    V > S     the columns of W are looked up, as rows of a table (V, S); the layer's weights are the identity
    V <= S    rows of the identity are looked up; W is the layer's weights, and the product has V terms

Both have the bits of a product with one-hot vectors: all its other terms are zero.
"""

import torch
from torch import nn

from unrolled.blocks.leaves import Embedding
from unrolled.blocks.recurrent import Recurrent
from unrolled.cells.layer import sizes_of
from unrolled.codecs.vocabulary import Vocabulary
from unrolled.errors import ConfigError
from unrolled.files.messages import option
from unrolled.files.vectors import Vectors
from unrolled.nn.recurrent import Recurrent as Layers
from unrolled.training.first_weights import BEGUN


def embedding(symbols: int, size: int, vectors: Vectors | None = None, unknown: float = 0.0) -> Embedding:
    """Rows drawn from N(0, 1 / size); `unknown`: the chance of a symbol to be an unknown one in training.
    ConfigError where vectors of words have another size."""
    if vectors is not None and vectors.size != size:
        raise ConfigError(
            f"{option('embedding_size')} is {size}, and the vectors have {vectors.size} numbers; set "
            f"{option('embedding_size', vectors.size)}, or give other vectors"
        )
    return Embedding(symbols, size, size**-0.5, unknown)


def begin_with(
    table: nn.Embedding, vocabulary: Vocabulary, vectors: Vectors | None, freeze: bool = False
) -> None:
    """Puts the vectors of words that there are into the rows of these words: of a network that is read back
    there are none to put in. `freeze`: they are not trained."""
    with torch.no_grad():
        rows = {} if vectors is None else vectors.rows
        for number, symbol in enumerate(vocabulary.symbols):
            if (word := symbol.strip(" ")) in rows:
                table.weight[number] = torch.from_numpy(rows[word])
    setattr(table, BEGUN, True)
    table.weight.requires_grad_(not freeze)


def one_hot(symbols: int, layer: Recurrent, unknown: float = 0.0) -> Embedding:
    """The table that a layer reads one-hot vectors through; `layer` reads whatever number of them."""
    sums, _ = layer.shapes()["weight_ih_l0"]
    return Embedding(symbols, min(symbols, sums), unknown=unknown)


def read_one_hot(table: nn.Embedding, layer: Layers) -> None:
    """The table and the input weights of a new network: one the identity, the other first weights of the
    layer."""
    first: torch.nn.Parameter = layer.get_parameter("weight_ih_l0")
    V, size = table.weight.shape
    with torch.no_grad():
        if size == V:
            identity = table.weight
        else:
            identity = first
            bound = sizes_of(layer)[0] ** -0.5
            nn.init.uniform_(table.weight, -bound, bound)
        nn.init.eye_(identity)
    identity.requires_grad_(False)
