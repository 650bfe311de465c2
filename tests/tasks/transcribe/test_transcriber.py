"""The transcriber: learns what nobody has put to its steps, keeps the bits of a sequence, resumes, refuses in
one line, goes through a run folder."""

import json

import numpy as np
import polars as pl
import pytest
import torch

from tests.tasks.interrupted import resumed
from unrolled import Transcriber, load
from unrolled.errors import ConfigError, DataError
from unrolled.tasks.transcribe import codec
from unrolled.tasks.transcribe import network as networks
from unrolled.tasks.transcribe.config import TranscribeModelConfig
from unrolled.tasks.transcribe.ctc import losses
from unrolled.tasks.transcribe.network import network_of

SHAPES = {"a": (1, 0), "b": (0, 1), " ": (1, 1)}
SMALL = {"hidden": 16, "layers": 1, "learning_rate": 0.02, "patience": 0, "batch_size": 16}


def shaped(transcript, draw):
    """(T, 2) a stretch of 3 to 6 steps for each label, noise alone between them."""
    parts = [np.zeros((2, 2))]
    for label in transcript:
        parts += [np.tile(SHAPES[label], (draw.integers(3, 7), 1)), np.zeros((draw.integers(1, 5), 2))]
    x = np.concatenate(parts)
    return x + draw.normal(0, 0.1, x.shape)


def table(count, seed=0, longest=5):
    """A long table; transcripts of 0 to `longest` labels, the first of all three."""
    draw, rows = np.random.default_rng(seed), []
    for s in range(count):
        length = draw.integers(0, longest + 1)
        transcript = "ab a" if not s else "".join(draw.choice(["a", "b", "a", "b", " "], length)).strip()
        rows += [(f"s{s}", u, v, transcript) for u, v in shaped(transcript, draw)]
    return pl.DataFrame(rows, schema=["id", "u", "v", "transcript"], orient="row")


def fitted(frame, **options):
    return Transcriber(**({"epochs": 10} | SMALL | options)).fit(frame)


@pytest.fixture(scope="module")
def transcriber():
    return fitted(table(150))


def test_labels_are_learned_without_their_places(transcriber):
    own, greedy, *baselines = transcriber.evaluation.rows
    assert own["label error rate"] < 0.05 and own["word error rate"] < 0.2 and own["exact"] > 0.8
    assert greedy["model"] == "model, greedy" and len(baselines) == 2
    assert all(row["label error rate"] > 0.3 for row in baselines)
    assert "beats every baseline on label error rate" in transcriber.evaluation.verdict[0]
    assert sum(transcriber.evaluation.about["mistakes"].values()) == round(
        own["label error rate"] * transcriber.evaluation.about["labels"]
    )


def test_predictions_tell_where_each_label_stands(transcriber):
    draw = np.random.default_rng(5)
    x = np.concatenate([shaped("a", draw), shaped("b", draw)])
    frame = pl.DataFrame(x, schema=["u", "v"]).with_columns(id=pl.lit("it"))
    (row,) = transcriber.predict(frame).to_dicts()
    assert row["name"] == "it"
    assert row["transcript"] == "ab" and row["labels"] == ["a", "b"] and row["log_p"] <= 0
    pause = len(shaped("a", np.random.default_rng(5)))
    assert 1 <= row["first"][0] <= row["last"][0] <= pause < row["first"][1] <= row["last"][1] <= len(x)
    ranked = transcriber.using(best=3, beam=8).predict(pl.concat([frame, frame.with_columns(id=pl.lit("b"))]))
    assert ranked["rank"].to_list() == [1, 2, 3] * 2 and ranked["transcript"][0] == "ab"
    assert ranked["score"][:3].is_sorted(descending=True) and ranked["transcript"][:3].n_unique() == 3


def test_predictions_that_are_all_empty_have_columns_of_the_same_types(transcriber):
    frame = pl.DataFrame({"id": ["it"] * 5, "u": [0.0] * 5, "v": [0.01, -0.02, 0.0, 0.03, -0.01]})
    silent, some = transcriber.predict(frame), transcriber.predict(table(3))
    assert silent["transcript"].to_list() == [""] and silent["first"].to_list() == [[]]
    assert silent.schema == some.schema and len(pl.concat([silent, some])) == 4


@pytest.mark.parametrize("options", [{}, {"subsample": 3, "epochs": 1}, {"decoder": "greedy", "epochs": 1}])
def test_a_sequence_has_the_same_bits_alone_and_in_any_order(transcriber, options):
    own = fitted(table(150), **options) if options else transcriber
    frame = table(30, seed=2)
    together = own.predict(frame)
    assert together["name"].to_list() == frame["id"].unique(maintain_order=True).to_list()
    for name in ("s0", "s11", "s29"):
        alone = own.predict(frame.filter(pl.col("id") == name))
        assert alone.equals(together.filter(pl.col("name") == name))


