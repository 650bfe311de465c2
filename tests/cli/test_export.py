"""`unrolled export`: one file that serves without torch."""

import json
import shutil

import pytest

from unrolled import LanguageModel, Translator, runtime
from unrolled.files.text import text_of

from .command import unrolled

SMALL = {"hidden": 6, "embedding_size": 5, "window": 16, "batch_size": 4, "epochs": 1}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = tmp_path_factory.mktemp("export") / "run"
    LanguageModel(**SMALL).fit(text_of("Anna sees Bob.\nBob hears Anna.\n" * 40), out=run)
    return run


def test_the_file_is_the_model(run, tmp_path):
    answer = unrolled("export", run, "--to", "runtime", "-o", tmp_path / "a.unrolled")
    path = tmp_path / "a.unrolled"
    assert answer.status == 0 and answer.err == ""
    assert f"wrote {path}, {path.stat().st_size:,} bytes" in answer.out
    assert f"unrolled stream {path}" in answer.out and f"runtime.load({str(path)!r})" in answer.out
    assert runtime.load(path).fingerprint == runtime.load(run).fingerprint


def test_a_model_of_whole_inputs_is_not_told_to_stream(tmp_path):
    (tmp_path / "pairs.tsv").write_text("".join(f"{n} a\t{n} b\n" for n in range(20)))
    trained = ("--epochs", 1, "--hidden", 4, "--out", tmp_path / "run")
    assert unrolled("train", "translate", tmp_path / "pairs.tsv", *trained).status == 0
    path = tmp_path / "a.unrolled"
    answer = unrolled("export", tmp_path / "run", "--to", "runtime", "-o", path)
    assert f"runtime.load({str(path)!r}).predict(inputs)" in answer.out and "stream" not in answer.out
    assert len(runtime.load(path).predict(["1 a"])) == 1


def test_without_a_name_it_stands_beside_the_run(run):
    answer = unrolled("export", run, "--to", "runtime", "--json")
    path = run.with_name("run.unrolled")
    wanted = {"run": str(run), "file": str(path), "bytes": path.stat().st_size, "to": "runtime"}
    assert json.loads(answer.out) == wanted
    path.unlink()


def test_nothing_is_written_over_unless_told(run, tmp_path):
    path = tmp_path / "a"
    path.write_text("mine")
    answer = unrolled("export", run, "--to", "runtime", "-o", path)
    assert answer.status == 2 and "is there already" in answer.err and path.read_text() == "mine"
    assert unrolled("export", run, "--to", "runtime", "-o", path, "--force").status == 0
    assert runtime.load(path).task == "language"
    answer = unrolled("export", run, "--to", "runtime", "-o", tmp_path, "--force")
    assert answer.status == 2 and "is a folder" in answer.err


def test_a_run_without_a_description_is_exported_where_it_can_be(run, tmp_path):
    other = tmp_path / "run"
    shutil.copytree(run, other)
    (other / "runtime.json").unlink()
    answer = unrolled("stream", other)
    assert answer.status == 1 and "has no runtime.json" in answer.err
    assert f"unrolled export {other} --to runtime" in answer.err
    assert unrolled("export", other, "--to", "runtime").status == 0
    assert runtime.load(tmp_path / "run.unrolled").fingerprint == runtime.load(run).fingerprint


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [(("--to", "pickle"), 2, "wanted runtime, got 'pickle'"), ((), 2, "--to")],
)
def test_wrong_calls(run, arguments, status, complaint):
    answer = unrolled("export", run, *arguments)
    assert answer.status == status and complaint in answer.err


def test_what_is_no_run(tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        answer = unrolled("export", path, "--to", "runtime", "-o", tmp_path / "x")
        assert answer.status == 1 and answer.err.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_a_model_that_cannot_stream_is_not_said_to(tmp_path):
    Translator(epochs=1, hidden=4).fit([(f"a{n}", "b") for n in range(20)]).save(tmp_path / "run")
    answer = unrolled("export", tmp_path / "run", "--to", "runtime")
    assert answer.status == 0 and ".predict(inputs)" in answer.out and "unrolled stream" not in answer.out
