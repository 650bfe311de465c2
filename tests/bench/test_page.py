"""What is written: JSON that reads back as itself, and Markdown that hides nothing."""

import json
from pathlib import Path

import pytest

from unrolled.bench import page
from unrolled.bench.document import Document, Figure, Peak, joined, read
from unrolled.errors import DataError

from .cases import document, record

DOCS = Path(__file__).parents[2] / "docs" / "benchmarks.md"
WON = record("grid/training/gru/20x50x1x100", 2, {"unrolled": 1.23456, "torch.nn": 2.0})
LOST = record("grid/training/lstm/20x50x1x100", 2, {"unrolled": 4.0, "torch.nn": 3.0})
REFUSED = record("grid/training/rnn/20x50x1x100", 2, {}, refused="y: torch.nn and unrolled differ")
PLAIN = record(
    "variants/inference/lstm-peephole/100x32x128x128",
    1,
    {},
    figures=(
        Figure(peer="unrolled", median=4.0),
        Figure(peer="unrolled, plain", median=3.0, role="other work"),
        Figure(peer="torch.nn, bfloat16", median=1.0, role="information"),
        Figure(peer="onnxruntime", absent="no module named 'onnxruntime'"),
    ),
)
MEMORY = record("memory/saved/rnn/20x50x1x100", 1, {"unrolled": 20_000, "torch.nn": 420_000}, unit="bytes")
ALL = document(WON, LOST, REFUSED, PLAIN, MEMORY, peaks=(Peak(threads=2, product="torch.mm", gflops=150.4),))