def test_of_many_labels_fewer_sequences_are_read_at_once(transcriber, monkeypatch):
    network, lengths = transcriber.network, [7, 31, 2, 30, 8, 29, 3]
    whole = [one.tolist() for one in networks.together(network, lengths)]
    assert whole == [[2, 6, 0, 4, 5, 3, 1]]
    frame = table(9, seed=4)
    wanted = transcriber.predict(frame)
    monkeypatch.setattr(networks, "MOST_SAID", 4 * 31 * 3 + 1)  # 4 outputs
    parts = list(networks.together(network, lengths))
    assert [part.tolist() for part in parts] == [[2, 6, 0], [4, 5, 3], [1]]
    assert transcriber.predict(frame).equals(wanted)
    monkeypatch.setattr(networks, "MOST_SAID", 1)
    assert [len(part) for part in networks.together(network, lengths)] == [1] * 7
    subsampled = network_of(TranscribeModelConfig(hidden=3, subsample=3), 2, 5)
    monkeypatch.setattr(networks, "MOST_SAID", 2 * 11 * 5)  # ⌈31 / 3⌉ steps
    assert [len(part) for part in networks.together(subsampled, lengths)] == [2, 2, 2, 1]


def test_the_loss_is_that_of_all_paths_for_each_label():
    """Against the sum over every path of 4 steps."""
    import itertools

    torch.manual_seed(1)
    log_p = torch.randn(2, 4, 3, dtype=torch.float64).log_softmax(-1)
    labels, counts = torch.tensor([1, 1, 2]), torch.tensor([2, 1])
    steps = torch.tensor([4, 2])
    nats = losses(log_p, steps, labels, counts)

    def said(path):
        return [k for k, _ in itertools.groupby(path) if k]

    for i, wanted in enumerate(([1, 1], [2])):
        paths = itertools.product(range(3), repeat=int(steps[i]))
        p = sum(
            np.exp(sum(log_p[i, t, k].item() for t, k in enumerate(one)))
            for one in paths
            if said(one) == wanted
        )
        assert nats[i].item() == pytest.approx(-np.log(p) / len(wanted), rel=1e-12)
    log_p[:, 2:] = float("nan")  # behind the end of the second row
    assert losses(log_p, torch.tensor([2, 2]), torch.tensor([1, 2]), torch.tensor([1, 1])).isfinite().all()


def test_a_run_folder_gives_the_same_answers_and_is_complete(tmp_path):
    (tmp_path / "words.txt").write_text("ab\nba\na\nb\n")
    (tmp_path / "more.txt").write_text("ab ab ab\n\nzebra ab\n")
    known = {"lexicon": str(tmp_path / "words.txt"), "lm_text": str(tmp_path / "more.txt"), "lm_order": 3}
    frame = table(60)
    own = Transcriber(**SMALL, epochs=2, **known).fit(frame, out=tmp_path / "run")
    for name in ("words.txt", "more.txt"):
        (tmp_path / name).unlink()
    again = load(tmp_path / "run")
    newer = table(20, seed=3)
    for decoding in ({}, {"best": 4}, {"decoder": "greedy"}, {"lm_weight": 2.0, "label_bonus": 1.0}):
        assert again.using(**decoding).predict(newer).equals(own.using(**decoding).predict(newer))
    words = {word for one in own.predict(newer)["transcript"] for word in one.split()}
    assert words <= {"ab", "ba", "a", "b"}
    for name in ("alignment", "confusion", "loss"):
        assert (tmp_path / "run" / "plots" / f"{name}.png").stat().st_size > 1000
    told = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert [row["model"] for row in told["table"]][:2] == ["model", "model, greedy"]


def test_more_transcripts_stand_one_in_each_line_and_a_blank_line_is_none(tmp_path):
    (tmp_path / "more.txt").write_text("a\u2028b\n\n b\x0cc\n   \n")
    assert codec._lines(str(tmp_path / "more.txt")) == ["a\u2028b", "b\x0cc"]


def test_a_lexicon_of_whole_labels_leaves_no_others(tmp_path):
    (tmp_path / "words.txt").write_text("a\n")
    spaced = pl.col("transcript").str.replace_all("", " ").str.strip_chars()
    frame = table(60).with_columns(spaced)
    options = {"tokens": "symbols", "epochs": 6, "lm_order": 0}
    free, bound = (
        fitted(frame, **options, **more) for more in ({}, {"lexicon": str(tmp_path / "words.txt")})
    )
    assert sorted(free.labels) == sorted(bound.labels) == ["a", "b"]
    assert "word error rate" not in free.evaluation.rows[0]  # labels are words
    said = [set("".join(own.predict(frame)["transcript"]).replace(" ", "")) for own in (free, bound)]
    assert said == [{"a", "b"}, {"a"}]


