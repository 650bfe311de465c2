"""Recordings that are changed at random in training: as sound would be, and the same bits again."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from tests.cli.samples import recordings, spoken
from tests.tasks.interrupted import resumed
from unrolled import Classifier, Transcriber
from unrolled.batching.buckets import Buckets
from unrolled.errors import ConfigError
from unrolled.files.samples import Sound
from unrolled.files.wav import FLOOR, Audio, filters, log_mel
from unrolled.tasks import augment
from unrolled.tasks.augment import Augmented, changed

AUDIO, RATE = Audio(), 16_000
H = filters(RATE, AUDIO)
SMALL = {
    "hidden": 5,
    "epochs": 2,
    "batch_size": 4,
    "mels": 8,
    "test": 0.2,
    "validation": 0.2,
    "augment": True,
}


def heard(samples):
    return log_mel(Sound(RATE, samples), AUDIO).astype(np.float64)


def only(monkeypatch, **sizes):
    """All other changes off."""
    for name in ("VOICE", "PACE", "COLOUR", "NOISY", "TILT"):
        monkeypatch.setattr(augment, name, sizes.get(name, 0.0))


def test_noise_is_that_of_noise_in_the_samples(monkeypatch):
    """Means of each band and their variation from frame to frame, beside white noise 10 dB below a tone."""
    only(monkeypatch, NOISY=1.0)
    monkeypatch.setattr(augment, "RATIOS", (10.0, 10.0))
    draw = np.random.default_rng(0)
    tone = np.sin(2 * np.pi * 1000 * np.arange(10 * RATE) / RATE)
    noisy = heard(tone + np.sqrt(0.5 / 10) * draw.standard_normal(len(tone)))
    by_bands = changed(heard(tone), H, draw, paced=False)
    far = np.abs(heard(tone).mean(0) - noisy.mean(0)) > 3  # bands that the tone is not in
    assert far.sum() > 30
    wanted, got = np.exp(noisy[:, far]), np.exp(by_bands[:, far])
    # A thousand frames overlap by 60 %: their mean is known to about 5 %. Of the tone the bands hold a share
    # that differs from its power by what triangles make of a line, up to 1.5 dB.
    assert np.abs(np.log(got.mean(0) / wanted.mean(0))).max() < 0.5
    spread = np.log((got.std(0) / got.mean(0)) / (wanted.std(0) / wanted.mean(0)))
    assert np.abs(spread).max() < 0.25


def test_another_voice_moves_a_tone_to_where_its_frequency_would_be(monkeypatch):
    only(monkeypatch, VOICE=0.1)
    x = np.full((5, 40), -9.0)
    x[:, 20] = 0.0

    class Draw:
        def __init__(self, voice):
            self.voice = voice

        def uniform(self, low, high, size):
            return np.array([self.voice, 0.0, 0.0, 0.0])

        def random(self):
            return 1.0

    for voice, at in ((1.0, 20 / np.exp(0.1)), (-1.0, 20 / np.exp(-0.1))):
        assert abs(changed(x, H, Draw(voice), False)[0].argmax() - at) <= 0.5


def test_the_pace_changes_the_number_of_frames_and_nothing_where_it_may_not(monkeypatch):
    only(monkeypatch, PACE=0.2)
    x = heard(np.random.default_rng(0).standard_normal(RATE))
    lengths = {len(changed(x, H, np.random.default_rng(k), paced=True)) for k in range(30)}
    assert min(lengths) >= np.floor(len(x) / np.exp(0.2)) and max(lengths) <= np.ceil(len(x) * np.exp(0.2))
    assert len(lengths) > 5
    assert np.array_equal(changed(x, H, np.random.default_rng(0), paced=False), x)


def test_what_comes_out_is_what_a_recording_could_be():
    for k in range(20):
        x = changed(np.full((3, 40), np.log(FLOOR)), H, np.random.default_rng(k), paced=True)
        assert np.isfinite(x).all() and x.min() >= np.log(FLOOR) and len(x)


@pytest.fixture
def of(tmp_path):
    model = Classifier(**SMALL, front="none", subsample=1, scale="pooled").fit(recordings(tmp_path, 0))
    data = model._splits().train
    return Augmented(model.codec.inputs, data.inputs, data.places, Audio(mels=8), 3, True)


def test_each_epoch_has_its_own_and_each_again_the_same(of):
    first, again, later, other = of(2, 1), of(2, 1), of(2, 2), replace(of, seed=4)(2, 1)
    assert torch.equal(first, again)
    for one in (later, other):
        assert first.shape != one.shape or not torch.equal(first, one)


def test_batches_are_of_changed_rows_and_use_is_of_plain_ones():
    buckets = Buckets([1] * 5, list, 2, 0, lambda indices, epoch: [(int(i), epoch) for i in indices])
    assert sorted(one for batch in buckets.batches(3) for one in batch) == [(i, 3) for i in range(5)]
    assert buckets.collate(np.arange(2)) == [0, 1]


@pytest.mark.parametrize("kind, file", [(Classifier, recordings), (Transcriber, spoken)])
def test_an_interrupted_training_goes_on_to_the_same_bits(tmp_path, monkeypatch, kind, file):
    options = SMALL | {"checkpoint_seconds": 0.0}
    data = file(tmp_path, 0)
    whole = kind(**options).fit(data).network.state_dict()
    after = resumed(kind(**options), data, tmp_path / "run", 4, monkeypatch).network.state_dict()
    plain = kind(**options | {"augment": False}).fit(data).network.state_dict()
    assert all(torch.equal(whole[name], after[name]) for name in whole)
    assert any(not torch.equal(whole[name], plain[name]) for name in whole)


def test_it_is_for_recordings():
    frame = pl.DataFrame(
        {"id": np.repeat(range(8), 3), "x": np.arange(24.0), "label": ["a"] * 12 + ["b"] * 12}
    )
    with pytest.raises(ConfigError, match="is for recordings"):
        Classifier(id="id", target="label", augment=True, epochs=1).fit(frame)
