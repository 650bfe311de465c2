"""What targets can be, by the output and the transform of them, and how they are scaled."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from unrolled.blocks.outputs import COUNTS
from unrolled.codecs.outcomes import WANTED
from unrolled.codecs.scaling import ITSELF, LOGARITHM, ROOT, Scaler
from unrolled.codecs.series import SeriesCodec
from unrolled.errors import ConfigError, DataError
from unrolled.files.messages import counted, option, shown
from unrolled.files.series import SeriesFile

Array = NDArray[np.float64]
# How targets are scaled, where not to standard scores.
SCALERS: dict[str, Callable[[Sequence[Array], Sequence[str]], Scaler]] = {
    "bernoulli": lambda parts, names: Scaler.none(len(names)),
    "lognormal": Scaler.of_logarithms,
    **dict.fromkeys(COUNTS, Scaler.of_counts),
}
NONNEGATIVE = "nonnegative"
# The power that each transform is; of boxcox the likeliest.
TRANSFORMS: dict[str, float | None] = {
    **dict.fromkeys(("none", NONNEGATIVE), ITSELF),
    "log": LOGARITHM,
    "sqrt": ROOT,
    "boxcox": None,
}
# What they can be taken of: in words, and which of the targets (T, K) are.
TAKEN_OF: dict[str, tuple[str, Callable[[Array], NDArray[np.bool_]]]] = {
    **dict.fromkeys(("log", "boxcox"), ("numbers above 0", lambda y: y > 0)),
    **dict.fromkeys(("sqrt", NONNEGATIVE), ("numbers from 0 on", lambda y: y >= 0)),
}


def target_scaler(
    parts: Sequence[Array], names: Sequence[str], output: str = "point", transforms: Sequence[str] = ()
) -> Scaler:
    """As `output` asks for, or `transforms` of each."""
    if set(transforms) <= {"none"}:
        return SCALERS.get(output, Scaler.fit)(parts, names)
    powers, from_0 = [TRANSFORMS[one] for one in transforms], [one == NONNEGATIVE for one in transforms]
    return Scaler.of_powers(parts, names, powers, from_0)


def require_outcomes(file: SeriesFile, output: str) -> SeriesFile:
    """The same file. DataError for a target that can be no outcome of the output."""
    if output in WANTED:
        lengths = [len(series.target) for series in file.series]
        for k in range(len(file.targets)):
            _require(file, lengths, k, WANTED[output], option("output", output), "another output")
    return file


def require_transformable(file: SeriesFile, ends: Sequence[int], transforms: Sequence[str]) -> None:
    """DataError for a value before the ends of the series that the transform of its target cannot be taken
    of. Later ones are read as codecs/scaling.py says."""
    for k, name in enumerate(transforms):
        if name in TAKEN_OF:
            _require(file, ends, k, TAKEN_OF[name], option("transform", name), option("transform", "none"))


def fitted_powers(codec: SeriesCodec, transforms: Sequence[str]) -> tuple[str, ...]:
    """A line on each power that was found for a target."""
    curve = codec.scalers["target"].curve
    return tuple(
        f"boxcox: {shown(name)} to the power {curve.power[k]:g}{' (its logarithm)' * (not curve.power[k])}"
        for k, (name, kind) in enumerate(zip(codec.targets, transforms, strict=False))
        if curve is not None and kind == "boxcox"
    )


def raised(file: SeriesFile, codec: SeriesCodec) -> list[str]:
    """A line on the values of each target that its transform cannot be taken of, and what is read instead."""
    curve = codec.scalers["target"].curve
    lines = list[str]()
    for k, name in enumerate(codec.targets if curve is not None else ()):
        assert curve is not None
        below = sum(int((s.target[:, k] < curve.least[k]).sum()) for s in file.series)
        if below:
            lines.append(
                f"{counted(below, 'value')} of {shown(name)} below {curve.least[k]:g}, the least that "
                f"{option('transform')} reads, read as that"
            )
    return lines


def _require(
    file: SeriesFile,
    ends: Sequence[int],
    k: int,
    wanted: tuple[str, Callable[[Array], NDArray[np.bool_]]],
    asks: str,
    instead: str,
) -> None:
    """Of target k before the ends of the series."""
    words, fits = wanted
    for series, end in zip(file.series, ends, strict=True):
        target = series.target[:end, k]
        for row in np.flatnonzero(~fits(target) & ~np.isnan(target))[:1]:
            raise DataError(
                f"series {shown(series.name)}, row {row + 1} of it ({file.local(series)[row]}): "
                f"{shown(file.targets[k])} is {target[row]:g}; {asks} wants {words}; correct it, or choose "
                f"{instead}"
            )


def of_each(name: str, values: Sequence[str], targets: int) -> tuple[str, ...]:
    """One for all targets as one for each. ConfigError for another number."""
    if len(values) not in (1, targets):
        raise ConfigError(
            f"{option(name)}: wanted one for all targets or {targets}, one each; got {len(values)}"
        )
    return tuple(values) * targets if len(values) == 1 else tuple(values)
