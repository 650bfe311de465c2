"""Standard scores: y = (x - mean) / scale for each column, in float64.

mean = Σ x / N      scale = sqrt(Σ (x - mean)² / N)      over all N values of all training parts together

    of_logarithms   the same of ln x
    of_counts       mean 0, scale the power of two at Σ x / N or below: whole numbers divided by it are exact
    none            mean 0, scale 1
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError, RunError
from unrolled.files.messages import shown
from unrolled.kernels.numpy import heads

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Scaler:
    """mean (K,), scale (K,) float64, finite, scale > 0; whether they are of logarithms."""

    mean: Array
    scale: Array
    log: bool = False

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
    def of_logarithms(cls, parts: Sequence[Array], names: Sequence[str] | None = None) -> "Scaler":
        """Of parts whose values are above 0."""
        scaler = cls.fit([heads.log(part) for part in parts], names)
        return cls(scaler.mean, scaler.scale, log=True)

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

    @property
    def center(self) -> Array:
        """(K,) what stands for the values of training: their mean, of logarithms that of these."""
        return self.inverse(np.zeros_like(self.mean))

    def transform(self, x: Array) -> Array:
        """x (…, K) -> standard scores (…, K)."""
        return ((heads.log(x) if self.log else x) - self.mean) / self.scale

    def inverse(self, y: Array) -> Array:
        """y (…, K) standard scores -> (…, K)."""
        x = y * self.scale + self.mean
        return heads.exp(x) if self.log else x

    def to_arrays(self) -> dict[str, Array]:
        return {"mean": self.mean, "scale": self.scale} | ({"log": np.ones(1)} if self.log else {})

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
        return cls(mean, scale, "log" in arrays)
