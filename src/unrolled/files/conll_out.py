"""Tags in CoNLL columns or CoNLL-U: in the lines that they were asked for, all else kept as it stands, or in
lines of their own.

    CoNLL-U     one field of each word's line is replaced; where it is misc, which says Tag=…, one entry
    columns     the column of tags is replaced, where lines have it, else one is added; a sentence that is
                left out stays as it stands
    all others  sentences a line, tables, frames: a line for each word, an empty line behind each sentence
"""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from unrolled.errors import ConfigError, DataError
from unrolled.files import conll, formats
from unrolled.files.conll import FIELDS
from unrolled.files.messages import either, shown
from unrolled.files.opening import read_text
from unrolled.files.tagged import Layout

CONLL, CONLLU = ENDINGS = (".conll", ".conllu")
MISC = "Tag="

Sentences = Sequence[Sequence[str]]
Place = Callable[[str, str], str]  # a line, a tag -> the line with the tag


class Column(NamedTuple):
    """Where the tags of a model stand: its `name` as the training was told it, and the `layout` of lines that
    it was trained on."""

    name: str | None
    layout: Layout | None

    @property
    def field(self) -> str:
        """That of CoNLL-U."""
        usual = "upos" if self.layout == Layout(len(FIELDS), True) else "misc"
        return self.name if self.name in FIELDS[2:] else usual

    def of_fields(self, line: str, tag: str) -> str:
        """In a line of CoNLL-U."""
        fields, at = line.split("\t"), FIELDS.index(self.field)
        if self.field == "misc" and self.name != "misc":
            others = [one for one in fields[at].split("|") if one != "_" and not one.startswith(MISC)]
            tag = "|".join([*others, MISC + tag])
        fields[at] = tag
        return "\t".join(fields)

    def of_columns(self, width: int) -> Place:
        """In a line of so many columns."""
        if self.layout is None or width != self.layout.columns:
            return lambda line, tag: f"{line}\t{tag}"
        at = conll.column_at("the training files", self.name, width)

        def place(line: str, tag: str) -> str:
            column = r"[^\t]*[^\t ][^\t]*" if conll.has_tabs(line) else "[^ ]+"
            begin, end = [match.span() for match in re.finditer(column, line)][at]
            return line[:begin] + tag + line[end:]

        return place


def written(
    source: Any,
    words: Sequence[Any],
    tags: Sentences,
    column: Column,
    ending: str,
    skip_wrong: bool = False,
    encoding: str | None = None,
) -> str:
    """What a file with this ending holds: the words of a source, in UTF-8 or the `encoding`, with their tags;
    `skip_wrong`: whether some may have been left out. ConfigError for another ending and for steps that are
    no words, DataError for what columns do not take."""
    if ending not in ENDINGS:
        raise ConfigError(f"wanted a file that ends in {either(ENDINGS)}, got {shown(ending)}")
    if not all(isinstance(one, tuple) for one in words):
        raise ConfigError(f"a file that ends in {ending} holds words, and these are numbers; write a table")
    _require_single({tag for one in tags for tag in one}, r"\s", "the tag", "a blank")
    lines = _lines_of(source, column, ending, skip_wrong, encoding)
    if lines is None:
        return _own_lines(words, tags, column, ending)
    texts, numbers, place = lines
    for at, tag in zip((n for each in numbers for n in each), (t for one in tags for t in one), strict=True):
        texts[at - 1] = place(texts[at - 1], tag)
    return "\n".join(texts) + "\n"


def joined(texts: Sequence[str]) -> str:
    """One behind the other, with an empty line where a sentence would go on with the next file's."""
    closed = (text if text.endswith("\n\n") else text + "\n" for text in texts[:-1])
    return "".join([*closed, *texts[-1:]])


def _lines_of(
    source: Any, column: Column, ending: str, skip_wrong: bool, encoding: str | None
) -> tuple[list[str], list[list[int]], Place] | None:
    """The lines of a file, the numbers of those of each sentence's words, and how a tag comes into one. None
    where each word gets a line of its own."""
    if not isinstance(source, str | Path):
        return None
    name, data = str(source), read_text(Path(source), "a file of words", encoding)
    kind = formats.format_of(Path(source), data[: formats.START])
    if kind in formats.TABLES:
        return None
    if kind == formats.CONLLU:
        numbers = conll.conllu_lines(name, data)
        return conll.raw_lines(name, data), numbers, column.of_fields
    width, numbers = conll.word_lines(name, data, column.layout, skip_wrong)
    if not width or ending == CONLLU:
        return None
    return conll.raw_lines(name, data), numbers, column.of_columns(width)


def _own_lines(words: Sentences, tags: Sentences, column: Column, ending: str) -> str:
    _require_single(
        {word for one in words for word in one}, r"[\t\n]", "the word", "a tab or the end of a line"
    )
    sentences = []
    for one, answers in zip(words, tags, strict=True):
        pairs = enumerate(zip(one, answers, strict=True), 1)
        lines = [
            column.of_fields(_fields(number, word), tag) if ending == CONLLU else f"{word}\t{tag}"
            for number, (word, tag) in pairs
        ]
        sentences.append("\n".join(lines) + "\n\n")
    return "".join(sentences)


def _fields(number: int, word: str) -> str:
    return "\t".join([str(number), word, *["_"] * (len(FIELDS) - 2)])


def _require_single(texts: Iterable[str], mark: str, what: str, name: str) -> None:
    """DataError for the first that would become two columns, or lines."""
    if wrong := sorted(text for text in texts if re.search(mark, text)):
        raise DataError(f"{what} {shown(wrong[0])} holds {name}, which columns do not take; write a table")
