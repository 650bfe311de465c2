"""`unrolled verify` on a small training of every task; and that it sees what is broken."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.tasks.caption import cases
from tests.tasks.translate.cases import backward, fitted
from unrolled import Captioner, LanguageModel, Transcriber
from unrolled.errors import ConfigError
from unrolled.export import verify as verifying
from unrolled.kernels import _cpu
from unrolled.models import hearing, language, stream, transcribe

from .command import unrolled
from .samples import LANGUAGE, SAMPLES, SMALL, Sample

STREAMING = [
    "streamed in random chunks",
    "streamed side by side",
    "stream at a random step",
    "snapshot half-way",
]


def wave(folder: Path, seed: int) -> Path:
    draw = np.random.default_rng(seed)
    values = np.sin(np.arange(240) / 3) * 5 + 20 + draw.normal(0, 0.3, 240)
    path = folder / f"wave{seed}.csv"
    path.write_text("step,y\n" + "".join(f"{t},{value:.4f}\n" for t, value in enumerate(values)))
    return path


FORWARD = ("--bidirectional", "off")
STEP_BY_STEP = (*FORWARD, "--subsample", 1)
OPTIONS = {"tag": FORWARD, "transcribe": FORWARD, "classify": STEP_BY_STEP, "regress": STEP_BY_STEP}
FORECAST = (*SMALL, "--target", "y", "--window", 20, "--horizon", 3)
ALL = {
    name: sample._replace(options=(*sample.options, *OPTIONS.get(sample.task, ())))
    for name, sample in SAMPLES.items()
} | {
    "forecast a series": Sample("forecast", wave, FORECAST),
    "forecast by feeding back": Sample("forecast", wave, (*FORECAST, "--strategy", "recursive")),
    "detect in a series": Sample("detect", wave, (*SMALL, "--target", "y", "--window", 20)),
    "tag from both sides": SAMPLES["tag words"],
    "classify with memory blocks": SAMPLES["classify a long table"]._replace(
        options=(
            "--hidden",
            6,
            *SMALL[2:],
            "--cell",
            "lstm",
            "--cells-per-block",
            2,
            "--layers",
            2,
            "--peephole",
            "--layer-norm",
            *STEP_BY_STEP,
        )
    ),
    "classify as a whole": SAMPLES["classify a long table"]._replace(
        options=(*SMALL, "--front", "conv", "--subsample", 2, "--scale", "sequence")
    ),
    "language, every option": SAMPLES["language of characters"]._replace(
        options=(*LANGUAGE, "--cell", "lstm", "--peephole", "--layer-norm", "--tie")
    ),
}


@pytest.mark.parametrize("name", ALL)
def test_every_task_keeps_every_promise(name: str, tmp_path: Path) -> None:
    sample, run = ALL[name], tmp_path / "run"
    trained = unrolled("train", sample.task, sample.write(tmp_path, 0), "--out", run, *sample.options)
    assert trained.status == 0, trained.err
    answer = unrolled("verify", run, sample.write(tmp_path, 1), "--sequences", 9, "--json")
    assert answer.status == 0, answer.err + answer.out
    report = json.loads(answer.out)
    causal = name not in ("tag from both sides", "classify as a whole")
    assert {one["check"] for one in report["checks"] if one["equal"] is None} == (
        set() if causal else set(STREAMING)
    )
    assert [one["check"] for one in report["checks"]][-len(_cpu.isas()) :] == [
        f"without torch, {isa}" for isa in _cpu.isas()
    ]
    assert all(one["steps"] >= one["sequences"] >= 1 for one in report["checks"])
    assert causal or any("streamed in random chunks" in one for one in report["left_out"])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verify")
    sample = SAMPLES["language of characters"]
    options = (*LANGUAGE, "--cell", "lstm", "--learn-initial-state")
    book = sample.write(folder, 0)
    assert unrolled("train", "language", book, "--out", folder / "run", *options).status == 0
    return folder / "run"


def broken(run: Path) -> list[str]:
    answer = unrolled("verify", run, "--json", "--sequences", 7)
    assert answer.status == 1 and answer.err.count("\n") == 1
    assert "does not keep what is promised" in answer.err
    report = json.loads(answer.out)
    assert not report["kept"]
    return [one["check"] for one in report["checks"] if one["equal"] is False]


def test_a_weight_that_the_runtime_reads_otherwise_is_seen(run, monkeypatch):
    load = verifying.saved.load

    def nudged(path):
        model, name = load(path), "layer.weight_hh_l0"
        weight = model.arrays[name].copy()
        weight[0, 0] += np.float32(0.01)
        return language.Runtime(model.about, model.arrays | {name: weight})

    monkeypatch.setattr(verifying.saved, "load", nudged)
    assert broken(run) == ["runtime from the run folder", "runtime from one file"]


def test_another_description_in_the_folder_is_seen_without_torch_too(run):
    path = run / "runtime.json"
    whole = path.read_text()
    about = json.loads(whole)
    about["network"]["layer"]["zoneout"] = [1e-3]
    try:
        path.write_text(json.dumps(about))
        isas = [f"without torch, {isa}" for isa in _cpu.isas()]
        assert broken(run) == ["runtime from the run folder", *isas]
        path.write_text("{}")
        assert broken(run) == ["runtime from the run folder", *isas]
    finally:
        path.write_text(whole)


def test_a_state_that_is_lost_between_chunks_is_seen(run, monkeypatch):
    advance = language.Runtime.advance

    def forgets(self, steps, state):
        return advance(self, steps, self.start(steps.shape[1]) if len(steps) == 3 else state)

    monkeypatch.setattr(language.Runtime, "advance", forgets)
    assert set(broken(run)) & {"streamed in random chunks", "streamed side by side"}


def test_a_snapshot_that_loses_something_is_seen(run, monkeypatch):
    restored = stream.Stream.restored.__func__

    def halved(cls, model, snapshot):
        session = restored(cls, model, snapshot)
        session.state["layer0.forward.c"] *= 1.0001
        return session

    monkeypatch.setattr(stream.Stream, "restored", classmethod(halved))
    assert broken(run) == ["snapshot half-way"]


def test_padding_that_is_read_is_seen(run, monkeypatch):
    raw = LanguageModel._raw

    def leaks(self, rows, fill):
        return [one + np.float32(fill != 0) for one in raw(self, rows, fill)]

    monkeypatch.setattr(LanguageModel, "_raw", leaks)
    assert broken(run) == ["padding filled with NaN"]


def test_rows_that_know_of_one_another_are_seen(run, monkeypatch):
    raw = LanguageModel._raw

    def mixes(self, rows, fill):
        return [one * np.float32(1 + (len(rows) == 1)) for one in raw(self, rows, fill)]

    monkeypatch.setattr(LanguageModel, "_raw", mixes)
    assert {"each sequence alone", "stream at a random step"} <= set(broken(run))


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("heard")
    sample = SAMPLES["transcribe recordings"]
    data, run = sample.write(folder, 0), folder / "run"
    options = (*sample.options, *FORWARD)
    assert unrolled("train", "transcribe", data, "--out", run, *options).status == 0
    return run


def test_samples_of_recordings_have_the_answers_of_their_files(heard):
    answer = unrolled("verify", heard, "--json", "--sequences", 3)
    assert answer.status == 0, answer.err + answer.out
    results = {one["check"]: one["equal"] for one in json.loads(answer.out)["checks"]}
    names = [*verifying.HEARD, *(f"sound without torch, {isa}" for isa in _cpu.isas())]
    assert [results[name] for name in names] == [True] * len(names)


def test_samples_that_are_lost_between_chunks_are_seen(heard, monkeypatch):
    hear = hearing.Hearing.__call__

    def forgets(self, samples, state):
        x, after = hear(self, samples, state)
        return x, after | {hearing.OVERLAP: after[hearing.OVERLAP] * 0.99}

    monkeypatch.setattr(hearing.Hearing, "__call__", forgets)
    assert broken(heard) == list(verifying.HEARD)


def test_sound_is_not_compared_where_a_model_reads_backward(tmp_path):
    sample = SAMPLES["classify recordings"]
    options = (*sample.options, "--bidirectional", "on")
    data = sample.write(tmp_path, 0)
    assert unrolled("train", "classify", data, "--out", tmp_path / "run", *options).status == 0
    answer = unrolled("verify", tmp_path / "run", "--json", "--sequences", 3)
    assert answer.status == 0, answer.err + answer.out
    results = {one["check"]: one["equal"] for one in json.loads(answer.out)["checks"]}
    assert {results[name] for name in results if name.startswith("sound")} == {None}


def test_the_receipt_is_written_and_checked(run, tmp_path):
    receipt = tmp_path / "receipt.txt"
    answer = unrolled("verify", run, "--out", receipt, "--sequences", 3, "--seed", 5)
    assert answer.status == 0 and "Every answer that was compared has the same bits" in answer.out
    text = receipt.read_text()
    assert "seed       5\n" in text and f"instruction set {_cpu.isa()}\n" in text
    assert text.count("bit-equal") == len(verifying.CHECKS) + len(_cpu.isas())
    assert unrolled("verify", run, "--check", receipt).status == 0
    for old, new in (("seed       5", "seed       6"), ("bit-equal", "bit-eqaul"), ("sha256 ", "sha257 ")):
        (tmp_path / "changed.txt").write_text(text.replace(old, new, 1))
        changed = unrolled("verify", run, "--check", tmp_path / "changed.txt")
        assert changed.status == 1 and changed.err.count("\n") == 1


def test_a_verdict_covers_what_was_compared_and_says_what_was_not(tmp_path, monkeypatch):
    monkeypatch.setattr(verifying, "MOST_STEPS", 5)
    fitted(backward(40), out=tmp_path / "run", epochs=1)
    monkeypatch.setattr(verifying.Trial, "model", property(lambda trial: refuse()))
    report = verifying.verify(tmp_path / "run", [("abcdefabc", "c"), ("abc", "c"), ("cab", "b")], sequences=2)
    assert not report.broken and [one.check for one in report.checks if one.equal] == [
        "each sequence alone",
        "random batches and orders",
        "padding filled with NaN",
    ]
    verdict, streams, beyond, *cut = report.verdict.split("; not compared: ")
    assert verdict == "every answer that was compared has the same bits"
    assert "streamed in random chunks" in streams and streams.endswith("(such a model needs torch)")
    assert beyond == "1 sequence (more are tried with --sequences)"
    assert cut == ["what follows step 5 of 1 sequence"] * report.cut


def test_a_reason_why_something_is_not_compared_is_said_once(tmp_path, monkeypatch):
    fitted(backward(40), out=tmp_path / "run", epochs=1)
    monkeypatch.setattr(verifying.Trial, "model", property(lambda trial: refuse()))
    (tmp_path / "pairs.tsv").write_text("abc\tc\n")
    answer = unrolled("verify", tmp_path / "run", tmp_path / "pairs.tsv")
    assert answer.status == 0 and answer.out.count("such a model needs torch") == 1
    assert answer.out.count("not compared") > 2


def refuse():
    raise ConfigError("such a model needs torch")


def test_a_receipt_of_another_model_is_refused(run, tmp_path):
    receipt = tmp_path / "receipt.txt"
    assert unrolled("verify", run, "--out", receipt, "--sequences", 3).status == 0
    sample = SAMPLES["language of characters"]
    unrolled("train", "language", sample.write(tmp_path, 3), "--out", tmp_path / "other", *LANGUAGE)
    answer = unrolled("verify", tmp_path / "other", "--check", receipt)
    assert answer.status == 1 and "is of model" in answer.err


@pytest.mark.parametrize(
    ("arguments", "status", "fragment"),
    [
        (["--check", "absent"], 1, "absent"),
        (["--check", __file__], 1, "is no receipt"),
        (["--check", "x", "--out", "y"], 2, "leave out files and --out"),
        (["--sequences", 0], 2, ""),
        (["absent.txt"], 1, "absent.txt"),
    ],
)
def test_a_wrong_call(run, arguments, status, fragment):
    answer = unrolled("verify", run, *arguments)
    assert answer.status == status and fragment in answer.err


def test_a_group_of_steps_in_the_middle_of_a_stream_is_compared(tmp_path, monkeypatch):
    sample = ALL["transcribe recordings"]
    options = (*sample.options, "--bidirectional", "off")
    trained = unrolled("train", "transcribe", sample.write(tmp_path, 0), "--out", tmp_path / "run", *options)
    assert trained.status == 0, trained.err
    grouped = transcribe.Runtime._grouped

    def wrong_where_groups_end(self, x, state):
        log_p, complete, after = grouped(self, x, state)
        return np.where(complete[..., None], log_p + np.float32(1), log_p), complete, after

    assert verifying.verify(tmp_path / "run", sequences=3).broken == []
    monkeypatch.setattr(transcribe.Runtime, "_grouped", wrong_where_groups_end)
    odd = [np.zeros((steps, 40), np.float32) for steps in (7, 9)]  # of 2 steps: the last is no whole group
    once, rows = iter([odd]), Transcriber._rows  # then those of the samples that are heard
    monkeypatch.setattr(Transcriber, "_rows", lambda *call: next(once, None) or rows(*call))
    assert set(verifying.verify(tmp_path / "run").broken) >= {
        "streamed in random chunks",
        "snapshot half-way",
    }


def test_a_picture_is_tried_whole_and_a_sequence_is_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(verifying, "MOST_STEPS", 5)
    data = cases.pictures(24)  # of 8 rows of pixels
    Captioner(**cases.SMALL | {"epochs": 1}).fit(data, out=tmp_path / "run")
    report = verifying.verify(tmp_path / "run", data, sequences=6)
    assert not report.broken and {one.steps for one in report.checks} == {6 * 8}
    fitted(backward(40), out=tmp_path / "words", epochs=1)
    report = verifying.verify(tmp_path / "words", [("abcdefabc", "c"), ("abc", "c")])
    assert not report.broken and {one.steps for one in report.checks} == {5 + 3}


def test_of_a_model_that_reads_windows_few_are_tried_on_each_instruction_set(tmp_path, monkeypatch):
    """Some of each sequence; all the others are tried in every other way."""
    monkeypatch.setattr(verifying, "MOST_WINDOWS", 10)
    sample, run = ALL["forecast a series"], tmp_path / "run"
    trained = unrolled("train", "forecast", sample.write(tmp_path, 0), "--out", run, *sample.options)
    assert trained.status == 0, trained.err
    report = verifying.verify(run)
    steps = {one.check: one.steps for one in report.checks}
    assert (
        not report.broken
        and steps["each sequence alone"] == 48
        and {one.sequences for one in report.checks} == {3}
    )
    assert {steps[f"without torch, {isa}"] for isa in _cpu.isas()} == {3 * 3}
