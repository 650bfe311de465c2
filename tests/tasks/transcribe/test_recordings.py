"""Recordings: labels are where they sound, long recordings are answered piece by piece, and the runtime says
the same."""

import numpy as np
import polars as pl
import pytest

from tests.cli.samples import write_wav
from unrolled import Transcriber, load, runtime
from unrolled.errors import ConfigError, RunError
from unrolled.models import saved
from unrolled.tasks.transcribe.codec import TranscribeCodec

RATE = 8000
TONES = {"ga": (300, 900), "bu": (1500, 700), "ti": (2800, 2000)}
SMALL = {
    "hidden": 16,
    "layers": 1,
    "learning_rate": 0.02,
    "patience": 0,
    "epochs": 14,
    "mels": 16,
    "augment": False,
}


def said(words, draw):
    """Samples with noise in front, and the begin and the end of each word in seconds: two tones."""
    parts, places = [draw.normal(0, 0.003, int(draw.uniform(0.1, 1.2) * RATE))], []
    for word in words:
        begin, sizes = sum(map(len, parts)), draw.integers(700, 1400, 2)
        for hertz, size in zip(TONES[word], sizes, strict=True):
            tone = np.sin(2 * np.pi * hertz * draw.uniform(0.95, 1.05) * np.arange(size) / RATE)
            parts.append(0.4 * tone + draw.normal(0, 0.02, size))
        places.append((begin / RATE, (begin + sizes.sum()) / RATE))
        parts.append(draw.normal(0, 0.003, int(draw.uniform(0.1, 0.4) * RATE)))
    return np.concatenate(parts), places


def recordings(folder, count, seed, together=1):
    """The list of recordings, of so many utterances each, which differ in loudness; and the places of all
    words."""
    draw, rows, every = np.random.default_rng(seed), [], []
    for number in range(count):
        samples, text, places = np.empty(0), [], []
        for _ in range(together):
            words = [list(TONES)[k] for k in draw.integers(0, 3, draw.integers(1, 4))]
            part, where = said(words, draw)
            part *= 1 if together == 1 else 10 ** draw.uniform(-0.6, 0)
            places += [(len(samples) / RATE + b, len(samples) / RATE + e) for b, e in where]
            samples, text = np.concatenate([samples, part]), text + words
        write_wav(folder / f"{seed}-{number}.wav", samples)
        rows.append((f"{seed}-{number}.wav", " ".join(text)))
        every.append(places)
    path = folder / f"{seed}.csv"
    pl.DataFrame(rows, schema=["path", "transcript"], orient="row").write_csv(path)
    return path, every


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("said")


@pytest.fixture(scope="module")
def model(folder):
    path, _ = recordings(folder, 80, 0)
    return Transcriber(tokens="words", **SMALL).fit(path)


def away(table, places):
    """(N, 2) how many seconds each begin and each end is away."""
    rows = zip(table["begins_s"], table["ends_s"], places, strict=True)
    return np.abs(np.concatenate([np.array([b, e]).T - true for b, e, true in rows]))


def test_words_begin_and_end_where_they_sound(folder, model):
    path, places = recordings(folder, 20, 1)
    assert model.config.model.subsample == 4
    table = model.predict(path)
    assert table["transcript"].to_list() == pl.read_csv(path)["transcript"].to_list()
    assert (away(table, places) < 0.05).mean() > 0.95
    seconds = table["begins_s"].list.first().to_numpy()
    assert seconds.max() > 0.8  # with noise in front


def test_long_recordings_are_cut_and_their_answers_joined_once(folder, model):
    path, places = recordings(folder, 2, 2, together=20)
    whole, cut = model.using(piece_seconds=0), model.predict(path)
    assert model.evaluate(path).rows[0]["label error rate"] < 0.03
    assert cut["transcript"].to_list() == pl.read_csv(path)["transcript"].to_list()
    assert (away(cut, places) < 0.15).mean() > 0.9
    assert not whole.predict(path)["score"].equals(cut["score"])
    alone = pl.concat([model.predict(str(folder / f"2-{k}.wav")).drop("name") for k in range(2)])
    assert alone.equals(cut.drop("name"))


def test_the_runtime_says_the_same_to_the_bit(folder, model):
    path, _ = recordings(folder, 2, 3, together=6)
    rows = model._read_new(str(path)).inputs
    for options in ({}, {"piece_seconds": 2.5}, {"piece_seconds": 2, "best": 3}, {"decoder": "greedy"}):
        as_asked = model.using(**options)
        bare = as_asked.runtime()
        wanted = as_asked.predict(path).to_dicts()
        answers = [one for each in bare.predict([np.asarray(row) for row in rows]) for one in each]
        V, W = RATE // 100, RATE // 40
        for answer, row in zip(answers, wanted, strict=True):
            assert str(answer["transcript"]) == row["transcript"]
            assert (float(answer["score"]), float(answer["log_p"])) == (row["score"], row["log_p"])
            assert [(int(t) - 1) * V / RATE for t in answer["first"]] == row["begins_s"]
            assert [((int(t) - 1) * V + W) / RATE for t in answer["last"]] == row["ends_s"]


