"""The options of `transcribe`. None means: chosen from the data, or by what stands beside it. Imports no
torch."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from unrolled.files.messages import option
from unrolled.tasks.config import PathName, Section, to_sections
from unrolled.tasks.model import Bidirectional, Hidden, InputDropout, Layers, Members, OutputDropout
from unrolled.tasks.selection import MOST_JUDGED
from unrolled.tasks.shared_options import (
    AugmentedModelConfig,
    NumbersConfig,
    TaskTraining,
    Unicode,
    select_by,
)
from unrolled.training.config import NO_LIMIT, BatchSize


class TranscribeData(NumbersConfig):
    """Which files are read, what of them, and how they are split."""

    in_short: ClassVar[tuple[str, ...]] = ("target", "tokens", "group", "test_files")

    tokens: Literal["characters", "words", "symbols"] = Field(
        default="characters",
        description="labels that transcripts are made of: characters spell anything, words are only those "
        "of training; symbols: what stands between spaces",
    )
    unicode: Unicode = "nfc"


# Steps of recordings that become one of the network by default; fewer where labels would not have so many
# times the steps that they need.
SUBSAMPLE, ROOM = 4, 2


class TranscribeModelConfig(AugmentedModelConfig):
    """The recurrent layers, and what stands before and after them."""

    in_short: ClassVar[tuple[str, ...]] = ("hidden", "layers", "subsample")
    changeable: ClassVar[tuple[str, ...]] = ("input_dropout", "output_dropout")

    members: Members = 1
    hidden: Hidden = 128
    layers: Layers = 2
    bidirectional: Bidirectional = True
    subsample: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="steps of a sequence that become one step of the network; more is faster and leaves "
        f"fewer steps for labels that follow fast (1; recordings: {SUBSAMPLE}, or as many as leave labels "
        f"{ROOM} times the steps that they need)",
    )
    input_dropout: InputDropout = 0.0
    output_dropout: OutputDropout = 0.0


class TranscribeOptions(Section):
    """What is known of labels beside the sequences; it is learned with the model and kept with it."""

    in_short: ClassVar[tuple[str, ...]] = ("lm_text", "lexicon")

    lm_order: int = Field(
        default=2,
        ge=0,
        le=8,
        description="order of the n-gram model of labels that the beam heeds: answers become likelier "
        "label sequences; 0 = none",
    )
    lm_text: PathName | None = Field(
        default=None,
        description="file of more transcripts for the n-gram model, one in each line: answers become like "
        "these too",
    )
    lexicon: PathName | None = Field(
        default=None,
        description="file of the only words that the beam may answer, one in each line: no misspelt words, "
        "and no others",
    )
    align: bool | None = Field(
        default=None,
        description="tell where labels begin and end by what their steps are like, see decoding/aligner.py; "
        "off: where the network is sure of them, which may be beside them (on for recordings)",
        json_schema_extra={"unset": True},
    )

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.lm_text is not None and not self.lm_order:
            raise ValueError(
                f"{option('lm_text')} is for the n-gram model, and {option('lm_order', 0)} makes none; leave "
                "one of them out"
            )
        return self


class HmmOptions(Section):
    """A hidden Markov model in place of CTC, see hybrid.py."""

    in_short: ClassVar[tuple[str, ...]] = ("hmm",)
    changeable: ClassVar[tuple[str, ...]] = ("realign",)

    hmm: bool = Field(
        default=False,
        description="learn the states of a hidden Markov model on alignments of its own, in place of CTC: "
        "each label lasts for some steps, and the search is exact",
    )
    states: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="hmm: states of a label, passed one after another (3); more follow how a label "
        "changes, and need longer ones",
    )
    silence: bool | None = Field(
        default=None,
        description="hmm: a state of silence that may stand before, between and after labels, which then "
        "need not fill every step (on)",
        json_schema_extra={"unset": True},
    )
    realign: int | None = Field(
        default=None,
        ge=1,
        le=NO_LIMIT,
        description="hmm: epochs until alignments are made anew; again after 2, 4, 8 … times as many (2); "
        "more learns longer on worse ones",
    )

    @model_validator(mode="after")
    def _together(self) -> Self:
        for name in ("states", "silence", "realign"):
            if getattr(self, name) is not None and not self.hmm:
                raise ValueError(
                    f"{option(name)} is for hidden Markov models; set {option('hmm')}, or leave it out"
                )
        return self

    @property
    def chosen(self) -> tuple[int, bool, int]:
        """`states`, `silence` and `realign`, whatever was left open."""
        return self.states or 3, self.silence is not False, self.realign or 2

    def settled(self) -> "HmmOptions":
        """The same with what was left open, where there is a model."""
        names = ("states", "silence", "realign")
        return self.model_copy(update=dict(zip(names, self.chosen, strict=True))) if self.hmm else self


# Seconds of the shortest pieces that long recordings are cut in by default.
LEAST_PIECE_S = 3

# What is of CTC alone: the option, what it is where it was left alone, and what to do.
OF_CTC = (
    ("lexicon", None, "leave it out"),
    ("decoder", None, "leave it out: the search is exact"),
    ("beam", 16, "leave it out: the search is exact"),
    ("best", 1, "leave it out: there is one best path"),
)


# Options of the beam alone, and what they are where they were left alone.
OF_BEAM = {"beam": 16, "best": 1, "lm_weight": None, "label_bonus": None}


class TranscribeDecoding(Section):
    """How a transcript is found; changes no weight.

    beam    the likeliest of all label sequences that a prefix beam search finds, with n-gram and lexicon
    greedy  the likeliest output of each step, each by itself
    """

    decoder: Literal["beam", "greedy"] | None = Field(
        default=None,
        description="search for the likeliest transcript with n-gram and lexicon, or take each step's "
        "likeliest label, which is faster (beam, or what answers the validation part better)",
    )
    beam: int = Field(
        default=16,
        ge=1,
        le=4096,
        description="unfinished transcripts kept at every step; more finds likelier transcripts, and takes "
        "longer",
    )
    best: int = Field(
        default=1, ge=1, le=1024, description="transcripts to give for each sequence, the likeliest first"
    )
    lm_weight: float | None = Field(
        default=None,
        ge=0,
        le=100,
        description="weight of the n-gram's log probability; more makes answers likelier label sequences, "
        "and follows the sound less (what answers the validation part best)",
    )
    label_bonus: float | None = Field(
        default=None,
        ge=-100,
        le=100,
        description="added to the score for every label; more makes transcripts longer (what answers the "
        "validation part best)",
    )

    piece_seconds: float | None = Field(
        default=None,
        ge=0,
        le=1e6,
        description="recordings that are longer are cut at their quietest places in pieces of half as much "
        "or more, which are answered one by one; 0: never (the longest recording of the training part, "
        f"{LEAST_PIECE_S} at least, where a recording is more than twice as long; models that read forward "
        "alone: never)",
    )

    def beside(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Its values that stand beside other `options`: none of the beam that these leave."""
        left = OF_BEAM if options.get("decoder", self.decoder) == "greedy" else ()
        return {name: value for name, value in to_sections(self).items() if name not in left}

    @property
    def of_no_beam(self) -> bool:
        """Whether nothing is set that only a beam does."""
        return all(getattr(self, name) == usual for name, usual in OF_BEAM.items())

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.decoder == "greedy":
            for name, usual in OF_BEAM.items():
                if name != "best" and getattr(self, name) != usual:
                    raise ValueError(
                        f"{option('decoder', 'greedy')} takes no {option(name)}; leave one of them out"
                    )
            if self.best > 1:
                raise ValueError(
                    f"{option('decoder', 'greedy')} finds one transcript; set {option('best', 1)}, or "
                    f"{option('decoder', 'beam')}"
                )
        if self.best > self.beam:
            raise ValueError(
                f"wanted {self.best} transcripts of a beam of {self.beam}; set {option('beam', self.best)}, "
                f"or lower {option('best')}"
            )
        return self


