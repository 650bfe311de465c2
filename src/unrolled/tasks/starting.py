"""A training that starts from a trained model, on other data: fine-tuning.

    weights     first those of the old run; the optimizer starts anew
    codec       the old one: scalers, vocabularies, columns. What new data have beyond it is handled as where
                the old model answers; classes, tags and labels that it cannot name are refused
    options     those of the old run, but for what was set now: all of a training, of decoding, and what a
                section names as `changeable`. NOT_TAKEN follow from the data, and are never the old run's
    seen        what the old run and the new training saw

The configuration has the folder of the old run and its fingerprint, and is complete with them: a training
with it again, or one that is resumed, takes nothing but weights and codec from the old run.
"""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from unrolled.errors import ConfigError, RunError
from unrolled.files.messages import every, listed, option
from unrolled.runs import Run
from unrolled.tasks.config import from_sections, sections
from unrolled.tasks.trained import Trained

# Sections whose options change neither a network nor its codec.
OF_TRAINING = ("training", "learning", "sampling", "classify", "decoding")
NOT_TAKEN = {
    "data": {"files", "validation_files", "test_files", "labels", "sha256"},
    "training": {
        *("start_from", "start_sha256", "epochs", "steps", "minutes", "patience", "keep", "select"),
        *("init", "init_scale"),
    },
}

T = TypeVar("T", bound=Trained[Any, Any, Any, Any])


def started(kind: type[T], config: Any) -> tuple[Any, T]:
    """The configuration of a training that starts from the run that it names, and the model of that run.

    RunError for a run that is gone, has changed or is not finished; ConfigError for options that would change
    its network or codec, and for a run of another task.
    """
    training = config.training
    model, sha256 = _load(kind, training.start_from)
    if training.start_sha256 is None:
        config = _beside(config, model.config)
    elif training.start_sha256 != sha256:
        raise RunError(
            f"{training.start_from} has changed: wanted a model of sha256 {training.start_sha256}, got "
            f"{sha256}; put the run back that the configuration was made with, or delete its line "
            "'start_sha256' to start from this one"
        )
    _refuse_changes(config, model.config, training.start_from)
    training = config.training.model_copy(update={"start_sha256": sha256})
    return config.model_copy(update={"training": training}), model


def _load(kind: type[T], folder: str) -> tuple[T, str]:
    name = option("start_from", folder)
    if not Path(folder).exists():
        raise RunError(f"{name}: there is no such folder; name one of a trained model, or put it back there")
    try:
        run = Run.open(folder)
        if run.task != kind.task:
            raise ConfigError(f"{name}: a run of task '{run.task}'; wanted one of '{kind.task}'")
        return kind.load(folder), run.fingerprint
    except RunError as error:
        raise RunError(f"{option('start_from')}: {error}") from error


def _beside(config: BaseModel, old: BaseModel) -> Any:
    """The options of `old`, those that were set in `config` in their place."""
    values = {}
    for name in sections(type(config)):
        before = getattr(old, name).model_dump(exclude=NOT_TAKEN.get(name), exclude_unset=True)
        values[name] = before | getattr(config, name).model_dump(exclude_unset=True)
    return from_sections(type(config), values)


def _refuse_changes(config: BaseModel, old: BaseModel, folder: str) -> None:
    wrong: list[tuple[str, str]] = []
    for name, section in sections(type(config)).items():
        new, before = getattr(config, name), getattr(old, name)
        fixed = () if name in OF_TRAINING else section.model_fields.keys() - changeable(section)
        wrong += [
            (_set(one, getattr(new, one)), _set(one, getattr(before, one)))
            for one in section.model_fields
            if one in fixed and getattr(new, one) != getattr(before, one)
        ]
    if wrong:
        news, olds = zip(*wrong, strict=True)
        raise ConfigError(
            f"{every(news)} would change the network of {folder}, or how it reads its data (there "
            f"{every(olds)}); leave {'it' if len(wrong) == 1 else 'them'} out, or train anew without "
            f"{option('start_from')}"
        )


def _set(name: str, value: Any) -> str:
    if value in (None, ()):
        return f"no {option(name)}"
    return f"{option(name)} {listed(value)}" if isinstance(value, tuple) else option(name, value)


def changeable(section: type[BaseModel]) -> set[str]:
    """The fields that this section and those it is derived from name as such."""
    return {name for kind in section.__mro__ for name in vars(kind).get("changeable", ())}
