"""How text becomes numbers for every task that reads it.

    characters   one code point, one symbol
    words        a run of letters, digits, marks and _ is one symbol, so is any other that is no space
    spaced-words a word and the space before it is one symbol, so is any other, and any further space: line
                 ends and spacing stay
    symbols      what stands between spaces is one symbol: phonemes, glosses, words cut before
    bpe          byte pair encoding over the bytes of the text: no text is unknown to it

A tokenizer is fitted on the training part. Number 0 stands for characters and words that it did not know.
Before anything else a text is brought into one Unicode form (unicode.py).

Source   Sennrich et al. 2016, arXiv:1508.07909, on bytes as in GPT-2; the library is tokenizers
"""

import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.codecs.unicode import NONE, checked, normalized
from unrolled.codecs.vocabulary import Vocabulary
from unrolled.errors import ConfigError, RunError
from unrolled.files import json_text
from unrolled.files.messages import option

BYTES = 256
BPE_SYMBOLS = 4096
JOINERS = "\u200c\u200d"  # without a width, inside words of Persian and of Indian languages


class Normalizing:
    """Reads texts in one Unicode form, `unicode`."""

    def __init__(self, unicode: str) -> None:
        self.unicode = unicode

    @staticmethod
    def split(text: str) -> Iterable[str]:
        """The symbols of a text that is in its form, one after another."""
        return text

    def normalized(self, text: str) -> str:
        return normalized(text, self.unicode)

    def symbols(self, text: str) -> list[str]:
        """The symbols of any text, of byte pairs its characters."""
        return list(self.split(self.normalized(text)))


class Characters(Normalizing):
    """Every code point is a symbol. Subclasses differ in `split`, and in the `joint` that decode writes
    between two symbols."""

    joint: ClassVar[str] = ""
    unknown: ClassVar[int | None] = 0  # the number of <unk>

    def __init__(self, vocabulary: Vocabulary, unicode: str = NONE) -> None:
        super().__init__(unicode)
        self.vocabulary = vocabulary

    @classmethod
    def fit(
        cls,
        texts: Iterable[str],
        least_count: int = 1,
        most_symbols: int | None = None,
        unicode: str = NONE,
    ) -> Self:
        """Of symbols seen `least_count` times or more the most frequent, at most `most_symbols`."""
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(cls.split(normalized(text, unicode)))
        return cls(Vocabulary.fit(counts, least_count, most_symbols), unicode)

    @classmethod
    def restore(cls, about: Mapping[str, Any]) -> Self:
        """The tokenizer that `about` described. LookupError, TypeError, ValueError or RunError for what is
        none."""
        return cls(Vocabulary.restore(about["symbols"]), _unicode_of(about))

    @property
    def size(self) -> int:
        """How many numbers there are: each is in [0, size)."""
        return len(self.vocabulary)

    def encode(self, text: str) -> NDArray[np.int64]:
        """(N,) the numbers of the symbols of `text`."""
        return self.vocabulary.encode(self.split(self.normalized(text)))

    def decode(self, numbers: Iterable[int]) -> str:
        """The text of numbers."""
        return self.joint.join(self.vocabulary.decode(numbers))

    def about(self) -> dict[str, Any]:
        """All of it in plain values."""
        return {"symbols": list(self.vocabulary.symbols), "unicode": self.unicode}


class Words(Characters):
    """Words, and single other symbols; spaces are left out."""

    joint = " "

    @staticmethod
    def split(text: str) -> Iterable[str]:
        return (match.group() for match in _words().finditer(text))


class SpacedWords(Characters):
    """Words, each with one space that stands before it, and single other symbols likewise; all else is
    spacing, a symbol each."""

    @staticmethod
    def split(text: str) -> Iterable[str]:
        return (match.group() for match in _words(before=" ?", beside=r"|\s").finditer(text))


class Symbols(Characters):
    """What stands between spaces."""

    joint = " "

    @staticmethod
    def split(text: str) -> Iterable[str]:
        return text.split()


