"""Symbols of both sides: what no text holds, what training did not hold, and how long answers may be."""

import numpy as np
import pytest

from unrolled.codecs.texts import SPARE, TextCodec
from unrolled.codecs.vocabulary import UNKNOWN
from unrolled.errors import DataError
from unrolled.files.pairs import read_pairs
from unrolled.files.query import Query
from unrolled.tasks.translate.codec import Examples, TranslateCodec
from unrolled.tasks.translate.config import MOST_WORDS, TranslateData

PAIRS = [("a  b b", "X <end> Y"), ("a a", "Y"), ("c", f"Y {UNKNOWN} Z")]


def codec_of(pairs=PAIRS, **options):
    return TranslateCodec.fit(TranslateData(**options), read_pairs(pairs))


@pytest.mark.parametrize("tokens", ["words", "symbols", "characters", "bpe"])
def test_end_and_begin_are_no_symbols_of_a_text(tokens):
    codec = codec_of(target_tokens=tokens)
    rows = codec.encode_targets(read_pairs(PAIRS))
    assert all(row[-1] == codec.end and (row[:-1] < codec.end).all() for row in rows)
    assert codec.end == codec.target.size
    assert (codec.target.unknown, codec.never) == ((None, ()) if tokens == "bpe" else (0, (0,)))
    again = TranslateCodec.restore(codec.about(), {})
    wanted = "X < end > Y" if tokens == "words" else "X <end> Y"
    assert codec.target.written(PAIRS[0][1]) == again.target.tokenizer.decode(rows[0][:-1]) == wanted
    assert again.about() == codec.about()


def test_rare_sources_are_unknown_and_targets_keep_all():
    codec = codec_of()
    assert codec.source.tokenizer.vocabulary.symbols == (UNKNOWN, "a", "b")
    assert set(codec.target.tokenizer.vocabulary.symbols) >= {"X", "Y", "Z"}
    assert codec_of(target_least_count=2).target.tokenizer.vocabulary.symbols[1:] == ("Y", "<", ">")
    assert codec.encode(read_pairs(["c new"], Query(answers=False)))[0].tolist() == [0, 0]


def test_every_target_of_training_may_be_answered():
    codec = codec_of(target_tokens="characters", source_tokens="characters")
    assert (codec.ratio, codec.longest) == (len(PAIRS[2][1]) / 1, 9)
    for source, target in PAIRS:
        assert len(target) <= codec.most(len(source)) <= 2 * 9
    long = codec_of([("a" * 30, "bb"), ("a", "b" * 40)], target_tokens="symbols", source_tokens="characters")
    assert (long.ratio, long.longest, long.most(7)) == (1, 1, 2)
    even = codec_of([("a b", "a b c")] * 2, source_least_count=1)
    assert even.most(2) == 6 and codec_of([("a b " * 20, "c " * 60)]).most(4) == 6 + SPARE


def test_texts_are_written_as_decode_writes_them():
    fit = {
        kind: TextCodec.fit(kind, ["don't  stop", "stop"], 1, None)
        for kind in ("words", "symbols", "characters")
    }
    assert [side.written("stop   don't") for side in fit.values()] == [
        "stop don ' t",
        "stop don't",
        "stop   don't",
    ]
    assert fit["words"].symbols("new,  word") == ["new", ",", "word"]


def test_pairs_of_like_length_stand_together():
    examples = Examples.of(codec_of(source_least_count=1), read_pairs(PAIRS))
    assert np.argsort(examples.lengths).tolist() == [2, 1, 0]
    batch = examples.collate(np.array([0, 2]))
    assert batch.x.shape == (2, 3) and batch.lengths.tolist() == [3, 1]
    assert batch.y_lengths.tolist() == [6, 6] and batch.share == 0


def test_a_side_without_a_symbol_is_refused_with_its_place():
    with pytest.raises(DataError, match="pair 1: the source is empty"):
        read_pairs([("a", "b"), ("\n", "c")])
    with pytest.raises(DataError, match="there are no targets; give pairs"):
        codec_of().encode_targets(read_pairs(["a"], Query(answers=False)))


@pytest.mark.parametrize(("words", "kind"), [(MOST_WORDS, "words"), (MOST_WORDS + 1, "bpe")])
def test_byte_pairs_where_words_are_too_many(words, kind):
    pairs = [(f"a{i} b b", f"a{i} a{i}") for i in range(words)]  # of sources each word but b comes once
    codec = codec_of(pairs)
    assert (codec.source.kind, codec.target.kind) == ("words", kind)
    assert codec.named(TranslateData()).target_tokens == kind
    fewer = codec_of(pairs, target_most_symbols=100)
    assert (fewer.target.kind, fewer.target.size) == ("words", 101)  # with <unk>


def test_texts_without_spaces_are_read_by_characters():
    sentences = ["今日は雨", "明日も雨だ", "昨日は晴れ", "雨の日"] * 2 + ["そうだ", "雪か 雨か"]
    codec = codec_of([(text, str(i % 2)) for i, text in enumerate(sentences)])
    assert (codec.source.kind, codec.target.kind) == ("characters", "words")
    assert codec_of([(text, "1") for text in sentences], source_tokens="words").source.kind == "words"
