"""An estimator as notebooks show it: its options, how it was judged, and its plots.

What was judged is drawn anew where the data are here, and else taken from the run folder that the model was
loaded from.
"""

import base64
import html as escape
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from unrolled.files import json_text

STYLE = "max-width:100%;width:34em;margin:4px"


def html(estimator: Any) -> str:
    """HTML without scripts, whose images stand in it."""
    head = f"<pre>{escape.escape(repr(estimator))}</pre>"
    if not estimator.__sklearn_is_fitted__():
        return f"<div>{head}<p>not trained yet: call fit, or load a run</p></div>"
    rows, sentences, images = _judged(estimator)
    said = "".join(f"<li>{escape.escape(sentence)}</li>" for sentence in sentences)
    shown = "".join(map(_image, images))
    return f"<div>{head}{_table(rows)}<ul>{said}</ul>{shown}</div>"


def _judged(estimator: Any) -> tuple[Sequence[Mapping[str, Any]], Sequence[str], list[tuple[str, bytes]]]:
    """The rows of the table, what is said of them, and the plots by name."""
    judged, folder = estimator.judged, estimator._folder
    if judged._data is None and folder is not None:
        rows, sentences = _saved(folder / "evaluation.json")
        return rows, sentences, _files(folder / "plots")
    with tempfile.TemporaryDirectory() as name:
        plots = Path(name)
        judged._draw_history(plots)
        if not estimator.has_test or judged._data is None:
            return [], [], _files(plots)
        evaluation = estimator.evaluation
        judged._draw(plots)
        return evaluation.table(), evaluation.verdict, _files(plots)


def _saved(path: Path) -> tuple[Sequence[Mapping[str, Any]], Sequence[str]]:
    """Nothing where the run kept no part to judge on."""
    if not path.exists():
        return [], []
    about = json_text.parse(path.read_bytes())
    return about["table"], about["verdict"]


def _files(folder: Path) -> list[tuple[str, bytes]]:
    return [(path.stem, path.read_bytes()) for path in sorted(folder.glob("*.png"))]


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    body = "".join(_row("td", (_cell(row.get(name)) for name in columns)) for row in rows)
    return f"<table><thead>{_row('th', columns)}</thead><tbody>{body}</tbody></table>"


def _row(tag: str, cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape.escape(cell)}</{tag}>" for cell in cells) + "</tr>"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _image(image: tuple[str, bytes]) -> str:
    name, data = image
    encoded = base64.b64encode(data).decode()
    return f'<img alt="{escape.escape(name)}" style="{STYLE}" src="data:image/png;base64,{encoded}">'
