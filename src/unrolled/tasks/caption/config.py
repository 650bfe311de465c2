"""The options of `caption`. Imports no torch."""

import re
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from unrolled.files.images import Size
from unrolled.files.messages import option, shown
from unrolled.files.query import Query
from unrolled.tasks.config import (
    NO_ANSWER,
    Count,
    DateFormat,
    Decimal,
    Missing,
    Names,
    NoHeader,
    Section,
    SkipWrong,
)
from unrolled.tasks.decoding import Decoding
from unrolled.tasks.model import DecoderConfig, Members, ModelConfig, WriterDropout
from unrolled.tasks.selection import MOST_JUDGED
from unrolled.tasks.shared_options import SYMBOLS, SplitConfig, TaskTraining, Unicode, select_by
from unrolled.tasks.translate.config import Tokens
from unrolled.training.selection import LOSS

# What only the layers of encoder `rows` have; the layers that write take all other options of them.
OF_ROWS = ("bidirectional", "reverse", "learn_initial_state")
# What answers of numbers do not know.
_OF_TEXTS = ("beam", "length_penalty", "min_length", "no_repeat", "temperature", "top_k", "top_p")


def _size(text: str) -> str:
    if not re.fullmatch(r"[1-9]\d{0,3}x[1-9]\d{0,3}", text, re.ASCII):
        raise ValueError(f"image_size: wanted HEIGHTxWIDTH, such as 32x48, got {shown(text)}")
    return text


class CaptionData(SplitConfig):
    """Which files are read, what of them, and how they are split."""

    in_short: ClassVar[tuple[str, ...]] = ("image", "features", "target", "id", "image_size", "test_files")
    changeable: ClassVar[tuple[str, ...]] = ("image", "time", "no_header", "missing", "skip_wrong")

    no_header: NoHeader = False
    skip_wrong: SkipWrong = False
    image: str | None = Field(
        default=None,
        description="column of paths of PNG or JPEG pictures to tell about, from the table's folder (found)",
    )
    features: Names = Field(
        default=(), description="columns of numbers to tell about, in place of a picture (found)"
    )
    given: str | None = Field(
        default=None,
        description="column of classes to tell about, alone or beside numbers (found if it is class, label "
        "or category)",
    )
    target: Names = Field(
        default=(),
        description="column of captions to learn and to write (found by a usual name); with id, columns of "
        "numbers",
    )
    id: str | None = Field(
        default=None,
        description="answers are sequences of numbers, not captions: column that tells whose step a row is",
    )
    time: str | None = Field(
        default=None,
        description="with id: column that the steps of an answer are sorted by; their order is part of "
        "what is learned",
    )
    date_format: DateFormat = None
    decimal: Decimal = None
    missing: Missing = NO_ANSWER
    channels: Literal["rgb", "grey"] = Field(
        default="rgb",
        description="what is seen of a picture: colours, or grey, which is enough where colours tell "
        "nothing, and faster",
    )
    image_size: Annotated[str, AfterValidator(_size)] | None = Field(
        default=None,
        description="HEIGHTxWIDTH that pictures are resized to (all must have one size); smaller is faster "
        "and sees less",
    )
    tokens: Tokens = Field(
        default="words",
        description="pieces that a caption is written in: words only as training has them, byte pairs and "
        f"characters also new ones; {SYMBOLS}",
    )
    unicode: Unicode = "nfc"
    least_count: Count = Field(
        default=1,
        description="symbols of captions that come less often are never written; more trains faster and "
        "has fewer words to answer with",
    )
    most_symbols: Count | None = Field(
        default=None,
        description="most symbols that captions are written in; fewer train faster and leave rare words "
        "out (words, symbols: 20000; bpe: 4096)",
    )

    @property
    def size(self) -> Size | None:
        if self.image_size is None:
            return None
        height, width = self.image_size.split("x")
        return int(height), int(width)

    def query(self, **others: Any) -> Query:
        columns = {"target": None, "targets": self.target, "label": self.given, "size": self.size}
        return super().query(**columns | others)


