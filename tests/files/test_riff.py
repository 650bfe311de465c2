"""WAV files: every kind of sample comes back; what is damaged, cut off or of an unknown kind is refused."""

import io
import struct
import wave

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.errors import DataError
from unrolled.files.riff import PIPED
from unrolled.files.sound import read_sound

TAIL = bytes.fromhex("000000001000800000aa00389b71")


def chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def form(code=1, channels=1, rate=8000, bits=16, extensible=False) -> bytes:
    frame = channels * bits // 8
    start = struct.pack("<HHIIHH", 0xFFFE if extensible else code, channels, rate, rate * frame, frame, bits)
    return start + (struct.pack("<HHIH", 22, bits, 0, code) + TAIL if extensible else b"")


def riff(*chunks: bytes) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def wav(body: bytes, **options) -> bytes:
    return riff(chunk(b"fmt ", form(**options)), chunk(b"data", body))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.wav"


def of_24_bits(values) -> bytes:
    return b"".join(int(value).to_bytes(3, "little", signed=True) for value in values)


KINDS = {
    "8 bits": (1, 8, bytes([0, 128, 255, 64]), [-1, 0, 127 / 128, -0.5]),
    "16 bits": (1, 16, struct.pack("<4h", -32768, 0, 32767, 1), [-1, 0, 32767 / 32768, 1 / 32768]),
    "24 bits": (1, 24, of_24_bits([-(2**23), 0, 2**23 - 1, -5]), [-1, 0, 1 - 2.0**-23, -5 / 2**23]),
    "32 bits": (1, 32, struct.pack("<4i", -(2**31), 0, 2**31 - 1, 7), [-1, 0, 1 - 2.0**-31, 7 / 2**31]),
    "floats": (3, 32, struct.pack("<4f", -1.5, 0, 0.25, 1e-9), [-1.5, 0, 0.25, float(np.float32(1e-9))]),
    # The ends of the scales and next to zero, as the tables of G.711 have them for 16 bits.
    "A-law": (6, 8, bytes([0x2A, 0xD5, 0xAA, 0x55]), [-32256 / 2**15, 8 / 2**15, 32256 / 2**15, -8 / 2**15]),
    "µ-law": (7, 8, bytes([0x00, 0xFF, 0x80, 0x7E]), [-32124 / 2**15, 0, 32124 / 2**15, -8 / 2**15]),
    "doubles": (3, 64, struct.pack("<4d", -0.1, 0, 0.3, 1e-300), [-0.1, 0, 0.3, 1e-300]),
}


@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_sample_is_read(path, kind, extensible):
    code, bits, body, wanted = KINDS[kind]
    path.write_bytes(wav(body, code=code, bits=bits, rate=11025, extensible=extensible))
    sound = read_sound(path)
    assert sound.rate_hz == 11025 and sound.samples.dtype == np.float64 and sound.samples.tolist() == wanted
    path.write_bytes(wav(body, code=code, bits=bits, channels=2, extensible=extensible))
    assert read_sound(path).samples.tolist() == [(wanted[0] + wanted[1]) / 2, (wanted[2] + wanted[3]) / 2]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-(2**15), 2**15 - 1), min_size=1, max_size=50), st.integers(1, 3))
def test_what_the_standard_library_writes_is_read(tmp_path_factory, values, channels):
    values = np.resize(np.array(values, "<i2"), (len(values), channels))
    memory = io.BytesIO()
    with wave.open(memory, "wb") as file:
        file.setparams((channels, 2, 16000, 0, "NONE", ""))
        file.writeframes(values.tobytes())
    path = tmp_path_factory.mktemp("wav") / "a.wav"
    path.write_bytes(memory.getvalue())
    assert np.allclose(read_sound(path).samples, values.mean(1) / 2**15, rtol=0, atol=1e-15)


def test_other_chunks_are_passed_over(path):
    parts = [
        chunk(b"LIST", b"odd"),
        chunk(b"fmt ", form()),
        chunk(b"fact", b"1234"),
        chunk(b"data", b"\1\0\2\0"),
    ]
    path.write_bytes(riff(*parts, chunk(b"id3 ", b"x")))
    assert read_sound(path).samples.tolist() == [2.0**-15, 2.0**-14]


SIZES = {
    "ffmpeg": (0xFFFFFFFF, 0xFFFFFFFF),
    "arecord": (0x80000024, 0x80000000),
    "sox": (0x7FFFF024, 0x7FFFF000),
    "zeros": (0, 0),
    "a header that was not written again": (36, 0),
}


