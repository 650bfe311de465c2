"""Command-line options made from a task's configuration, so that each is named, described and bounded once.

A configuration is a pydantic model of sections; a field `window` of any section becomes `--window`. What the
user typed goes to pydantic as it is: it alone converts and refuses, here as for a configuration file.
"""

import types
import typing
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from unrolled.errors import ConfigError
from unrolled.files.messages import listed, option
from unrolled.tasks.config import sections

METAVARS: dict[Any, str] = {int: "INTEGER", float: "NUMBER", str: "TEXT", bool: "on|off"}


def options_of(config: type[BaseModel], but: tuple[str, ...] = ()) -> dict[str, Any]:
    """The type of the option of every field of `config` but those that are hidden or in `but`, by name."""
    return {
        name: _option(name, field, section)
        for section, model in sections(config).items()
        for name, field in model.model_fields.items()
        if name not in but and not _is_hidden(field)
    }


def short_help(config: type[BaseModel]) -> set[str]:
    """The options that most people change, as each section says (`in_short`)."""
    return {
        name
        for model in sections(config).values()
        for name in getattr(model, "in_short", ())
        if not _is_hidden(model.model_fields[name])
    }


def once(config: type[BaseModel], options: Mapping[str, Any]) -> dict[str, Any]:
    """The options as they were typed, with one value of each that names one thing: of numbers the last one
    counts, but a second column is not to be dropped silently. ConfigError for it."""
    typed = dict(options)
    for model in sections(config).values():
        for name in model.model_fields.keys() & typed.keys():
            if _is_name(model.model_fields[name]):
                if len(typed[name]) > 1:
                    raise ConfigError(f"{option(name)} takes one name, got {listed(typed[name])}; keep one")
                (typed[name],) = typed[name]
    return typed


def _is_name(field: FieldInfo) -> bool:
    return list(_members(field.annotation)) == [str]


def _option(name: str, field: FieldInfo, section: str) -> Any:
    kinds = list(_members(field.annotation))
    many = any(typing.get_origin(kind) in (list, tuple) for kind in kinds)
    several = many or _is_name(field)
    switch = kinds == [bool] and not _usually_on(field)
    kind = bool | None if switch else list[str] | None if several else str | None
    declared = typer.Option(
        "--" + name.replace("_", "-"),
        help=_help(field) + ("; repeat for more" if many else ""),
        metavar="" if switch else _metavar(kinds),
        show_default=False,
        rich_help_panel=section.capitalize(),
    )
    return Annotated[kind, declared]


def _is_hidden(field: FieldInfo) -> bool:
    """Whether a task has one value for it, or none (`hidden` in its schema)."""
    extra = field.json_schema_extra
    return isinstance(extra, dict) and extra.get("hidden") is True


def _usually_on(field: FieldInfo) -> bool:
    """Whether a switch must be turned off to matter: it is on, or None means on (`unset` in its schema)."""
    extra = field.json_schema_extra
    return field.default is True or (isinstance(extra, dict) and extra.get("unset") is True)


def _help(field: FieldInfo) -> str:
    text = (field.description or "").rstrip(".")
    default = field.get_default(call_default_factory=True)
    if default is None or default == () or field.is_required():
        return text
    if isinstance(default, bool):
        default = "on" if default else "off"
    elif isinstance(default, tuple | list):
        default = ", ".join(map(str, default))
    return f"{text} [default: {default}]".replace("[", r"\[")


def _members(annotation: Any) -> Iterator[Any]:
    """The alternatives of a type, None left out: int | tuple[int, int] | None -> int, tuple[int, int]."""
    if typing.get_origin(annotation) is Annotated:
        yield from _members(typing.get_args(annotation)[0])
    elif typing.get_origin(annotation) in (typing.Union, types.UnionType):
        for part in typing.get_args(annotation):
            yield from _members(part)
    elif annotation is not type(None):
        yield annotation


def _metavar(kinds: list[Any]) -> str:
    words = []
    for kind in kinds:
        if typing.get_origin(kind) in (list, tuple):
            kind = typing.get_args(kind)[0]
        if typing.get_origin(kind) is Literal:
            words += [str(choice) for choice in typing.get_args(kind)]
        else:
            words.append(METAVARS.get(kind, "TEXT"))
    return "|".join(dict.fromkeys(words))
