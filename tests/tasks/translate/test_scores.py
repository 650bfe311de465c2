"""Answers beside several right ones, and the nearest training pair by its slow rule."""

import random

from unrolled.codecs.texts import TextCodec
from unrolled.files.pairs import read_pairs
from unrolled.tasks.distances import edits
from unrolled.tasks.text_scores import text_rows
from unrolled.tasks.translate import nearest, scores

WORDS = TextCodec.fit("words", ["the cat sat on the mat"], 1, None)


def table(truths, answers):
    return text_rows(WORDS, truths, answers, with_chrf=True)


def test_any_of_several_targets_is_right_and_spaces_do_not_count():
    data = read_pairs([("x", "the  cat sat on the mat"), ("y", "no"), ("x", "a cat"), ("x", "a cat")])
    first, truths = scores.questions(data)
    assert first == [0, 1] and truths == [["the  cat sat on the mat", "a cat"], ["no"]]
    right, wrong = table(truths, {"model": ["a cat", "no"], "none": ["the cat", "on"]})
    assert (right["exact match"], right["symbol error rate"]) == (1, 0)
    # "the cat" is one word from "a cat", "on" one from "no": two edits in three words
    assert (wrong["exact match"], wrong["symbol error rate"]) == (0, 2 / 3)
    whole, _ = table(truths[:1], {"model": ["the cat sat on the mat"], "none": ["a"]})
    assert round(whole["BLEU"], 6) == round(whole["chrF"], 6) == 100
    short, _ = table(truths[1:], {"model": ["no"], "none": ["on"]})
    assert (short["exact match"], round(short["chrF"])) == (1, 100) and "BLEU" not in short


def slow(source, known):
    """Every source, as the head of nearest.py says."""

    def grams(text):
        text = f"\x02{text}\x03"
        return {text[k : k + 3] for k in range(len(text) - 2)}

    def likeness(other):
        a, b = grams(source), grams(other)
        return 2 * len(a & b) / (len(a) + len(b))

    ranked = sorted(range(len(known)), key=lambda i: (-likeness(known[i]), i))[: nearest.CANDIDATES]
    return min(sorted(ranked), key=lambda i: edits(source, known[i]))


def test_the_nearest_pair_is_that_of_the_slow_rule():
    draw = random.Random(1)
    known = list(dict.fromkeys("".join(draw.choices("abcd", k=draw.randint(1, 9))) for _ in range(900)))
    made = nearest.Nearest([*known, known[0]], [*map(str, range(len(known))), "again"])
    for _ in range(60):
        source = "".join(draw.choices("abcde", k=draw.randint(1, 9)))
        likely = int(made.answer(source))
        assert edits(source, known[likely]) == edits(source, known[slow(source, known)])
        if any(gram in made.numbers for gram in nearest.threes(source)):
            assert likely == slow(source, known)
    assert made.answer(known[0]) == "0", "the first target of a source"
    assert made.answer("♥") in made.targets


def test_baselines_answer_without_a_network():
    found = scores.baselines(["ab", "cd"], read_pairs([("ac", "1"), ("cdd", "2")]))
    assert found == {"copy of the source": ["ab", "cd"], "nearest training pair": ["1", "2"]}
    assert list(scores.baselines(["ab"], None)) == ["copy of the source"]
