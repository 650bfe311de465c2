"""What a caller hands over: files, frames, what was read already, or data in memory.

str, Path             a file
Paths in a list       files
str in a list         files where the model reads files of recordings or pictures, else texts
a frame               of polars (lazy too), pandas or pyarrow; several in a list
Examples, Text, …     as they are
everything else       data in memory: arrays, texts, lists of words; (X, y) or (X, y, lengths) too
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from unrolled.errors import ConfigError
from unrolled.files.examples import Examples
from unrolled.files.messages import shown
from unrolled.files.series import SeriesFile
from unrolled.files.text import Text

READ = Examples, Text, SeriesFile

WANTED = (
    "a path, pathlib.Paths in a list, a frame of polars, pandas or pyarrow, or data in memory (a list of "
    "arrays, an array (N, T) or (N, T, F), texts, or lists of words)"
)


@dataclass(frozen=True)
class InMemory:
    """`X` holds inputs as a list, an array or a frame; `y` their answers, None where there are none;
    `lengths` (N,) the true lengths of padded ones (N, T, …); `weights` (N,) what each counts, None: alike;
    `groups` (N,) of those that stay in one part together."""

    X: Any
    y: Any = None
    lengths: Any = None
    weights: Any = None
    groups: Any = None

    @property
    def is_frame(self) -> bool:
        return isinstance(self.X, pl.DataFrame)


def resolved(X: Any, y: Any, lengths: Any, are_files: Callable[[Sequence[str]], bool], column: str) -> Any:
    """What `X`, with `y` and `lengths` beside it, is: None, a Path, a tuple of Paths or of frames, a frame,
    what was read, or InMemory. `are_files` says whether texts in a list are paths, which with answers beside
    them become the `column` of a frame.

    ConfigError for anything else, and for answers or lengths beside what has its own.
    """
    if isinstance(X, InMemory):
        return X
    if _is_pair(X):
        if y is not None or lengths is not None:
            raise ConfigError("X is a pair (X, y), and y or lengths stand beside it; give them once")
        inputs, answers, counts = (*X, None)[:3]
        return resolved(inputs, answers, counts, are_files, column)
    source = _source(X, are_files)
    if isinstance(y, str):
        raise ConfigError(
            f"y: wanted an answer for each input, got the text {shown(y)}; a column of answers is named "
            f"where the estimator is made (target={shown(y)}; of a Translator target_column)"
        )
    if lengths is not None and not isinstance(source, InMemory):
        raise ConfigError(
            f"lengths are those of a padded array (N, T, F), and X is {_kind(X)}; leave them out"
        )
    if isinstance(source, InMemory):
        return InMemory(source.X, plain(y), plain(lengths))
    if y is None:
        return source
    if isinstance(source, tuple) and all(isinstance(one, Path) for one in source):
        return InMemory(pl.DataFrame({column: [str(one) for one in source]}), plain(y))
    if isinstance(source, pl.DataFrame):
        return InMemory(source, plain(y))
    if isinstance(source, tuple):
        raise ConfigError(
            "y: several frames are tables that hold their answers; give each sequence as an array "
            "(frame.to_numpy()), or one frame with a column that tells sequences apart"
        )
    raise ConfigError(f"y: the answers of {_kind(X)} stand in it; leave y out, or give X in memory")


def plain(values: Any) -> Any:
    """Columns of pandas, polars or pyarrow, and what else can be an array, as an array; None, lists and all
    else as they are."""
    if _is_frame(values):
        return framed(values).to_numpy()
    if isinstance(values, pl.Series):
        return values.to_numpy() if values.dtype.is_numeric() else values.to_list()
    if _library(values) == "pyarrow" and hasattr(values, "to_pylist"):
        return values.to_pylist()
    if hasattr(values, "__array__") and not isinstance(values, np.ndarray | list | tuple):
        return np.asarray(values)
    return values


def framed(table: Any) -> pl.DataFrame:
    """A frame of any of the libraries as one of polars. An index of pandas that has a name, or holds times,
    is its first column. ConfigError where it cannot be read."""
    if isinstance(table, pl.LazyFrame):
        return table.collect()
    if isinstance(table, pl.DataFrame):
        return table
    try:
        if _library(table) == "pandas":
            index = table.index
            named = any(name is not None for name in index.names)
            if named or index.dtype.kind == "M" or hasattr(index, "freq"):
                if hasattr(index, "to_timestamp"):
                    table = table.set_axis(index.to_timestamp())
                table = table.reset_index(names=None if named else "time")
            table = table.rename(columns=str)
            return pl.from_pandas(table)
        frame: Any = pl.from_arrow(table)
        return pl.DataFrame(frame)
    except (ImportError, TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise ConfigError(
            f"polars cannot read this frame of {_library(table)} ({shown(str(error), 80)}); convert its "
            "columns, or install pyarrow where that is missing"
        ) from error


def is_bare(X: Any) -> bool:
    """Whether it holds inputs alone, without a table or a file around them."""
    if isinstance(X, InMemory):
        return not X.is_frame
    if _is_pair(X):
        return is_bare(X[0])
    if X is None or isinstance(X, (str, Path, *READ)) or _is_frame(X):
        return False
    return not _each(X, Path) and not (isinstance(X, list | tuple) and len(X) > 0 and all(map(_is_frame, X)))


def _source(X: Any, are_files: Callable[[Sequence[str]], bool]) -> Any:
    if X is None or isinstance(X, READ):
        return X
    if isinstance(X, str | Path):
        return Path(X)
    if _is_frame(X):
        return framed(X)
    if isinstance(X, list | tuple) and len(X) and all(map(_is_frame, X)):
        return tuple(map(framed, X))
    if _each(X, Path) or (_each(X, (str, Path)) and _any(X, Path)):
        return tuple(map(Path, X))
    values = plain(X)
    if hasattr(values, "toarray"):
        raise ConfigError(f"X: wanted {WANTED}, got a sparse {type(X).__name__}; give X.toarray()")
    if not isinstance(values, list | tuple | np.ndarray):
        raise ConfigError(f"X: wanted {WANTED}, got {_kind(X)}; give one of these")
    if _each(values, str) and are_files([str(one) for one in values]):
        return tuple(Path(str(one)) for one in values)
    return InMemory(values)


def _is_pair(X: Any) -> bool:
    """Whether it is (X, y) or (X, y, lengths), which are no files and no frames."""
    if not isinstance(X, tuple) or len(X) not in (2, 3):
        return False
    return not all(isinstance(one, str | Path) for one in X) and not all(map(_is_frame, X))


def _is_frame(value: Any) -> bool:
    if isinstance(value, pl.DataFrame | pl.LazyFrame):
        return True
    library, name = _library(value), type(value).__name__
    return (library, name) in (("pandas", "DataFrame"), ("pyarrow", "Table"), ("pyarrow", "RecordBatch"))


def _each(values: Any, kind: Any) -> bool:
    is_list = isinstance(values, list | tuple) or (isinstance(values, np.ndarray) and values.ndim == 1)
    return is_list and len(values) > 0 and all(isinstance(one, kind) for one in values)


def _any(values: Any, kind: Any) -> bool:
    return any(isinstance(one, kind) for one in values)


def _library(value: Any) -> str:
    return type(value).__module__.partition(".")[0]


def _kind(value: Any) -> str:
    if isinstance(value, READ):
        return f"what was read already ({type(value).__name__})"
    return f"a {type(value).__name__}"
