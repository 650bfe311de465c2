"""What `unrolled stream` says of the rows of a file is what `unrolled predict` says of it, for every task."""

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.streaming.stub import answers, streamed
from unrolled import runtime
from unrolled.errors import ConfigError, DataError

from .command import unrolled
from .samples import SAMPLES
from .test_commands import OPTIONS, write_series

PAGE = Path(__file__).parents[2] / "docs" / "streaming.md"
LEFT_TO_RIGHT = ("--bidirectional", "off")
STEP_BY_STEP = (*LEFT_TO_RIGHT, "--subsample", 1)
FORWARD = {"tag": LEFT_TO_RIGHT, "classify": STEP_BY_STEP, "regress": STEP_BY_STEP}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """name of a sample -> (its file, its run, rows that predict says of the file), made once."""
    made = {}

    def train(name):
        if name not in made:
            folder = tmp_path_factory.mktemp("task")
            sample = SAMPLES[name]
            file, run, out = sample.write(folder, 0), folder / "run", folder / "out.json"
            options = (*sample.options, *FORWARD.get(sample.task, ()))
            answer = unrolled("train", sample.task, file, "--out", run, *options)
            assert answer.status == 0, answer.err
            assert unrolled("predict", run, file, "-o", out).status == 0
            made[name] = file, runtime.load(run), json.loads(out.read_text())
        return made[name]

    return train


@pytest.mark.parametrize("name", ["classify a long table", "regress a long table"])
def test_the_last_answer_of_each_sequence_is_its_prediction(trained, name):
    file, model, predicted = trained(name)
    last = {one["id"]: one for one in answers(model, file.read_bytes(), id="id")}
    assert len(last) == 30
    for row in predicted:
        found = last[row.pop("name")]
        assert {key: found[key] for key in row} == row
    by_row = answers(model, file.read_bytes(), id="id", input_format="csv")
    assert [one["id"] for one in by_row] == [line.split(",")[0] for line in file.read_text().splitlines()[1:]]


def test_each_text_has_its_prediction(trained):
    file, model, predicted = trained("classify texts")
    texts = [line.split("\t")[0] for line in file.read_text().splitlines()[1:]]
    found = [one for one in answers(model, "\n\n".join(texts)) if "end" not in one]
    assert len(found) == len(predicted) == 30
    for row, one in zip(predicted, found, strict=True):
        assert {key: one[key] for key in row if key != "name"} == {
            k: v for k, v in row.items() if k != "name"
        }


def test_each_word_has_its_tag(trained):
    """Without constraints the tag of a word does not wait for what follows."""
    _, model, predicted = trained("tag words")
    sentences = defaultdict(list)
    for row in predicted:
        sentences[row["name"]].append(row)
    lines = "\n\n".join("\n".join(row["word"] for row in rows) for rows in sentences.values())
    found = [one for one in answers(model, lines) if "end" not in one]
    wanted = [{"tag": row["tag"], "probability": row["probability"]} for row in predicted]
    assert found == wanted


def test_the_last_tag_of_a_chain_is_the_predicted_one(trained):
    _, model, predicted = trained("tag entities")
    sentences = defaultdict(list)
    for row in predicted:
        sentences[row["name"]].append(row)
    for rows in list(sentences.values())[:9]:
        found = answers(model, "\n".join(row["word"] for row in rows))[-1]
        assert found == {"tag": rows[-1]["tag"], "probability": rows[-1]["probability"]}


def test_each_row_of_a_table_has_its_tag(trained):
    file, model, predicted = trained("tag steps of a table")
    found = answers(model, file.read_bytes(), id="id")
    wanted = [{"tag": row["tag"], "probability": row["probability"]} for row in predicted]
    assert [{key: one[key] for key in ("tag", "probability")} for one in found] == wanted


@pytest.mark.parametrize("name", ["language of characters", "language of words", "language of byte pairs"])
def test_the_first_line_of_a_text_has_its_nats(trained, name):
    file, model, predicted = trained(name)
    lines = file.read_text().splitlines()
    for line, row in list(zip(lines, predicted, strict=True))[:20]:
        found = answers(model, line + "\n")
        assert (
            (found[0]["nats"], found[0]["tokens"]) == (row["nats"], row["tokens"])
            if line
            else not found[0]["nats"]
        )


