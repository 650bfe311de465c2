"""Tables on a screen: every column can be read, however narrow it is."""

import math
import re
import sys

import pytest

from unrolled.cli import printing

ROWS = [
    {"target": "sales", "forecast": name, "mae": 9808.0, "median mase": 34.29, "coverage of 90 %": share}
    for name, share in [("model", 0.898), ("seasonal naive", math.nan)]
]


def printed(capsys):
    """Without what makes letters bold."""
    return re.sub("\x1b\\[[0-9;]*m", "", capsys.readouterr().out)


@pytest.fixture
def screen(monkeypatch):
    def of(columns):
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    return of


def test_columns_that_are_too_wide_stand_below_behind_the_names(screen, capsys):
    screen(42)
    printing.table(ROWS)
    lines = [line.split() for line in printed(capsys).splitlines()]
    assert lines == [
        ["target", "forecast", "mae", "median", "mase"],
        ["sales", "model", "9808", "34.29"],
        ["sales", "seasonal", "naive", "9808", "34.29"],
        [],
        ["target", "forecast", "coverage", "of", "90", "%"],
        ["sales", "model", "0.898"],
        ["sales", "seasonal", "naive", "-"],
    ]


def test_a_screen_that_is_wide_enough_has_one_table(screen, capsys):
    screen(80)
    printing.table(ROWS)
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_texts_take_more_lines_where_numbers_need_the_room(screen, capsys):
    screen(30)
    printing.table(
        [{"source": "a dog barks at a cat", "rank": 1, "answer": "un chien aboie", "score": -1.25}]
    )
    found = printed(capsys)
    assert max(map(len, found.splitlines())) <= 30
    assert {"source", "rank", "answer", "score", "-1.25", "aboie", "cat"} <= set(found.split())


def test_of_very_many_columns_the_first_are_shown(capsys):
    import polars as pl

    printing.frame(pl.DataFrame({"name": ["a"]} | {f"q({k})": [0.5] for k in range(100)}), None, False)
    out, err = capsys.readouterr()
    assert "q(22)" in out and "q(23)" not in out
    assert "77 columns more" in out + err


def test_of_many_probabilities_the_likeliest_are_shown(capsys):
    import polars as pl

    names = [f"p(word {k})" for k in range(30)]
    row = {"name": "a.wav", "label": "word 7"} | {name: (1 + k == 8) / 2 for k, name in enumerate(names)}
    printing.frame(pl.DataFrame([row | {"p(word 29)": 0.25, "p(word 3)": 0.125}]), None, False)
    shown, notes = capsys.readouterr()
    assert "word 7 0.5, word 29 0.25, word 3 0.125, word 0 0, word 1 0" in shown
    assert "p(" not in shown and "the 5 likeliest of 30; -o FILE and --json have all probabilities" in notes
    printing.frame(pl.DataFrame([dict.fromkeys(names[:5], 0.5)]), None, False)
    assert "p(word 4)" in capsys.readouterr().out
