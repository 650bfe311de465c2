"""The runtime of transcripts: what the task says, to the bit, whole and step by step."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from tests.tasks.transcribe.test_transcriber import SMALL, table
from unrolled import Transcriber, runtime
from unrolled.decoding.ngram_model import Grams
from unrolled.errors import ConfigError, RunError
from unrolled.files.query import Query
from unrolled.files.reading import read_sequences
from unrolled.models import saved, transcribe

PREDICTED = ("transcript", "log_p", "score", "labels", "first", "last")


def trained(**options):
    """Weights far from zero, so that many labels are said; a feature has missing values."""
    own = Transcriber(**{**SMALL, "epochs": 1, "hidden": 7, "bidirectional": False, **options})
    own.fit(frame(0))
    torch.manual_seed(7)
    with torch.no_grad():
        for parameter in own.network.parameters():
            parameter.add_(torch.randn_like(parameter))
    return own


def frame(seed, count=40):
    rows = table(count, seed)
    draw = np.random.default_rng(seed)
    return rows.with_columns(v=np.where(draw.random(rows.height) < 0.1, np.nan, rows["v"].to_numpy()))


def arrays(seed, count=40):
    return [np.asarray(x) for x in read_sequences(frame(seed, count), Query(transcripts=True)).inputs]


@pytest.fixture(scope="module", params=[1, 3])
def model(request):
    return trained(subsample=request.param)


def assert_same_answers(own, made):
    wanted = own.predict(frame(1)).to_dicts()
    found = [answer for answers in made.predict(arrays(1)) for answer in answers]
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert all(np.array_equal(one[name], other[name]) for name in PREDICTED)


def test_whole_sequences_have_the_answers_of_the_task(model):
    for options in ({}, {"best": 2}, {"decoder": "greedy"}):
        own = model.using(**options)
        assert_same_answers(own, own.runtime())


def test_a_run_folder_in_both_directions_is_predicted_and_not_streamed(tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("a\nab\nbb\n")
    own = trained(bidirectional=True, subsample=2, lexicon=str(words))
    own.save(tmp_path / "run")
    made = runtime.load(tmp_path / "run")
    assert_same_answers(own, made)
    with pytest.raises(ConfigError, match="bidirectional=False and without reverse"):
        made.stream()


def test_after_each_step_of_a_stream_the_scores_are_those_of_the_steps_so_far(model):
    """Beside other rows that are at other steps, and through a snapshot."""
    made, k = model.runtime(), model.config.model.subsample
    long, short = (max(arrays(2), key=len), min(arrays(2), key=len))
    stream, alone = made.stream(rows=1), made.stream()
    stream.feed([short[:2]])
    stream.join()
    for t in range(min(len(long), 20)):
        found = stream.step([short[t % len(short)], long[t]])["log_p"][1]
        prefix = made.encode(long[: t + 1])
        assert np.array_equal(found, np.atleast_2d(made.outputs(prefix))[-1])
        assert np.array_equal(found, np.atleast_2d(model._raw([prefix], float("nan"))[0])[-1])
        if t == 7:
            alone = made.stream(snapshot=alone.snapshot())
        assert np.array_equal(alone.step(long[t])["log_p"], found)
    assert k == 1 or not np.array_equal(
        made.stream().feed(long[:1])["log_p"][0], made.stream().feed(long[:k])["log_p"][-1]
    )


def test_labels_come_out_as_greedy_says_them(model):
    made, k = model.runtime(), model.config.model.subsample
    said = 0
    for x, whole in zip(arrays(3), model.using(decoder="greedy").predict(frame(3)).to_dicts(), strict=True):
        x = x[: len(x) // k * k]  # what is left behind them may be a label still
        told = made.stream().feed(x)["label"]
        at = np.flatnonzero(told != np.array(None))
        assert list(told[at]) == whole["labels"][: len(at)] and len(whole["labels"]) - len(at) <= (k > 1)
        assert [int(t) + 1 for t in at] == [(first - 1) // k * k + k for first in whole["first"][: len(at)]]
        said += len(at)
    assert said > 20


def test_any_chunks_give_the_same_bits(model):
    made, draw, x = model.runtime(), np.random.default_rng(0), np.concatenate(arrays(4))[:90]
    whole = made.stream().feed(x)
    for _ in range(6):
        stream, parts, at = made.stream(), [], 0
        while at < len(x):
            size = int(draw.integers(0, 9))
            parts.append(stream.feed(x[at : at + size]))
            at += size
        for name, wanted in whole.items():
            assert np.array_equal(np.concatenate([part[name] for part in parts]), wanted)


def test_what_does_not_fit_is_refused(model, monkeypatch):
    made = model.runtime()
    for name in ("head.weight", "codec.grams.labels", "codec.features.mean"):
        with pytest.raises(RunError, match="here: "):
            saved.model("here", made.about, {**made.arrays, name: made.arrays[name][:-1]})
    for part, change in (("network", {"subsample": 5}), ("answers", {"decoding": {"beam": 1}})):
        about = {**made.about, part: made.about[part] | change}
        with pytest.raises(RunError, match="here: the description does not fit"):
            saved.model("here", about, made.arrays)
    with pytest.raises(RunError, match=r"here: .*a beam of"):
        monkeypatch.setattr(transcribe, "MOST_KEPT", 3)
        saved.model("here", made.about, made.arrays)
    monkeypatch.undo()
    other = Grams.fit([[1, 2]], 2, len(made.labels) + 1)
    about = {**made.about, "codec": made.about["codec"] | {"grams": other.about()}}
    arrays = {f"codec.grams.{name}": array for name, array in other.arrays().items()}
    with pytest.raises(RunError, match=r"here: .*n-grams of"):
        saved.model("here", about, made.arrays | arrays)
    assert not any("summary" in name or "transcripts" in name for name in made.arrays)


def test_importing_it_loads_no_torch():
    program = (
        "import sys, unrolled.models.transcribe\n"
        "sys.exit(bool({'torch', 'polars', 'pydantic', 'typer', 'safetensors'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