class TranscribeTraining(TaskTraining):
    """How a model is trained."""

    in_short: ClassVar[tuple[str, ...]] = ("minutes", "learning_rate", "select")

    batch_size: BatchSize = 16
    select: Literal["loss", "label-error"] = select_by(
        f"label-error (rate of wrong labels) of greedy answers to at most {MOST_JUDGED} sequences"
    )


class TranscribeConfig(Section):
    """All options of `transcribe`."""

    data: TranscribeData = TranscribeData()
    model: TranscribeModelConfig = TranscribeModelConfig()
    transcribe: TranscribeOptions = TranscribeOptions()
    hmm: HmmOptions = HmmOptions()
    decoding: TranscribeDecoding = TranscribeDecoding()
    training: TranscribeTraining = TranscribeTraining()

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.decoding.lm_weight and not self.transcribe.lm_order:
            raise ValueError(
                f"{option('lm_weight')} weighs the n-gram model, and {option('lm_order', 0)} makes none; "
                "leave one of them out"
            )
        if self.hmm.hmm:
            self._without_ctc()
        return self

    def _without_ctc(self) -> None:
        if (order := self.transcribe.lm_order) > 2:
            raise ValueError(
                f"{option('hmm')} takes an n-gram model of order 0, 1 or 2, got {order}; set "
                f"{option('lm_order', 2)}"
            )
        for name, usual, remedy in OF_CTC:
            section = self.transcribe if name == "lexicon" else self.decoding
            if getattr(section, name) != usual:
                raise ValueError(f"{option(name)} is for CTC, and {option('hmm')} is set; {remedy}")
