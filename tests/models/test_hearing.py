"""Streams of samples: the bits of the whole recording, whatever the chunks are."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli.samples import recordings, spoken
from unrolled import Classifier, Regressor, Transcriber, runtime
from unrolled.errors import ConfigError, DataError, RunError
from unrolled.files.sample_rate import resampler
from unrolled.files.samples import Sound
from unrolled.files.wav import Audio, log_mel
from unrolled.kernels import _cpu
from unrolled.models import saved
from unrolled.models.hearing import Hearing

RATE_HZ = 8000
SMALL = {"hidden": 7, "epochs": 1, "batch_size": 8, "bidirectional": False, "mels": 13}
AUDIOS = {
    "overlap": Audio(mels=9),
    "odd sizes": Audio(31.7, 7.3, 5),
    "frames side by side": Audio(20, 20, 7),
    "frames apart": Audio(5, 12.3, 4),
}


def heard(seed, samples):
    """A chirp, clicks and noise that swells, as whole numbers of 16 bits."""
    draw, t = np.random.default_rng(seed), np.arange(samples) / RATE_HZ
    s = 0.4 * np.sin(2 * np.pi * (200 + 900 * t) * t) + draw.normal(0, 0.2, samples) * t / (t[-1:] + 1)
    s[draw.integers(0, samples, 1 + samples // 999)] = 0.9
    return (s * 32768).clip(-32768, 32767).astype(np.int16)


def cut(samples, sizes):
    """Chunks of these sizes, over and over."""
    at, chunks = 0, []
    while at < len(samples):
        size = sizes[len(chunks) % len(sizes)]
        chunks.append(samples[at : at + size])
        at += size
    return chunks


@pytest.mark.parametrize("audio", AUDIOS.values(), ids=AUDIOS)
@pytest.mark.parametrize("samples", [1, 100, 254, 3001])
@pytest.mark.parametrize("size", [1, 7, 80, 97, 250, 5000])
def test_frames_of_chunks_are_those_of_the_whole(audio, samples, size):
    hearing, s = Hearing(audio, RATE_HZ, RATE_HZ), heard(samples, samples)
    state, rows = hearing.start(), []
    for chunk in cut(s, [size]):
        x, state = hearing(chunk, state)
        rows.append(x)
        assert sum(map(len, rows)) == hearing.frames(int(state["sound.samples"][0, 0]))
    rows.append(hearing.rest(state))
    wanted = log_mel(Sound(RATE_HZ, s / 32768), audio)
    assert np.concatenate(rows).tobytes() == wanted.tobytes()


def test_samples_are_scaled_as_those_of_files():
    hearing, s = Hearing(Audio(mels=9), RATE_HZ, RATE_HZ), heard(3, 999)
    wanted, _ = hearing(s / 32768, hearing.start())
    for same in (s, s.astype(np.int32) << 16, (s / 32768).astype(np.float32), (s / 32768).tolist()):
        assert np.array_equal(hearing(same, hearing.start())[0], wanted)


@pytest.mark.parametrize(
    "samples, said",
    [
        (np.zeros((2, 3)), r"wanted samples \(S,\), floats from -1 to 1, or .*, got float64 \(2, 3\)"),
        (np.zeros(3, np.int64), "got int64"),
        (np.zeros(3, np.bool_), "got bool"),
        ([0.5, "x"], "got <U"),
        ([[1.0], [1.0, 2.0]], "setting an array element"),
        ([0.0, np.nan], "sample 2 of the chunk is nan; wanted floats from -1 to 1, or whole numbers of 16"),
        ([0.0, 1.5, -np.inf], "sample 3 of the chunk is -inf; wanted floats"),
        (np.array([1.2, -345.0], np.float32), "sample 2 of the chunk is -345; wanted floats from -1 to 1"),
    ],
)
def test_what_are_no_samples_is_refused(samples, said):
    hearing = Hearing(Audio(mels=9), RATE_HZ, RATE_HZ)
    with pytest.raises(DataError, match=said):
        hearing(samples, hearing.start())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("heard")


def trained(folder, kind):
    options = {"classify": {"subsample": 1}, "transcribe": {"subsample": 2}}[kind]
    made, data = {"classify": (Classifier, recordings), "transcribe": (Transcriber, spoken)}[kind]
    made(**SMALL, **options).fit(data(folder, 0), out=folder / kind)
    return runtime.load(folder / kind)


@pytest.fixture(scope="module", params=["classify", "transcribe"])
def model(request, folder):
    return trained(folder, request.param)


def whole(model, samples):
    """What the steps of the recording's own features give."""
    x = log_mel(Sound(RATE_HZ, samples / 32768), model.hearing.audio)
    return model.advance(model.encode(x)[:, None], model.start(1))[0]


def same(answers, wanted, steps=slice(None)):
    return all(
        np.concatenate([one[name] for one in answers]).tolist() == wanted[name][steps, 0].tolist()
        for name in wanted
    )


@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(0, 700), min_size=1, max_size=9).filter(any), samples=st.integers(1, 2000))
def test_answers_in_any_chunks_are_those_of_the_whole(model, sizes, samples):
    s = heard(samples, samples)
    stream, wanted, answers = model.stream(), whole(model, s), []
    for number, chunk in enumerate(cut(s, sizes)):
        if number % 3 == 1:
            stream = model.stream(snapshot=stream.snapshot())
        answers.append(stream.feed(chunk))
    assert same([*answers, stream.finish()], wanted)
    assert same([stream.feed(s), stream.finish()], wanted)  # it began anew


