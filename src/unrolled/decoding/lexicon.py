"""The label sequences that a search may answer, as an automaton: from state 0, the start, each label of an
answer leads to another state, and an answer ends in a final one.

    spelled    labels are characters: words of the lexicon with one space between any two
    allowed    labels are whole words or symbols: any sequence of those in the lexicon

Nothing at all is an answer too. A state's labels rise.

Shapes   S states, E steps: first (S + 1,), labels, targets (E,), final (S,)
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError
from unrolled.files.messages import counted, listed, shown
from unrolled.files.opening import FOREIGN, clean_text, read_bytes, refuse_foreign

Ints = NDArray[np.int64]

SPACE = " "
START, BETWEEN = 0, 1  # behind a space stands a word, so BETWEEN is not final


class Lexicon:
    """Of `symbols` labels; states[s] maps labels to states."""

    def __init__(self, symbols: int, states: Sequence[Mapping[int, int]], final: Iterable[int]) -> None:
        self.symbols = symbols
        steps = [sorted(state.items()) for state in states]
        self.first = np.concatenate([[0], np.cumsum([len(one) for one in steps])]).astype(np.int64)
        pairs = np.array([pair for one in steps for pair in one], np.int64).reshape(-1, 2)
        self.labels, self.targets = np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])
        self.final = np.zeros(len(states), np.bool_)
        self.final[list(final)] = True

    @classmethod
    def spelled(cls, symbols: Sequence[str], words: Collection[str], name: str = "lexicon") -> Self:
        """Of words in labels that are characters. DataError, which begins with `name`, for words that the
        labels cannot spell, with their lines where `words` is of `read_words`; for no words."""
        numbers = {symbol: number for number, symbol in enumerate(symbols)}
        space = numbers.pop(SPACE, None)
        _refuse(name, words, lambda word: bool(word) and all(letter in numbers for letter in word))
        states: list[dict[int, int]] = [{}, {}]
        final = [START]
        for word in words:
            state = START
            for letter in word:
                if numbers[letter] not in states[state]:
                    states[state][numbers[letter]] = len(states)
                    states.append({})
                state = states[state][numbers[letter]]
            final.append(state)
        states[BETWEEN] = dict(states[START])
        if space is not None:
            for state in final[1:]:
                states[state][space] = BETWEEN
        return cls(len(symbols), states, final)

    @classmethod
    def allowed(cls, symbols: Sequence[str], words: Collection[str], name: str = "lexicon") -> Self:
        """Of words that are labels themselves. DataError as of `spelled`."""
        numbers = {symbol: number for number, symbol in enumerate(symbols)}
        _refuse(name, words, numbers.__contains__)
        return cls(len(symbols), [{numbers[word]: START for word in words}], [START])

    def step(self, state: int) -> tuple[Ints, Ints]:
        """The labels (N,) that may follow, rising, and the state that each leads to."""
        place = slice(self.first[state], self.first[state + 1])
        return self.labels[place], self.targets[place]

    def accepts(self, labels: Iterable[int]) -> bool:
        """Whether a search may answer this."""
        state = START
        for label in labels:
            known, targets = self.step(state)
            at = np.flatnonzero(known == label)
            if not len(at):
                return False
            state = int(targets[at[0]])
        return bool(self.final[state])


def read_words(path: str | Path, normalized: Callable[[str], str] = str) -> dict[str, int]:
    """The words of a text file with one in each line, as labels are `normalized`, and the line where each
    first stands. DataError, one line with file, line and remedy, for what is no such file."""
    wanted = "a text file with one word in each line"
    data = read_bytes(Path(path), wanted)
    refuse_foreign(str(path), data, FOREIGN, wanted)
    lines = clean_text(str(path), data, wanted, "one word in each line", nameable=False).decode().split("\n")
    words: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        line_words = line.split()
        if len(line_words) > 1:
            raise DataError(
                f"{path}, line {number}: wanted one word, got {shown(line)}; give each its own line"
            )
        for word in line_words:
            words.setdefault(normalized(word), number)
    if not words:
        raise DataError(f"{path}: no line holds a word; wanted one word in each line")
    return words


def _refuse(name: str, words: Collection[str], known: Callable[[str], bool]) -> None:
    if not words:
        raise DataError(f"{name}: holds no word; wanted one or more")
    odd = [word for word in words if not known(word)]
    if not odd:
        return
    lines = f", line {words[odd[0]]}" if isinstance(words, Mapping) else ""
    raise DataError(
        f"{name}{lines}: {counted(len(odd), 'word')} that the model's labels cannot spell: {listed(odd)}; "
        "take out what holds symbols that no training transcript has"
    )
