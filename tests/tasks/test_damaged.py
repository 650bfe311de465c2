"""Saved runs whose checksums are right and whose content is not: refused in one line when they are read."""

import json

import pytest

from tests.scripts import script
from unrolled import load
from unrolled.errors import RunError
from unrolled.files import checksums
from unrolled.runs import Run

fuzz = script("fuzz_saved")


@pytest.fixture(scope="module", params=["tag", "regress", "classify"])
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
        "masks of other tags": lambda about: about.update(allowed={"start": [True], "transitions": [[True]]}),
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
