"""Captions without torch are those of the network that was trained, to the bit."""

import numpy as np
import pytest
import torch

from tests.tasks.caption.cases import classes, fitted, lines, pictures, points
from unrolled.errors import ConfigError, DataError, RunError
from unrolled.export.verify import verify
from unrolled.files.captioned import Attributes
from unrolled.models import saved

TEXTS = {"beam": 3, "best": 2, "length_penalty": 0.6, "min_length": 2, "no_repeat": 3}
CASES = {
    "convolution": (pictures, {"condition": "both"} | TEXTS),
    "rows": (pictures, {"encoder": "rows", "bidirectional": True, "backward_hidden": 7, "attention": "dot"}),
    "state": (pictures, {"condition": "state", "attention": "none", "cell": "lstm", "layers": 2} | TEXTS),
    "points": (points, {"condition": "input", "decoder_cell": "rnn"} | TEXTS),
    "classes": (classes, {"condition": "state", "tokens": "characters"}),
    "lines": (lines, {"id": "id", "condition": "both", "cell": "lstm"}),
    "drawn lines": (lines, {"id": "id", "condition": "input", "output": "gaussian"}),
}


@pytest.fixture(scope="module", params=CASES)
def run(request, tmp_path_factory):
    data, options = CASES[request.param]
    made = fitted(data(40), **options)
    with torch.no_grad():  # answers of every length
        for name, p in made.network.named_parameters():
            if "decoder" in name:
                p.normal_(0, 0.5)
        if data is lines:
            made.network.decoder.head.bias[-1] = -1.5  # or all end at once
    folder = tmp_path_factory.mktemp("runs") / "run"
    made.save(folder)
    return folder, made, data(9) if data is classes else data(9, seed=5)


def given(one):
    """An input as the runtime takes it."""
    if not isinstance(one, Attributes):
        return one
    if one.label in ("cat", "dog", "eel"):
        return one.label
    names = ("u", "v") if len(one.numbers) == 2 else ("slope",)
    return dict(zip(names, one.numbers.tolist(), strict=True)) | {"kind": one.label}


def test_answers_have_the_same_bits(run, tmp_path):
    folder, made, some = run
    saved.save(tmp_path / "one.unrolled", saved.load(folder))
    wanted = made.predict(some)
    for model in (saved.load(folder), saved.load(tmp_path / "one.unrolled")):
        found = model.predict([given(one) for one in some.inputs])
        if "caption" in wanted.columns:
            flat = [one for several in found for one in several]
            assert [one.text for one in flat] == wanted["caption"].to_list()
            assert [one.score for one in flat] == wanted["score"].to_list()
        else:
            assert np.array_equal(np.concatenate(found), wanted[:, 2:].to_numpy())
            assert max(len(one) for one in found) > 1


def test_verify_proves_it(run):
    folder, _, some = run
    found = verify(folder, some)
    assert not found.broken, found
    results = {one.check: one.equal for one in found.checks}
    assert results["random batches and orders"] is True and results["runtime from one file"] is True
    assert results["streamed in random chunks"] is None
    with pytest.raises(ConfigError, match="answers when it has read a whole input"):
        saved.load(folder).stream()


def test_what_cannot_be_read_is_refused_in_one_line(run):
    folder, made, some = run
    model = saved.load(folder)
    if some.is_pictures:
        wrong = {"a picture of 3x9": np.zeros((3, 9, 3), np.uint8), "uint8": np.zeros((8, 9, 3))}
    elif some.features:
        wrong = {"is missing": {"kind": "dot"}, "finite": {"u": 1, "v": np.inf, "slope": np.nan, "kind": "x"}}
        wrong |= {"wanted numbers": {"u": "x", "v": 2, "slope": "y", "kind": "dot"}, "by their names": 3}
    else:
        wrong = {"is not in the training part": "cow", "is missing": {}}
    for said, chunk in wrong.items():
        with pytest.raises(DataError, match=said) as error:
            model.encode(chunk)
        assert "\n" not in str(error.value)
    assert made.task == "caption"


def test_parts_that_do_not_meet_are_refused(run):
    model = saved.load(run[0])
    about, arrays = dict(model.about), dict(model.arrays)
    saved.model("here", about, arrays)
    for name in [name for name in arrays if name.endswith("weight") and arrays[name].ndim == 2]:
        for axis in (0, 1):
            cut = np.ascontiguousarray(np.delete(arrays[name], 0, axis))
            with pytest.raises(RunError, match=r"^here: "):
                saved.model("here", about, arrays | {name: cut})
    for name in ("codec.pixel_scale", "codec.answer_mean", "codec.answer_scale"):
        for wrong in (arrays[name][:-1], np.zeros_like(arrays[name])) if name in arrays else ():
            with pytest.raises(RunError, match=r"^here: "):
                own = (
                    {name: wrong}
                    if "pixel" in name
                    else {"codec.answer_mean": wrong, "codec.answer_scale": wrong}
                )
                saved.model("here", about, arrays | own)
    search = {"beam": 1, "best": 1, "penalty": 0, "longest": 1, "min_length": 0, "no_repeat": None}
    for change in (
        {"beam": 0},
        {"beam": 1 << 19},
        {"penalty": -1},
        {"longest": None},
        {"min_length": 2},
        {"no_repeat": 0},
    ):
        with pytest.raises(RunError, match=r"^here: "):
            saved.model("here", about | {"answers": search | change}, arrays)
    for condition in ("all", *({"state", "input", "both"} - {about["network"]["condition"]})):
        with pytest.raises(RunError, match=r"^here: "):
            saved.model("here", about | {"network": about["network"] | {"condition": condition}}, arrays)


def test_numbers_are_not_read_as_symbols(run, tmp_path):
    """A codec of other answers than the network writes is refused."""
    model = saved.load(run[0])
    answers = {"kind": "texts", "side": {"tokens": "words", "tokenizer": {"symbols": ["<unk>", "a"]}}}
    codec = model.about["codec"] | {"answers": answers | {"longest": 1, "usual": "a"}}
    with pytest.raises(RunError, match=r"^here: .*wanted"):
        saved.model("here", model.about | {"codec": codec}, model.arrays)
