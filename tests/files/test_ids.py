"""Names of series in several columns: in tables of all kinds, in records, and in a model and its stream."""

import polars as pl
import pytest

from unrolled.errors import DataError
from unrolled.files.ids import id_columns, id_of
from unrolled.files.query import Query
from unrolled.files.reading import read_sequences
from unrolled.files.series import read_series

SHOPS = pl.DataFrame(
    {
        "shop": ["Berlin", "Berlin", "Berlin", "Berlin", "Köln", "Köln"],
        "article": ["apples", "apples", " pears", "pears", "apples", "apples"],
        "day": [1, 2, 1, 2, 1, 2],
        "sold": [1.0, 2, 3, 4, 5, 6],
        "label": ["a", "a", "b", "b", "c", "c"],
    }
)
NAMES = ("Berlin, apples", "Berlin, pears", "Köln, apples")


def test_one_column_may_be_called_as_several_would_be():
    assert id_columns("shop, article") == ("shop", "article")
    assert id_columns("shop,article", ["shop,article", "shop"]) == ("shop,article",)
    assert id_of({"shop": "Berlin", "article": 7}, "shop,article") == "Berlin, 7"
    assert id_of({"shop": 3}, "shop") == 3
    assert id_of({"shop": "Berlin", "article": ""}, "shop,article") is None
    assert id_of({"shop": "Berlin"}, "shop,article") is None


def test_series_are_told_apart_by_several_columns():
    file = read_series(SHOPS, Query(id="shop,article", time="day", targets=("sold",)))
    assert [(one.name, one.target[:, 0].tolist()) for one in file.series] == [
        (name, [2 * k + 1.0, 2 * k + 2.0]) for k, name in enumerate(NAMES)
    ]
    fixed = read_series(SHOPS, Query(id="shop,article", time="day", targets=("sold",), static=("shop",)))
    shops = [fixed.texts["shop"][one.static.item()] for one in fixed.series]
    assert shops == ["Berlin", "Berlin", "Köln"]


def test_sequences_to_classify_and_wide_rows_likewise():
    data = read_sequences(SHOPS, Query(id="shop,article", time="day", target="label"))
    assert (data.names, data.truth, data.features) == (NAMES, ("a", "b", "c"), ("sold",))
    rows = SHOPS.filter(pl.col("day") == 1).select("shop", "article", "sold", "day")
    wide = read_series(rows, Query(id="shop,article", wide="rows"))
    assert [(one.name, one.target[:, 0].tolist()) for one in wide.series] == [
        (name, [value, 1.0]) for name, value in zip(NAMES, (1.0, 3.0, 5.0), strict=True)
    ]


def test_a_missing_part_or_column_is_told_with_its_place():
    gone = SHOPS.with_columns(article=pl.when(pl.col("sold") == 4).then(None).otherwise("article"))
    with pytest.raises(DataError, match="row 4 of 6, column 'shop,article': wanted the name of a series"):
        read_series(gone, Query(id="shop,article", time="day", targets=("sold",)))
    with pytest.raises(DataError, match="no column 'town'"):
        read_series(SHOPS, Query(id="shop,town", time="day", targets=("sold",)))
