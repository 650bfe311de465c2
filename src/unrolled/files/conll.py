"""Words and their tags in lines, an empty line behind each sentence: CoNLL columns and CoNLL-U.

    columns   word more … tag, separated by tabs, or by blanks where a line holds no tab; as many in every
              line. Lines that begin with -DOCSTART- part documents. A line that begins with # where a
              sentence begins is a comment, unless it has the columns of a word
    CoNLL-U   ten fields separated by tabs: ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC. ID counts the
              words of a sentence from 1. Multi-word tokens (3-4) span words that follow in lines of their own
              and empty nodes (5.1) stand for no word of the text: neither is tagged. _ is a field without
              a value

Source   CoNLL-2003 shared task, Tjong Kim Sang and De Meulder; universaldependencies.org/format.html
"""

import re
from dataclasses import dataclass, field, replace

from unrolled.errors import ConfigError, DataError
from unrolled.files.left_out import WrongLineError
from unrolled.files.messages import counted, listed, nearest, option, shown
from unrolled.files.opening import clean_text
from unrolled.files.tagged import Layout, Tagged

FIELDS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
# Fields that every word has: _ there says that the file is not annotated. Elsewhere it is a value.
_ALWAYS = ("upos", "head", "deprel")
_ID = re.compile(r"([1-9]\d{0,8})|([1-9]\d{0,8})-([1-9]\d{0,8})|(\d{1,9})\.([1-9]\d{0,8})")
DOCUMENT = "-DOCSTART-"


@dataclass
class _Sentence:
    """One that is being read; `begin` is its first line, a comment's too."""

    begin: int
    name: str | None = None
    words: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    span: int = 0  # last word of a multi-word token
    wrong: bool = False  # whether it is to be left out


def read_conll(path: str, data: bytes, column: str | None, wrong: dict[str, str] | None = None) -> Tagged:
    """The sentences of CoNLL columns and their tags. `column`: number of the tags' column from 1, or from the
    end as -1; None: the last. Where `wrong` is given, sentences with lines of another width are left out, and
    these lines stand there by their places with the reasons. DataError of one line for what is wrong in the
    file, ConfigError for such a column."""
    lines = _lines(path, data, "CoNLL columns")
    first = next((line for _, line in lines if line and not line.startswith(("#", DOCUMENT))), "")
    width = len(_split(first))
    sentences = _right(path, _sentences(path, lines, width, _column_at(path, column, width), wrong))
    tagged = _tagged(path, sentences, True, layout=Layout(width, _has_tabs(first)))
    return replace(tagged, left_out=wrong or {})


def read_words(path: str, data: bytes, layout: Layout | None) -> Tagged:
    """The sentences of a file that is to be tagged, of a model trained on files of this layout: its columns,
    the first is the word; words alone, one a line; or lines without tabs of several words, each a sentence.
    DataError for others: which column holds the words is not known."""
    lines = _lines(path, data, "words or sentences")
    words = [(number, line) for number, line in lines if line and not line.startswith(("#", DOCUMENT))]
    widths, tabs = [len(_split(line)) for _, line in words], any(_has_tabs(line) for _, line in words)
    if not words:
        raise DataError(f"{path}: no line holds a word; wanted lines of words")
    columns = 1 if max(widths) == 1 else layout.columns if layout and (tabs or not layout.tabs) else 0
    of_training = f"{layout.columns} columns of the training files" if layout else ""
    if 2 * widths.count(columns) >= len(widths):
        note = f"{path}: its lines are read as the {of_training}, the first is the word"
        notes = (note,) if columns > 1 and not tabs else ()
        return _tagged(path, _sentences(path, lines, columns, None), False, notes)
    if tabs:
        wrong = next(k for k, width in enumerate(widths) if width > 1)
        known = f"the {of_training}, " if layout else ""
        raise DataError(
            f"{path}, line {words[wrong][0]}: wanted {known}one word a line, or one sentence a line without "
            f"tabs, got {widths[wrong]} columns; give one of these"
        )
    sentences = [_Sentence(number, None, line.split(), [], [number]) for number, line in lines if line]
    for one in sentences:
        one.lines *= len(one.words)
        one.tags = [""] * len(one.words)
    note = f"{path}: each line is read as a sentence, its words between blanks"
    return _tagged(path, sentences, False, (f"{note}, not as the {of_training}" if layout else note,))


def columns_of(layout: Layout | None) -> str:
    """For messages: "4 columns"."""
    return "no columns" if layout is None else counted(layout.columns, "column")


def _right(path: str, sentences: list[_Sentence]) -> list[_Sentence]:
    """Those that are not wrong. DataError where all are."""
    right = [one for one in sentences if not one.wrong]
    if not right:
        raise DataError(f"{path}: no sentence can be used; correct its lines")
    return right


def _sentences(
    path: str, lines: list[tuple[int, str]], width: int, at: int | None, wrong: dict[str, str] | None = None
) -> list[_Sentence]:
    """Of lines of `width` columns, the tags in column `at`."""
    sentences, sentence = list[_Sentence](), None
    for number, line in lines:
        fields = _split(line)
        if not fields or line.startswith(DOCUMENT):
            sentence = None
        elif sentence is not None or not line.startswith("#") or len(fields) == width:
            if sentence is None:
                sentences.append(sentence := _Sentence(number))
            if len(fields) != width:
                said = f"wanted {counted(width, 'column')} as in the lines before, got {len(fields)}"
                if wrong is None:
                    raise WrongLineError(
                        f"{path}, line {number}: {said}; complete the line, or put an empty line between "
                        "sentences"
                    )
                sentence.wrong, wrong[f"{path}, line {number}"] = True, said
                continue
            sentence.words.append(fields[0])
            sentence.tags.append(fields[at] if at is not None else "")
            sentence.lines.append(number)
    return sentences


