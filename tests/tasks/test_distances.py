import itertools
import math
import random

import pytest

from unrolled.tasks import distances, text_scores


def slow(a, b):
    if not a or not b:
        return len(a) + len(b)
    return min(slow(a[1:], b) + 1, slow(a, b[1:]) + 1, slow(a[1:], b[1:]) + (a[0] != b[0]))


def test_edits_are_those_of_the_recursion_for_strings_and_lists():
    draw = random.Random(3)
    for _ in range(60):
        a, b = ("".join(draw.choices("abc", k=draw.randrange(6))) for _ in range(2))
        assert distances.edits(a, b) == slow(a, b)
        assert distances.edits(a.split("b"), b.split("b")) == slow(a.split("b"), b.split("b"))


def test_the_error_rate_is_over_all_symbols_and_against_the_nearest_truth():
    found, truths = ["abc", "", "xy"], [["abd", "abcdef"], ["a"], ["xy"]]
    assert distances.error_rate(found, truths) == 2 / 6
    assert distances.exact(found, truths) == 1 / 3
    assert distances.nearest("abcde", truths[0]) == "abcdef"
    assert distances.error_rate([""], [[""]]) == 0 and math.isinf(distances.error_rate(["a"], [[""]]))


def test_bleu_and_chrf_of_known_texts():
    same = ["the cat sat on the mat", "a dog barked at him"]
    assert text_scores.bleu(same, [[one] for one in same]) == pytest.approx(100)
    assert text_scores.chrf(same, [[one] for one in same]) == pytest.approx(100)
    # 5 of 6 words, 3 of 5 pairs, 2 of 4, 1 of 3: the geometric mean, no brevity penalty
    wanted = 100 * math.prod([5 / 6, 3 / 5, 2 / 4, 1 / 3]) ** 0.25
    assert text_scores.bleu(["the cat sat on a mat"], [["the cat sat on the mat"]]) == pytest.approx(wanted)
    several = [["nothing like it at all", same[0]], [same[1]]]
    for order in itertools.permutations(several[0]):
        assert text_scores.bleu(same, [list(order), several[1]]) == pytest.approx(100)
