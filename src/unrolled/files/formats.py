"""Which format a file has, for every task, by its name and its first bytes. What a name says counts more than
what stands in the file; .gz behind it says nothing.

A text of no known ending is told by its reader: it may be a table, lines of texts, or words and their tags.
"""

from collections.abc import Callable
from pathlib import Path

from unrolled.files import decoded, riff
from unrolled.files.conll import is_conllu
from unrolled.files.opening import plain_name
from unrolled.files.parquet import is_parquet

START = 1 << 16  # bytes that tell a format

TS, IDX, RECORDING, PARQUET = "a .ts file", "an IDX file", "a recording", "a Parquet file"
JSON_LINES, CSV, TSV = "a file of JSON lines", "a CSV file", "a TSV file"
ARFF, TSF = "an ARFF file", "a .tsf file"
CONLLU, FASTTEXT, TEXT = "a CoNLL-U file", "lines of fastText", "a text"
NAMED = (PARQUET, JSON_LINES, ARFF, TSF)  # tables that always name their columns
TABLES = (*NAMED, CSV, TSV)

LABEL = "__label__"  # before a label of fastText
IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}

RECORDINGS = (".wav", ".wave", *decoded.ENDINGS)

_ENDINGS = {
    TS: (".ts",),
    IDX: ("-ubyte", ".idx"),
    RECORDING: RECORDINGS,
    PARQUET: (".parquet", ".pq"),
    JSON_LINES: (".jsonl", ".ndjson", ".json"),
    ARFF: (".arff",),
    TSF: (".tsf",),
    CSV: (".csv",),
    TSV: (".tsv", ".tab"),
    CONLLU: (".conllu",),
}


def is_idx_start(start: bytes) -> bool:
    """Whether bytes begin as IDX does."""
    return len(start) >= 4 and start.startswith(b"\0\0") and start[2] in IDX_TYPES


_STARTS: dict[str, Callable[[Path, bytes], bool]] = {
    IDX: lambda _, start: is_idx_start(start),
    RECORDING: lambda _, start: riff.is_wav(start) or decoded.encoding_of(start) is not None,
    PARQUET: is_parquet,
    CONLLU: lambda _, start: is_conllu(start),
    FASTTEXT: lambda _, start: start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(LABEL.encode()),
}


def format_of(path: Path, start: bytes) -> str:
    """`start`: the first bytes of the file, unpacked; START of them tell everything."""
    name = plain_name(path).name.lower()
    by_name = next((kind for kind, endings in _ENDINGS.items() if name.endswith(endings)), None)
    return by_name or next((kind for kind, matches in _STARTS.items() if matches(path, start)), TEXT)
