import pytest

from unrolled.errors import ConfigError
from unrolled.tasks.config import Section, from_options
from unrolled.tasks.decoding import BEAM, Decoding


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
    ],
)
def test_refuses_what_does_not_go_together(options, message):
    with pytest.raises(ConfigError) as error:
        decoding(**options)
    assert str(error.value) == message
