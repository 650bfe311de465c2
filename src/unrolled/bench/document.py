"""What a measurement leaves: one JSON document, written whole and read back only as itself."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from unrolled.errors import DataError
from unrolled.files import json_text, opening

Measured = Annotated[float, AfterValidator(lambda value: float(f"{value:.5g}"))]  # no clock knows more digits
Unit = Literal["ms", "bytes"]
# A peer does the same work and agrees; other work stands beside it; information rounds as it likes.
Role = Literal["peer", "other work", "information"]
MOST = 1 << 26  # bytes of a file


class Strict(BaseModel):
    """Unknown and missing keys are refused, NaN and infinities too."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Figure(Strict):
    """One peer in one workload: the median of `samples`, each of `calls` calls, and its quartiles."""

    peer: str
    median: Measured | None = None
    low: Measured | None = None
    high: Measured | None = None
    samples: int = 0
    calls: int = 0
    gflops: Measured | None = None
    role: Role = "peer"
    absent: str | None = None


class Record(Strict):
    """One workload at one number of threads. Refused: no figures, and why."""

    name: str
    group: str
    mode: str
    cell: str
    shape: tuple[int, ...]
    threads: int
    unit: Unit
    figures: tuple[Figure, ...] = ()
    disagreement: Measured | None = None
    refused: str | None = None

    def median(self, peer: str) -> float | None:
        """The figure of `peer`, None where it has none."""
        return next((figure.median for figure in self.figures if figure.peer == peer), None)

    def rate(self, peer: str) -> float | None:
        """GFLOP/s of `peer`."""
        return next((figure.gflops for figure in self.figures if figure.peer == peer), None)

    @property
    def dimensions(self) -> str:
        """100×32×128×128."""
        return "×".join(map(str, self.shape))

    @property
    def kind(self) -> str:
        """grid/training: what stands in one table."""
        return f"{self.group}/{self.mode}"

    def ratio(self, of: str, to: str) -> float | None:
        """`of` divided by `to`; None where either has no figure or `to` needs nothing."""
        above, below = self.median(of), self.median(to)
        return above / below if above is not None and below else None


class Machine(Strict):
    """What it was measured on."""

    cpu: str
    cores: int
    isa: str
    system: str
    python: str
    versions: dict[str, str]


class Peak(Strict):
    """The best rate of large matrix products."""

    threads: int
    product: str
    gflops: Measured


class Document(Strict):
    """All of one measurement.

    load     load average of the minute before it and of its last minute
    others   share of the time of all cores that other programs took meanwhile; None where nobody tells
    """

    format: Literal[1] = 1
    date: str
    minutes: float
    quick: bool
    tolerance: float
    load: tuple[float, float]
    others: Measured | None = None
    machine: Machine
    peaks: tuple[Peak, ...]
    records: tuple[Record, ...]

    def refusals(self) -> list[Record]:
        """The workloads whose peers disagree."""
        return [record for record in self.records if record.refused is not None]

    def peak(self, threads: int) -> float | None:
        """GFLOP/s of the best matrix product at so many threads."""
        return max((p.gflops for p in self.peaks if p.threads == threads), default=None)


def short(value: float | None) -> float | None:
    """Three digits."""
    return None if value is None else float(f"{value:.3g}")


def joined(documents: Mapping[Path, Document]) -> Document:
    """One measurement that was made in several, in this order; what was measured twice counts as it was last.

    DataError where one was made elsewhere, or with other versions.
    """
    (first_path, first), *others = documents.items()
    for path, other in others:
        if (other.machine, other.tolerance) != (first.machine, first.tolerance):
            raise DataError(
                f"{path} was measured on another machine, or with other versions, than {first_path}"
            )
    every = list(documents.values())
    records = {(r.name, r.threads): r for document in every for r in document.records}
    peaks = {(p.threads, p.product): p for document in every for p in document.peaks}
    return first.model_copy(
        update={
            "minutes": round(sum(document.minutes for document in every), 2),
            "quick": any(document.quick for document in every),
            "load": (first.load[0], every[-1].load[1]),
            "others": max((d.others for d in every if d.others is not None), default=None),
            "peaks": tuple(peaks.values()),
            "records": tuple(records.values()),
        }
    )


def read(path: Path) -> Document:
    """The document in `path`. DataError, in one line, where there is none."""
    try:
        content = json_text.parse(opening.read_regular(path, MOST))
        if isinstance(content, dict):
            content.pop("summary", None)  # it follows from the rest
        return Document.model_validate(content)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else None
        why = f"{'.'.join(map(str, first['loc']))}: {first['msg']}" if first else str(error)
        raise DataError(f"{path}: {why}; wanted what `unrolled bench --out` writes") from None
