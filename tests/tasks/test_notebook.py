import re

import numpy as np

import unrolled
from tests.tasks.bumps import bumps
from unrolled import Classifier, Forecaster

PNG = re.compile(r'<img alt="(\w+)"[^>]*src="data:image/png;base64,iVBOR')


def test_a_model_shows_its_options_its_table_and_its_plots(tmp_path):
    X, y = bumps(40)
    model = Classifier(hidden=4, steps=3, id="<b>")
    assert model._repr_html_() == (
        "<div><pre>Classifier(hidden=4, steps=3, id=&#x27;&lt;b&gt;&#x27;)</pre>"
        "<p>not trained yet: call fit, or load a run</p></div>"
    )
    model = Classifier(hidden=4, steps=3).fit(X, y, out=tmp_path / "run")
    html = model._repr_html_()
    assert html.startswith("<div><pre>Classifier(hidden=4, steps=3)</pre><table><thead><tr><th>model</th>")
    assert "<td>majority class</td>" in html and "<li>" in html and "<script" not in html
    assert (
        set(PNG.findall(html)) == {path.stem for path in (tmp_path / "run/plots").glob("*.png")} >= {"loss"}
    )
    table = re.compile("<table>.*</ul>")
    loaded = unrolled.load(tmp_path / "run")._repr_html_()
    assert table.findall(loaded) == table.findall(html) and PNG.findall(loaded) == PNG.findall(html)


def test_a_model_that_was_judged_on_nothing_shows_its_history():
    X, y = bumps(20)
    html = Classifier(hidden=4, steps=3, test=0).fit(X, y)._repr_html_()
    assert "<table>" not in html and set(PNG.findall(html)) == {"loss", "gradient_norm"}


def test_a_forecaster_shows_the_model_that_was_judged():
    X = [np.sin(np.arange(60) / 3 + k) for k in range(2)]
    html = Forecaster(horizon=2, steps=2, members=1).fit(X)._repr_html_()
    assert "these figures are of the model before it was trained again on all data" in html
    assert "<td>persistence</td>" in html and "loss" in PNG.findall(html)
