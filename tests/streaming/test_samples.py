"""`unrolled stream --pcm`: what is told of a recording as it comes is that of the whole."""

import json
import os
import threading
import time
import wave
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.streaming.hearing import RATE_HZ, hearing, sound, streamed, told
from tests.streaming.stub import Stub
from unrolled.decoding import ctc
from unrolled.errors import ConfigError, DataError, RunError
from unrolled.files.pcm import KINDS, Pcm
from unrolled.files.sample_rate import resampler
from unrolled.files.samples import Sound
from unrolled.files.wav import log_mel
from unrolled.models import saved
from unrolled.models.stream import Stream
from unrolled.runtime import Listener
from unrolled.streaming import command, lines, pipes
from unrolled.streaming.sessions import Every, Options

MODELS = {
    "labels": hearing("transcribe"),
    "labels of several frames": hearing("transcribe", 3),
    "classes": hearing("classify"),
    "values": hearing("regress"),
}


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]


def features(model, samples):
    return log_mel(Sound(RATE_HZ, samples / 32768), model.hearing.audio)


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("samples", [150, 199, 200, 281, 12345, 40_000])
def test_final_labels_are_those_of_the_likeliest_path_with_their_seconds(stride, samples):
    model, s = hearing("transcribe", stride), sound(samples)
    x = features(model, s)
    labels, spans = ctc.greedy(model.outputs(model.encode(x)), 0)
    last = np.minimum((spans[:, 1] + 1) * stride, len(x)) - 1
    each = zip(labels.tolist(), spans.tolist(), last.tolist(), strict=True)
    wanted = [
        (model.labels[k], first * stride * 80 / RATE_HZ, (end * 80 + 200) / RATE_HZ)
        for k, (first, _), end in each
    ]
    records = told(model, s)
    assert [one["answer"] for one in records] == list(range(1, len(records) + 1))
    final = [(one["label"], one["begins_s"], one["ends_s"]) for one in records if one["final"]]
    assert final == wanted and (samples < 9000 or len(final) > 3)


def test_a_label_is_told_when_it_is_heard_and_again_when_it_is_sure():
    records = told(MODELS["labels"], sound(20_000))
    for first, second in zip(records[::2], records[1::2], strict=True):
        assert (first["final"], second["final"]) == (False, True)
        assert (first["label"], first["begins_s"]) == (second["label"], second["begins_s"])
        assert first["ends_s"] <= second["ends_s"]


def test_a_class_is_told_where_it_changes_and_in_the_end(capfd):
    model, s = MODELS["classes"], sound(20_000)
    x = features(model, s)
    answers, _ = model.advance(model.encode(x)[:, None], model.start(1))
    each = told(model, s, each_frame=True)
    assert [one["label"] for one in each[:-1]] == answers["label"][:, 0].tolist()
    assert [one["p(y)"] for one in each[:-1]] == answers["probabilities"][:, 0, 1].tolist()
    assert [one["ends_s"] for one in each[:-1]] == [(t * 80 + 200) / RATE_HZ for t in range(len(x))]
    changed = [one for t, one in enumerate(each[:-1]) if not t or one["label"] != each[t - 1]["label"]]
    records = told(model, s)
    assert [one | {"answer": 0} for one in records] == [one | {"answer": 0} for one in [*changed, each[-1]]]
    assert 3 < len(changed) < len(each) - 2
    assert each[-1] == each[-2] | {"final": True, "answer": len(each)}


def test_values_are_told_after_each_frame():
    model, s = MODELS["values"], sound(3000)
    answers, _ = model.advance(model.encode(features(model, s))[:, None], model.start(1))
    records = told(model, s)
    assert [one["value"] for one in records[:-1]] == answers["value"][:, 0].tolist()
    assert [one["final"] for one in records] == [False] * (len(records) - 1) + [True]


def test_nothing_is_told_of_nothing(model):
    assert streamed(model, b"") == "" == streamed(model, b"", output_format="csv")


@pytest.mark.parametrize("size", [1, 7, 160, 2047])
def test_pieces_change_nothing(model, monkeypatch, size):
    s = sound(4001)
    whole = streamed(model, s)
    monkeypatch.setattr(pipes, "CHUNK", size)
    assert streamed(model, s) == whole


