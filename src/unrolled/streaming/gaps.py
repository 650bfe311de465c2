"""Where the line of a series stands beside the one before, and what a stream does about it.

    next       one step later: it is stepped
    gap        later by whole steps, of which some are missing. What stands for them says the policy:
                 forward, zero, mask    as in training (codecs/gaps.py)
                 model                  the model's own forecast for a target, of other columns the last value
                 restart                nothing: the sequence begins anew with this line
                 refuse                 the line is refused, as are all below
    repeated   at the same time
    late       before it, by `reach` steps at most
    far        beyond, before or after, or at no step of the series

A refused line changes nothing but one thing: where it was far, or behind a gap that is refused, its time is
remembered, and a line that follows it at once begins anew. So one wild time is passed over, a clock that was
set anew or a long outage costs a line, and no time that was accepted shuts a stream: lines that are late
catch up.
"""

from typing import NamedTuple, NoReturn

import numpy as np

from unrolled.codecs.gaps import FORWARD, GAPS, MASK, MODEL, OF_STREAMS, REFUSE, RESTART, ZERO
from unrolled.codecs.series import NEVER
from unrolled.errors import ConfigError, DataError
from unrolled.files.messages import counted, shown
from unrolled.models.series import Reader
from unrolled.ops.state import Array

POLICIES = (*GAPS, *OF_STREAMS)


class LineRefusedError(DataError):
    """A line of a series; `suspect`: the time that is remembered of it."""

    def __init__(self, message: str, suspect: int) -> None:
        super().__init__(message)
        self.suspect = suspect


class Place(NamedTuple):
    """`missing` steps stand before the line; `anew`: the sequence begins with it."""

    missing: int = 0
    anew: bool = False


class Moment(NamedTuple):
    """A time, NEVER where none is known, and its offset from UTC."""

    time: int
    offset: int


class Gaps:
    """`policy` is one of POLICIES, None for that of the model; at most `reach` missing steps are filled, None
    for as many as the model's window has. ConfigError for a policy that the model cannot take."""

    def __init__(self, reader: Reader, window: int, policy: str | None, reach: int | None) -> None:
        self.reader, self.codec = reader, reader.codec
        self.policy, self.reach = policy or self.codec.gaps, reach or window
        if self.policy == MASK and self.codec.gaps != MASK:
            raise ConfigError(
                f"--gaps mask: this model, trained with gaps {self.codec.gaps}, has no input for marks; give "
                f"{FORWARD}, {ZERO}, {RESTART} or {MODEL}"
            )

    def place(self, now: Moment, last: Moment, suspect: int) -> Place:
        """Of a line after the last one that was stepped. LineRefusedError for one that is not to be."""
        if NEVER in (now.time, last.time):
            return Place()
        steps, filled = self._steps(last.time, now.time), 0 if self.policy == REFUSE else self.reach
        if steps == 1:
            return Place()
        if steps is not None and 1 < steps <= 1 + filled:
            return Place(anew=True) if self.policy == RESTART else Place(missing=steps - 1)
        if steps is not None and -self.reach <= steps <= 0:
            raise LineRefusedError(self._late(now, last, steps), NEVER)
        since = None if suspect == NEVER else self._steps(suspect, now.time)
        if since is not None and 1 <= since <= 1 + filled:
            return Place(anew=True)
        raise LineRefusedError(self._far(now, last, steps), now.time)

    def _steps(self, last: int, time: int) -> int | None:
        """How many steps after `last`; None where no whole number of them is."""
        step = self.codec.step
        times = self.codec.moments(np.array([last, time]))
        if not step.fits(times):
            return None
        last, time = step.positions(times).tolist()
        steps, rest = divmod(time - last, step.count)
        return None if rest else int(steps)

    def _late(self, now: Moment, last: Moment, steps: int) -> str:
        if steps == 0:
            return f"the step of {self.reader.spoken(*now)} was given before; give each once{self._apart()}"
        late, before = self.reader.spoken(*now), self.reader.spoken(*last)
        return f"the step of {late} is late, behind that of {before}; give steps in order{self._apart()}"

    def _apart(self) -> str:
        """The remedy where a model of several series gets lines of several as if they were of one."""
        several = len(self.codec.names) > 1
        return f", and those of each series apart (--id {self.codec.id})" if several else ""

    def _far(self, now: Moment, last: Moment, steps: int | None) -> str:
        here, before, name = self.reader.spoken(*now), self.reader.spoken(*last), self.codec.step.name
        after = "correct it (if the next line follows it, the series begins there again)"
        if steps is None:
            return f"{here} is no step of {name} after {before}; wanted one line for each; {after}"
        if steps < 0:
            return f"{here} is {counted(-steps, 'step')} of {name} before {before}; {after}{self._apart()}"
        missing = f"{counted(steps - 1, 'missing step')} of {name} between {before} and {here}"
        if self.policy == REFUSE:
            return f"{missing}; send them, or choose --gaps {FORWARD}, {ZERO}, {RESTART} or {MODEL}"
        return f"{missing}, more than --longest-gap {self.reach}; {after}"

    def refuse_missing(self, steps: Array) -> NoReturn:
        """steps (1,) of codec.dtype, of which a value is missing: LineRefusedError."""
        name = self.codec.known_columns[int(np.argmax(np.isnan(steps["x"][0])))]
        raise LineRefusedError(
            f"column {shown(name)}: the value is missing; send it, or choose --gaps {FORWARD}, {ZERO}, "
            f"{RESTART} or {MODEL}",
            int(steps["time"][0]),
        )
