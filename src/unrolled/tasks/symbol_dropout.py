"""Symbols of texts that become the unknown one by chance in training, so that those around them decide, and
the row of the unknown symbol is learned. What is to be answered does not change. Imports no torch."""

from typing import Annotated, ClassVar

from pydantic import Field

from unrolled.errors import ConfigError
from unrolled.files.messages import option
from unrolled.tasks.config import Rate, Section

WordDropout = Annotated[
    Rate,
    Field(
        description="chance that a word that is read becomes an unknown one in training; more decides by the "
        "words around it, and reads new words better"
    ),
]
CharacterDropout = Annotated[
    Rate,
    Field(
        description="chance that a character that is read becomes an unknown one in training; more decides "
        "by those around it, and reads new characters better"
    ),
]

# By what a text consists of, which option makes some of it unknown; byte pairs know all.
WORD, CHARACTER = "word_dropout", "character_dropout"
OF_TOKENS = {"words": WORD, "spaced-words": WORD, "symbols": WORD, "characters": CHARACTER}


class SymbolDropoutConfig(Section):
    """How much of a text is unknown in training."""

    changeable: ClassVar[tuple[str, ...]] = (WORD, CHARACTER)

    word_dropout: WordDropout = 0.0
    character_dropout: CharacterDropout = 0.0


def unknown_rate(config: SymbolDropoutConfig, steps: str, named: str = "tokens") -> float:
    """The chance of a symbol to be an unknown one in training, where steps are these tokens, or numbers;
    `named` is the option that says so. ConfigError for the chance of other symbols."""
    rates = {WORD: config.word_dropout, CHARACTER: config.character_dropout}
    acting = OF_TOKENS.get(steps)
    for name, rate in rates.items():
        if rate and name != acting:
            others = option(named, "characters" if name == CHARACTER else "words")
            remedy = "leave it out" if steps == "numbers" else f"set {others}, or leave it out"
            raise ConfigError(f"{option(name, rate)} has no use where steps are {steps}; {remedy}")
    return rates[acting] if acting else 0.0
