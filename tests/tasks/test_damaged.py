"""Saved runs whose checksums are right and whose content is not: refused in one line when they are read."""

import json

import pytest

from tests.scripts import script
from unrolled import load
from unrolled.errors import RunError
from unrolled.files import checksums
from unrolled.runs import Run

fuzz = script("fuzz_saved")


@pytest.fixture(scope="module", params=["tag", "regress", "classify", "labels", "ranks"])
def run(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged") / request.param
    fuzz.KINDS[request.param].train().save(folder)
    return folder


def bent(run, tmp_path, change):
    """A copy of the run whose data.json is changed, and all checksums with it."""
    for path in run.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    before = (run / "data.json").read_bytes()
    about = json.loads(before)
    change(about)
    after = json.dumps(about).encode()
    (tmp_path / "data.json").write_bytes(after)
    model = (tmp_path / "model.safetensors").read_bytes()
    model = model.replace(checksums.of(before).encode(), checksums.of(after).encode())
    (tmp_path / "model.safetensors").write_bytes(fuzz.sealed(model))
    return tmp_path


CHANGES = {
    "tag": {
        "a huge count": lambda about: about.update(counts=[10**30] * len(about["counts"])),
        "a count too few": lambda about: about["counts"].pop(),
        "a count that is a text": lambda about: about.update(counts=["x"] * len(about["counts"])),
        "a usual tag that is a text": lambda about: about.update(usual={"word": "x"}),
        "a usual tag that is none": lambda about: about.update(usual={"word": 99}),
        "a usual that is no table": lambda about: about.update(usual=3),
        "a tag that is a number": lambda about: about.update(tags=[1, 2]),
        "a type that is none": lambda about: about.update(kind="int8x"),
        "tags of another type": lambda about: about.update(kind="int64"),
        "masks of other tags": lambda about: about.update(
            allowed={"start": [True], "transitions": [[True]], "end": [True]}
        ),
        "a scheme that is none": lambda about: about.update(scheme="bio"),
    },
    "regress": {
        "flags of other features": lambda about: about["inputs"].update(flagged=[False]),
        "features that are numbers": lambda about: about["inputs"].update(features=[1, 2]),
        "a rate that is a text": lambda about: about["inputs"].update(rate_hz="x"),
        "a type that is none": lambda about: about.update(kind="complex128"),
        "a type that is a number": lambda about: about.update(kind=3),
        "an infinite rate": lambda about: about["inputs"].update(rate_hz=float("inf")),
    },
    "classify": {
        "a class too few": lambda about: about["classes"].pop(),
        "a class that is a list": lambda about: about.update(classes=["a", ["b"]]),
        "a type that is none": lambda about: about.update(kind="int8x"),
        "a type that is a number": lambda about: about.update(kind=3),
        "a type that is a list": lambda about: about.update(kind=["int64"]),
        "classes of another type": lambda about: about.update(kind="bool"),
        "no classes": lambda about: about.pop("classes"),
        "an output that is none": lambda about: about.update(output="binary"),
        "an output of several labels": lambda about: about.update(output="multilabel"),
    },
    "labels": {
        "no thresholds": lambda about: about.pop("thresholds"),
        "a threshold too few": lambda about: about["thresholds"].pop(),
        "a threshold above 1": lambda about: about["thresholds"].__setitem__(0, 1.5),
        "a threshold that is a text": lambda about: about["thresholds"].__setitem__(0, "x"),
        "a sign that stands in a label": lambda about: about.update(sign="a"),
        "a sign that is a number": lambda about: about.update(sign=3),
        "columns of others": lambda about: about.update(columns=9, kind="int64"),
        "a list of a type that is none": lambda about: about.update(columns=0, kind="int8x"),
        "one class alone": lambda about: about.update(output="multiclass"),
        "a label too few": lambda about: (about["classes"].pop(), about["thresholds"].pop()),
    },
    "ranks": {
        "a class too few": lambda about: about["classes"].pop(),
        "a class twice": lambda about: about.update(classes=["a", "a"]),
        "no order": lambda about: about.update(output=["ordinal"]),
    },
}


def test_what_is_not_as_declared_is_refused_in_one_line(run, tmp_path):
    assert load(bent(run, tmp_path, lambda about: None)).predict is not None
    for name, change in CHANGES[run.name].items():
        with pytest.raises(RunError) as caught:
            load(bent(run, tmp_path, change))
        assert "\n" not in str(caught.value), name
        assert "data.json" in str(caught.value) and "train anew" in str(caught.value), name
    assert Run.open(run).finished
