"""What a training is given: files, frames, or data in memory; to train on, to validate and to judge on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unrolled.errors import ConfigError
from unrolled.files.messages import option

# What files/at_hand.py says.
Source = Any


@dataclass(frozen=True)
class Sources:
    """`validation` and `test` are None where shares of the training data are taken."""

    train: Source
    validation: Source = None
    test: Source = None


def paths(source: Source) -> tuple[str, ...]:
    """The absolute paths of a source that is a file or files, () for any other."""
    several = source if isinstance(source, list | tuple) else [source]
    if not several or not all(isinstance(path, Path) for path in several):
        return ()
    return tuple(str(Path(path).absolute()) for path in several)


def joined(sources: Sources) -> Sources:
    """All of them to train on. ConfigError where they are not one source, and not files."""
    parts = [part for part in (sources.train, sources.validation, sources.test) if part is not None]
    if len(parts) == 1:
        return sources
    if not all(map(paths, parts)):
        raise ConfigError(f"{option('refit')} reads all parts as one; give them as files, or as one frame")
    return Sources(tuple(Path(path) for part in parts for path in paths(part)))


def files_of(data: Any) -> Sources:
    """The files that the section `data` of a configuration names."""
    parts = (
        tuple(map(Path, files)) or None for files in (data.files, data.validation_files, data.test_files)
    )
    return Sources(*parts)


def named_sources(
    config: Any, task: str, data: Source, validation: Source, test: Source
) -> tuple[Any, Sources]:
    """A configuration that names those that are files by absolute paths, and the sources: those that it
    names where none are given. ConfigError where there is nothing to train on, or the task has no such
    part."""
    options = type(config.data).model_fields
    sources, names = [], {}
    for field, source in (("files", data), ("validation_files", validation), ("test_files", test)):
        if source is not None and field not in options:
            part = field.removesuffix("_files")
            raise ConfigError(f"task '{task}' splits its data in time; leave {part} data out")
        named = tuple(map(Path, getattr(config.data, field, ())))
        sources.append(named or None if source is None else source)
        if field in options:
            names[field] = paths(sources[-1])
    if sources[0] is None:
        raise ConfigError("there are no data to train on; name files, or give the data themselves")
    return config.model_copy(update={"data": config.data.model_copy(update=names)}), Sources(*sources)