def rows(markdown: str, title: str) -> list[dict[str, str]]:
    """The table under a title."""
    lines = markdown.split(f"## {title}\n\n")[1].split("\n\n")[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert set(cells[1]) == {"---"}
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def test_a_document_reads_back_as_itself(tmp_path: Path) -> None:
    json_path, markdown_path = page.write(ALL, tmp_path / "epyc.2")
    assert (json_path.name, markdown_path.name) == ("epyc.2.json", "epyc.2.md")
    assert read(json_path) == ALL
    assert markdown_path.read_text() == page.markdown(ALL)
    content = json.loads(json_path.read_text())
    (line,) = (line for line in json_path.read_text().splitlines() if "grid/training/gru" in line)
    assert line.startswith("  {") and line.endswith("},")
    assert content["format"] == 1 and len(content["records"]) == 5
    assert content["summary"][0]["kind"] == "grid/training"


def test_what_a_file_must_hold(tmp_path: Path) -> None:
    schema = Document.model_json_schema()
    assert {"date", "machine", "load", "records", "tolerance"} <= set(schema["required"])
    path = tmp_path / "in.json"
    whole = page.content(ALL)
    wrong = {
        "format": {**whole, "format": 2},
        "machine.cores": {**whole, "machine": {**whole["machine"], "cores": "many"}},
        "extra": {**whole, "extra": 1},
        "date": {key: value for key, value in whole.items() if key != "date"},
        "records.0.figures.0.median": {
            **whole,
            "records": [{**whole["records"][0], "figures": [{"peer": "a", "median": "fast"}]}],
        },
    }
    for place, content in wrong.items():
        path.write_text(json.dumps(content))
        with pytest.raises(DataError, match=rf"in.json: {place}: .*wanted what `unrolled bench --out`"):
            read(path)
    for text in ("", "[1]", "{", "nothing", '{"date": NaN}'):
        path.write_text(text)
        with pytest.raises(DataError, match=r"in.json: .*wanted what") as caught:
            read(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=r"absent.json: No such file"):
        read(tmp_path / "absent.json")


def test_parts_join_and_what_was_measured_again_replaces() -> None:
    again = WON.model_copy(update={"figures": LOST.figures})
    first = document(WON, LOST, minutes=1.5, load=(0.1, 0.2), others=0.01, peaks=ALL.peaks)
    second = document(PLAIN, again, minutes=2.0, load=(0.3, 0.4), quick=True, peaks=ALL.peaks)
    found = joined({Path("a"): first, Path("b"): second})
    assert found.records == (again, LOST, PLAIN)
    assert (found.minutes, found.load, found.others, found.quick) == (3.5, (0.1, 0.4), 0.01, True)
    assert found.peaks == ALL.peaks
    assert joined({Path("a"): first}) == first
    with pytest.raises(DataError, match="b was measured on another machine, or with other versions, than a"):
        joined({Path("a"): first, Path("b"): second.model_copy(update={"tolerance": 0.1})})


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.json").write_text("old")

    def broken(document: Document) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(page, "markdown", broken)
    with pytest.raises(ZeroDivisionError):
        page.write(ALL, tmp_path / "a")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_text() == "old"


def test_tables_show_every_figure_and_what_was_refused() -> None:
    found = rows(page.markdown(ALL), "Training step")
    assert found[0] == {
        "cell": "gru",
        "shape": "20×50×1×100",
        "threads": "2",
        "unrolled, ms": "1.23",
        "torch.nn, ms": "2",
        "torch.nn / ours": "1.62",
    }
    assert found[1]["torch.nn / ours"] == "0.75"
    assert found[2]["unrolled, ms"] == found[2]["torch.nn, ms"] == "refused"
    assert found[2]["torch.nn / ours"] == ""
    assert rows(page.markdown(ALL), "Saved for backward")[0]["torch.nn, MB"] == "0.42"


def test_rates_stand_beside_the_peak() -> None:
    fast = record(
        WON.name,
        2,
        {},
        figures=(Figure(peer="unrolled", median=1.0, gflops=75.2), Figure(peer="torch.nn", median=1.0)),
    )
    (row,) = rows(page.markdown(document(fast, peaks=ALL.peaks)), "Training step")
    assert (row["GFLOP/s"], row["of peak"]) == ("75.2", "50%")


def test_losses_and_gaps_are_listed() -> None:
    assert page.losses(ALL) == ["grid/training/lstm/20x50x1x100, 2 threads: torch.nn 0.75 of our ms"]
    assert page.gaps(ALL) == [
        "grid/training/rnn/20x50x1x100, 2 threads: refused: y: torch.nn and unrolled differ",
        "onnxruntime: no module named 'onnxruntime'",
    ]
    for line in (*page.losses(ALL), *page.gaps(ALL)):
        assert f"- {line}" in page.markdown(ALL)
    assert "Where a peer is faster\n\nNowhere." in page.markdown(document(WON))


def test_the_page_names_date_machine_and_load() -> None:
    text = page.markdown(ALL)
    for fact in (
        "2026-11-21 04:00 UTC",
        "a processor, 2 cores",
        "avx2",
        "torch 2.13.0",
        "before 0.1, at the end 1.9",
    ):
        assert fact in text
    assert "torch.mm 150 GFLOP/s" in text
    assert "0.0001 of the largest number" in text
    assert "Other programs" not in text and "far off" not in text and "quick run" not in text
    quiet = page.markdown(document(WON, others=0.049))
    assert "Other programs took 5% of all cores." in quiet and "far off" not in quiet
    busy = page.markdown(document(WON, others=0.3, quick=True))
    assert (
        "Other programs took 30% of all cores." in busy and "may be far off" in busy and "A quick run" in busy
    )


@pytest.mark.skipif(not DOCS.exists(), reason="a source distribution holds no docs")
def test_the_documentation_shows_what_was_measured() -> None:
    text = page.markdown(read(DOCS.parents[1] / "benchmarks" / "measured.json"))
    assert DOCS.read_text() == (DOCS.parents[1] / "benchmarks" / "measured.md").read_text() == text, (
        "unrolled bench --from benchmarks/measured.json --out benchmarks/measured --docs docs/benchmarks.md"
    )


def test_the_summary_says_met_or_missed() -> None:
    (line,) = (row for row in page.summary_rows(ALL) if row["what"] == "variants/inference")
    assert (line["value"], line["target"], line["verdict"]) == (1.33, "", "")  # one thread is not judged
    two = PLAIN.model_copy(update={"threads": 2})
    (line,) = page.summary_rows(document(two))
    assert (line["value"], line["target"], line["verdict"]) == (1.33, "≤ 1.3", "missed")
