"""Each kind of thing that a caller hands over, and what it is taken for."""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from unrolled.errors import ConfigError
from unrolled.files.arrays import from_arrays
from unrolled.files.at_hand import InMemory, framed, is_bare, resolved

FRAME = pl.DataFrame({"x": [1.5, 2.0], "text": ["a", "b"]})
FRAMES = [
    FRAME,
    FRAME.lazy(),
    pd.DataFrame({"x": [1.5, 2.0], "text": ["a", "b"]}, index=[7, 3]),
    pa.table({"x": [1.5, 2.0], "text": ["a", "b"]}),
    pa.RecordBatch.from_pydict({"x": [1.5, 2.0], "text": ["a", "b"]}),
]


def taken(X, y=None, lengths=None, files=False):
    source = resolved(X, y, lengths, lambda texts: files, "path")
    again = resolved(source, None, None, lambda texts: files, "path")
    assert type(again) is type(source), "what went through once is as it is"
    return source


def test_a_text_alone_is_a_path_and_texts_in_a_list_are_what_the_model_reads():
    assert taken("a.csv") == taken(Path("a.csv")) == Path("a.csv")
    assert taken([Path("a.csv"), Path("b.csv")]) == (Path("a.csv"), Path("b.csv"))
    assert taken(["a.csv", "b.csv"]).X == ["a.csv", "b.csv"]
    assert taken(["a.wav", "b.wav"], files=True) == (Path("a.wav"), Path("b.wav"))
    assert taken(np.array(["a.wav"]), files=True) == (Path("a.wav"),)
    heard = taken(["a.wav", "b.wav"], [1, 2], files=True)
    assert heard.X.to_dict(as_series=False) == {"path": ["a.wav", "b.wav"]} and heard.y == [1, 2]


@pytest.mark.parametrize(
    "frame", FRAMES, ids=lambda frame: f"{type(frame).__module__}.{type(frame).__name__}"
)
def test_frames_of_every_library_are_one(frame):
    assert taken(frame).equals(FRAME) and not is_bare(frame)
    with_answers = taken(frame, pd.Series([1, 2]))
    assert with_answers.X.equals(FRAME) and with_answers.y.tolist() == [1, 2]
    first, second = taken([frame, frame])
    assert first.equals(FRAME) and second.equals(FRAME)


def test_an_index_of_pandas_counts_where_it_says_something():
    times = pd.DataFrame({"sales": [1.0, 2.0]}, index=pd.to_datetime(["2024-01-01", "2024-01-02"]))
    assert framed(times).columns == ["time", "sales"] and framed(times)["time"].dtype.is_temporal()
    months = pd.DataFrame({"sales": [1.0, 2.0]}, index=pd.period_range("2024-01", periods=2, freq="M"))
    assert framed(months)["time"].dt.month().to_list() == [1, 2]
    named = pd.DataFrame({"sales": [1.0]}, index=pd.Index(["a"], name="shop"))
    assert framed(named).columns == ["shop", "sales"]
    assert framed(pd.DataFrame(np.zeros((2, 2)), index=[5, 9])).columns == ["0", "1"]


@pytest.mark.parametrize(
    "X",
    [
        [np.zeros(3)],
        np.zeros((2, 3)),
        np.zeros((2, 3, 1)),
        torch.zeros(2, 3),
        ["a text"],
        [["a", "word"]],
        pd.Series(["a"]),
        pl.Series(["a"]),
        pa.array(["a"]),
    ],
    ids=lambda X: type(X).__name__,
)
def test_data_in_memory_have_answers_beside_them(X):
    alone, both = taken(X), taken((X, [1] * len(X)))
    assert isinstance(alone, InMemory) and alone.y is None and is_bare(X) and is_bare(alone)
    assert both.y == [1] * len(X) and is_bare((X, [1]))
    assert taken((X, None, [1] * len(X))).lengths == [1] * len(X)


@pytest.mark.parametrize(
    "X, y, lengths, said",
    [
        (
            3,
            None,
            None,
            "X: wanted a path, pathlib.Paths in a list, a frame .*, got a int; give one of these",
        ),
        ({"x": [1]}, None, None, "got a dict"),
        (FRAME, "text", None, r"a column of answers is named where the estimator is made \(target='text'"),
        (
            [FRAME, FRAME],
            [1, 2],
            None,
            r"give each sequence as an array \(frame.to_numpy\(\)\), or one frame",
        ),
        ("a.csv", [1], None, "y: the answers of a str stand in it; leave y out, or give X in memory"),
        (from_arrays([[1.0]]), [1], None, r"what was read already \(Examples\) stand in it"),
        (FRAME, None, [1, 2], "lengths are those of a padded array"),
        (([[1.0]], ["a"]), ["a"], None, r"X is a pair \(X, y\), and y or lengths stand beside it"),
    ],
)
def test_anything_else_is_refused_with_the_remedy(X, y, lengths, said):
    with pytest.raises(ConfigError, match=said) as error:
        taken(X, y, lengths)
    assert "\n" not in str(error.value)


def test_a_sparse_matrix_is_told_how_to_be_read():
    from scipy.sparse import csr_array

    with pytest.raises(ConfigError, match=r"got a sparse csr_array; give X.toarray\(\)"):
        taken(csr_array(np.eye(2)))