class BPE(Normalizing):
    """Byte pairs merged in the order of their frequency. `most_symbols` counts the 256 bytes too. Errors are
    counted in characters."""

    joint: ClassVar[str] = ""
    unknown: ClassVar[int | None] = None

    def __init__(self, library: Any, unicode: str = NONE) -> None:
        super().__init__(unicode)
        self.library = library

    @classmethod
    def fit(
        cls,
        texts: Iterable[str],
        least_count: int = 1,
        most_symbols: int | None = None,
        unicode: str = NONE,
    ) -> Self:
        most = BPE_SYMBOLS if most_symbols is None else most_symbols
        if most < BYTES:
            raise ConfigError(
                f"{option('most_symbols')}: byte pairs need {BYTES} or more, one for each byte, got {most}"
            )
        tokenizers = _tokenizers()
        library = _bytewise()
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=most,
            min_frequency=least_count,
            initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        library.train_from_iterator(
            (_without_surrogates(normalized(text, unicode)) for text in texts), trainer
        )
        return cls(library, unicode)

    @classmethod
    def restore(cls, about: Mapping[str, Any]) -> Self:
        """Of what was saved only the pairs are taken, and the rest must be as it is made here: a library that
        reads everything could be told anything, such as an expression that never ends."""
        model = about["bpe"]["model"]
        try:
            numbers = dict(model["vocab"])
            if sorted(numbers.values()) != list(range(len(numbers))):
                raise ValueError("its symbols are not numbered from 0 without a gap")  # the library counts on
            library = _bytewise(numbers, [(a, b) for a, b in model["merges"]])
            same = json_text.parse(library.to_str()) == about["bpe"]
        except Exception as error:  # the library raises no narrower class
            reason = " ".join(str(error).split())
            raise RunError(f"bpe: the saved tokenizer cannot be read ({reason:.80}); train anew") from error
        if not same:
            raise RunError("bpe: the saved tokenizer is not one that unrolled has made; train anew")
        return cls(library, _unicode_of(about))

    @property
    def size(self) -> int:
        return int(self.library.get_vocab_size())

    def encode(self, text: str) -> NDArray[np.int64]:
        return np.array(self.library.encode(_without_surrogates(self.normalized(text))).ids, np.int64)

    def decode(self, numbers: Iterable[int]) -> str:
        return str(self.library.decode([int(number) for number in numbers]))

    def about(self) -> dict[str, Any]:
        return {"bpe": json_text.parse(self.library.to_str()), "unicode": self.unicode}


Tokenizer = Characters | BPE
TOKENIZERS: dict[str, type[Characters] | type[BPE]] = {
    "characters": Characters,
    "words": Words,
    "spaced-words": SpacedWords,
    "symbols": Symbols,
    "bpe": BPE,
}

# Symbols that are left out where a task is not told: those seen less often, and beyond so many.
LEAST = {"characters": 1, "words": 2, "spaced-words": 2, "symbols": 1, "bpe": 1}
MOST = {
    "characters": None,
    "words": 20_000,
    "spaced-words": 20_000,
    "symbols": 20_000,
    "bpe": BPE_SYMBOLS,
}


def fitted(
    kind: str,
    texts: Iterable[str],
    least_count: int | None = None,
    most_symbols: int | None = None,
    unicode: str = NONE,
) -> Tokenizer:
    """The tokenizer of `kind` for the training part."""
    least = LEAST[kind] if least_count is None else least_count
    most = MOST[kind] if most_symbols is None else most_symbols
    return TOKENIZERS[kind].fit(texts, least, most, unicode)


def _unicode_of(about: Mapping[str, Any]) -> str:
    """Runs that say nothing of it read texts as they are."""
    return checked(about.get("unicode", NONE))


def beginning(tokenizer: Tokenizer) -> int:
    """What stands before the first symbol of a text of its own: a line end, or what is most like it."""
    newline = tokenizer.encode("\n")
    return int(newline[0]) if len(newline) else 0


@cache
def _words(before: str = "", beside: str = "") -> re.Pattern[str]:
    """A letter, digit or _ and what follows of these and of marks; `\\w` alone would cut a word of Hindi at
    its vowel signs. What may stand before a symbol, and what is one too."""
    marks = "".join(
        chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code))[0] == "M"
    )
    return re.compile(rf"{before}\w[\w{marks}{JOINERS}]*|{before}[^\w\s]{beside}")


def _without_surrogates(text: str) -> str:
    """Lone surrogates are no Unicode text: each becomes U+FFFD, the sign for what cannot be shown."""
    return re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text)


def _bytewise(*vocabulary_and_merges: Any) -> Any:
    """Byte pairs over the bytes of a text: without arguments, none yet."""
    tokenizers = _tokenizers()
    library = tokenizers.Tokenizer(tokenizers.models.BPE(*vocabulary_and_merges))
    library.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = tokenizers.decoders.ByteLevel()
    return library


def _tokenizers() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise ConfigError(
            f"{option('tokens', 'bpe')} needs the library tokenizers, which is not installed; pip install "
            f"'unrolled[text]', or take {option('tokens', 'characters')}"
        ) from None
    return tokenizers