def test_formats_and_channels_say_the_same(model):
    s = sound(5000)
    whole = streamed(model, s)
    wide = s.astype("<i4") << 16
    assert streamed(model, wide, "s32le:8000") == whole
    assert streamed(model, wide.view(np.uint8).reshape(-1, 4)[:, 1:].tobytes(), "s24le:8000") == whole
    assert streamed(model, (s / 32768).astype("<f4"), "f32le:8000") == whole
    assert streamed(model, np.repeat(s, 2), "s16le:8000:2") == whole


def test_the_channel_of_the_training_is_heard():
    labels, s = MODELS["labels"], sound(5000)
    second, third = (
        saved.model(
            "here", labels.about | {"hears": labels.about["hears"] | {"sound_channel": k}}, labels.arrays
        )
        for k in ("2", "3")
    )
    both = np.stack([s[::-1], s], 1)
    assert streamed(second, both, "s16le:8000:2") == streamed(labels, s) == streamed(second, s)
    with pytest.raises(ConfigError, match="the model hears channel 3, and there are 2; record that one"):
        streamed(third, both, "s16le:8000:2")


def test_another_rate_is_turned_to_that_of_the_model(model, tmp_path, capfd):
    s, state = sound(9001), tmp_path / "t.state"
    whole = streamed(model, s, "s16le:11025")
    turned = resampler(11_025, RATE_HZ).whole(s / 32768).astype("<f8")
    final = [one for one in told(model, turned.astype("<f4"), pcm="f32le:8000") if one["final"]]
    again = [one for one in map(json.loads, whole.splitlines()) if one["final"]]
    assert [one.get("label") for one in final] == [one.get("label") for one in again]
    assert [one["ends_s"] for one in final] == [one["ends_s"] for one in again]
    parts = "".join(
        streamed(model, s[a : a + 999], "s16le:11025", snapshot=state) for a in range(0, 9001, 999)
    )
    assert whole.startswith(parts) and parts
    with pytest.raises(ConfigError, match="the snapshot is of --pcm s16le:11025; give that"):
        streamed(model, s, snapshot=state)


def test_a_table_comes_out(model):
    records = told(model, sound(5000))
    rows = streamed(model, sound(5000), output_format="csv").splitlines()
    assert rows[0] == ",".join(records[0])
    assert [row.split(",")[-1] for row in rows[1:]] == [str(one["final"]).lower() for one in records]


def test_what_is_stopped_goes_on_within_a_frame(model, tmp_path, capfd):
    s, state = sound(9001), tmp_path / "t.state"
    whole, parts, at = streamed(model, s, each_frame=False), "", 0
    for end in (1, 150, 151, 233, 4000, 4000, 8999, 9001):
        parts += streamed(model, s[at:end], snapshot=state)
        assert not at or f"holds the samples up to {at}: send from sample {at + 1}" in capfd.readouterr().err
        at = end
    # In the end nothing is final: the recording may go on.
    assert whole.startswith(parts) and 0 < len(parts) < len(whole)
    final = [json.loads(line)["final"] for line in whole[len(parts) :].splitlines()]
    assert final in ([True], [False, True])

    known = parts.splitlines(keepends=True)
    for number in (0, 3, len(known)):
        again = streamed(model, b"", snapshot=state, after=number)
        assert again == "".join(known[number:])
        assert streamed(model, s, snapshot=state, after=number, replay=True) == again
    assert streamed(model, s, snapshot=state, replay=True) == parts
    with pytest.raises(DataError, match="samples 1 to 9001 are not those that were done before"):
        streamed(model, s[::-1], snapshot=state, replay=True)
    with pytest.raises(DataError, match="ended with sample 77, and samples up to 9001 were done before"):
        streamed(model, s[:77], snapshot=state, replay=True)
    streamed(model, s, snapshot=state, keep_answers=2)
    with pytest.raises(RunError, match=r"up to answer \d+ are no longer kept, .* those after answer 1"):
        streamed(model, b"", snapshot=state, after=1)


