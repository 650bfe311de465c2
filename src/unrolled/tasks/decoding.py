"""How distributions of the next symbol become answers: the options that tasks with answers of any length
share. They change no weight; decoding/search.py does what they say.

    beam     the best answers that a beam search finds, by log p(answer) / (symbols + 1)^length_penalty
    sample   answers drawn symbol by symbol, as tasks/sampling.py says
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, ClassVar, Self, TypeVar

import numpy as np
from pydantic import Field, model_validator

from unrolled.blocks.decoder import Decoder
from unrolled.codecs.texts import TextCodec
from unrolled.decoding.search import (
    BEAM,
    MOST_BEAM,
    MOST_PENALTY,
    MOST_SEARCH,
    MOST_SYMBOLS,
    PENALTY,
    Beams,
    Hypothesis,
    Rules,
    Step,
    sample,
)
from unrolled.errors import ConfigError
from unrolled.files.messages import counted, option
from unrolled.tasks import distances
from unrolled.tasks.config import Count, Section, to_sections
from unrolled.tasks.distances import Symbols
from unrolled.tasks.sampling import Sampling

JUDGED = 200  # inputs of the validation part that both ways are compared on
MOST_TOGETHER = 2**24  # numbers of a step of all that are answered at once
# Options of one way that the other does not have.
_OF_SAMPLING = ("temperature", "top_k", "top_p", "sample_seed")
_OF_BEAMS = ("beam", "length_penalty")


Beam = Annotated[int, Field(ge=1, le=MOST_BEAM)]
K = TypeVar("K")
Length = Annotated[int, Field(ge=1, le=MOST_SYMBOLS)]


class Decoding(Section):
    """How answers are found. A task derives its own section from this one."""

    in_short: ClassVar[tuple[str, ...]] = ("beam",)

    beam: Beam | None = Field(
        default=None,
        description="unfinished answers kept at every step; more finds likelier answers, and takes "
        f"longer; 1 = the likeliest symbol each time ({BEAM}, or 1 where it answers the validation part "
        "better)",
    )
    best: Beam = Field(default=1, description="answers to give for each input, the likeliest first")
    length_penalty: float | None = Field(
        default=None,
        ge=0,
        le=MOST_PENALTY,
        description="log probabilities of answers are compared by symbols to this power; more makes "
        f"answers longer ({PENALTY:g})",
    )
    longest: Length | None = Field(
        default=None,
        description="most symbols of an answer, which is cut there (twice the longest of training)",
    )
    min_length: int | None = Field(
        default=None,
        ge=0,
        le=MOST_SYMBOLS,
        description="least symbols of an answer, which does not end before (0)",
    )
    no_repeat: Length | None = Field(
        default=None,
        description="no run of so many symbols comes twice in an answer; for answers that go round in "
        "circles (off)",
    )
    sample: bool = Field(
        default=False, description="draw answers at random in place of a beam: more varied, less likely ones"
    )
    temperature: float | None = Field(
        default=None,
        gt=0,
        le=1000,
        description="sample: below 1 the likely is drawn more often, above 1 answers are more varied (1)",
    )
    top_k: Count | None = Field(
        default=None,
        description="sample: from so many likeliest symbols alone; fewer make answers safer and more alike",
    )
    top_p: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="sample: from the fewest symbols that hold this share alone; less makes answers safer "
        "and more alike",
    )
    sample_seed: int | None = Field(
        default=None,
        ge=0,
        lt=2**63,
        description="sample: number that what is drawn follows from; another one draws other answers (0)",
    )

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        others = _OF_BEAMS if self.sample else _OF_SAMPLING
        wrong = [name for name in others if getattr(self, name) is not None]
        if wrong:
            raise ValueError(
                f"{option(wrong[0])} has no use with {option('sample')}; leave one of them out"
                if self.sample
                else f"{option(wrong[0])} needs {option('sample')}; set it, or leave {option(wrong[0])} out"
            )
        if self.beam is not None and self.best > self.beam:
            raise ValueError(
                f"wanted {self.best} answers of a beam of {self.beam}; set {option('beam', self.best)}, or "
                f"lower {option('best')}"
            )
        symbols = max(self.longest or 1, self.min_length or 1)
        if self.width * symbols > MOST_SEARCH:
            raise ValueError(
                f"wanted a beam times symbols of at most {MOST_SEARCH:,}, got {self.width} times "
                f"{symbols:,}; lower {option('beam')}"
            )
        if self.longest is not None and (self.min_length or 0) > self.longest:
            raise ValueError(
                f"wanted answers of {self.min_length} to {self.longest} symbols; lower "
                f"{option('min_length')}, or raise {option('longest')}"
            )
        return self

    def beside(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Its values that stand beside other `options`: none of the way that these leave."""
        left = _OF_BEAMS if options.get("sample", self.sample) else _OF_SAMPLING
        return {name: value for name, value in to_sections(self).items() if name not in left}

    @property
    def width(self) -> int:
        """The beam; where none is set BEAM, or what `best` asks for."""
        return max(BEAM, self.best) if self.beam is None else self.beam

    def together(self, most: int, symbols: int) -> int:
        """How many inputs are answered at once by a model of so many symbols: `most`, or as memory allows."""
        return max(1, min(most, MOST_TOGETHER // (self.width * symbols)))

    def settled(self, beam: int) -> Self:
        """With the beam that a training chose, where none is set and answers are not drawn."""
        if self.sample or self.beam is not None:
            return self
        return self.model_copy(update={"beam": max(beam, self.best)})

    def greedy(self) -> Self:
        """With the likeliest symbol each time."""
        sampling = dict.fromkeys(_OF_SAMPLING)
        return self.model_copy(update=sampling | {"sample": False, "beam": 1, "best": 1})

    @property
    def penalty(self) -> float:
        return PENALTY if self.length_penalty is None else self.length_penalty

    def about(self, longest: int | None) -> dict[str, Any]:
        """What a model without torch must know. ConfigError for answers that only torch can draw."""
        if self.sample:
            raise ConfigError(f"what is drawn at random needs torch; train without {option('sample')}")
        return self._beams(longest)._asdict()

    def _beams(self, longest: int | None) -> Beams:
        least = min(self.min_length or 0, MOST_SYMBOLS if longest is None else longest)
        return Beams(self.width, self.best, self.penalty, longest, least, self.no_repeat)

    @property
    def sampling(self) -> Sampling:
        temperature = 1.0 if self.temperature is None else self.temperature
        return Sampling(True, temperature, self.top_k, self.top_p)

    def generator(self, *which: int) -> np.random.Generator:
        """What draws the answer that these numbers tell from others."""
        return np.random.default_rng([self.sample_seed or 0, *which])

    def answers(
        self,
        stepper: Callable[[], Step],
        longest: Sequence[int],
        generators: Callable[[int], Sequence[np.random.Generator]],
        decoder: Decoder,
        never: Sequence[int],
    ) -> list[list[Hypothesis]]:
        """(B,) of the answers of each example, the best first. `generators(n)` (B,) draw the n-th of each;
        what else there is has decoding/search.py."""
        if not self.sample:
            return self._beams(None).search(stepper(), longest, decoder, never)
        drawn, begin, end = [], decoder.begin, decoder.end
        rules: Rules = {"never": never, "min_length": self.min_length or 0, "no_repeat": self.no_repeat}
        for n in range(self.best):
            draws = [partial(self.sampling.draw, generator=generator) for generator in generators(n)]
            drawn.append(sample(stepper(), longest, draws, begin=begin, end=end, **rules))
        return [sorted(several, key=lambda one: -one.score) for several in zip(*drawn, strict=True)]

    def longest_of(self, trained: int) -> int:
        """The most symbols of an answer where the longest of training has `trained`."""
        return min(2 * trained, MOST_SYMBOLS) if self.longest is None else self.longest


def tuned(
    codec: K,
    side: TextCodec,
    decoding: Decoding,
    answers: Callable[[Decoding], Sequence[str]],
    truths: Sequence[Sequence[str]],
) -> tuple[K, str]:
    """The codec with the beam that `chosen` finds for texts of `side`, and what to tell of it."""
    symbols = side.symbols
    beam, note = chosen(
        decoding,
        lambda decoding: [symbols(text) for text in answers(decoding)],
        [[symbols(text) for text in several] for several in truths],
    )
    codec_with_beam: Any = codec
    return replace(codec_with_beam, beam=beam), note


def chosen(
    decoding: Decoding, answers: Callable[[Decoding], Sequence[Symbols]], truths: Sequence[Sequence[Symbols]]
) -> tuple[int, str]:
    """The beam of a search where none is asked for, and what to tell of it: BEAM, or 1, greedy, where this
    meets more of the `truths` (N,) of the validation part or has a lower error rate. `answers(how)` (N,)."""
    if decoding.sample or decoding.beam is not None:
        return BEAM, ""
    figures = {}
    for beam in (BEAM, 1):
        texts = answers(decoding.model_copy(update={"beam": beam, "best": 1}))
        figures[beam] = distances.exact(texts, truths), distances.error_rate(texts, truths)
    (met, errors), (greedily_met, greedy_errors) = figures[BEAM], figures[1]
    worse = greedily_met > met or greedy_errors < errors
    return 1 if worse else BEAM, (
        f"answers are {'greedy' if worse else f'found by a beam of {BEAM}'}: "
        f"on {counted(len(truths), 'input')} of the validation part a beam of {BEAM} has exact match "
        f"{met:.4g} and error rate {errors:.4g}, greedy {greedily_met:.4g} and {greedy_errors:.4g}"
    )
