"""Standard scores: y = (x - mean) / scale for each column, in float64.

mean = Σ x / N      scale = sqrt(Σ (x - mean)² / N)      over all N values of all training parts together

    of_powers       the same of x^λ, of ln x where λ = 0, of max(x, 0) where λ = 1 and x is nonnegative
    of_counts       mean 0, scale the power of two at Σ x / N or below: whole numbers divided by it are exact
    none            mean 0, scale 1

λ of a Box-Cox transform: with changes d_t(λ) = (x_t^λ - x_{t-1}^λ) / λ, in units of the geometric mean of x,
the one of POWERS with the least Σ d_t². It is the likeliest, were the changes normal, all of one deviation.

Source   Box and Cox 1964; they ask it of values, not of changes: a trend, or a season, would bend them
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError, RunError
from unrolled.files.messages import shown
from unrolled.kernels.numpy import heads

Array = NDArray[np.float64]

LOGARITHM, ROOT, ITSELF = 0.0, 0.5, 1.0
# Those that a Box-Cox transform chooses from, the first of equally good ones.
POWERS = tuple(step / 20 for step in range(20, -1, -1))
# A logarithm is taken of no less than this share of the least value of training.
LEAST = 0.1
# The least of a column that may have any value.
ANY = -np.finfo(np.float64).max


@dataclass(frozen=True)
class Curve:
    """Of K columns x^power, ln x where `power` (K,) is 0, and x itself where it is 1. Values below `least`
    (K,) are read as that. `deviation` (K,): of the values as they are."""

    power: Array
    least: Array
    deviation: Array

    @classmethod
    def fit(
        cls, pooled: Array, power: Array, names: Sequence[str], nonnegative: NDArray[np.bool_]
    ) -> "Curve":
        """Of values (N, K), NaN where missing; `nonnegative` (K,): which of those that are x itself are
        from 0 on. DataError where a logarithm has no value above 0."""
        positive = np.where(pooled > 0, pooled, np.inf)
        lowest = positive.min(0, initial=np.inf)
        for column, low, each in zip(names, lowest, power, strict=True):
            if each == LOGARITHM and not np.isfinite(low):
                raise DataError(
                    f"column {shown(column)} has no value above 0 in the training part; wanted some, to take "
                    "logarithms of; choose another transform"
                )
        least = np.where(power == LOGARITHM, LEAST * lowest, 0.0)
        least = np.where((power == ITSELF) & ~nonnegative, ANY, least)
        return cls(power, least, Scaler.fit([pooled], names).scale)

    def __call__(self, x: Array) -> Array:
        """x (…, K) -> (…, K)."""
        y = np.array(x, np.float64)
        for power, at in self._alike():
            y[..., at] = _raised(np.maximum(y[..., at], self.least[at]), power)
        y[..., self._from_0] = np.maximum(y[..., self._from_0], 0)
        return y

    def inverse(self, y: Array) -> Array:
        """y (…, K) -> (…, K): values that the transform can have, whatever y is."""
        x = np.array(y, np.float64)
        for power, at in self._alike():
            x[..., at] = _lowered(x[..., at], power)
        x[..., self._from_0] = np.maximum(x[..., self._from_0], 0)
        return x

    @property
    def _from_0(self) -> NDArray[np.bool_]:
        """(K,) which are themselves, and not below 0."""
        from_0: NDArray[np.bool_] = (self.power == ITSELF) & (self.least == 0)
        return from_0

    def _alike(self) -> Iterator[tuple[float, NDArray[np.bool_]]]:
        """Each power but ITSELF, and which columns have it."""
        for power in np.unique(self.power[self.power != ITSELF]).tolist():
            yield power, self.power == power


def _raised(x: Array, power: float) -> Array:
    """x ≥ 0."""
    if power == ROOT:
        return np.sqrt(x)
    with np.errstate(divide="ignore"):
        logarithm = heads.log(x)
    return logarithm if power == LOGARITHM else heads.exp(power * logarithm)


def _lowered(y: Array, power: float) -> Array:
    if power == LOGARITHM:
        return heads.exp(y)
    y = np.maximum(y, 0)
    if power == ROOT:
        return y * y
    with np.errstate(divide="ignore"):
        return heads.exp(heads.log(y) / power)


def likeliest_power(parts: Sequence[Array]) -> float:
    """The λ of a Box-Cox transform of parts (T_i,), of their values above 0."""
    pairs = np.concatenate([np.column_stack([part[1:], part[:-1]]) for part in parts])
    logarithms = heads.log(pairs[(pairs > 0).all(1)].astype(np.float64))
    if not len(logarithms):
        return ITSELF
    logarithms = logarithms - logarithms[:, 0].mean()

    def squares(power: float) -> float:
        raised = logarithms if power == LOGARITHM else heads.exp(power * logarithms) / power
        return float(np.square(raised[:, 0] - raised[:, 1]).sum())

    with np.errstate(over="ignore"):
        return min(POWERS, key=squares)


@dataclass(frozen=True)
class Scaler:
    """mean (K,), scale (K,) float64, finite, scale > 0, of what the `curve` makes of the values, or of these
    where there is none."""

    mean: Array
    scale: Array
    curve: Curve | None = None

    @classmethod
    def fit(cls, parts: Sequence[Array], names: Sequence[str] | None = None) -> "Scaler":
        """The scaler of `parts` (T_i, K), the training parts and nothing else, without what is missing (NaN);
        `names` (K,) are for errors.

        Raises DataError where a column is constant over them or has no value, or is beyond the range of
        float64.
        """
        pooled = np.concatenate(parts).astype(np.float64)
        names = names if names is not None else [str(k) for k in range(pooled.shape[1])]
        known = (~np.isnan(pooled)).sum(0)
        lowest, highest = np.fmin.reduce(pooled), np.fmax.reduce(pooled)
        for column, low, high, count in zip(names, lowest, highest, known, strict=True):
            if low == high or not count:
                held = f"is {low:g} in all {count:,} steps" if count else "has no value"
                raise DataError(
                    f"column {shown(column)} {held} of the training part; wanted one that varies, leave it "
                    "out or train on a longer part"
                )
        with np.errstate(over="ignore", invalid="ignore"):
            mean = np.nansum(pooled, 0) / known
            distance = pooled - mean
            largest = np.fmax.reduce(np.abs(distance))  # squares of the distances themselves could over- or
            scale = largest * np.sqrt(np.nansum(np.square(distance / largest), 0) / known)  # underflow
        for column, size in zip(names, scale, strict=True):
            if not (np.isfinite(size) and size > 0):
                raise DataError(
                    f"column {shown(column)}: its values are beyond the range of float64; give it another "
                    "unit"
                )
        return cls(mean, scale)

    @classmethod
    def none(cls, columns: int) -> "Scaler":
        """The one that leaves so many columns as they are."""
        return cls(np.zeros(columns), np.ones(columns))

    @classmethod
    def of_powers(
        cls,
        parts: Sequence[Array],
        names: Sequence[str],
        powers: Sequence[float | None],
        nonnegative: Sequence[bool] = (),
    ) -> "Scaler":
        """Of each column its power, None for the likeliest, and where that is 1 whether it is nonnegative.
        Values below 0, and 0 in a logarithm, are read as later ones are."""
        chosen = [
            likeliest_power([part[:, k] for part in parts]) if power is None else power
            for k, power in enumerate(powers)
        ]
        from_0 = np.array(nonnegative or [False] * len(names), np.bool_)
        curve = Curve.fit(np.concatenate(parts), np.array(chosen, np.float64), names, from_0)
        scaler = cls.fit([curve(part) for part in parts], names)
        return cls(scaler.mean, scaler.scale, curve)

    @classmethod
    def of_counts(cls, parts: Sequence[Array], names: Sequence[str]) -> "Scaler":
        """Of parts whose values are 0 or above. DataError where a column has nothing but zeros."""
        pooled = np.concatenate(parts)
        sums, known = np.nansum(pooled, 0), (~np.isnan(pooled)).sum(0)
        for column, total, count in zip(names, sums, known, strict=True):
            if not total > 0:
                held = f"is 0 in all {count:,} steps" if count else "has no value"
                raise DataError(
                    f"column {shown(column)} {held} of the training part; wanted one that counts something, "
                    "leave it out or train on a longer part"
                )
        _, exponent = np.frexp(sums / known)
        return cls(np.zeros(len(sums)), np.ldexp(1.0, exponent - 1))

    @classmethod
    def of_logarithms(cls, parts: Sequence[Array], names: Sequence[str]) -> "Scaler":
        """Of parts whose values are above 0, as all later ones have to be: others become infinite."""
        scaler = cls.of_powers(parts, names, [LOGARITHM] * len(names))
        assert scaler.curve is not None
        return replace(scaler, curve=replace(scaler.curve, least=np.zeros(len(names))))

    @property
    def center(self) -> Array:
        """(K,) what stands for the values of training: their mean, or what that of the curve is of."""
        return self.inverse(np.zeros_like(self.mean))

    @property
    def deviation(self) -> Array:
        """(K,) of the values of training as they are."""
        return self.scale if self.curve is None else self.curve.deviation

    def transform(self, x: Array) -> Array:
        """x (…, K) -> standard scores (…, K)."""
        return ((x if self.curve is None else self.curve(x)) - self.mean) / self.scale

    def inverse(self, y: Array) -> Array:
        """y (…, K) standard scores -> (…, K)."""
        x = y * self.scale + self.mean
        return x if self.curve is None else self.curve.inverse(x)

    def to_arrays(self) -> dict[str, Array]:
        return {"mean": self.mean, "scale": self.scale} | ({} if self.curve is None else vars(self.curve))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> "Scaler":
        """The scaler that `to_arrays` described. Raises RunError for what cannot be one."""
        try:
            mean, scale = (np.asarray(arrays[name], np.float64) for name in ("mean", "scale"))
        except KeyError as error:
            raise RunError(f"scaler: {error} is missing; wanted mean and scale, train again") from None
        if (
            mean.ndim != 1
            or mean.shape != scale.shape
            or not np.isfinite([mean, scale]).all()
            or (scale <= 0).any()
        ):
            raise RunError(
                "scaler: wanted finite mean and scale > 0 of equal length; the run is damaged, train again"
            )
        names = [field.name for field in fields(Curve)]
        if not set(names) & arrays.keys():
            return cls(mean, scale)
        curve = {name: np.asarray(arrays.get(name, np.nan), np.float64) for name in names}
        alike = all(one.shape == mean.shape and np.isfinite(one).all() for one in curve.values())
        if not alike or not ((curve["power"] >= 0) & (curve["power"] <= 1)).all():
            raise RunError(
                f"scaler: wanted {', '.join(names)} of as many columns, powers from 0 to 1; the run is "
                "damaged, train again"
            )
        return cls(mean, scale, Curve(**curve))
