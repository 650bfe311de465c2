"""--members of tasks whose answers are sequences: trained, told, saved, resumed, run without torch."""

import io
import json
import random

import numpy as np
import polars as pl
import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

from tests.tasks.caption import cases as caption
from tests.tasks.interrupted import resumed
from tests.tasks.transcribe.test_transcriber import table
from tests.tasks.translate import cases as translate
from unrolled import Captioner, LanguageModel, Tagger, Transcriber, Translator, load
from unrolled.errors import RunError
from unrolled.export.verify import verify
from unrolled.models import saved
from unrolled.tasks.transcribe.estimator import criterion_of
from unrolled.tasks.transcribe.examples import Examples
from unrolled.training.progress import Lines

USUAL = {"members": 2, "epochs": 2, "seed": 3, "checkpoint_seconds": 0.0}
CLIP = {"optimizer": "sgd", "clip": 0.0}


def book(folder):
    draw = random.Random(1)
    words = ("Anna", "Bob", "das Öl", "漢字", "sees", "hears")
    text = "".join(f"{draw.choice(words)} {draw.choice(words)}.\n" for _ in range(90))
    (folder / "book.txt").write_text(text)
    return folder / "book.txt"


def phases(folder):
    """Numbers whose tag is whether they rose."""
    draw, rows = np.random.default_rng(0), []
    for s in range(40):
        x = draw.normal(size=int(draw.integers(2, 12)))
        tags = np.where(np.diff(x, prepend=0) > 0, "up", "down")
        rows += [(f"s{s}", float(v), str(tag)) for v, tag in zip(x, tags, strict=True)]
    pl.DataFrame(rows, schema=["id", "x", "tag"], orient="row").write_csv(folder / "phases.csv")
    return folder / "phases.csv"


def spelt(folder):
    table(60).write_csv(folder / "spelt.csv")
    return folder / "spelt.csv"


def pairs(folder):
    rows = ["\t".join(pair) for pair in translate.backward(60)]
    (folder / "pairs.tsv").write_text("source\ttarget\n" + "\n".join(rows) + "\n")
    return folder / "pairs.tsv"


def slanted(folder):
    """Captions of numbers and a class."""
    rows = [(n % 3, n % 7 / 7, f"{n % 3} is {'big' if n % 7 > 3 else 'small'}") for n in range(60)]
    pl.DataFrame(rows, schema=["class", "slant", "caption"], orient="row").write_csv(folder / "told.csv")
    return folder / "told.csv"


def lines(folder):
    """Sequences of numbers of a class."""
    rows = [(f"i{n}", n % 3, s, n % 3 + s * n % 7) for n in range(40) for s in range(n % 3 + 2)]
    pl.DataFrame(rows, schema=["id", "class", "step", "y"], orient="row").write_csv(folder / "lines.csv")
    return folder / "lines.csv"


SMALL = {"hidden": 6, "batch_size": 8, "output_dropout": 0.3}
WRITES = caption.SMALL | {"decoder_dropout": 0.3, "hidden": 8, "given": "class"}
KINDS = {
    "tag": (Tagger, phases, SMALL | {"bidirectional": False, "window": 4}),
    "tag-crf": (Tagger, phases, SMALL | {"crf": True}),
    "language": (LanguageModel, book, SMALL | {"embedding_size": 4, "window": 16}),
    "language-tied": (
        LanguageModel,
        book,
        SMALL | {"embedding_size": 4, "window": 16, "tie": True, "backprop_windows": 2},
    ),
    "transcribe": (Transcriber, spelt, SMALL | {"layers": 1, "subsample": 2, "bidirectional": False}),
    "transcribe-hmm": (Transcriber, spelt, SMALL | {"layers": 1, "hmm": True, "states": 1, "realign": 1}),
    "translate": (
        Translator,
        pairs,
        translate.SMALL | {"hidden": 8, "decoder_dropout": 0.3, "scheduled_sampling": 0.5},
    ),
    "caption": (Captioner, slanted, WRITES | {"features": "slant"}),
    "caption-numbers": (Captioner, lines, WRITES | {"id": "id", "target": "y", "noise": 0.2}),
}


