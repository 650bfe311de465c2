"""What is fitted on answers in numbers."""

import tracemalloc

import numpy as np

from unrolled.codecs.answers import NumberAnswers
from unrolled.files.captioned import Attributes, Captioned


def answered(answers):
    labels = ["ab"[n % 2] for n in range(len(answers))]
    names = tuple(f"s{n}" for n in range(len(answers)))
    inputs = tuple(Attributes(np.empty(0), label) for label in labels)
    each = tuple((one,) for one in answers)
    return Captioned(inputs, (), each, names, names, class_column="class", targets=("x", "y"))


def test_means_are_of_answers_held_at_their_last_value():
    draw = np.random.default_rng(0)
    answers = [draw.normal(size=(T, 2)) for T in (3, 1, 5, 2, 4)]
    made = NumberAnswers.fit(answered(answers), ("a", "b"))
    held = [np.concatenate([one, np.repeat(one[-1:], 5 - len(one), 0)]) for one in answers]
    wanted = [np.mean(held[::2], 0), np.mean(held[1::2], 0), np.mean(held, 0)]
    np.testing.assert_allclose(made.means, wanted, rtol=1e-14)  # sums of three numbers in any order
    assert made.lengths.tolist() == [4, 2, 3]


def test_one_long_answer_takes_no_memory_for_all_others():
    answers = [np.full((20_000, 2), 1.0), *([np.full((1, 2), 2.0)] * 2_000)]
    tracemalloc.start()
    try:
        NumberAnswers.fit(answered(answers), ("a", "b"))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 20_000_000  # the longest for each would be 640 MB
