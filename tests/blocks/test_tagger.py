"""Taggers: words have the same bits in any batch, in torch as in numpy; what does not fit is refused."""

import numpy as np
import pytest
import torch

from unrolled.blocks.block import read, write
from unrolled.blocks.leaves import CRF, Embedding, Linear
from unrolled.blocks.pooled import Numbers
from unrolled.blocks.recurrent import Recurrent
from unrolled.blocks.tagger import Tagger
from unrolled.blocks.tagger import Words as Encoder
from unrolled.cells import CELLS
from unrolled.codecs.words import WordRows, Words, batch_of
from unrolled.models.readers import WordReader
from unrolled.ops import numpy
from unrolled.ops.torch import LEAVES, TRAINING, USE, Network
from unrolled.tasks.forward import tensors
from unrolled.tasks.tag_config import TagModelConfig
from unrolled.tasks.tag_network import dropping_rates, network_of, with_words_dropped

SENTENCES = [("The", "the", "dog"), ("A", "dog", "barks", "The")]
BOTH = {"bidirectional": True}


@pytest.fixture
def inputs():
    return Words.fit(SENTENCES, 1, None, None, affixes=True)


def encoder(inputs, hidden=3, affixes=True, unknown=0.0):
    table = Embedding(len(inputs.words), 5, unknown=unknown)
    each = tuple(Embedding(len(one), 2, unknown=unknown) for one in inputs.affixes.vocabularies)
    each = each if affixes else ()
    if not hidden:
        return Encoder(table, affixes=each)
    letters = Embedding(len(inputs.characters), 4, unknown=unknown)
    return Encoder(table, letters, Recurrent(CELLS["gru"](), 4, hidden, **BOTH), each)


def tagger(inputs, hidden=3, **options):
    own = encoder(inputs, hidden, **options)
    return Tagger(own, Recurrent(CELLS["lstm"](), own.size, 4, **BOTH), Linear(8, 3), CRF(3))


@pytest.mark.parametrize("affixes", [False, True])
@pytest.mark.parametrize("hidden", [0, 3])
def test_words_have_the_same_bits_in_any_batch_and_without_torch(inputs, hidden, affixes):
    torch.manual_seed(1)
    block = tagger(inputs, hidden, affixes=affixes, unknown=0.5)
    network, sentences = Network(block).eval(), [*SENTENCES, ("unheard", "of")]
    rows = WordRows.of(inputs, sentences)
    lengths = torch.tensor([len(one) for one in sentences])
    together, _ = network(tensors(rows.batch(np.arange(3))), lengths=lengths)
    arrays = {name: array.numpy() for name, array in network.state_dict().items()}
    runtime, reader = numpy.network(network.block, arrays), WordReader(inputs)
    assert list(network.block.shapes()) == [name for name, _ in network.named_parameters()]
    for i, sentence in enumerate(sentences):
        alone, _ = network(tensors(rows.batch(np.array([i]))))
        fresh, _ = network(tensors(batch_of(inputs.encode(sentence)[None])))
        steps, _ = reader(reader.encode(sentence)[:, None], {})
        bare, _ = runtime(steps)
        assert torch.equal(alone[0], together[i, : len(sentence)]) and torch.equal(alone, fresh)
        assert np.array_equal(bare[:, 0], alone[0].detach().numpy())


def test_the_characters_of_a_word_are_the_last_states_of_both_directions(inputs):
    torch.manual_seed(2)
    network = Network(encoder(inputs))
    x = network(tensors(batch_of(inputs.encode(["barks", "A"])[None])))[0]
    for word, row in zip(("barks", "A"), x, strict=True):
        numbers = torch.from_numpy(inputs.characters.encode(word))
        _, last = network.spelling(network.letters.weight[numbers][None])
        e = network.table.weight[inputs.words.encode([word.lower()])[0]]
        slots = zip(network.affixes, inputs.affixes.encode([word])[0], strict=True)
        a = torch.cat([table.weight[number] for table, number in slots])
        assert torch.equal(row, torch.cat([e, last[0, 0], last[1, 0], a]))


def test_in_training_symbols_become_unknown_by_chance(inputs):
    block, index = Embedding(4, 2, unknown=0.3), torch.full((50, 80), 3)
    torch.manual_seed(1)
    rows = LEAVES["embedding"](block)
    drawn = block(TRAINING, rows, index)
    unknown = (drawn == rows.weight[0]).all(-1)
    assert torch.equal(drawn[~unknown], rows.weight[index[~unknown]])
    # The deviation of 4,000 draws is below 0.01; no row and no step is spared.
    assert abs(unknown.float().mean() - 0.3) < 0.03
    assert unknown.any(0).all() and unknown.any(1).all()
    assert torch.equal(block(USE, rows, index), rows.weight[index])


def test_affixes_become_unknown_as_often_as_one_of_their_characters(inputs):
    network = network_of(
        inputs, TagModelConfig(affix_size=2, word_dropout=0.2, character_dropout=0.1), 3, False
    )
    own = network.block.encoder
    assert own.table.unknown == 0.2 and own.letters.unknown == 0.1
    rates = [0, *(1 - 0.9**k for k in (1, 2, 3, 4, 1, 2, 3, 4))]
    assert [one.unknown for one in own.affixes] == pytest.approx(rates)


def test_in_training_rare_words_become_unknown_at_their_rate(inputs):
    batch = tensors(WordRows.of(inputs, [("the", "barks") * 2000]).batch(np.array([0])))
    torch.manual_seed(1)
    dropped = with_words_dropped(batch, dropping_rates(inputs, 0.25))
    unknown = (dropped.numbers[0] == 0).reshape(-1, 2).float().mean(0)
    # a / (a + n) for n = 3 and n = 1; the deviation of 2,000 draws is below 0.01
    assert abs(unknown[0] - 0.25 / 3.25) < 0.03 and abs(unknown[1] - 0.25 / 1.25) < 0.04
    assert (batch.numbers != 0).all() and dropped.which is batch.which
    assert dropping_rates(inputs, 0.0) is None


def test_nothing_of_a_word_is_carried_and_only_its_own_layers_read_forward(inputs):
    own = encoder(inputs)
    forward = Tagger(own, Recurrent(CELLS["lstm"](), own.size, 4), Linear(4, 3))
    assert forward.causal and not tagger(inputs).causal
    state = Network(forward).block.start(Network(forward).ops, Network(forward).p, 2)
    assert list(state) == ["layer0.forward.h", "layer0.forward.c"]
    assert read(write(tagger(inputs))) == tagger(inputs)


def test_what_does_not_fit_is_refused(inputs):
    own, layer = encoder(inputs), Recurrent(CELLS["rnn"](), 3, 4)
    with pytest.raises(ValueError, match=r"sizes \(29, 4\) do not meet \(3, 4\)"):
        Tagger(own, layer, Linear(4, 3))
    with pytest.raises(ValueError, match="for 3 tags"):
        Tagger(Numbers(3), layer, Linear(4, 3), CRF(2))
    for letters, spelling in ((own.letters, None), (None, own.spelling), (Embedding(3, 9), own.spelling)):
        with pytest.raises(ValueError, match="letters of size"):
            Encoder(own.table, letters, spelling)
