"""Text to numbers and back, and the rows that stand for symbols."""

import builtins
import json
import subprocess
import sys

import numpy as np
import pytest

from unrolled.codecs.tokenizers import TOKENIZERS
from unrolled.codecs.tokenizers import fitted as chosen
from unrolled.codecs.vocabulary import UNKNOWN
from unrolled.errors import ConfigError, RunError

TEXTS = ["The cat, the mat — don't!\n\n", "naïve Käse 漢字 हिन्दी\ta\u0301 x_1 👩‍🚀", ""]


def fitted(name, texts=TEXTS, **options):
    return TOKENIZERS[name].fit(texts, **options)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_tokenizer_survives_json(name):
    first = fitted(name)
    again = TOKENIZERS[name].restore(json.loads(json.dumps(first.about())))
    assert again.size == first.size
    for text in [*TEXTS, "unseen ωords"]:
        numbers = first.encode(text)
        assert numbers.dtype == np.int64 and np.array_equal(again.encode(text), numbers)
        assert again.decode(numbers) == first.decode(numbers)
        assert ((numbers >= 0) & (numbers < first.size)).all()


def test_spaced_words_keep_line_ends_and_spacing():
    text = "  if x_1:\n\treturn  a,b\r\n\n"
    wanted = [" ", " if", " x_1", ":", "\n", "\t", "return", " ", " a", ",", "b", "\r", "\n", "\n"]
    assert list(TOKENIZERS["spaced-words"].split(text)) == wanted


@pytest.mark.parametrize("name", ["characters", "spaced-words", "bpe"])
def test_known_text_comes_back_whole(name):
    tokenizer = fitted(name)
    for text in TEXTS:
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_characters_number_code_points_by_frequency():
    tokenizer = fitted("characters", ["abba", "b\ud800"])
    assert tokenizer.about() == {"symbols": [UNKNOWN, "b", "a", "\ud800"], "unicode": "none"}
    assert tokenizer.encode("ab?").tolist() == [2, 1, 0]
    assert tokenizer.decode([2, 0]) == "a<unk>"


SPLITS = {
    "Don't stop_me, 3.5 km!": ["Don", "'", "t", "stop_me", ",", "3", ".", "5", "km", "!"],
    "नमस्ते दुनिया": ["नमस्ते", "दुनिया"],  # vowel signs and the virama are marks
    "a\u0301b \u0301": ["a\u0301b", "\u0301"],
    "می\u200cخواهم\u00a0the\u3000end\n": ["می\u200cخواهم", "the", "end"],
    "\ud800x": ["\ud800", "x"],
    " \t\n": [],
}


@pytest.mark.parametrize(("text", "words"), SPLITS.items())
def test_words_are_runs_of_letters_and_marks(text, words):
    tokenizer = fitted("words", [text])
    assert tokenizer.decode(tokenizer.encode(text)) == " ".join(words)
    assert tokenizer.size == 1 + len(set(words))


def test_rare_symbols_are_unknown():
    tokenizer = fitted("words", ["a a a b b c", "c d"], least_count=2)
    assert tokenizer.about()["symbols"] == [UNKNOWN, "a", "b", "c"]
    assert fitted("words", ["a a a b b c"], most_symbols=1).encode("b a").tolist() == [0, 1]


def test_bpe_knows_every_text():
    tokenizer = fitted("bpe", ["low lower lowest " * 20], most_symbols=270)
    assert tokenizer.size <= 270
    assert len(tokenizer.encode("lowlow")) < 6
    for text in ["never seen ß 漢 \x00 <unk> \r\n  \u200b", "\U0010ffff"]:
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.decode(tokenizer.encode("a\ud800b")) == "a\ufffdb"


def test_bpe_merges_what_is_frequent_enough():
    assert fitted("bpe", ["zq zq zq"], least_count=4).size == 256
    assert fitted("bpe", ["zq zq zq"], least_count=3).size > 256


def test_bpe_is_the_same_in_every_process():
    code = (
        "import json; from unrolled.codecs.tokenizers import TOKENIZERS\n"
        "texts = [' '.join(str(i * i % 997) for i in range(k, 3000, 3)) for k in range(3)]\n"
        "print(json.dumps(TOKENIZERS['bpe'].fit(texts, 2, 700).about()))"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, check=True) for _ in range(2)]
    assert runs[0].stdout == runs[1].stdout and len(runs[0].stdout) > 5000


def test_bpe_refuses_fewer_symbols_than_bytes():
    with pytest.raises(
        ConfigError, match="most_symbols: byte pairs need 256 or more, one for each byte, got 255"
    ):
        fitted("bpe", most_symbols=255)


def test_bpe_without_its_library_names_the_extra(monkeypatch):
    real = builtins.__import__

    def absent(name, *rest):
        if name.startswith("tokenizers"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ConfigError, match=r"pip install 'unrolled\[text\]', or take tokens='characters'"):
        fitted("bpe")
    assert fitted("words").size > 1


def test_a_damaged_bpe_is_refused():
    with pytest.raises(RunError, match="saved tokenizer cannot be read"):
        TOKENIZERS["bpe"].restore({"bpe": {"model": 3}})


def test_what_the_options_leave_open():
    texts = ["a a b", "a b c"]
    assert chosen("words", texts).vocabulary.symbols == ("<unk>", "a", "b")
    assert chosen("words", texts, 1, 1).vocabulary.symbols == ("<unk>", "a")
    assert chosen("characters", texts).vocabulary.symbols == ("<unk>", " ", "a", "b", "c")
