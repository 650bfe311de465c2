"""What the configurations of all tasks have in common: sections of frozen, closed pydantic models.

A configuration is a model whose fields are sections (data, model, training …). A field name stands in one
section only, so that `Forecaster(window=48)`, `--window 48` and `window = 48` in config.toml mean the same.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from unrolled.errors import ConfigError
from unrolled.files.encodings import encoding_name
from unrolled.files.messages import listed, nearest, option, shown


class Section(BaseModel):
    """Fields are options: their descriptions are the text of `--help-all`, unknown keys are refused; those of
    `in_short` most people change, and `--help` shows them alone. `changeable` are those of this class that
    neither the network nor its codec follow from, see starting.py."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    in_short: ClassVar[tuple[str, ...]] = ()
    changeable: ClassVar[tuple[str, ...]] = ()


def several(value: Any) -> Any:
    """One name stands for itself alone."""
    return (value,) if isinstance(value, str) else value


# One name, or several.
Names = Annotated[tuple[str, ...], BeforeValidator(several)]


def validation_part(what: str, number: str) -> Any:
    """The field of the share, or the number, of data that early stopping watches."""
    return Field(
        default=0.1,
        ge=0,
        description=f"{what} to choose the best epoch on, not trained on: a share, or {number} from 1; 0 = "
        "none: all else is trained on, and the weights of the last step answer",
    )


DateFormat = Annotated[
    str | None,
    Field(
        description="how dates are written: day-first, month-first, year-first, or a format such as "
        "%d.%m.%Y (told by the column as a whole); a wrong one takes days for months"
    ),
]
Decimal = Annotated[
    Literal["point", "comma"] | None,
    Field(
        description="mark before the decimals, which makes 1,234 one or a thousand (told by the table's "
        "columns)"
    ),
]

Encoding = Annotated[
    str | None,
    AfterValidator(lambda name: None if name is None else encoding_name(name)),
    Field(
        description="encoding of files that are not in UTF-8 (or UTF-16 with its mark), such as cp1252; a "
        "wrong one turns letters beyond ASCII into others"
    ),
]

NoHeader = Annotated[
    bool,
    Field(
        description="the first line of a CSV is a row like the others; columns are then named by their "
        "numbers from 1"
    ),
]
Missing = Annotated[
    Names,
    Field(
        description="words, in any case, and numbers that say that there is no answer or no value; such as "
        "-999, or ? where NA is an answer"
    ),
]
SkipWrong = Annotated[
    bool,
    Field(
        description="leave out rows that cannot be used (blank, without an answer, of another width, no "
        "UTF-8), with a row all of its sequence; left_out.csv in the run says which and why"
    ),
]
NO_ANSWER = ("NA", "NaN", "null")

# A file that is found again from any folder.
PathName = Annotated[str, AfterValidator(lambda name: str(Path(name).absolute()))]

Count = Annotated[int, Field(ge=1)]
Size = Annotated[int, Field(ge=1, le=2**16)]
Rate = Annotated[float, Field(ge=0, lt=1)]


M = TypeVar("M", bound=BaseModel)


def sections(kind: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """The fields of a configuration that are sections themselves: name -> model."""
    annotations = {name: field.annotation for name, field in kind.model_fields.items()}
    return {
        name: type_
        for name, type_ in annotations.items()
        if isinstance(type_, type) and issubclass(type_, BaseModel)
    }


def from_options(kind: type[M], options: Mapping[str, Any]) -> M:
    """Flat options, each under its own name, -> a configuration. ConfigError for an unknown name or wrong
    value."""
    home = {name: section for section, model in sections(kind).items() for name in model.model_fields}
    nested: dict[str, dict[str, Any]] = {section: {} for section in home.values()}
    for name, value in options.items():
        if name not in home:
            raise ConfigError(unknown("option", name, home))
        nested[home[name]][name] = value
    return from_sections(kind, nested)


def from_sections(kind: type[M], values: Mapping[str, Any]) -> M:
    """{section: {name: value}}, as in config.toml, -> a configuration. ConfigError of one line."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ConfigError("; ".join(_line(kind, item) for item in error.errors())) from None


def to_sections(config: BaseModel) -> dict[str, Any]:
    """The reverse of `from_sections`, in plain values for TOML. What is not set (None) is left out."""
    return config.model_dump(mode="json", exclude_none=True)


def _line(kind: type[BaseModel], item: Any) -> str:
    *place, name = item["loc"] or ("",)
    if item["type"] == "extra_forbidden":
        return unknown("option", str(name), _names(kind, place))
    message: str = item["msg"].removeprefix("Value error, ")
    if item["type"] == "value_error":
        return message
    message = "wanted on or off" if item["type"].startswith("bool") else _wanted(message)
    where = [part for part in item["loc"] if isinstance(part, str)]
    place = option(where[1]) if len(where) > 1 else f"section '{where[0]}'" if where else "the configuration"
    return f"{place}: {message}, got {shown(item['input'])}"


# How pydantic says what was wanted, and how we do.
_WORDS = {
    "Input should be ": "wanted ",
    "greater than or equal to (.*)": r"\1 or more",
    "less than or equal to (.*)": r"\1 or less",
    "greater than ": "more than ",
    "a valid (integer|number), .*": r"a \1",
    "a integer": "a whole number",
    "a valid dictionary or .*": "a table",
}


def _wanted(message: str) -> str:
    for theirs, ours in _WORDS.items():
        message = re.sub(theirs, ours, message)
    return message[:1].lower() + message[1:]


def _names(kind: type[BaseModel], place: list[Any]) -> list[str]:
    inside = sections(kind)[place[0]] if place else kind
    return list(inside.model_fields)


def unknown(what: str, name: str, names: Iterable[str]) -> str:
    """There is no option 'widow' (did you mean 'window'?), or which there are."""
    known = list(names)
    return f"there is no {what} '{name}'{nearest(name, known) or f'; there are {listed(known)}'}"
