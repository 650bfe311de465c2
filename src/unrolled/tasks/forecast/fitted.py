"""What was fitted on the training parts beside the network: how series become rows, and by what forecasts are
judged."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.files.typed import shaped
from unrolled.tasks.forecast.data import Codec
from unrolled.tasks.forecast.direct.reading import Reading


@dataclass(frozen=True)
class Fitted:
    """`naive_scale` (K,) is the seasonal naive's MAE in the training parts, the unit of MASE; `last_time`:
    where the last series of the training data ends, as a whole number, `last_offset` its offset from UTC;
    `reading`: of the direct strategy, how windows are read; `mean` (K,): of the targets of the training
    parts, where the output is discrete."""

    series: Codec
    naive_scale: NDArray[np.float64]
    last_time: int
    last_offset: int
    reading: Reading | None = None
    mean: NDArray[np.float64] | None = None

    def about(self) -> dict[str, Any]:
        last = {"last_time": self.last_time, "last_offset": self.last_offset}
        reading = {"reading": self.reading.about()} if self.reading else {}
        mean = {} if self.mean is None else {"mean": self.mean.tolist()}
        return self.series.about() | {"naive_scale": self.naive_scale.tolist()} | last | reading | mean

    def arrays(self) -> dict[str, NDArray[Any]]:
        return self.series.arrays()

    @classmethod
    def restore(cls, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        series = Codec.restore(about, arrays)
        naive_scale = shaped(np.array(about["naive_scale"], np.float64), len(series.targets))
        last = int(about["last_time"]), int(about["last_offset"])
        reading = Reading.restore(about["reading"]) if "reading" in about else None
        mean = about.get("mean")
        if mean is not None:
            mean = shaped(np.array(mean, np.float64), len(series.targets))
        return cls(series, naive_scale, *last, reading, mean)