@pytest.fixture(scope="module", autouse=True)
def without_plots():
    """They are drawn and not written, which would take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", lambda *_, **__: None)
        yield


@pytest.fixture(scope="module", params=KINDS)
def trained(request, tmp_path_factory):
    kind, data, options = KINDS[request.param]
    folder, said = tmp_path_factory.mktemp(request.param), io.StringIO()
    estimator = kind(**options | USUAL)
    file = data(folder)
    return request.param, estimator.fit(file, out=folder / "run", report=Lines(said)), said.getvalue(), file


def test_members_are_told_alone_and_together(trained):
    name, model, said, _ = trained
    (line,) = (one for one in said.splitlines() if one.startswith("members"))
    alone, together = line.removeprefix("members: validation loss ").split(" alone, ")
    each, loss = [float(one) for one in alone.split(", ")], float(together.removesuffix(" together"))
    first, second = (nn.utils.parameters_to_vector(one.parameters()) for one in model.network.ensemble)
    assert len(each) == 2 and not torch.equal(first, second)
    if not name.startswith(("transcribe", "caption-numbers")):  # else it is convex in what is averaged
        assert loss <= np.mean(each) + 1e-3
    kept = model.history.kept_epoch
    (row,) = (row for row in model.rows if row["kind"] == "epoch" and row["epoch"] == kept)
    assert loss == pytest.approx(row["validation_loss"], rel=1e-3)


def test_without_torch_and_step_by_step_answers_have_the_same_bits(trained, tmp_path):
    _, model, _, file = trained
    run = file.parent / "run"
    saved.save(tmp_path / "one.unrolled", saved.load(run))
    rows = model._rows(file)[:9]
    for bare in (saved.load(run), saved.load(tmp_path / "one.unrolled")):
        for row, wanted in zip(rows, model._raw(rows, 0.0), strict=True):
            assert np.array_equal(bare.outputs(row), wanted)
    if bare.causal and model.task in ("tag", "language"):
        state, parts = bare.start(1), []
        for at in range(0, len(rows[0]), 3):
            answers, state = bare.advance(rows[0][at : at + 3, None], state)
            parts.append(answers[bare.compared][:, 0])
        assert np.array_equal(np.concatenate(parts), model._raw(rows, 0.0)[0])
        assert any(one.startswith("others.0.") for one in state)
    assert load(run).frame(file).equals(model.frame(file))


def test_verify_proves_it(tmp_path):
    kind, data, options = KINDS["language"]
    file = data(tmp_path)
    kind(**options | USUAL).fit(file, out=tmp_path / "run")
    checks = {one.check: one.equal for one in verify(tmp_path / "run", sequences=4).checks}
    assert len(checks) > 9 and set(checks.values()) == {True}


@pytest.mark.parametrize("name", ["tag", "language-tied", "transcribe-hmm"])
def test_an_interrupted_training_goes_on_to_the_same_bits(name, tmp_path, monkeypatch):
    """Each member's carried state, alignments and draws too."""
    kind, data, options = KINDS[name]
    file = data(tmp_path)
    whole = kind(**options | USUAL).fit(file, out=tmp_path / "whole")
    again = resumed(kind(**options | USUAL), file, tmp_path / "cut", 5, monkeypatch)
    assert again.rows == whole.rows
    weights = again.network.state_dict()
    assert all(torch.equal(array, weights[one]) for one, array in whole.network.state_dict().items())


@pytest.mark.parametrize("name", ["tag", "language-tied", "transcribe-hmm", "translate", "caption-numbers"])
def test_each_member_learns_by_its_own_loss(name, tmp_path):
    """A step of plain descent moves the first by half of what it moves one alone, which is drawn as it is."""
    kind, data, options = KINDS[name]
    options = options | {one: 0.0 for one in options if one.endswith("_dropout") or one == "noise"}
    options |= {"scheduled_sampling": 0.0} if name == "translate" else {}
    file, moved = data(tmp_path), []
    for members in (2, 1):
        how = options | USUAL | CLIP | {"members": members, "epochs": None, "steps": 1}
        after, before = (
            kind(**how | {"learning_rate": rate}).fit(file).network.state_dict() for rate in (1.0, 1e-30)
        )
        moved.append({one: after[one] - before[one] for one in after})
    pair, alone = moved
    assert any(change.abs().max() > 1e-3 for change in alone.values())
    for one, change in alone.items():
        torch.testing.assert_close(2 * pair[one], change, rtol=1e-3, atol=1e-6)
    assert any(pair[f"others.0.{one}"].any() for one in alone)


def test_members_of_ctc_learn_to_say_labels_at_the_same_steps(tmp_path):
    """Half of the loss is that of all together; without it their mean says next to nothing."""
    kind, data, options = KINDS["transcribe"]
    file = data(tmp_path)
    model = kind(**options | USUAL).fit(file)
    criterion, network = criterion_of(model.config, model.codec), model.network
    examples = Examples.of(model.codec, model._splits().validation)
    batch = examples.collate(np.arange(len(examples.rows)))
    with torch.no_grad():
        alone = [criterion.validation_losses(member, batch) for member in network.ensemble]
        together = criterion.validation_losses(network, batch)
        losses = criterion.losses(network, batch)
    torch.testing.assert_close(losses, (alone[0] + alone[1]) / 4 + together / 2)
    assert not torch.equal(alone[0], alone[1]) and (together - alone[0]).abs().max() > 1e-3


def test_alignments_are_those_of_all_members_together(tmp_path):
    kind, data, options = KINDS["transcribe-hmm"]
    model = kind(**options | USUAL).fit(data(tmp_path))
    first, second = (member.p.chain for member in model.network.ensemble)
    assert first.prior.sum().item() == pytest.approx(1)
    assert torch.equal(first.prior, second.prior) and torch.equal(first.stay, second.stay)


def test_a_description_whose_members_differ_is_refused_in_one_line(trained, tmp_path):
    run = trained[3].parent / "run"
    model = saved.load(run)
    saved.save(tmp_path / "one", model)
    about = json.loads(json.dumps(model.about))
    about["network"]["others"].append(about["network"]["others"][0] | {"others": []})
    with pytest.raises(RunError, match="one: the description does not fit") as one:
        saved.model("one", about, model.arrays)  # a member without arrays
    assert "\n" not in str(one.value)
    about["network"]["others"] = [{"block": "Linear", "inputs": 2, "outputs": 2}]
    with pytest.raises(RunError, match="not alike"):
        saved.model("one", about, model.arrays)
