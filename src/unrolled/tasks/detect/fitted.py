"""What was fitted beside the network: a forecaster's, and the scores that tell what is unusual."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.models.detect import SCORES
from unrolled.tasks.evaluation import MODEL
from unrolled.tasks.forecast.fitted import Fitted


@dataclass(frozen=True)
class Scored(Fitted):
    """`scores` (n,) of the validation part, rising: the model's and each baseline's by name."""

    scores: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def arrays(self) -> dict[str, NDArray[Any]]:
        return super().arrays() | {SCORES + name: scores for name, scores in self.scores.items()}

    @classmethod
    def restore(cls, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        scores = {
            name.removeprefix(SCORES): array for name, array in arrays.items() if name.startswith(SCORES)
        }
        fitted = Fitted.restore(
            about, {name: array for name, array in arrays.items() if not name.startswith(SCORES)}
        )
        rising = all(one.ndim == 1 and (np.diff(one) >= 0).all() for one in scores.values())
        if not rising or not len(scores[MODEL]):
            raise ValueError("scores that do not rise, or none")
        return cls(**vars(fitted), scores=scores)