def keys(value):
    """All keys of tables in a description but those that are data."""
    if isinstance(value, list):
        return set().union(*map(keys, value)) if value else set()
    if not isinstance(value, dict):
        return set()
    own = {name: one for name, one in value.items() if name not in ("usual", "bpe", "parameters")}
    return set(value) | set().union(*map(keys, own.values()))


def in_code(page):
    """All words that stand in code."""
    blocks = re.findall("```.*?```", page, re.DOTALL)
    lines = re.findall("`[^`]+`", re.sub("```.*?```", "", page, flags=re.DOTALL))
    return set(re.findall(r"\w+", " ".join([*blocks, *lines])))


@pytest.mark.parametrize(
    "name", [name for name in SAMPLES if "recordings" not in name and "images" not in name]
)
def test_the_page_names_every_key_of_a_description(trained, name):
    _, model, _ = trained(name)
    named = in_code(PAGE.read_text())
    assert keys(dict(model.about)) <= named
    own = {array.split(".")[1] for array in model.arrays if array.startswith("codec.")}
    assert own <= {"features", "target", "truth", "summary", "linear", "counts"} <= named


def test_the_page_describes_blocks_as_the_code_does():
    script = PAGE.parents[1] / "scripts" / "describe_blocks.py"
    assert subprocess.run([sys.executable, script, "--check"], check=False).returncode == 0


@pytest.mark.parametrize("strategy", ["recursive", "direct"])
def test_a_series_has_its_forecast(tmp_path, strategy):
    """A stream that begins with the last window says what predict says, also in pieces and as CSV."""
    write_series(tmp_path / "load.csv", 160)
    run, path = tmp_path / "run", tmp_path / "state"
    options = (*OPTIONS, "--strategy", strategy)
    assert unrolled("train", "forecast", tmp_path / "load.csv", "--out", run, *options).status == 0
    predicted = [row["forecast"] for row in json.loads(unrolled("predict", run, "--json").out)]
    model = runtime.load(run)
    header, *rows = (tmp_path / "load.csv").read_text().splitlines()
    rows = rows[-model.window :]
    found = answers(model, "\n".join([header, *rows]), ahead=4)
    name = header.split(",")[1]
    assert found[-1][name]["forecast"] == predicted
    own = answers(model, "\n".join([header, *rows]))
    assert own[-1][name]["forecast"] == (predicted[0] if strategy == "recursive" else predicted)
    assert own[-1][name]["q0.05"] == found[-1][name]["q0.05"]
    for part in (rows[:5], rows[5:]):
        out = streamed(
            model, "\n".join([header, *part, ""]), output_format="csv", snapshot=path, ahead=4
        ).splitlines()
    last = dict(zip(out[0].split(","), out[-1].split(","), strict=True))
    assert [float(last[f"{name}.forecast.{k}"]) for k in range(1, 5)] == predicted
    named = in_code(PAGE.read_text())
    assert keys(dict(model.about)) <= named
    lost = "\n".join([header, *rows[:3], *rows[4:7]])
    with pytest.raises(DataError, match=r"line 5: .*1 missing step of 1 hour"):
        streamed(model, lost)
    replies = [json.loads(line) for line in streamed(model, lost, skip_wrong=True).splitlines()]
    assert [(one["line"], one["restarted"]) for one in replies[2:]] == [(4, False), (6, True), (7, False)]
    lines = streamed(model, lost + "\n", output_format="csv", gaps="forward").splitlines()
    heads = [",".join(row.split(",")[:3]) for row in lines]
    assert heads[:1] + heads[3:6] == ["line,filled,restarted", "4,0,false", "5,1,false", "6,0,false"]


def test_a_model_that_reads_backward_says_so(tmp_path):
    sample = SAMPLES["tag words"]
    file, run = sample.write(tmp_path, 0), tmp_path / "run"
    assert unrolled("train", "tag", file, "--out", run, *sample.options, "--bidirectional", "on").status == 0
    with pytest.raises(ConfigError, match=r"from its end.*train one with bidirectional=False"):
        streamed(runtime.load(run), "ich\n")
    path = tmp_path / "model"
    assert unrolled("export", run, "--to", "runtime", "-o", path).status == 0
    done = unrolled("stream", path)
    assert done.status == 2 and "with --bidirectional off" in done.err and done.err.count("\n") == 1
