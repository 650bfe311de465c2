"""The recurrent layers of a model, shared by all tasks: which options each cell has, the layer they make."""

import re
from ast import literal_eval
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, create_model, model_validator

from unrolled.blocks.recurrent import Recurrent
from unrolled.cells import CELLS, Cell
from unrolled.cells.registry import options_by_task
from unrolled.errors import ConfigError
from unrolled.files.messages import option
from unrolled.tasks.config import Rate, Section, Size

OPTIONS = options_by_task()
# Options that only some cells have; every other field below belongs to all cells.
OWNERS: dict[str, tuple[str, ...]] = {name: tuple(owners) for name, owners in OPTIONS.items()}
OWNERS["cell_zoneout"] = tuple(name for name, cell in CELLS.items() if len(cell.states) > 1)

# Where the option of a model and the argument of the layer have different names.
ARGUMENTS = {"hidden": "hidden_size", "layers": "num_layers"}
ARGUMENTS |= {name: one.name for name, owners in OPTIONS.items() for one in owners.values()}

if TYPE_CHECKING:
    CellName = str
else:
    CellName = Literal[tuple(CELLS)]

# Options whose defaults differ from task to task.
CellKind = Annotated[
    CellName,
    Field(
        description="kind of recurrent cell: gru and lstm remember over long sequences, mgu with fewer "
        "weights, rnn over short ones"
    ),
]
Hidden = Annotated[
    Size,
    Field(
        description="numbers that a layer remembers at each step; more can learn finer patterns, need more "
        "data and take longer"
    ),
]
Layers = Annotated[
    int,
    Field(
        ge=1,
        le=256,
        description="recurrent layers on top of one another; more can learn more involved patterns, need "
        "more data and take longer",
    ),
]
Bidirectional = Annotated[
    bool,
    Field(
        description="read every sequence in both directions, so that a step is understood by what follows "
        "it too; twice the work"
    ),
]
Members = Annotated[
    int,
    Field(
        ge=1,
        le=64,
        description="networks, each with weights of its own, whose answers are averaged: an ensemble in one "
        "model, often better, slower by as many times",
    ),
]
InputDropout = Annotated[
    Rate,
    Field(
        description="share of what the recurrent layers read that is left out by chance in training; more "
        "learns small data less by heart"
    ),
]
OutputDropout = Annotated[
    Rate,
    Field(
        description="share of what the recurrent layers say that is left out by chance in training; more "
        "learns small data less by heart"
    ),
]
WriterDropout = Annotated[
    Rate,
    Field(
        description="share left out by chance before and after the layers that write, in training; more "
        "learns small data less by heart"
    ),
]


class LayerConfig(Section):
    """What the layers of every cell have."""

    in_short: ClassVar[tuple[str, ...]] = ("cell", "hidden", "layers")
    changeable: ClassVar[tuple[str, ...]] = (
        "keep_every",
        "dropout",
        "recurrent_dropout",
        "variational_dropout",
    )

    cell: CellKind = "gru"
    hidden: Hidden = 64
    layers: Layers = 1
    bidirectional: Bidirectional = False
    backward_hidden: Size | None = Field(
        default=None,
        description="bidirectional: numbers that the backward direction remembers (hidden); fewer where "
        "what follows tells less",
    )
    merge: Literal["concat", "sum", "mean", "product"] = Field(
        default="concat",
        description="bidirectional: how the outputs of both directions become one; concat keeps both "
        "apart, the others halve what follows them",
    )
    reverse: bool = Field(
        default=False,
        description="read every sequence backward, in one direction: what stands first in it is remembered "
        "best",
    )
    bias: bool = Field(
        default=True,
        description="constants in the sums of the cell; off: fewer weights, and a step of zeros says nothing",
    )
    keep_every: int | None = Field(
        default=None,
        ge=1,
        description="keep every k-th state for backpropagation and compute the others anew: less memory "
        "and more time, the same model",
    )
    dropout: Rate = Field(
        default=0.0,
        description="share left out by chance between layers in training; more learns small data less by "
        "heart",
    )
    recurrent_dropout: Rate = Field(
        default=0.0,
        description="share of the state left out by chance at each step in training; more learns long "
        "patterns less by heart",
    )
    variational_dropout: Rate = Field(
        default=0.0,
        description="share left out by chance in training, the same one at all steps of a sequence: as "
        "dropout, and memory suffers less",
    )
    zoneout: Rate = Field(
        default=0.0,
        description="chance that a unit keeps its last value in training; more makes the memory slower and "
        "learns less by heart",
    )
    cell_zoneout: Rate | None = Field(
        default=None,
        description=f"{', '.join(OWNERS['cell_zoneout'])}: the same chance of the cell's own state, the "
        "longer memory (zoneout)",
    )
    learn_initial_state: bool = Field(
        default=False,
        description="learn the state before the first step: better first answers where sequences begin alike",
    )


def _fields() -> dict[str, Any]:
    """The options of the cells as fields; None is the cell's own default."""
    fields: dict[str, Any] = {}
    for name, owners in OPTIONS.items():
        one, *_ = owners.values()
        kind = Literal[one.choices] if one.choices else one.kind
        unset: Any = {"unset": True} if one.default is True else None
        description = f"{', '.join(owners)}: {one.described}"
        field = Field(default=None, ge=one.least, description=description, json_schema_extra=unset)
        fields[name] = (kind | None, field)
    return fields


if TYPE_CHECKING:
    CellConfig = LayerConfig
else:
    CellConfig = create_model("CellConfig", __base__=LayerConfig, **_fields())