class EncoderConfig(ModelConfig):
    """How an input becomes a code, and the recurrent layers."""

    in_short: ClassVar[tuple[str, ...]] = ("hidden", "encoder")

    members: Members = 1
    encoder: Literal["convolution", "rows"] | None = Field(
        default=None,
        description="pictures: seen by convolutions, which find things wherever they stand, or row by row "
        "by recurrent layers (convolution)",
    )
    filters: int = Field(
        default=16,
        ge=1,
        le=4096,
        description="convolution: features of the first stage, doubled at each; more see finer "
        "differences, and take longer",
    )
    stages: int = Field(
        default=3,
        ge=1,
        le=12,
        description="convolution: stages, each halves height and width; more see larger things as wholes, "
        "and less of where they are",
    )
    code_size: int = Field(
        default=128,
        ge=1,
        le=2**16,
        description="numbers that an input is summed up in; more can tell more of it, and need more data",
    )
    condition: Literal["state", "input", "both"] = Field(
        default="both",
        description="whether what was seen makes the state before the first step, is read at every step, "
        "which holds longer, or both",
    )


class WriterConfig(DecoderConfig):
    """The network that writes the answer. What is not said here is as of the recurrent layers."""

    attention: Literal["none", "dot", "additive"] | None = Field(  # type: ignore[assignment]
        default=None,
        description="how the layers that write look at places or rows of a picture; none: they write from "
        "the sum of it (additive for captions)",
    )
    decoder_dropout: WriterDropout = 0.0


class NumbersConfig(Section):
    """Answers that are sequences of numbers."""

    changeable: ClassVar[tuple[str, ...]] = ("noise",)

    output: Literal["point", "gaussian"] = Field(
        default="point",
        description="what a step of an answer is: numbers, always the same, or a distribution of them that "
        "can be drawn from",
    )
    noise: float = Field(
        default=0.1,
        ge=0,
        description="deviation of noise on the steps that are read in training, scaled; more recovers "
        "better from its own mistakes",
    )


class CaptionTraining(TaskTraining):
    """How a model is trained."""

    in_short: ClassVar[tuple[str, ...]] = ("minutes", "learning_rate", "select")

    select: Literal["loss", "bleu", "accuracy"] = select_by(
        f"bleu or accuracy (whole captions that are right) of greedy answers to at most {MOST_JUDGED} inputs"
    )


class CaptionConfig(Section):
    """All options of `caption`."""

    data: CaptionData = CaptionData()
    model: EncoderConfig = EncoderConfig()
    decoder: WriterConfig = WriterConfig()
    numbers: NumbersConfig = NumbersConfig()
    training: CaptionTraining = CaptionTraining()
    decoding: Decoding = Decoding()

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.data.id is None:
            if self.numbers.output != "point":
                raise ValueError(
                    f"{option('output')} is for answers that are sequences of numbers; name the column that "
                    f"tells them apart ({option('id')}), or leave it out"
                )
            return self
        if self.decoder.attention not in (None, "none"):
            raise ValueError(
                f"{option('attention')} is for captions, and {option('id')} asks for sequences of numbers; "
                "leave one of them out"
            )
        wrong = [name for name in _OF_TEXTS if getattr(self.decoding, name) is not None]
        if wrong or self.decoding.best > 1:
            raise ValueError(
                f"{option((wrong or ['best'])[0])} is for captions, and {option('id')} asks for sequences of "
                "numbers; leave one of them out"
            )
        if self.training.select != LOSS:
            raise ValueError(
                f"{option('select', self.training.select)} is for captions, and {option('id')} asks for "
                "sequences of numbers; leave one of them out"
            )
        if self.decoding.sample and self.numbers.output == "point":
            raise ValueError(
                f"{option('output', 'point')} has no distribution to draw from; leave {option('sample')} "
                f"out, or train with {option('output', 'gaussian')}"
            )
        return self