@pytest.mark.parametrize("writer", SIZES)
def test_what_was_written_to_a_pipe_is_read_to_its_end(path, writer):
    whole, size = (struct.pack("<I", number) for number in SIZES[writer])
    content = wav(struct.pack("<6h", 1, 2, 3, 4, 5, 6), channels=2)
    piped = content[:4] + whole + content[8:40] + size + content[44:]
    path.write_bytes(piped)
    sound = read_sound(path)
    assert (sound.samples * 2**15).tolist() == [1.5, 3.5, 5.5] and PIPED in sound.notes
    path.write_bytes(piped[:-1])  # the writer was stopped within a frame
    assert (read_sound(path).samples * 2**15).tolist() == [1.5, 3.5]
    path.write_bytes(content)
    assert PIPED not in read_sound(path).notes


def test_several_chunks_of_sound_follow_one_another(path):
    bodies = b"\1\0", b"", b"\2\0\3\0"
    between = chunk(b"LIST", b"odd")
    path.write_bytes(riff(chunk(b"fmt ", form()), *(between + chunk(b"data", body) for body in bodies)))
    assert (read_sound(path).samples * 2**15).tolist() == [1, 2, 3]


def test_files_of_64_bits_are_read(path):
    sizes = struct.pack("<QQQI", 999, 4, 2, 0)
    chunks = [chunk(b"ds64", sizes), chunk(b"fmt ", form()), b"data" + b"\xff" * 4 + b"\1\0\2\0"]
    content = b"RF64" + b"\xff" * 4 + b"WAVE" + b"".join(chunks)
    path.write_bytes(content + chunk(b"id3 ", b"xy"))
    assert (read_sound(path).samples * 2**15).tolist() == [1, 2] and read_sound(path).notes == ()
    path.write_bytes(content[:-2])
    with pytest.raises(DataError, match="says 4 bytes and 2 follow"):
        read_sound(path)


WHOLE = wav(struct.pack("<4h", 1, 2, 3, 4))
WRONG = {
    "empty": (b"", "got an empty file"),
    "text": (b"path,label\n", "got a file that begins with b'path,label"),
    "RIFF of another kind": (b"RIFF\0\0\0\0AVI LIST", "got a file that begins with"),
    "cut off": (WHOLE[:-1], "the 'data' chunk at byte 36 says 8 bytes and 7 follow"),
    "longer than it is": (WHOLE[:40] + b"\xff\xff\xff\x7e" + WHOLE[44:], "2,130,706,431 bytes and 8 follow"),
    "closed without sound": (
        riff(chunk(b"fmt ", form()), chunk(b"data", b""), chunk(b"id3 ", b"xy")),
        "no sound",
    ),
    "two formats": (
        riff(chunk(b"fmt ", form()), chunk(b"data", b"\1\0"), chunk(b"fmt ", form(rate=9000))),
        "holds sound of two formats",
    ),
    "format cut off": (WHOLE[:30], "the 'fmt ' chunk at byte 12 says 16 bytes and 10 follow"),
    "no data": (WHOLE[:36], "no 'data' chunk in 36 bytes"),
    "nothing": (WHOLE[:12], "no 'fmt ' chunk in 12 bytes"),
    "data before the format": (riff(chunk(b"data", b"\1\0")), "the sound stands before its format"),
    "short format": (riff(chunk(b"fmt ", form()[:14])), "the format has 14 bytes, wanted 16 or more"),
    "no sound": (wav(b""), "the file holds no sound"),
    "half a frame": (wav(b"\1\0\2\0\3\0", channels=2), "ends within a frame (6 bytes)"),
    "12 bits": (wav(b"\1\0", bits=12), "samples are whole numbers of 12 bits"),
    "unknown kind": (wav(b"\1\0", code=0x1234), "is WAV with samples of kind 0x1234 of 16 bits"),
    "unknown GUID": (wav(b"\1\0", extensible=True).replace(TAIL, TAIL[::-1]), "an unknown kind (GUID)"),
    "cut off ADPCM": (wav(b"12345678", code=2, bits=4)[:-1], "says 8 bytes and 7 follow"),
    "slow": (wav(b"\1\0", rate=999), "the rate is 999 Hz; wanted 1,000 to 768,000"),
    "fast": (wav(b"\1\0", rate=2**30), "the rate is 1,073,741,824 Hz"),
    "no channels": (wav(b"\1\0", channels=0), "0 channels of 16 bits in frames of 0 bytes"),
    "odd frames": (WHOLE.replace(form()[12:], b"\3\0\x10\0"), "1 channels of 16 bits in frames of 3 bytes"),
    "not finite": (
        wav(struct.pack("<6f", 1, 2, 3, 4, 5, np.nan), code=3, bits=32, channels=2),
        "sample 3 is nan",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_whole_wav_file_is_refused_by_one_line(path, case):
    content, said = WRONG[case]
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        read_sound(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ") and said in message and "\n" not in message
