import pytest

from unrolled.decoding.search import BEAM, Beams
from unrolled.errors import ConfigError
from unrolled.tasks.config import Section, from_options
from unrolled.tasks.decoding import Decoding, chosen


class Config(Section):
    decoding: Decoding = Decoding()


def decoding(**options: object) -> Decoding:
    made: Decoding = from_options(Config, options).decoding
    return made


def test_a_beam_is_as_wide_as_asked_or_as_wide_as_the_answers_need():
    assert [decoding().width, decoding(best=9).width, decoding(beam=2).width] == [BEAM, 9, 2]


def test_of_many_symbols_and_a_wide_beam_fewer_inputs_are_answered_at_once():
    usual, wide = decoding(), decoding(beam=1024)
    assert [usual.together(128, V) for V in (30, 20_000, 30_000)] == [128, 128, 2**24 // (BEAM * 30_000)]
    assert [wide.together(128, V) for V in (30, 4096, 20_000)] == [128, 4, 1]
    assert decoding(best=300).together(128, 20_000) == 2


def test_an_answer_may_be_twice_as_long_as_in_training_or_as_long_as_asked():
    assert [decoding().longest_of(7), decoding(longest=3).longest_of(7)] == [14, 3]


def test_scores_are_means_of_a_symbol_unless_told():
    assert decoding().penalty == 1 and decoding(length_penalty=0).penalty == 0
    assert decoding(beam=2, min_length=3, no_repeat=4).about(9) == Beams(2, 1, 1.0, 9, 3, 4)._asdict()
    short = Beams(**decoding(min_length=3, no_repeat=4).about(2))
    assert Beams.of(short._asdict(), 9) == short == Beams(5, 1, 1.0, 2, 2, 4), "the limit of the model holds"


def test_a_beam_that_training_chose_is_of_no_other_way():
    assert [decoding().settled(1).width, decoding(best=3).settled(1).width] == [1, 3]
    assert decoding(beam=2).settled(1).width == 2 and decoding(sample=True).settled(1).beam is None


@pytest.mark.parametrize(
    ("by_beam", "greedily", "beam"),
    [
        (["ab", "c"], ["ab", "d"], BEAM),
        (["ab", "d"], ["ab", "e"], BEAM),  # as many, as near
        (["", "c"], ["ab", "c"], 1),
        (["", "d"], ["b", "d"], 1),  # as many, nearer
        (["ab", "dddd"], ["b", "d"], 1),  # more, but farther
    ],
)
def test_greedy_is_taken_where_the_beam_is_worse_in_either_figure(by_beam, greedily, beam):
    asked = []

    def answers(how):
        asked.append((how.beam, how.best))
        return by_beam if how.beam == BEAM else greedily

    found, said = chosen(decoding(best=2), answers, [["ab"], ["c", "cc"]])
    assert found == beam and asked == [(BEAM, 1), (1, 1)]
    assert said.startswith("answers are greedy" if beam == 1 else f"answers are found by a beam of {BEAM}")
    assert said.count("\n") == 0 and "on 2 inputs of the validation part" in said


def test_what_is_data_for_is_not_compared():
    for how in (decoding(beam=3), decoding(sample=True)):
        assert chosen(how, lambda _: pytest.fail("answered"), []) == (BEAM, "")


def test_sampling_takes_its_options():
    made = decoding(sample=True, temperature=0.5, top_k=3, top_p=0.9).sampling
    assert (made.sample, made.temperature, made.top_k, made.top_p) == (True, 0.5, 3, 0.9)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"beam": 0}, "beam: wanted 1 or more, got 0"),
        (
            {"beam": 2, "best": 3},
            "wanted 3 answers of a beam of 2; set beam=3, or lower best",
        ),
        (
            {"sample": True, "beam": 3},
            "beam has no use with sample; leave one of them out",
        ),
        (
            {"top_k": 3},
            "top_k needs sample; set it, or leave top_k out",
        ),
        ({"top_p": 0}, "top_p: wanted more than 0, got 0"),
        (
            {"min_length": 5, "longest": 4},
            "wanted answers of 5 to 4 symbols; lower min_length, or raise longest",
        ),
        ({"no_repeat": 0}, "no_repeat: wanted 1 or more, got 0"),
    ],
)
def test_refuses_what_does_not_go_together(options, message):
    with pytest.raises(ConfigError) as error:
        decoding(**options)
    assert str(error.value) == message
