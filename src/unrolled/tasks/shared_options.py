"""Sections of options that those of several tasks are derived from. Imports no torch."""

from dataclasses import fields
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from unrolled.files.manifest import MIN_SECONDS
from unrolled.files.messages import option
from unrolled.files.query import Query
from unrolled.files.wav import Audio
from unrolled.tasks.config import (
    NO_ANSWER,
    Count,
    DateFormat,
    Decimal,
    Encoding,
    Missing,
    Names,
    NoHeader,
    PathName,
    Section,
    SkipWrong,
    validation_part,
)
from unrolled.tasks.model import ModelConfig
from unrolled.training.config import LEAST_VALIDATION, LearningRate, Schedule, TrainingConfig
from unrolled.training.selection import LOSS

SYMBOLS = "symbols: what stands between spaces; bpe: byte pairs"
Tokens = Literal["characters", "words", "symbols", "bpe"]
Unicode = Annotated[
    Literal["nfc", "nfkc", "none"],
    Field(
        description="form in which texts are read, so that what looks the same is the same: nfc joins "
        "letters and accents, nfkc also what differs in style alone, such as ﬁ and fi; none: as they stand"
    ),
]
LeastCount = Annotated[
    Count | None,
    Field(
        description="symbols that come less often become <unk>, all alike to the model (1; words: 2); more "
        "leaves out names and typing errors"
    ),
]
MostSymbols = Annotated[
    Count | None,
    Field(
        description="most symbols that are told apart, the rarer become <unk> (words: 20000; bpe: 4096); "
        "fewer train faster and know less"
    ),
]
Noise = Annotated[
    float,
    Field(
        ge=0,
        description="numbers: deviation of noise added in training, to scaled features; more makes answers "
        "depend less on exact values",
    ),
]


class SplitConfig(Section):
    """Which files are read, and how they are split. A task derives its own section from this one."""

    in_short: ClassVar[tuple[str, ...]] = ("test_files",)
    changeable: ClassVar[tuple[str, ...]] = (
        "files",
        "validation_files",
        "test_files",
        "validation",
        "test",
        "split_seed",
        "sha256",
        "encoding",
        "group",
    )

    files: Names = Field(default=(), description="files to train on")
    validation_files: Names = Field(
        default=(),
        description="files to choose the best epoch on, in place of a share of the others; take such as "
        "will be asked for",
    )
    test_files: Names = Field(
        default=(),
        description="files that the figures are made on, in place of a share of the others; they change no "
        "answer",
    )
    encoding: Encoding = None
    validation: float = validation_part("part", "a number")
    test: float = Field(
        default=0.1,
        ge=0,
        description="part that the figures are made on, not trained on: a share, or a number from 1; 0 = "
        "none: more to learn from, no figures",
    )
    split_seed: int = Field(
        default=0,
        ge=0,
        lt=2**63,
        description="number that the choice of these parts follows from; another one trains and judges on "
        "other examples",
    )
    group: str | None = Field(
        default=None,
        description="column of persons, machines or days, or several: machine,day; what is of one stays in "
        "one part, so that the figures are those of new ones; it is no feature",
    )
    sha256: str | None = Field(
        default=None,
        pattern="^[0-9a-f]{64}$",
        description="refuse data that have another checksum than this, of which another model would come",
    )

    def query(self, **others: Any) -> Query:
        """What a source is asked for: the options that a query has too; `others` are further fields of it, or
        in their place."""
        names = type(self).model_fields.keys() & {field.name for field in fields(Query)}
        return Query(**{name: getattr(self, name) for name in names} | others)


