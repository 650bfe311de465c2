"""Series that belong together are validated and tested on as wholes, none of whose group trains."""

import io

import numpy as np
import polars as pl
import pytest

from unrolled import Detector, Forecaster
from unrolled.errors import ConfigError, DataError
from unrolled.plots import figures
from unrolled.tasks import pictures
from unrolled.training.progress import Lines

QUICK = {"id": "shop", "target": "sales", "hidden": 3, "steps": 2, "members": 1, "window": 8}


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr(pictures, "draw_history", lambda *arguments: None)
    monkeypatch.setattr(figures, "save", lambda *arguments: None)


def shops(number=10, T=40):
    """A region has two shops each; one step of every shop is odd."""
    draw = np.random.default_rng(0)
    rows = [
        (t, f"s{s}", s // 2, np.sin(t / 2 + s) + draw.normal() / 5, int(t == 30))
        for s in range(number)
        for t in range(T)
    ]
    return pl.DataFrame(rows, ["t", "shop", "region", "sales", "odd"], orient="row")


def test_whole_series_of_a_group_are_in_one_part(tmp_path):
    path, said = tmp_path / "shops.csv", io.StringIO()
    shops().drop("odd").write_csv(path)
    model = Forecaster(**QUICK, horizon=2, group="region", refit=False)
    model.fit(path, out=tmp_path / "run", report=Lines(said))
    parts = {s.name: s.part for s in model._data.series}
    assert [parts[f"s{2 * k}"] for k in range(5)] == [parts[f"s{2 * k + 1}"] for k in range(5)]
    assert sorted(parts.values()) == [""] * 6 + ["test"] * 2 + ["validation"] * 2
    assert "regions: 3 to train on, 1 to validate, 1 to test\n" in said.getvalue()
    tested = {name for name, part in parts.items() if part == "test"}
    assert f"of {len(tested)} series" in " ".join(model.evaluation.verdict)
    loaded = Forecaster.load(tmp_path / "run")
    assert str(loaded.evaluation.rows) == str(model.evaluation.rows), "read again they are the same"
    new = shops().drop("region", "odd")
    assert len(loaded.predict(new)) == 10 * 2, "a trained model needs no groups"


def test_series_that_are_rows_have_groups_too():
    wide = shops().pivot("t", index=["shop", "region"], values="sales")
    model = Forecaster(**QUICK | {"target": ()}, wide="rows", group="region", horizon=2, refit=False).fit(
        wide
    )
    parts = {s.name: s.part for s in model._data.series}
    assert {len({parts[f"s{2 * k}"], parts[f"s{2 * k + 1}"]}) for k in range(5)} == {1}
    assert sorted(parts.values()) == [""] * 6 + ["test"] * 2 + ["validation"] * 2
    assert {len(s.target) for s in model._data.series} == {40}, "the column of groups is no step"


def test_what_is_known_to_be_unusual_goes_with_its_series():
    model = Detector(**QUICK, truth="odd", group="region").fit(shops())
    assert any("2 unusual episodes" in line for line in model.evaluation.verdict)


@pytest.mark.parametrize(
    "options, error, said",
    [
        ({"group": "regon"}, DataError, "no column 'regon' (did you mean 'region'?)"),
        ({"group": "sales"}, ConfigError, "column 'sales' is named as target and again as group"),
        ({"group": "t", "time": "t"}, DataError, "wanted one group in all rows of a sequence"),
        (
            {"group": "region", "wide": "columns", "id": None, "target": ()},
            ConfigError,
            "with wide='columns' no column tells of which group a series is; write the series one below",
        ),
    ],
)
def test_wrong_groups_are_refused_in_a_line(options, error, said):
    with pytest.raises(error) as caught:
        Forecaster(**QUICK | {"horizon": 2} | options).fit(shops().drop("odd"))
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_two_groups_are_too_few_for_three_parts():
    with pytest.raises(DataError, match="2 groups for 3 parts of the data"):
        Forecaster(**QUICK, horizon=2, group="region").fit(shops(4).drop("odd"))