def read_conllu(path: str, data: bytes, column: str | None, answers: bool) -> Tagged:
    """The words of CoNLL-U and what stands in `column`, a name of FIELDS; None: upos."""
    column = column or "upos"
    if column not in FIELDS[2:]:
        raise ConfigError(
            f"{option('column')}: wanted one of {listed(FIELDS[2:])}{nearest(column, FIELDS[2:])}, got "
            f"{shown(column)}"
        )
    at, sentences = FIELDS.index(column), list[_Sentence]()
    sentence: _Sentence | None = None
    for number, line in _lines(path, data, "CoNLL-U"):
        if not line:
            _close(path, sentence)
            sentence = None
            continue
        if sentence is None:
            sentences.append(sentence := _Sentence(number))
        if line.startswith("#"):
            match = re.fullmatch(r"#\s*sent_id\s*=\s*(\S+)\s*", line)
            sentence.name = match[1] if match else sentence.name
            if sentence.words:
                raise DataError(
                    f"{path}, line {number}: a comment between the words of a sentence; wanted it before "
                    "them, put an empty line between sentences"
                )
        else:
            _word(f"{path}, line {number}", line, sentence, at, number)
    _close(path, sentence)
    unmarked = column in _ALWAYS and any("_" in sentence.tags for sentence in sentences)
    if unmarked and answers:
        first = next(one for one in sentences if "_" in one.tags)
        place = f"{path}, line {first.lines[first.tags.index('_')]}"
        raise DataError(f"{place}: wanted a value of {column}, got '_'; annotate the word")
    return _tagged(path, sentences, not unmarked, layout=Layout(len(FIELDS), True))


def is_conllu(data: bytes) -> bool:
    """Whether the first line of words is one of CoNLL-U."""
    for line in data.split(b"\n", 1000)[:1000]:
        if line.strip() and not line.startswith(b"#"):
            fields = line.split(b"\t")
            return len(fields) == len(FIELDS) and fields[0][:1].isdigit()
    return False


def _lines(path: str, data: bytes, kind: str) -> list[tuple[int, str]]:
    """(number, text) of every line; one of nothing but blanks is empty."""
    body = clean_text(path, data, f"{kind} in UTF-8", "lines of words and tags").decode()
    return [
        (number, line if line.strip(" \t") else "") for number, line in enumerate(body[:-1].split("\n"), 1)
    ]


def _has_tabs(line: str) -> bool:
    return "\t" in line.strip("\t ")


def _split(line: str) -> list[str]:
    fields = line.rstrip("\t ").split("\t") if _has_tabs(line) else line.split(" ")
    return [one.strip(" ") for one in fields if one.strip(" \t")]


def _column_at(path: str, column: str | None, width: int) -> int:
    """Where in a line the tags stand."""
    if not width:
        raise DataError(f"{path}: no line holds a word; wanted lines of words and tags")
    if width == 1:
        raise DataError(f"{path}: the lines hold one column; wanted words and, in another column, tags")
    number = "-1" if column is None else column
    if not re.fullmatch(r"-?\d{1,4}", number):
        raise ConfigError(
            f"{option('column', number)}: {path} has {width} columns without names; give a number"
        )
    at = int(number) - 1 if int(number) > 0 else width + int(number)
    if not 1 <= at < width:
        raise ConfigError(
            f"{option('column')}: wanted 2 to {width}, or -1 for the last, got {number}; column 1 is the word"
        )
    return at


def _word(place: str, line: str, sentence: _Sentence, at: int, number: int) -> None:
    """One line of CoNLL-U."""
    fields = line.split("\t")
    if len(fields) != len(FIELDS):
        raise DataError(
            f"{place}: wanted {len(FIELDS)} fields with a tab between, got {len(fields)}; correct the line"
        )
    if empty := next((name for name, value in zip(FIELDS, fields, strict=True) if not value.strip()), None):
        raise DataError(f"{place}: the field {empty} is empty; write _ where there is no value")
    match, count = _ID.fullmatch(fields[0]), len(sentence.words)
    if match is None:
        raise DataError(f"{place}: wanted an id such as 3, 3-4 or 5.1, got {shown(fields[0])}; correct it")
    word, begin, end, before, _ = match.groups()
    if word is not None and int(word) == count + 1:
        sentence.words.append(fields[1])
        sentence.tags.append(fields[at])
        sentence.lines.append(number)
    elif begin is not None and int(begin) == count + 1 and int(end) >= int(begin) and count >= sentence.span:
        sentence.span = int(end)
    elif before is None or int(before) != count:
        raise DataError(
            f"{place}: id {fields[0]} after {counted(count, 'word')} of the sentence; wanted {count + 1}, "
            "correct the ids, or put an empty line between sentences"
        )


def _close(path: str, sentence: _Sentence | None) -> None:
    if sentence is None:
        return
    if not sentence.words:
        raise DataError(f"{path}, line {sentence.begin}: a sentence without words; delete its lines")
    if sentence.span > len(sentence.words):
        raise DataError(
            f"{path}, line {sentence.lines[-1]}: a multi-word token reaches to word {sentence.span}, the "
            f"sentence has {len(sentence.words)}; correct its id"
        )


def _tagged(
    path: str,
    sentences: list[_Sentence],
    has_tags: bool,
    notes: tuple[str, ...] = (),
    layout: Layout | None = None,
) -> Tagged:
    return Tagged(
        tuple(tuple(one.words) for one in sentences),
        (),
        tuple(tuple(one.tags) for one in sentences) if has_tags else None,
        tuple(one.name or str(number) for number, one in enumerate(sentences, 1)),
        tuple(f"{path}, line {one.lines[0]}" for one in sentences),
        notes,
        layout=layout,
    )
