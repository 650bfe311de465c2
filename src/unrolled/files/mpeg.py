"""How many frames an MP3 file holds. Decoders take that from the first frame, where it has a field Xing or
Info; without one they guess it from the bit rate of the first frame, and a file whose bit rate changes is cut
short, or seems to be. Such a field is put in front of a file that lacks it.

    frame    head (4), side information (32, of one channel 17; of MPEG 2 and 2.5: 17 and 9), content
    head     11 bits set, version (2), layer (2), no checksum (1), bit rate (4), rate (2), padding (1),
             private (1), channels (2: 3 is one), …
    length   s/8 bit rate / rate + padding bytes            s samples a frame: 1152, of MPEG 2 and 2.5: 576
    field    behind the side information: "Xing", flags (4; 1: the number is there), number of frames (4)

Source   ISO/IEC 11172-3 and 13818-3; the Xing field of Xing Technology's encoder
"""

# kbit/s by version and the four bits; Hz by the two bits, of version 1: half of them of 2, a quarter of 2.5.
_KBITS = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_HZ = (44_100, 48_000, 32_000)
_FIRST, _DIVISORS = 3, {3: 1, 2: 2, 0: 4}  # versions as they stand in a head
_LAYER_3 = 1


def frame_bytes(head: bytes) -> int:
    """The length of the frame of layer 3 that begins with these 4 bytes, 0 where they are no such head."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return 0
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    bits, rate = head[2] >> 4, head[2] >> 2 & 3
    if version not in _DIVISORS or layer != _LAYER_3 or bits in (0, 15) or rate == 3:
        return 0
    first = version == _FIRST
    hz = _HZ[rate] // _DIVISORS[version]
    return (144 if first else 72) * 1000 * _KBITS[first][bits] // hz + (head[2] >> 1 & 1)


def with_length(data: bytes) -> bytes:
    """The content of an MP3 file whose first frame says how many there are."""
    at = _after_tag(data)
    head = data[at : at + 4]
    size = frame_bytes(head)
    if not size or any(name in data[at : at + size] for name in (b"Xing", b"Info", b"VBRI")):
        return data
    number, end = 0, at
    while (step := frame_bytes(data[end : end + 4])) and end + step <= len(data):
        number, end = number + 1, end + step
    return data[:at] + _counted(head, number) + data[at:]


def _after_tag(data: bytes) -> int:
    """Where the first frame begins: behind a tag "ID3" version (2) flags (1) size (4, of 7 bits each)."""
    if data[:3] != b"ID3" or len(data) < 10:
        return 0
    size = sum((byte & 0x7F) << 7 * k for k, byte in enumerate(reversed(data[6:10])))
    return 10 + size + (10 if data[5] & 0x10 else 0)


def _counted(head: bytes, number: int) -> bytes:
    """A silent frame like one with this head, with the field."""
    # No checksum, and 128 kbit/s (80 of MPEG 2 and 2.5), which leave room for the field.
    head = bytes([head[0], head[1] | 1, head[2] & 0x0D | 0x90, head[3]])
    alone, first = head[3] >> 6 == 3, head[1] >> 3 & 3 == _FIRST
    side = (17 if alone else 32) if first else (9 if alone else 17)
    field = b"Xing" + (1).to_bytes(4, "big") + number.to_bytes(4, "big")
    return (head + bytes(side) + field).ljust(frame_bytes(head), b"\0")