def test_a_wav_header_is_no_sound(tmp_path, monkeypatch):
    """As recorders write it, also when they are started again; however it is cut."""
    model, s, state = MODELS["labels"], sound(5000), tmp_path / "t.state"
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        file.writeframes(s.tobytes())
    whole, data = streamed(model, s), (tmp_path / "a.wav").read_bytes()
    assert data[44:] == s.tobytes()
    for size in (1, 13, 43, 45, 1 << 16):
        monkeypatch.setattr(pipes, "CHUNK", size)
        assert streamed(model, data) == whole
    parts = streamed(model, data[:4044], snapshot=state)
    parts += streamed(model, data[:44] + data[4044:], snapshot=state)
    assert parts and whole.startswith(parts)
    with pytest.raises(DataError, match="WAV header says 16 bits of kind 1, 8,000 Hz and 1 channels; wan"):
        streamed(model, data, "s16le:16000")
    alike = np.concatenate([np.frombuffer(b"RIFFabc ", "<i2"), s])  # sound that only begins so
    assert streamed(model, alike) == streamed(model, (alike / 32768).astype("<f4"), "f32le:8000")
    with pytest.raises(DataError, match="byte 0xff is not UTF-8; write UTF-8, or give --pcm for sound"):
        lines.run(model, Options(), *opened(tmp_path / "b", b"\xff\n"))


def opened(path, data):
    path.write_bytes(data)
    return os.open(path, os.O_RDONLY), 1


def test_a_sample_that_is_not_whole_waits(tmp_path, capfd):
    model, data, state = MODELS["values"], sound(500).tobytes(), tmp_path / "t.state"
    whole = streamed(model, data)
    assert streamed(model, data + b"x") == whole
    assert "the last 1 bytes are no whole sample, and are not heard" in capfd.readouterr().err
    parts = streamed(model, data[:601], snapshot=state)
    assert "sample 301 is not whole, and is not heard; send it again, whole" in capfd.readouterr().err
    assert whole.startswith(parts + streamed(model, data[600:], snapshot=state)) and parts


def test_a_sample_that_is_no_number_ends_it(tmp_path):
    s = sound(900).astype("<f4") / 32768
    s[700] = np.nan
    with pytest.raises(DataError, match="samples 1 to 900: sample 701 of the chunk is nan; wanted"):
        streamed(MODELS["labels"], s, "f32le:8000")


def test_what_could_not_be_written_is_heard_again(tmp_path, monkeypatch):
    """The reader leaves within a piece: all of it is heard again, and told again."""
    model, s, state = MODELS["values"], sound(4000), tmp_path / "t.state"
    whole = streamed(model, s).splitlines(keepends=True)[:-1]
    monkeypatch.setattr(pipes, "CHUNK", 2000)  # bytes
    source, feed = os.pipe()
    out, sink = os.pipe()
    os.write(feed, s.tobytes())
    os.close(feed)
    os.set_blocking(sink, False)
    thread = threading.Thread(target=lambda: (os.read(out, 5000), time.sleep(0.05), os.close(out)))
    thread.start()
    lines.run(model, Options(pcm=Pcm.parse("s16le:8000"), snapshot=state), source, sink)
    thread.join()
    done = json.loads(model.stream(snapshot=state.read_bytes()).notes.partition(b"\n")[0])["line"]
    rest = streamed(model, s[done:], snapshot=state, after=0)
    assert rest.splitlines(keepends=True) == whole


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(list(KINDS)), data=st.binary(max_size=3000), wav=st.booleans())
def test_any_bytes_are_heard_or_refused_in_one_line(kind, data, wav):
    try:
        streamed(MODELS["labels"], (b"RIFF1234WAVE" if wav else b"") + data, f"{kind}:8000")
    except DataError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    "name, said",
    [
        ({"id": "a"}, "--id is for lines, and --pcm for sound; leave one of them out"),
        ({"input_format": "csv"}, "--from is for lines"),
        ({"likeliest": 3}, "--next is for lines"),
        ({"skip_wrong": True}, "--skip-wrong is for lines"),
        ({"end": "a"}, "--end is for lines"),
        ({"gaps": "refuse"}, "--gaps is for lines"),
    ],
)
def test_options_of_lines_are_refused(name, said):
    with pytest.raises(ConfigError, match=said):
        Options(pcm=Pcm.parse("s16le:8000"), **name)


