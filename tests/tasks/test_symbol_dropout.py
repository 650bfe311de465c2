"""Symbols become unknown where they are read, in training alone, and never where they are to be written."""

import pytest
import torch

from unrolled import LanguageModel, Translator
from unrolled.errors import ConfigError
from unrolled.files.text import text_of
from unrolled.tasks.symbol_dropout import SymbolDropoutConfig, unknown_rate

WORD, CHARACTER = "word_dropout", "character_dropout"


@pytest.mark.parametrize(
    "tokens, acting, other",
    [
        ("words", WORD, CHARACTER),
        ("spaced-words", WORD, CHARACTER),
        ("symbols", WORD, CHARACTER),
        ("characters", CHARACTER, WORD),
    ],
)
def test_each_option_is_of_its_own_symbols(tokens, acting, other):
    assert unknown_rate(SymbolDropoutConfig.model_validate({acting: 0.25}), tokens) == 0.25
    with pytest.raises(ConfigError, match=f"{other}=0.25 has no use where steps are {tokens}; set tokens="):
        unknown_rate(SymbolDropoutConfig.model_validate({other: 0.25}), tokens)


@pytest.mark.parametrize("name, others", [(WORD, "words"), (CHARACTER, "characters")])
def test_byte_pairs_and_numbers_have_no_unknown_symbol(name, others):
    config = SymbolDropoutConfig.model_validate({name: 0.25})
    with pytest.raises(ConfigError, match=f"are bpe; set source_tokens='{others}', or leave it out"):
        unknown_rate(config, "bpe", "source_tokens")
    with pytest.raises(ConfigError, match="where steps are numbers; leave it out"):
        unknown_rate(config, "numbers")
    assert unknown_rate(SymbolDropoutConfig(), "bpe") == unknown_rate(SymbolDropoutConfig(), "numbers") == 0


TURNS = {"hidden": 8, "window": 16, "batch_size": 4, "learning_rate": 0.03, "epochs": 15, "validation": 0}


@pytest.mark.parametrize("embedding", ["learned", "none"])
def test_a_language_model_that_reads_no_symbol_still_learns_how_often_each_comes(embedding):
    """Of ab ab ab … each is half: what is to be written is never unknown."""
    options = TURNS | {"embedding": embedding, "output_dropout": 0.0, "character_dropout": 0.999}
    model = LanguageModel(**options, test=0).fit(text_of("ab" * 400))
    assert model.codec.tokenizer.vocabulary.symbols == ("<unk>", "a", "b")
    assert model.network.block.embedding.unknown == 0.999
    p = torch.softmax(model.network(torch.zeros((1, 40), dtype=torch.long))[0], -1)[0, 4:].mean(0)
    assert p.tolist() == pytest.approx([0, 0.5, 0.5], abs=0.05)


def test_it_is_at_work_in_training_alone():
    options = TURNS | {"epochs": 1, "test": 0}
    block = LanguageModel(**options, tokens="words", word_dropout=0.5).fit(text_of("one two " * 60)).network
    w = torch.tensor([[1, 2, 1, 2]])
    assert torch.equal(block(w)[0], block(w)[0])
    block.train()
    assert not torch.equal(block(w)[0], block(w)[0])


def test_a_translator_reads_unknown_words_of_sources():
    pairs = [(f"{a} {b}", a) for a in ("one", "two", "six") for b in ("one", "two", "six", "ten")] * 4
    options = {"hidden": 4, "epochs": 1, "source_tokens": "words", "target_tokens": "words"}
    model = Translator(**options, word_dropout=0.3, validation=0, test=0).fit(pairs)
    assert model.network.block.embedding.unknown == 0.3
    assert model.network.block.decoder.embedding.unknown == 0
    with pytest.raises(ConfigError, match=r"=0.3 .* are words; set source_tokens='char"):
        Translator(**options, character_dropout=0.3).fit(pairs)
