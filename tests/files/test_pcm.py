"""Samples without a header: those of a WAV file with the same bytes."""

import struct
import wave

import numpy as np
import pytest

from unrolled.errors import ConfigError, DataError
from unrolled.files.pcm import KINDS, Pcm
from unrolled.files.sound import read_sound


def written(path, kind, channels, data):
    """A WAV file of these bytes."""
    code, bits = KINDS[kind]
    form = struct.pack("<HHIIHH", code, channels, 8000, 0, channels * bits // 8, bits)
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(data)) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_the_samples_are_those_of_a_file(tmp_path, kind, channels):
    pcm, draw = Pcm.parse(f"{kind}:8000:{channels}"), np.random.default_rng(1)
    data = draw.integers(0, 256, 7 * pcm.moment, np.uint8).tobytes()
    if kind == "f32le":
        data = draw.normal(size=7 * channels).astype("<f4").tobytes()
    samples, path = pcm.samples(data), written(tmp_path / "a.wav", kind, channels, data)
    assert samples.dtype == np.float64 and len(samples) == 7
    assert samples.tobytes() == read_sound(path).samples.tobytes()
    last = str(channels)
    assert pcm.samples(data, last).tobytes() == read_sound(path, last).samples.tobytes()
    assert pcm.samples(b"").shape == (0,)


def test_a_file_of_the_standard_library_has_them_behind_its_header(tmp_path):
    values = np.array([[-32768, 0], [16384, 32767], [1, 2]], "<i2")
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((2, 2, 8000, 0, "NONE", ""))
        file.writeframes(values.tobytes())
    data = (tmp_path / "a.wav").read_bytes()[44:]
    assert Pcm.parse("s16le:8000:2").samples(data).tolist() == (values.sum(1) / 65536).tolist()


def test_what_is_said_is_what_was_read():
    for text in ("s16le:16000", "u8:8000:2"):
        assert str(Pcm.parse(text)) == text
    assert str(Pcm.parse("f32le:48000:1")) == "f32le:48000"


@pytest.mark.parametrize(
    "text, said",
    [
        ("s16le", "wanted FORMAT:RATE or FORMAT:RATE:CHANNELS such as s16le:16000, FORMAT one of u8, s16le,"),
        ("s16be:16000", "got 's16be:16000'"),
        ("s16le:16000:1:2", "got 's16le:16000:1:2'"),
        ("s16le:1６000", "wanted FORMAT"),
        ("s16le:999", "wanted 1,000 to 768,000 Hz and 1 to 64 channels, got 's16le:999'"),
        ("s16le:16000:0", "1 to 64 channels"),
    ],
)
def test_what_is_none_is_refused(text, said):
    with pytest.raises(ConfigError) as error:
        Pcm.parse(text)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_a_header_that_does_not_end_is_refused():
    start, junk = b"RIFF\xff\xff\xff\xffWAVE", b"LIST\x00\x00\x01\x00" + bytes(1 << 16)
    pcm = Pcm.parse("s16le:8000")
    assert pcm.header(start + 3 * junk) is None
    assert pcm.header(start + 3 * junk + b"data\xff\xff\xff\xffxy") == 12 + 3 * len(junk) + 8
    for endless in (start + 20 * junk, start + b"LIST\xff\xff\xff\x00"):
        with pytest.raises(
            DataError, match="the WAV header takes more than 1,048,576 bytes; send the samples"
        ):
            pcm.header(endless)
