"""Lines in from one descriptor and lines out to another. Nothing is read before what was written is taken, so
memory does not grow, and no wait keeps a signal from being heard.

    a line       ends with a newline; what stands without one at the end of input is the last line, or left as
                 `rest` where lines may be torn: their writer was killed, and will send it again
    a signal     as of interrupts.py: no line comes after the one under way. A second one leaves at once
    the reader   once it has closed its end nothing can be written, and no line comes
"""

import os
import select
import signal
import stat
import threading
from collections import deque
from types import TracebackType

from unrolled.errors import RunError
from unrolled.interrupts import Interrupts

MOST_LINE = 1 << 24  # bytes; what goes beyond is dropped up to the next newline
CHUNK = 1 << 16
GRACE_MS = 2000  # for a reader, after a signal, to take what is being written
CLOSED = select.POLLERR | select.POLLHUP | select.POLLNVAL


class Pipe:
    """Both descriptors, while entered. `torn`: whether the last line may lack its newline."""

    def __init__(self, source: int, sink: int, torn: bool = True) -> None:
        self.source, self.sink, self.torn = source, sink, torn
        self.interrupts = Interrupts()
        self._ready: deque[bytes] = deque()
        self._rest = bytearray()
        self.exhausted = self._dropping = self._closed = False

    def __enter__(self) -> "Pipe":
        self.interrupts.__enter__()
        # A signal between a look at `received` and a wait makes this readable, so that it is not slept over.
        self._wake, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        if threading.current_thread() is threading.main_thread():
            self._before = signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        self._reads, self._writes = select.poll(), select.poll()
        self._reads.register(self.sink, 0)  # tells of its end, which every wait does
        self._reads.register(self.source, select.POLLIN)
        self._writes.register(self.sink, select.POLLOUT)
        for poll in (self._reads, self._writes):
            poll.register(self._wake, select.POLLIN)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.set_wakeup_fd(self._before)
        os.close(self._wake)
        os.close(self._waker)
        self.interrupts.__exit__(kind, error, trace)

    @property
    def over(self) -> bool:
        """Whether no line comes any more."""
        return self._closed or self.interrupts.received is not None or (self.exhausted and not self._ready)

    @property
    def rest(self) -> bytes:
        """What stands behind the last newline of the input, where it was not taken for a line."""
        return bytes(self._rest) if self.exhausted else b""

    def next(self, seconds: float | None = None) -> bytes | None:
        """The next line, without its newline; None where it has not come whole yet, after `seconds` at most,
        or is `over`."""
        if not self._ready and not self.over:
            self._read(seconds)
        if not self._ready or self.over:
            return None
        return self._ready.popleft()

    def write(self, data: bytes) -> bool:
        """Whether the reader took all of it: False where it is gone or, after a signal, does not take it.

        RunError where it cannot be written. What was written of it to a file is cut off again.
        """
        left = memoryview(data)
        while left:
            if not self._writable():
                return False
            try:
                # A pipe that has room takes so much at once, so this does not wait.
                left = left[os.write(self.sink, left[: select.PIPE_BUF]) :]
            except BlockingIOError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                self._closed = True
                return False
            except OSError as error:
                self._cut_off(len(data) - len(left))
                if self.interrupts.received is not None:  # a terminal that hung up
                    return False
                raise RunError(f"standard output cannot be written to: {error.strerror}") from error
        return True

    def _read(self, seconds: float | None) -> None:
        """Waits and takes what has come."""
        events = self._polled(self._reads, seconds)
        if events.get(self.sink, 0) & CLOSED:
            self._closed = True
        if self.source in events and not self.over:
            try:
                self._take(os.read(self.source, CHUNK))
            except BlockingIOError:
                pass
            except OSError as error:
                if self.interrupts.received is None:
                    raise RunError(f"standard input cannot be read: {error.strerror}") from error

    def _writable(self) -> bool:
        while True:
            stopping = self.interrupts.received is not None
            events = self._polled(self._writes, GRACE_MS / 1000 if stopping else None)
            if stopping or self.sink in events:
                return self.sink in events

    def _polled(self, watched: select.poll, seconds: float | None) -> dict[int, int]:
        events = dict(watched.poll(None if seconds is None else max(0, int(seconds * 1000))))
        if self._wake in events:
            os.read(self._wake, CHUNK)
        return events

    def _take(self, chunk: bytes) -> None:
        """Cuts what was read into lines; nothing read is the end of input."""
        *lines, rest = chunk.split(b"\n")
        for part in lines:
            self._grow(part)
            self._end()
        self._grow(rest)
        if len(self._rest) > MOST_LINE:
            self._end()
            self._dropping = True
        if not chunk:
            self.exhausted = True
            if self._rest and self.torn:
                self._end()

    def _cut_off(self, size: int) -> None:
        about = os.fstat(self.sink)
        if size and stat.S_ISREG(about.st_mode):
            os.ftruncate(self.sink, about.st_size - size)

    def _grow(self, part: bytes) -> None:
        if not self._dropping:
            self._rest += part

    def _end(self) -> None:
        """The line that grew is whole, or was dropped from some place on."""
        if not self._dropping:
            self._ready.append(bytes(self._rest))
        self._rest.clear()
        self._dropping = False


class Chunks(Pipe):
    """Bytes as they come, in place of lines."""

    def _take(self, chunk: bytes) -> None:
        if chunk:
            self._ready.append(chunk)
        else:
            self.exhausted = True
