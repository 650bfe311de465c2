"""SIGINT, SIGTERM and SIGHUP: what is under way ends and is saved, then the signal takes effect."""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

LEAVE: dict[int, Callable[[], BaseException]] = {
    signal.SIGINT: KeyboardInterrupt,
    signal.SIGTERM: lambda: SystemExit(128 + signal.SIGTERM),
    signal.SIGHUP: lambda: SystemExit(128 + signal.SIGHUP),
}


class Interrupts:
    """While entered, notes the first signal in `received`; a second one leaves at once, but for hang-ups: of
    one terminal that closes, the kernel and the shell both tell.

    Signals that the parent chose to ignore (nohup) stay ignored. Outside the main thread none is noted:
    Python sets handlers only there.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            for number in LEAVE:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def leave(self) -> None:
        """Raises KeyboardInterrupt or SystemExit, such as 143 for SIGTERM, where a signal came."""
        if self.received is not None:
            raise LEAVE[self.received]()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received not in (None, signal.SIGHUP) and number != signal.SIGHUP:
            raise LEAVE[number]()
        if self.received is None or number != signal.SIGHUP:
            self.received = number
