"""What caption fits on its training part: how inputs and answers become numbers and back."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from numpy.typing import NDArray

from unrolled.codecs.answers import ANSWERS, NumberAnswers, Texts
from unrolled.codecs.conditions import INPUTS, AttributeInputs, Pictures
from unrolled.decoding.search import BEAM, checked_beam
from unrolled.files.captioned import Captioned
from unrolled.files.typed import shaped
from unrolled.tasks.caption.config import CaptionData


@dataclass(frozen=True)
class Codec:
    """How both sides become numbers and back; `beam` of a search where none is asked for."""

    inputs: Pictures | AttributeInputs
    answers: Texts | NumberAnswers
    beam: int = BEAM

    @classmethod
    def fit(cls, config: CaptionData, data: Captioned) -> Self:
        inputs = Pictures.fit(data) if data.is_pictures else AttributeInputs.fit(data)
        if not data.targets:
            texts = Texts.fit(config.tokens, data, config.least_count, config.most_symbols, config.unicode)
            return cls(inputs, texts)
        return cls(inputs, NumberAnswers.fit(data, getattr(inputs, "classes", ())))

    def again(self, data: Captioned) -> Self:
        """The same with another training part, of answers of the same kind."""
        return replace(self, answers=self.answers.again(data))

    @property
    def texts(self) -> Texts:
        assert isinstance(self.answers, Texts)
        return self.answers

    @property
    def numbers(self) -> NumberAnswers:
        assert isinstance(self.answers, NumberAnswers)
        return self.answers

    def about(self) -> dict[str, Any]:
        return {"inputs": self.inputs.about(), "answers": self.answers.about(), "beam": self.beam}

    def arrays(self) -> dict[str, NDArray[Any]]:
        return self.inputs.arrays() | self.answers.arrays()

    @classmethod
    def restore(cls, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        inputs = INPUTS[about["inputs"]["kind"]].restore(about["inputs"], arrays)
        answers = ANSWERS[about["answers"]["kind"]].restore(about["answers"], arrays)
        if isinstance(answers, NumberAnswers):
            groups = 1 + len(getattr(inputs, "classes", ()))
            shaped(answers.means, groups, None, len(answers.columns))
            shaped(answers.lengths, groups)
        return cls(inputs, answers, checked_beam(about["beam"]))