class NumbersConfig(SplitConfig):
    """Which files of numbers and recordings are read, what of them, and how they are split."""

    in_short: ClassVar[tuple[str, ...]] = ("id", "target", "group", "test_files")
    changeable: ClassVar[tuple[str, ...]] = (
        "id",
        "time",
        "target",
        "no_header",
        "missing",
        "skip_wrong",
        "sound_channel",
        "min_seconds",
    )

    no_header: NoHeader = False
    id: str | None = Field(
        default=None,
        description="column that tells which sequence a row belongs to, or names it: rows with one value "
        "there get one answer",
    )
    time: str | None = Field(
        default=None,
        description="column that the rows of a sequence are sorted by; their order is part of what is "
        "learned",
    )
    date_format: DateFormat = None
    decimal: Decimal = None
    target: str | None = Field(
        default=None, description="column of the answers to learn and to give (found by a usual name)"
    )
    missing: Missing = NO_ANSWER
    features: Names = Field(
        default=(), description="columns of numbers that answers are made from (all that are left)"
    )
    skip_wrong: SkipWrong = False
    mels: int = Field(
        default=Audio.mels,
        description="recordings: frequency bands; more tell sounds of nearer pitch apart, and take longer",
    )
    frame_ms: float = Field(
        default=Audio.frame_ms,
        description="recordings: length of a frame; longer ones tell pitches better, shorter ones when "
        "they change",
    )
    hop_ms: float = Field(
        default=Audio.hop_ms,
        description="recordings: from one frame to the next; more makes fewer steps, which is faster and "
        "misses short sounds",
    )
    low_hz: float = Field(
        default=Audio.low_hz,
        description="recordings: lowest frequency that is heard; raise it above hum and rumble",
    )
    high_hz: float | None = Field(
        default=None,
        description="recordings: highest frequency that is heard (half of their rate); lower it below hiss",
    )
    rate_hz: int | None = Field(
        default=None,
        description="recordings: rate at which they are heard, to which others are resampled (their own, of "
        "several the lowest but for one in twenty); a lower one is faster and hears nothing high",
    )
    sound_channel: str = Field(
        default=Audio.sound_channel,
        description="recordings: which of several channels is heard: 1, 2 …, or the mean of all, in which "
        "the noise of each counts less",
    )
    min_seconds: float = Field(
        default=MIN_SECONDS,
        ge=0,
        description="recordings: shorter ones, such as clicks, are left out of the training; they get "
        "answers all the same",
    )

    @model_validator(mode="after")
    def _together(self) -> Self:
        self.audio()
        return self

    def audio(self) -> Audio:
        bands = self.mels, self.low_hz, self.high_hz
        return Audio(self.frame_ms, self.hop_ms, *bands, self.rate_hz, self.sound_channel)

    def query(self, **others: Any) -> Query:
        return super().query(**{"audio": self.audio()} | others)


class WordVectorsConfig(Section):
    """What the rows that stand for words begin with."""

    changeable: ClassVar[tuple[str, ...]] = ("freeze_vectors",)

    vectors: PathName | None = Field(
        default=None,
        description="texts: file of word vectors (word2vec text format) that words begin with: better "
        "answers on words that training seldom shows",
    )
    freeze_vectors: bool = Field(
        default=False,
        description="leave the embedding as the vectors have it, so that words that training seldom shows "
        "stay near those like them; a word without a vector keeps the row that was drawn for it",
    )

    @model_validator(mode="after")
    def _freezes_vectors(self) -> Self:
        if self.freeze_vectors and self.vectors is None:
            raise ValueError(
                f"{option('freeze_vectors')} belongs to {option('vectors')}; set both, or leave it out"
            )
        return self


class TaskTraining(TrainingConfig):
    """How a model is trained."""

    learning_rate: LearningRate = 0.002
    schedule: Schedule = "cooldown"


def select_by(measures: str, usual: str = "") -> Any:
    """The field `select` of a training: `measures` are its values beside the loss, `usual` tells which it is
    where the data decide."""
    return Field(
        default=None if usual else LOSS,
        description="which epoch answers, and what patience waits for: the lowest loss on the validation "
        f"part, or the best {measures}; of equal ones the lower loss{usual and f' ({usual})'}",
    )


class AugmentedModelConfig(ModelConfig):
    """The recurrent layers, and how numbers are changed before them."""

    changeable: ClassVar[tuple[str, ...]] = ("noise", "time_mask", "feature_mask")

    scale: Literal["pooled", "sequence", "running"] | None = Field(
        default=None,
        description="numbers: scaled by mean and deviation of all training sequences, or each sequence by "
        "its own too, so that its shape alone counts, or by those up to each step, which a stream has too "
        f"(pooled; classify, regress: by a trial from {LEAST_VALIDATION} validation sequences on; of "
        "recordings sequence, or running where the network answers step by step)",
    )
    level: Literal["none", "recording", "running"] | None = Field(
        default=None,
        description="recordings: what their loudness is measured against, so that answers do not depend on "
        "it: the loudest of each recording, the loudest so far (which a stream has too), or nothing "
        "(recording; running where the network answers step by step)",
    )
    augment: bool | None = Field(
        default=None,
        description="recordings: in each epoch changed at random in training, as other voices, rooms and "
        "microphones would give them; slower, and stands more (on)",
        json_schema_extra={"unset": True},
    )
    noise: Noise = 0.0
    time_mask: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="numbers: largest share of the steps to hide in training, so that no single stretch "
        "decides an answer",
    )
    feature_mask: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="numbers: largest share of the features to hide in training, so that no single one "
        "decides an answer",
    )
