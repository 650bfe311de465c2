"""Translators without torch answer as those that were trained, to the bit."""

import numpy as np
import pytest

from tests.cli.command import unrolled
from tests.tasks.translate.cases import backward, fitted
from unrolled.errors import ConfigError, DataError, RunError
from unrolled.export.verify import verify
from unrolled.models import saved

SOURCES = ["abc", "edcba", "??", "bb"]


@pytest.fixture(scope="module", params=["dot", "additive", "none"])
def run(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    options = {"attention": request.param, "beam": 4, "best": 3, "length_penalty": 0.7, "layers": 2}
    options |= {"min_length": 2, "no_repeat": 2}
    options |= {"cell": "lstm", "decoder_cell": "gru", "decoder_layers": 1, "backward_hidden": 7, "hidden": 9}
    return folder, fitted(backward(60), out=folder, **options)


def test_answers_have_the_same_bits(run, tmp_path):
    folder, made = run
    saved.save(tmp_path / "one.unrolled", saved.load(folder))
    wanted = made.frame(SOURCES)
    for model in (saved.load(folder), saved.load(tmp_path / "one.unrolled")):
        found = [one for several in model.predict(SOURCES) for one in several]
        assert [one.text for one in found] == wanted["answer"].to_list()
        assert [one.log_p for one in found] == wanted["log_p"].to_list()
        assert [one.score for one in found] == wanted["score"].to_list()


def test_the_export_tells_how_a_translator_is_used(run, tmp_path):
    answer = unrolled("export", run[0], "--to", "runtime", "-o", tmp_path / "one.unrolled")
    assert ".predict(inputs)" in answer.out and "stream" not in answer.out


def test_verify_proves_it(run):
    found = verify(run[0], SOURCES)
    assert not found.broken
    results = {one.check: one.equal for one in found.checks}
    assert results["each sequence alone"] is True and sum(equal is True for equal in results.values()) >= 5
    assert any(equal is None for equal in results.values()), "there is no stream"


def test_what_cannot_be_read_is_refused_in_one_line(run):
    model = saved.load(run[0])
    with pytest.raises(DataError, match="source 1: the source '' holds no symbol"):
        model.predict(["a", ""])
    for wrong in ([], [99], [0.5], [[1]]):
        with pytest.raises(DataError, match="wanted a text, or whole numbers below"):
            model.encode(wrong)
    with pytest.raises(DataError, match="no sources"):
        model.predict([])
    with pytest.raises(ConfigError, match="answers when it has read a whole input"):
        model.stream()


def test_parts_that_do_not_meet_are_refused(run):
    model = saved.load(run[0])
    about, arrays = dict(model.about), dict(model.arrays)
    for name in ("embedding.weight", "decoder.bridge.linears.0.weight", "decoder.head.weight"):
        for axis in (0, 1):
            cut = np.ascontiguousarray(np.delete(arrays[name], 0, axis))
            with pytest.raises(RunError, match=r"^here: "):
                saved.model("here", about, arrays | {name: cut})


@pytest.mark.parametrize(
    "change",
    [
        {"beam": 0},
        {"beam": 10**15},
        {"beam": 2.0},
        {"best": 10**9},
        {"longest": 0},
        {"longest": 10**12},
        {"penalty": -1},
        {"penalty": 1e308},
        {"min_length": -1},
        {"min_length": True},
        {"min_length": 9, "longest": 8},
        {"no_repeat": 0},
        {"no_repeat": 2.0},
        {"no_repeat": 10**30},
    ],
)
def test_a_file_that_asks_for_an_endless_search_is_refused(run, change):
    model = saved.load(run[0])
    answers = model.about["answers"] | change
    with pytest.raises(RunError, match=r"^here: .*a search of "):
        saved.model("here", model.about | {"answers": answers}, model.arrays)


@pytest.mark.parametrize("change", [{"ratio": 1e300}, {"ratio": -5}, {"longest": 10**30}, {"longest": -1}])
def test_a_file_of_impossible_lengths_is_refused(run, change):
    model = saved.load(run[0])
    with pytest.raises(RunError, match=r"^here: .*targets of "):
        saved.model("here", model.about | {"codec": model.about["codec"] | change}, model.arrays)
