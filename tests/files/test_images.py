"""Pixels of PNG and JPEG files, and one line for what is none."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from unrolled.errors import DataError
from unrolled.files.images import MOST_PIXELS, read_image

RED = np.array([[[250, 10, 20], [0, 0, 0], [255, 255, 255]], [[9, 8, 7], [1, 200, 3], [4, 5, 60]]], np.uint8)
LUMA = np.array([0.299, 0.587, 0.114])


def saved(folder, image, name="a.png", **options):
    path = folder / name
    image.save(path, **options)
    return path


def refused(path, channels="rgb", size=None):
    with pytest.raises(DataError) as caught:
        read_image(path, channels, size)
    message = str(caught.value)
    assert message.startswith(str(path)) and message.isprintable()
    return message.removeprefix(f"{path}: ")


def test_pixels_stand_in_rows_columns_and_channels(tmp_path):
    path = saved(tmp_path, Image.fromarray(RED))
    assert np.array_equal(read_image(path, "rgb"), RED)
    grey = read_image(path, "grey")
    assert grey.shape == (2, 3, 1) and np.abs(grey[..., 0] - RED @ LUMA).max() <= 1


def test_grey_pictures_of_1_8_and_16_bits_keep_their_levels(tmp_path):
    levels = np.array([[0, 77, 255], [128, 3, 250]], np.uint8)
    for image in (Image.fromarray(levels), Image.fromarray(levels.astype(np.uint16) * 256 + 91)):
        path = saved(tmp_path, image)
        assert np.array_equal(read_image(path, "grey")[..., 0], levels)
        assert np.array_equal(read_image(path, "rgb"), np.repeat(levels[..., None], 3, 2))
    path = saved(tmp_path, Image.fromarray(levels > 100))
    assert np.array_equal(read_image(path, "grey")[..., 0], np.where(levels > 100, 255, 0))


def test_what_is_transparent_is_white(tmp_path):
    alpha = np.array([[255, 0, 51], [255, 255, 0]], np.uint8)
    path = saved(tmp_path, Image.fromarray(np.dstack([RED, alpha])))
    share = alpha[..., None] / 255
    assert np.abs(read_image(path, "rgb") - (share * RED + (1 - share) * 255)).max() <= 1
    palette = Image.fromarray(RED).quantize(6)
    path = saved(tmp_path, palette, transparency=palette.getpixel((0, 0)))
    found = read_image(path, "rgb")
    assert (found[0, 0] == 255).all() and np.abs(found[1, 1] - [1, 200, 3]).max() < 9


def test_jpeg_of_all_modes_and_a_photograph_upright(tmp_path):
    wide = np.zeros((16, 32), np.uint8)
    wide[:, :16] = 255
    for mode in ("L", "RGB", "CMYK"):
        path = saved(tmp_path, Image.fromarray(wide).convert("RGB").convert(mode), "a.jpg", quality=95)
        found = read_image(path, "grey")[..., 0].astype(int)
        assert found.shape == (16, 32) and np.abs(found - wide).max() < 30
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned right by a quarter
    turned = read_image(saved(tmp_path, Image.fromarray(wide), "b.jpg", exif=exif), "grey")[..., 0]
    assert turned.shape == (32, 16) and turned[:14].min() > 200 and turned[18:].max() < 50


def test_a_picture_is_resized_to_height_and_width(tmp_path):
    ramp = np.repeat(np.arange(0, 240, 10, dtype=np.uint8)[:, None], 6, 1)  # 24 × 6, darker above
    found = read_image(saved(tmp_path, Image.fromarray(ramp)), "grey", (12, 9))
    assert found.shape == (12, 9, 1) and (np.diff(found[..., 0].astype(int), axis=0) > 0).all()
    assert np.ptp(found, axis=1).max() == 0
    assert np.abs(found[1:-1, 0, 0] - (ramp[2:-2:2, 0] + 5.0)).max() <= 1, "means of two rows"


def test_files_that_hold_no_whole_picture_are_refused(tmp_path):
    path = tmp_path / "a.png"
    assert refused(path) == "there is no such file; name a PNG or JPEG picture"
    path.write_bytes(b"GIF89a\1\0\1\0")
    assert refused(path).startswith("wanted a PNG or JPEG picture, got a file that begins with b'GIF89a")
    path.write_bytes(b"")
    assert refused(path) == "wanted a PNG or JPEG picture, got an empty file"
    big = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    for name in ("b.png", "b.jpg"):
        path = saved(tmp_path, Image.fromarray(big), name)
        whole = path.read_bytes()
        for length in (12, 60, len(whole) // 2, len(whole) - 60):
            path.write_bytes(whole[:length])
            said = ("a picture whose head is damaged; ", "a damaged picture (")
            assert refused(path).startswith(said) and "0x" not in refused(path)


@pytest.mark.parametrize("side", [5000, 60000])
def test_a_small_file_of_a_vast_picture_is_refused_before_it_is_unpacked(tmp_path, side):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    packed = zlib.compress(bytes(side + 1) * 200, 9)
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(data)
    assert f"pixels; wanted {MOST_PIXELS:,} in all at most" in refused(tmp_path / "a.png")