class ModelConfig(CellConfig):
    """The recurrent layers. An option that the cell does not have is refused; None is the layer's own
    default."""

    @model_validator(mode="after")
    def _together(self) -> Self:
        for name, owners in OWNERS.items():
            if getattr(self, name) is not None and self.cell not in owners:
                raise ValueError(
                    f"{option(name)} belongs to {' and '.join(owners)}, not to {self.cell}; set "
                    f"{option('cell', owners[0])}, or leave it out"
                )
        if self.dropout and self.layers == 1:
            raise ValueError(
                f"{option('dropout')} acts between layers and there is one layer; set {option('layers', 2)}, "
                f"or {option('dropout', 0)}"
            )
        for name in ("backward_hidden", "merge"):
            if getattr(self, name) not in (None, "concat") and self.bidirectional is False:
                usual = type(self).model_fields["bidirectional"].default  # what is on by itself is turned on
                switch = option("bidirectional", None if usual is False else True)
                raise ValueError(f"{option(name)} needs two directions; set {switch}, or leave it out")
        return self


def cell_of(config: ModelConfig) -> Cell:
    """The cell of a layer."""
    kind = CELLS[config.cell]
    values = {one.name: getattr(config, one.task or one.name) for one in kind.options()}
    return kind(**{name: value for name, value in values.items() if value is not None})


def require_forward(config: ModelConfig, task: str, why: str) -> None:
    """ValueError where the layers see what comes later."""
    for name in ("bidirectional", "reverse"):
        if getattr(config, name):
            usual = type(config).model_fields[name].default  # what is on by itself is turned off
            remedy = f"set {option(name, False)}" if usual else f"leave {option(name)} out"
            raise ValueError(f"{task} takes no {name} layers, which would {why}; {remedy}")


def recurrent(config: ModelConfig, input_size: int) -> Recurrent:
    """The layers of `config`, which read so many numbers. What a derived section adds is not for them.

    ConfigError where sizes do not go together, such as hidden 5 and cells_per_block 2.
    """
    of_layers = set(LayerConfig.model_fields) - {"cell"}  # a task's section may have more
    options = config.model_dump(include=of_layers, exclude_none=True)
    if (backward := options.pop("backward_hidden", None)) is not None:
        options["hidden"] = options["hidden"], backward
    if (cell_zoneout := options.pop("cell_zoneout", None)) is not None:
        options["zoneout"] = options["zoneout"], cell_zoneout
    arguments = {ARGUMENTS.get(name, name): value for name, value in options.items()}
    try:
        return Recurrent(cell_of(config), input_size, **arguments)
    except ValueError as error:
        raise ConfigError(f"cell '{config.cell}': {_respelt(str(error))}") from error


def _respelt(message: str) -> str:
    """What a layer says of its arguments, by our names of them: num_layers=2 -> option("layers", 2)."""
    names = {ARGUMENTS.get(name, name): name for name in ModelConfig.model_fields}
    assignment = rf"\b({'|'.join(names)})=('[^']*'|\([^)]*\)|[\w.]+)"
    alone = rf"\b({'|'.join(name for name in names if '_' in name)})\b(?!=)"
    message = re.sub(alone, lambda match: option(names[match[1]]), message)
    return re.sub(assignment, lambda match: option(names[match[1]], literal_eval(match[2])), message)


class DecoderConfig(Section):
    """The network that writes an answer. What is not said here is as of the layers that read."""

    in_short: ClassVar[tuple[str, ...]] = ("attention",)
    changeable: ClassVar[tuple[str, ...]] = ("decoder_dropout",)

    decoder_cell: CellName | None = Field(
        default=None, description="kind of recurrent cell that writes: as cell, for the answer (cell)"
    )
    decoder_hidden: Size | None = Field(
        default=None,
        description="numbers that a layer that writes remembers; more can write more involved answers, and "
        "take longer (hidden)",
    )
    decoder_layers: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="layers that write, on top of one another; more can write more involved answers, and "
        "take longer (layers)",
    )
    target_embedding_size: Size = Field(
        default=64,
        description="numbers that tell a written symbol from others; more can tell finer meanings, and "
        "need more data",
    )
    attention: Literal["none", "dot", "additive"] = Field(
        default="additive",
        description="how the layers that write look back at what was read; none: an answer is written from "
        "memory, worse for long sources",
    )
    attention_size: Size | None = Field(
        default=None,
        description="numbers that attention compares (additive: decoder's units); more look more finely, "
        "and take longer",
    )
    decoder_dropout: WriterDropout = 0.2

    @model_validator(mode="after")
    def _check_attention(self) -> Self:
        if self.attention == "none" and self.attention_size is not None:
            raise ValueError(
                f"{option('attention_size')} has no use with {option('attention', 'none')}; leave one of "
                "them out"
            )
        return self


def decoder_layers(model: ModelConfig, writer: DecoderConfig) -> ModelConfig:
    """The layers that write: the options of those that read, as far as the cell has them, in one direction.

    ConfigError where they do not go together.
    """
    values = model.model_dump(include=set(ModelConfig.model_fields), exclude_none=True)
    cell = writer.decoder_cell or model.cell
    layers = writer.decoder_layers or model.layers
    values |= {"cell": cell, "hidden": writer.decoder_hidden or model.hidden, "layers": layers}
    gone = {"bidirectional", "backward_hidden", "merge", "reverse", "learn_initial_state"}
    gone |= {name for name, owners in OWNERS.items() if cell not in owners}
    gone |= {"dropout"} if layers == 1 else set()
    try:
        return ModelConfig(**{name: value for name, value in values.items() if name not in gone})
    except ValueError as error:
        raise ConfigError(f"the layers that write: {error}") from error