def test_places_and_pieces_are_kept_with_the_model(folder, model):
    path, _ = recordings(folder, 2, 6, together=5)
    in_pieces = model.using(piece_seconds=3)
    in_pieces.save(folder / "run")
    assert load(folder / "run").predict(path).equals(in_pieces.predict(path))
    about = runtime.load(folder / "run").about
    assert (
        about["answers"]["decoding"] | {"most": 300, "whole": 300, "quiet": 20}
        == about["answers"]["decoding"]
    )


def test_what_does_not_fit_is_refused(model):
    good = model.runtime()
    for name in ("weight", "stay", "bias"):
        arrays = {**good.arrays, f"codec.aligner.{name}": good.arrays[f"codec.aligner.{name}"][:-1]}
        with pytest.raises(RunError, match="here: "):
            saved.model("here", good.about, arrays)
    codec = good.about["codec"] | {"aligner": {"labels": 4, "states": 1}}
    how = good.about["answers"] | {"decoding": good.about["answers"]["decoding"] | {"most": -1}}
    for about in ({"codec": codec}, {"answers": how}):
        with pytest.raises(RunError, match="here: the description does not fit"):
            saved.model("here", good.about | about, good.arrays)
    for name, value in (("hop_s", "x"), ("hop_s", 0.0), ("longest", -1)):
        with pytest.raises(ValueError, match="steps of"):
            TranscribeCodec.restore(model.codec.about() | {name: value}, model.codec.arrays())


def test_spelt_words_of_two_pieces_have_a_space_between(folder):
    path, _ = recordings(folder, 80, 0)
    spelt = Transcriber(**SMALL | {"epochs": 25}).fit(path)
    long, _ = recordings(folder, 1, 4, together=12)
    (row,) = spelt.predict(long).to_dicts()
    truth = pl.read_csv(long)["transcript"][0]
    assert row["labels"] == list(row["transcript"])
    assert spelt.evaluate(long).rows[0]["label error rate"] < 0.1
    assert abs(row["transcript"].count(" ") - truth.count(" ")) <= 2
    assert all(b <= e for b, e in zip(row["begins_s"], row["ends_s"], strict=True))


def test_a_lexicon_and_more_text_are_heeded_without_training(folder, model):
    path, _ = recordings(folder, 10, 5)
    (folder / "words.txt").write_text("ga\nti\n")
    (folder / "text.txt").write_text("bu bu bu\n" * 300)
    few = model.using(lexicon=str(folder / "words.txt")).predict(path)
    assert set(" ".join(few["transcript"]).split()) == {"ga", "ti"}
    assert few["score"].to_list() != model.predict(path)["score"].to_list()
    liked = model.using(lm_text=str(folder / "text.txt"), lm_weight=60, label_bonus=0)
    assert liked.predict(path)["transcript"].str.contains("bu").all()
    with pytest.raises(ConfigError, match="lm_order=0"):
        model.using(lm_text=str(folder / "text.txt"), lm_order=0)


def test_places_and_pieces_follow_from_the_training_part_alone(folder):
    path, _ = recordings(folder, 30, 7)
    others = [recordings(folder, 8, seed, together=seed)[0] for seed in (8, 9)]
    one, other = (
        Transcriber(tokens="words", **SMALL | {"epochs": 1}).fit(path, validation=held, test=judged).codec
        for held, judged in (others, others[::-1])
    )
    assert one.nats != other.nats and one.longest == other.longest > 100
    for name, array in one.aligner.arrays().items():
        np.testing.assert_array_equal(array, other.aligner.arrays()[name])


def test_pieces_are_of_recordings(model):
    with pytest.raises(ConfigError, match="piece"):
        model.using(piece_seconds=-1)
    table = pl.DataFrame({"id": ["a"] * 9 + ["b"] * 9, "u": [0.0, 1.0] * 9, "transcript": ["x"] * 18})
    rows = Transcriber(hidden=3, layers=1, epochs=1, validation=0, test=0).fit(table)
    assert rows.config.model.subsample == 1 and rows.codec.aligner is None
    with pytest.raises(ConfigError, match="is for recordings"):
        rows.using(piece_seconds=2).predict(table)


def test_places_can_be_left_to_the_network_and_sought_in_tables():
    from tests.tasks.transcribe.test_transcriber import table

    sought, left = (
        Transcriber(hidden=16, layers=1, learning_rate=0.02, epochs=6, align=align).fit(table(100))
        for align in (True, None)
    )
    assert sought.codec.aligner is not None and left.codec.aligner is None
    one, other = (model.predict(table(10, seed=3)) for model in (sought, left))
    assert one["transcript"].equals(other["transcript"]) and not one["last"].equals(other["last"])