def test_an_interrupted_training_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    path = tmp_path / "moves.csv"
    table(40).write_csv(path)
    options = {**SMALL, "epochs": 3, "noise": 0.1, "time_mask": 0.2, "output_dropout": 0.2, "subsample": 2}
    whole = Transcriber(**options).fit(path, out=tmp_path / "whole")
    own = Transcriber(**options, checkpoint_seconds=0)
    again = resumed(own, path, tmp_path / "run", 4, monkeypatch)
    pairs = zip(whole.network.parameters(), again.network.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert again.rows == whole.rows


def test_a_longer_transcript_than_the_steps_allow_is_refused_with_the_rule():
    x = np.random.default_rng(0).normal(size=(6, 1))
    data = [x] * 20, ["ab"] * 19 + ["aabba"]  # 5 labels and 2 between equal ones need 7 steps
    with pytest.raises(DataError) as caught:
        Transcriber(epochs=1, split_seed=3).fit(data)
    assert str(caught.value) == (
        "sequence 19: 5 labels need 7 steps (a step for each "
        "label, and one more between two that are equal), "
        "and the sequence has 6; give it more steps (of recordings: lower hop_ms), or leave the sequence out"
    )
    with pytest.raises(DataError, match=r"has 3 after subsample=2; lower subsample, or leave"):
        Transcriber(epochs=1, split_seed=3, subsample=2).fit(([x] * 20, ["a"] * 19 + ["aabba"]))
    enough = [x] * 19 + [np.concatenate([x, x[:1]])]
    own = Transcriber(epochs=1, **SMALL).fit((enough, data[1]))
    judged = own.evaluate(([x], ["aabba"]), include_training=True)  # of other data it only counts as it comes
    assert judged.about["labels"] == 5


def test_labels_that_training_does_not_hold_count_as_wrong_and_are_named(transcriber):
    frame = table(12, seed=7)
    other = frame.with_columns(pl.col("transcript").str.replace("a", "ä"))
    before, after = transcriber.evaluate(frame), transcriber.evaluate(other)
    assert after.about["unseen_labels"] == ["ä"] and after.verdict[1].endswith("count as wrong: 'ä'")
    assert after.rows[0]["label error rate"] > before.rows[0]["label error rate"]
    own = Transcriber(epochs=1, **SMALL).fit(
        frame, validation=pl.concat([frame, other.with_columns(id="x" + pl.col("id"))])
    )
    assert np.isfinite(own.history.rows[-1]["validation_loss"])
    with pytest.raises(DataError, match="each transcript of the validation part has labels"):
        Transcriber(epochs=1, **SMALL).fit(frame, validation=table(3, 8).with_columns(transcript=pl.lit("ö")))


def test_greedy_leaves_what_was_told_of_the_beam(transcriber):
    wide = transcriber.using(beam=5, best=3, lm_weight=0.3, label_bonus=0.1)
    greedy, frame = wide.using(decoder="greedy"), table(9)
    assert greedy.predict(frame).equals(transcriber.using(decoder="greedy").predict(frame))
    assert wide.using(best=2).config.decoding.beam == 5
    with pytest.raises(ConfigError, match="decoder='greedy' takes no beam"):
        wide.using(decoder="greedy", beam=5)


def test_wrong_calls_are_refused_in_one_line(transcriber, tmp_path):
    frame = table(12)
    for options, said in (
        ({"beam": 0}, "beam: "),
        ({"best": 20}, "wanted 20 transcripts of a beam of 16; set beam=20"),
        ({"decoder": "greedy", "best": 2}, "decoder='greedy' finds one transcript"),
        ({"decoder": "greedy", "lm_weight": 1.0}, "decoder='greedy' takes no lm_weight"),
        ({"decoder": "greedy", "beam": 4}, "decoder='greedy' takes no beam"),
        ({"lm_order": 0, "lm_weight": 1.0}, "lm_order=0 makes none"),
        ({"lm_order": 0, "lm_text": "x"}, "lm_order=0 makes none"),
    ):
        with pytest.raises(ConfigError, match=said) as caught:
            Transcriber(**options)
        assert "\n" not in str(caught.value)
    (tmp_path / "words.txt").write_text("ab\nabc\n")
    for source, options, said in (
        (frame.drop("transcript"), {}, "wanted a column of answers"),
        (frame.with_columns(transcript=None), {}, "wanted a transcript, got nothing"),
        (frame.with_columns(transcript=pl.lit("")), {}, "transcripts of the training part are empty"),
        ((["some", "texts"] * 9, ["a", "b"] * 9), {}, "this is a text; wanted sequences of numbers"),
        (([np.ones(9)] * 9, None), {}, "a Transcriber requires y to be passed"),
        (frame, {"lexicon": tmp_path / "none.txt"}, "none.txt: there is no such file"),
        (frame, {"lexicon": tmp_path / "words.txt"}, "words.txt, line 2: 1 word .*'abc'"),
        (frame.with_columns(transcript=pl.lit("<unk> a")), {"tokens": "symbols"}, "'<unk>' is no label"),
    ):
        with pytest.raises(DataError, match=said) as caught:
            Transcriber(epochs=1, **SMALL, **{k: str(v) for k, v in options.items()}).fit(source)
        assert "\n" not in str(caught.value)
    assert transcriber.predict(frame.drop("transcript")).height == 12
    with pytest.raises(DataError, match="the model reads feature 'u'"):
        transcriber.predict(frame.rename({"u": "w"}))
