"""SHA-256 of what is read back, and of files that belong together.

A run's model.safetensors is written last, and names the checksum of every file beside it that is read with it
(its metadata, MEMBERS). So a file that was damaged, changed, or copied from another run is refused.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unrolled.errors import RunError

MEMBERS = "files"


def of(*chunks: bytes | memoryview) -> str:
    """Of all parts, one behind the other: 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def members(place: Path, about: Mapping[str, Any]) -> dict[str, str]:
    """Checksums by the names of files, as what a model says of itself holds them. RunError, which begins with
    `place`, for one that was not saved at the end of a training."""
    files = about.get(MEMBERS)
    if not isinstance(files, dict) or not all(isinstance(one, str) for one in files.values()):
        raise RunError(
            f"{place} names no files that belong to it, as a model does when its training has ended; restore "
            "it, or train anew"
        )
    return files


def require(path: Path, data: bytes, wanted: Mapping[str, str]) -> None:
    """RunError unless `data`, the content of `path`, is what was saved with the model."""
    if wanted.get(path.name) != of(data):
        raise RunError(
            f"{path} is not the file that was saved with the model beside it: damaged, changed or of another "
            "run; restore it, or train anew"
        )
