"""The last answers, kept to be given again: nobody can tell how many of those in a pipe its reader took.

As bytes: the lines, then the sizes of the answers, in integers of 64 bits, little-endian; then the answers.
"""

from collections import deque

import numpy as np

# Of answers that are kept where no number is asked for: four times what a pipe holds.
MOST_BYTES = 1 << 18


class RecentAnswers:
    """`most`: how many (None: as many as MOST_BYTES hold), once one is added; `dropped`: the line of the last
    answer that is no longer kept, so that all to later lines are."""

    def __init__(self, most: int | None) -> None:
        self.most, self.dropped = most, 0
        self._lines: deque[int] = deque()
        self._answers: deque[bytes] = deque()
        self._size = 0

    def __len__(self) -> int:
        return len(self._answers)

    def add(self, line: int, answer: bytes) -> None:
        """The answer to a line after all those before."""
        self._append(line, answer)
        while self._too_many():
            self.dropped = self._lines.popleft()
            self._size -= len(self._answers.popleft())

    def after(self, line: int) -> bytes:
        """Those to later lines, one behind the other."""
        answers = zip(self._lines, self._answers, strict=True)
        return b"".join(answer for number, answer in answers if number > line)

    def dump(self) -> bytes:
        """As above."""
        lines = np.fromiter(self._lines, "<i8", len(self))
        sizes = np.fromiter(map(len, self._answers), "<i8", len(self))
        return b"".join([lines.tobytes(), sizes.tobytes(), *self._answers])

    def load(self, data: bytes, count: int, dropped: int, last: int) -> None:
        """What `dump` gave of `count` answers to lines up to `last`. ValueError for anything else."""
        lines, sizes = np.frombuffer(data, "<i8", 2 * count).reshape(2, count)
        ends = lines.nbytes + sizes.nbytes + np.cumsum(sizes)
        if (np.diff(np.concatenate([[dropped], lines, [last + 1]])) <= 0).any() or (sizes < 0).any():
            raise ValueError("the answers are of other lines")
        if len(data) != (ends[-1] if count else 0):
            raise ValueError("the answers have other sizes")
        self.dropped = dropped
        for line, size, end in zip(lines.tolist(), sizes.tolist(), ends.tolist(), strict=True):
            self._append(line, data[end - size : end])

    def _append(self, line: int, answer: bytes) -> None:
        self._lines.append(line)
        self._answers.append(answer)
        self._size += len(answer)

    def _too_many(self) -> bool:
        if self.most is not None:
            return len(self._answers) > self.most
        return self._size > MOST_BYTES and len(self._answers) > 1