@pytest.mark.parametrize("rate_hz", [16_000, 11_025, 5512])
@pytest.mark.parametrize("samples", [1, 90, 5000])
def test_samples_of_another_rate_are_turned_to_that_of_the_model(model, rate_hz, samples):
    s = heard(7, samples)
    turned = resampler(rate_hz, RATE_HZ).whole(s / 32768)
    x = log_mel(Sound(RATE_HZ, turned), model.hearing.audio)
    wanted = model.advance(model.encode(x)[:, None], model.start(1))[0]
    for sizes in ([160], [1, 999, 0, 7], [samples]):
        stream, answers = model.stream(rate_hz=rate_hz), []
        for number, chunk in enumerate(cut(s, sizes)):
            if number % 3 == 1:
                stream = model.stream(snapshot=stream.snapshot(), rate_hz=rate_hz if number % 2 else None)
            answers.append(stream.feed(chunk))
        assert same([*answers, stream.finish()], wanted)
        assert same([stream.feed(s), stream.finish()], wanted)  # it began anew


def test_a_rate_that_cannot_be_is_refused(model):
    stream = model.stream(rate_hz=16_000)
    stream.feed(heard(1, 300))
    with pytest.raises(RunError, match="the snapshot is of samples at another rate; leave rate_hz out"):
        model.stream(snapshot=stream.snapshot(), rate_hz=RATE_HZ)
    for wrong in (999, "x", True, 16e3):
        with pytest.raises(ConfigError, match="rate_hz: wanted 1,000 to 768,000, got"):
            model.stream(rate_hz=wrong)
    for name, value in (("sound.position", -1), ("sound.position", 1 << 40), ("sound.tail", np.inf)):
        broken = model.stream(snapshot=stream.snapshot())
        broken.state[name] = np.full_like(broken.state[name], value)
        with pytest.raises(RunError, match="damaged"):
            model.stream(snapshot=broken.snapshot())


def test_every_instruction_set_has_the_same_bits(model):
    s, before, wanted = heard(5, 4000), _cpu.isa(), []
    try:
        for isa in _cpu.isas():
            _cpu.use_isa(isa)
            fresh = saved.model("here", model.about, model.arrays)
            stream = fresh.stream()
            answers = [stream.feed(chunk) for chunk in cut(s, [160, 7])]
            wanted.append(np.concatenate([one[model.compared] for one in answers]).tobytes())
            assert wanted[-1] == whole(fresh, s)[model.compared].tobytes()
    finally:
        _cpu.use_isa(before)
    assert len(set(wanted)) == 1


def test_rows_of_features_are_fed_as_before_but_not_between_samples(model):
    s = heard(6, 2000)
    x = log_mel(Sound(RATE_HZ, s / 32768), model.hearing.audio)
    stream = model.stream()
    assert same([stream.feed(x)], whole(model, s))
    assert "sound.samples" not in stream.state
    stream.reset()
    stream.feed(s[:300])
    for refused in (lambda: stream.feed(x), lambda: stream.step(x[0])):
        with pytest.raises(DataError, match="was fed samples of a recording; feed more of them, or finish"):
            refused()
    stream.reset()
    assert same([stream.feed(s)], whole(model, s))


def test_samples_are_for_one_sequence_of_a_model_that_hears(model):
    rows = model.stream(rows=2)
    with pytest.raises(DataError, match="samples are fed to a stream of one sequence; begin one for each"):
        rows.feed([heard(0, 300), heard(1, 300)])
    with pytest.raises(ValueError, match="no stream of samples"):
        rows.finish()
    deaf = Regressor(hidden=5, epochs=1, subsample=1, bidirectional=False)
    deaf.fit([np.zeros((5, 2)), np.ones((4, 2))] * 9, np.arange(18.0))
    with pytest.raises(ValueError, match="no stream of samples"):
        deaf.stream().finish()
    with pytest.raises(DataError, match="wanted steps of 2 numbers"):
        deaf.stream().feed(np.zeros(300))
    with pytest.raises(ConfigError, match="rate_hz is for models that were trained on recordings"):
        deaf.stream(rate_hz=8000)


def test_a_snapshot_whose_samples_cannot_be_is_refused(model):
    stream = model.stream()
    stream.feed(heard(2, 333))
    for name, value in (("sound.samples", -1), ("sound.overlap", np.inf)):
        broken = model.stream(snapshot=stream.snapshot())
        broken.state[name] = np.full_like(broken.state[name], value)
        with pytest.raises(RunError, match="damaged"):
            model.stream(snapshot=broken.snapshot())
    del stream.state["sound.overlap"]
    with pytest.raises(RunError, match="damaged"):
        model.stream(snapshot=stream.snapshot())


@pytest.mark.parametrize(
    "wrong", [{"rate_hz": None}, {"mels": 12}, {"hop_ms": 0}, {"low": 1}, {"frame_ms": "x"}]
)
def test_a_description_that_does_not_fit_is_refused_in_one_line(model, wrong):
    about = {**model.about, "hears": {**model.about["hears"], **wrong}}
    with pytest.raises(RunError, match="the description does not fit") as error:
        saved.model("here", about, model.arrays)
    assert "\n" not in str(error.value)


def test_a_description_without_it_hears_nothing(model):
    about = {name: value for name, value in model.about.items() if name != "hears"}
    older = saved.model("here", about, model.arrays)
    assert older.hearing is None and model.hearing.audio == replace(Audio(mels=13), rate_hz=RATE_HZ)
