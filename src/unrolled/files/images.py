"""Pictures: a PNG or JPEG file -> its pixels, decoded by Pillow in full.

    rgb    three channels: grey is repeated, palettes and CMYK are converted
    grey   one channel, 0.299 red + 0.587 green + 0.114 blue

16 bits are cut to the upper 8. What is transparent is laid over white, but for one colour of 16 bits that a
PNG may name as transparent: it stays. A photograph is turned upright as its EXIF data say. Of an animation
the first picture is read.

Shapes   (H, W, C) uint8
"""

import io
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError
from unrolled.files.opening import read_bytes

Pixels = NDArray[np.uint8]
Size = tuple[int, int]  # height, width

MODES = {"rgb": "RGB", "grey": "L"}
ENDING = r"(?i)\.(png|jpg|jpeg)$"
# A small file can promise a picture that fills the memory: no more than 4096 × 4096 is unpacked.
MOST_PIXELS = 2**24

_REMEDY = "copy or save it again, or leave it out"
_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


def is_picture(path: Path) -> bool:
    """Whether its name ends as those of pictures do."""
    return re.search(ENDING, path.name) is not None


def read_image(path: Path, channels: str, size: Size | None = None) -> Pixels:
    """The picture in `channels`; with a `size`, bilinearly resized to it, whatever its proportions.

    DataError for a file that is no PNG or JPEG, is cut off or damaged, or has too many pixels.
    """
    data = read_bytes(path, "a PNG or JPEG picture")
    if not data.startswith(_STARTS):
        got = f"a file that begins with {data[:8]!r}" if data else "an empty file"
        raise DataError(f"{path}: wanted a PNG or JPEG picture, got {got}")
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is wrong in EXIF data changes no pixel
            with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
                width, height = image.size
                if width * height > MOST_PIXELS:
                    raise _too_large(path, f"{height:,} x {width:,}")
                return _pixels(image, channels, size)
    except DataError:
        raise
    except Image.DecompressionBombError:
        raise _too_large(path, "more than 100,000,000") from None
    except UnidentifiedImageError:
        raise DataError(f"{path}: a picture whose head is damaged; {_REMEDY}") from None
    except Exception as error:  # the library raises no narrower class
        reason = " ".join(str(error).split()).encode("ascii", "replace").decode()
        raise DataError(f"{path}: a damaged picture ({reason:.80}); {_REMEDY}") from error


def spelt(size: Size) -> str:
    """ "32x48": height and width, as the option image_size takes them."""
    return f"{size[0]}x{size[1]}"


def _too_large(path: Path, size: str) -> DataError:
    return DataError(
        f"{path}: a picture of {size} pixels; wanted {MOST_PIXELS:,} in all at most, make it smaller"
    )


def _pixels(image: Any, channels: str, size: Size | None) -> Pixels:
    from PIL import Image, ImageOps

    image.load()
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):  # 16 bits: to convert them would cut off all above 255
        upright = Image.fromarray((np.asarray(upright).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
    if upright.has_transparency_data:
        upright = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright)
    picture = upright.convert("RGB").convert(MODES[channels])
    if size is not None and picture.size != size[::-1]:
        picture = picture.resize(size[::-1], Image.Resampling.BILINEAR)
    return np.asarray(picture, np.uint8).reshape(picture.height, picture.width, -1)
