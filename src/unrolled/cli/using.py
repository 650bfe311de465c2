"""The commands that use a trained model."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unrolled.cli import printing
from unrolled.console import note
from unrolled.errors import ConfigError

MOST_NAMES = 5  # of files, in a heading


def evaluate(
    run: Path,
    files: list[Path],
    include_training: bool,
    decoding: Mapping[str, Any],
    out: Path | None,
    json: bool,
) -> None:
    """On new files, or on the test part of the training files."""
    import unrolled

    estimator = unrolled.load(run).using(**decoding)
    found = estimator.evaluate(files or None, include_training=include_training)
    if out is not None:
        printing.write_frame(found.frame(), out)
    if json:
        printing.as_json(found.json())
    else:
        printing.evaluation(found, _title(files))


def _title(files: list[Path]) -> str:
    """What is judged, for a person."""
    names = ", ".join(map(str, files[:MOST_NAMES])) or "test part"
    return names if len(files) <= MOST_NAMES else f"{names} and {len(files) - MOST_NAMES:,} more"


def predict(run: Path, files: list[Path], decoding: Mapping[str, Any], out: Path | None, json: bool) -> None:
    """An answer for each example of the files: what follows their end, what they are, what they say."""
    import unrolled

    estimator = unrolled.load(run).using(**decoding)
    found = estimator.predict(files or None)
    for line in estimator.notices(files or None):
        note(line)
    printing.frame(found, out, json)


def generate(run: Path, length: int, typed: Mapping[str, Any], out: Path | None, json: bool) -> None:
    """The model's own continuation. Of the options those that were `typed`, and so are not None, count."""
    import unrolled

    estimator = unrolled.load(run)
    if not hasattr(estimator, "generate"):
        raise ConfigError(f"{run}: task '{estimator.task}' generates nothing; use unrolled predict")
    given = {name: value for name, value in typed.items() if value is not None}
    taken = [name for name in inspect.signature(estimator.generate).parameters if name in typed]
    for name in given:
        if name not in taken:
            raise ConfigError(
                f"generate has no option --{_dashed(name)} for task '{estimator.task}'; it has --length, "
                + ", ".join(f"--{_dashed(other)}" for other in taken)
            )
    made = estimator.generate(length, **given)
    (printing.text if isinstance(made, str) else printing.frame)(made, out, json)


def _dashed(name: str) -> str:
    return name.replace("_", "-")