def test_what_does_not_fit_is_refused_in_one_line(tmp_path):
    labels, state = MODELS["labels"], tmp_path / "t.state"
    with pytest.raises(ConfigError, match="this one of task 'forecast' reads columns 'a', 'b'"):
        streamed(Stub(), b"")
    with pytest.raises(ConfigError, match="this one of task 'classify' reads text"):
        streamed(Stub("classify", "text"), b"")
    with pytest.raises(ConfigError, match="each_frame is for models of task 'classify'; this is one of"):
        streamed(labels, b"", each_frame=True)
    with pytest.raises(ConfigError, match="--each-frame is for sound; give --pcm too"):
        Options(each_frame=True)
    with pytest.raises(ConfigError, match=r"--pcm: wanted FORMAT:RATE or FORMAT:RATE:CHANNELS .* got 'x'"):
        command.stream(["run", "--pcm", "x"])

    streamed(labels, sound(700), snapshot=state)
    with pytest.raises(ConfigError, match="the snapshot is of --pcm s16le:8000; give that, or begin without"):
        streamed(labels, b"", "s16le:8000:2", snapshot=state)
    with pytest.raises(ConfigError, match="the snapshot is of --pcm s16le:8000; give that"):
        lines.run(labels, Options(snapshot=state), os.open(os.devnull, os.O_RDONLY), 1)
    state.unlink()
    lines.run(labels, Options(snapshot=state), os.open(os.devnull, os.O_RDONLY), 1)
    with pytest.raises(ConfigError, match="the snapshot is of lines; leave --pcm out, or begin without it"):
        streamed(labels, b"", snapshot=state)


def test_a_listener_hears_in_python(model):
    s = sound(9001)
    wanted, again = told(model, s), []
    listener, cuts = Listener(model), [0, 1, 150, 233, 4000, 4000, 9001]
    for a, b in pairwise(cuts):
        again += listener.hear(s[a:b])
        listener = Listener(model, snapshot=listener.snapshot())
        again += listener.hear([])
    assert again + listener.end() == wanted
    listener = Listener(model, rate_hz=RATE_HZ)
    for _ in range(2):  # and begins anew
        assert [*listener.hear(s), *listener.end()] == wanted
    listener = Listener(model, 11_025)
    assert [*listener.hear(s), *listener.end()] == told(model, s, pcm="s16le:11025")


def test_a_listener_goes_on_from_its_own_snapshot_alone():
    labels, classes = MODELS["labels"], MODELS["classes"]
    listener = Listener(labels)
    listener.hear(sound(700))
    with pytest.raises(RunError, match="is of another model"):
        Listener(classes, snapshot=listener.snapshot())
    with pytest.raises(RunError, match="is of no such listener; give its own, or begin without"):
        Listener(labels, 16_000, snapshot=listener.snapshot())
    for notes in (b"", b"[0]", b"{"):
        with pytest.raises(RunError, match="of no such listener"):
            Listener(labels, snapshot=labels.stream().snapshot(notes))
    with pytest.raises(ConfigError, match="sound is for models that were trained on recordings"):
        Listener(Stub())


def test_it_is_saved_every_so_many_samples(tmp_path, monkeypatch):
    saves, state = [], tmp_path / "t.state"
    monkeypatch.setattr(pipes, "CHUNK", 1000)
    monkeypatch.setattr("unrolled.files.atomic.write_bytes", lambda path, data: saves.append(data))
    streamed(MODELS["labels"], sound(4000), snapshot=state, every=Every(lines=1200))
    notes = [json.loads(Stream.restored(MODELS["labels"], one).notes.partition(b"\n")[0]) for one in saves]
    assert [one["line"] for one in notes] == [0, 1500, 3000, 4000]


@pytest.mark.parametrize(
    "carried", [None, [0], [-1, [0, 0, 0]], [0, [4, 0, 0]], [0, [0, -1, 0]], [0, [0, True, 0]], [0, "x"]]
)
def test_a_snapshot_that_cannot_be_is_refused(tmp_path, carried):
    model, state = MODELS["labels"], tmp_path / "t.state"
    streamed(model, sound(700), snapshot=state)
    stream = model.stream(snapshot=state.read_bytes())
    text, _, answers = stream.notes.partition(b"\n")
    notes = json.dumps(json.loads(text) | {"carried": [carried]}).encode()
    state.write_bytes(stream.snapshot(notes + b"\n" + answers))
    with pytest.raises(RunError, match="none of `unrolled stream`"):
        streamed(model, b"", snapshot=state)
