"""Several recordings as log-mel features (T_i, M) of one rate, and what is odd about them.

The rate is the one that is asked for; else the one that all have; else the lowest, but that one recording in
FEW may be below it. The others are resampled (sample_rate.py). One of a lower rate holds nothing above half
of that, which a model of a higher one may have learned to listen to: that is noted.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError
from unrolled.files.limits import require_few
from unrolled.files.messages import option
from unrolled.files.samples import Recording
from unrolled.files.sound import open_recording
from unrolled.files.wav import Audio, features

FEW = 20
NOTE = "recordings: "  # what all notes begin with


@dataclass
class Recordings:
    """What was heard of several files, each by its number: `inputs` (T, M); `wrong`, why one cannot be read;
    and `short`, those of less than `least` seconds, which are not heard unless all are (`heard_all`)."""

    audio: Audio
    least: float = 0.0
    heard_all: bool = False
    inputs: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    wrong: dict[int, str] = field(default_factory=dict)
    short: dict[int, str] = field(default_factory=dict)
    _rates: dict[int, int] = field(default_factory=dict)
    _names: dict[int, str] = field(default_factory=dict)
    _notes: dict[str, list[str]] = field(default_factory=dict)
    _values: int = 0

    @property
    def rate_hz(self) -> int | None:
        """That of the features."""
        return self.audio.rate_hz

    def read(self, paths: Sequence[Callable[[], Path]]) -> None:
        """All that can be read. ConfigError for a band that the rate does not hold."""
        asked = self.audio.rate_hz
        for number, path in enumerate(paths):
            self._add(number, path)
        if asked is None and self._rates and self.audio.rate_hz != (common := _common(self._rates)):
            self.audio = replace(self.audio, rate_hz=common)
            for number in list(self.inputs):
                self._add(number, paths[number])

    def notes(self) -> list[str]:
        """A line each."""
        notes = dict(self._notes)
        for number, rate_hz in self._rates.items():
            if rate_hz != self.rate_hz:
                notes.setdefault(self._resampled(rate_hz), []).append(self._names[number])
        total = len(self._rates)
        return [
            f"{NOTE}{len(names):,} of {total:,} {note}; the first: {names[0]}"
            if total > 1
            else f"{NOTE}{names[0]}: {note}"
            for note, names in notes.items()
        ]

    def _add(self, number: int, path: Callable[[], Path]) -> None:
        try:
            recording = open_recording(path(), self.audio.sound_channel)
            if self.audio.rate_hz is None:
                self.audio = replace(self.audio, rate_hz=recording.rate_hz)
            if recording.seconds < self.least and not self.heard_all:
                self.short[number] = (
                    f"{recording.seconds:.3g} seconds, and those below {self.least:g} are left out "
                    f"({option('min_seconds')})"
                )
                return
            self._hear(number, recording)
        except DataError as error:
            self.inputs.pop(number, None)
            self.wrong[number] = str(error)

    def _hear(self, number: int, recording: Recording) -> None:
        before, x = self.inputs.get(number), features(recording, self.audio)
        self._values += x.size - (0 if before is None else before.size)
        self.inputs[number] = x
        if number not in self._rates:
            self._rates[number], self._names[number] = recording.rate_hz, recording.name
            short = (f"shorter than {self.least:g} seconds",) if recording.seconds < self.least else ()
            for note in (*recording.notes, *short):
                self._notes.setdefault(note, []).append(recording.name)
        what = f"{self._values:,} features of recordings"
        require_few(recording.name, what, self._values, len(self.inputs))

    def _resampled(self, rate_hz: int) -> str:
        """Of recordings of another rate, with what of the band that is heard they do not hold."""
        heard = self.rate_hz or 0
        high = heard / 2 if self.audio.high_hz is None else self.audio.high_hz
        note = f"recorded at {rate_hz:,} Hz, read at {heard:,} Hz"
        if rate_hz / 2 >= high:
            return note
        return f"{note}, with nothing above {rate_hz / 2:,.0f} Hz, where up to {high:,.0f} Hz is heard"


def _common(rates: Mapping[int, int]) -> int:
    return sorted(rates.values())[len(rates) // FEW]
