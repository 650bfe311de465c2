"""Compressed recordings: what their encoders wrote comes back; what is damaged or cut off is one line, and so
is a decoder that is not installed."""

import io
import sys

import numpy as np
import pytest

from unrolled.errors import DataError
from unrolled.files.decoded import encoding_of
from unrolled.files.formats import RECORDING, format_of
from unrolled.files.mpeg import frame_bytes, with_length
from unrolled.files.sound import open_recording, read_sound

RATE = 16_000
TONE = np.stack([0.5 * np.sin(np.arange(9000) / 7), 0.25 * np.sin(np.arange(9000) / 11)], 1)
# Format, subtype, and by how much what comes back may differ: half a step, or what a lossy one leaves out.
KINDS = {
    "a.flac": ("FLAC", "PCM_16", 2**-15),
    "b.flac": ("FLAC", "PCM_24", 2**-23),
    "a.ogg": ("OGG", "VORBIS", 0.05),
    "a.opus": ("OGG", "OPUS", 0.05),
    "a.mp3": ("MP3", "MPEG_LAYER_III", 0.05),
    "a.aiff": ("AIFF", "PCM_16", 2**-15),
    "a.aifc": ("AIFF", "FLOAT", 2**-23),
    "a.au": ("AU", "ULAW", 0.02),
    "a.caf": ("CAF", "PCM_16", 2**-15),
    "a.w64": ("W64", "PCM_32", 2**-23),
    "ima.wav": ("WAV", "IMA_ADPCM", 0.05),
    "ms.wav": ("WAV", "MS_ADPCM", 0.05),
    "gsm.wav": ("WAV", "GSM610", 0.2),
    "a-law.wav": ("WAV", "ALAW", 0.02),
    "mu-law.wav": ("WAV", "ULAW", 0.02),
    "float.wav": ("WAV", "FLOAT", 2**-23),
    "64.wav": ("RF64", "PCM_16", 2**-15),
}


def write(path, values=TONE, **options):
    soundfile = pytest.importorskip("soundfile")
    form, subtype, _ = KINDS[path.name]
    memory = io.BytesIO()
    soundfile.write(memory, values, RATE, format=form, subtype=subtype, **options)
    path.write_bytes(memory.getvalue())
    return path


@pytest.mark.parametrize("name", KINDS)
def test_what_encoders_wrote_comes_back(tmp_path, name):
    values = TONE[:, 0] if name == "gsm.wav" else TONE
    path = write(tmp_path / name, values)
    sound, wanted = read_sound(path), values.reshape(9000, -1).mean(1)
    assert sound.rate_hz == RATE and len(sound.samples) - 9000 in range(1200 if "wav" in name else 1)
    middle = slice(1000, 8000)
    assert np.abs(sound.samples[:9000] - wanted)[middle].max() <= KINDS[name][2]
    assert format_of(tmp_path / "nothing", path.read_bytes()) == format_of(path, b"") == RECORDING
    assert np.array_equal(np.concatenate(list(open_recording(path).blocks())), sound.samples)


@pytest.mark.parametrize("name", ["a-law.wav", "mu-law.wav", "float.wav", "64.wav"])
def test_our_reader_and_the_decoders_agree_to_the_bit(tmp_path, name):
    soundfile = pytest.importorskip("soundfile")
    path = write(tmp_path / name, np.random.default_rng(0).uniform(-1, 1, 5000))
    assert np.array_equal(read_sound(path).samples, soundfile.read(path, dtype="float64")[0])


@pytest.mark.parametrize("name", [name for name in KINDS if KINDS[name][0] not in ("AU", "W64")])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5])
def test_what_is_cut_off_is_refused_by_one_line(tmp_path, name, share):
    path = write(tmp_path / name, TONE[:, 0])
    data = path.read_bytes()
    path.write_bytes(data[: max(12, int(share * len(data)))])
    with pytest.raises(DataError) as error:
        read_sound(path)
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)


def test_a_decoder_that_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "soundfile", None)
    for content, kind in ((b"fLaC\0\0\0\x22", "FLAC"), (b"\xff\xfb\x90\x64", "MP3")):
        (tmp_path / "a").write_bytes(content)
        with pytest.raises(DataError) as error:
            read_sound(tmp_path / "a")
        assert str(error.value) == (
            f"{tmp_path}/a: is {kind}, and its decoder, soundfile, is not installed; pip install "
            "'unrolled[audio]', or save it as WAV of 16 bits"
        )


@pytest.mark.parametrize(
    "start", [b"ID3,label\n", b"FORMAT,label", b"OggScript", b"\xff\xfe\x90\x64", b"\xff\xfb", b"", b"RIFX"]
)
def test_what_only_looks_like_a_recording_is_none(start):
    assert encoding_of(start) is None


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("tag", [b"", b"ID3\x04\0\0\0\0\1\0" + bytes(128)])
def test_mp3_without_its_length_is_read_whole(tmp_path, mode, channels, tag):
    """As old encoders wrote it. Silence first, so that the first frame's bit rate is the lowest."""
    values = TONE[:, :channels] * (np.arange(9000) > 4000)[:, None]
    path = write(tmp_path / "a.mp3", values, bitrate_mode=mode)
    data, wanted = path.read_bytes(), read_sound(path).samples
    assert with_length(data) == data
    path.write_bytes(tag + data[frame_bytes(data) :])
    samples = read_sound(path).samples
    # The encoder's delay is cut off where its field says so.
    late = len(samples) - len(wanted)
    assert 0 < late < 2400 and any(
        np.abs(samples[k : k + 9000] - wanted).max() < 1e-3 for k in range(late + 1)
    )


def test_the_length_of_a_frame_follows_from_its_head():
    assert frame_bytes(b"\xff\xfb\x90\x64") == 417 and frame_bytes(b"\xff\xfb\x92\x64") == 418
    assert frame_bytes(b"\xff\xf3\x84\xc4") == 192 and frame_bytes(b"\xff\xe3\x18\xc4") == 72
    assert not any(
        map(frame_bytes, (b"\xff\xff\x90\x64", b"\xff\xfb\xf0\x64", b"\xff\xfb\x9c\x64", b"\xff\xfb"))
    )
