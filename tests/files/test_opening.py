"""Only regular files are read, and none beyond what its reader takes."""

import gzip
import os
import socket

import pytest

from unrolled.errors import DataError
from unrolled.files import opening


def specials(folder):
    """Paths of what is no regular file, and what is said of each."""
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(folder / "socket"))
    (folder / "link").symlink_to("/dev/zero")
    return {
        folder / "pipe": "it is a pipe, and only regular files are taken",
        folder / "socket": "No such device or address",
        folder / "link": "it is a device, and only regular files are taken",
        folder: "Is a directory",
    }


def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    for path, reason in specials(tmp_path).items():
        with pytest.raises(OSError) as caught:
            opening.read_regular(path, 100)
        assert caught.value.strerror == reason
        with pytest.raises(DataError) as refused:
            opening.read_bytes(path)
        assert "\n" not in str(refused.value)


def test_what_is_packed_is_unpacked(tmp_path):
    path, data = tmp_path / "sales.csv.GZ", bytes(range(256)) * 5000
    path.write_bytes(gzip.compress(data[:9]) + gzip.compress(data[9:]))  # as of `cat a.gz b.gz`
    assert opening.read_bytes(path) == data
    assert opening.read_bytes(path, most=12) == data[:12]
    assert opening.read_bytes(path, unpack=False) == path.read_bytes()
    assert opening.plain_name(path).name == opening.plain_name(tmp_path / "sales.csv").name == "sales.csv"
    whole = gzip.compress(data)
    for damaged in (whole[:-1], whole[:-8] + bytes(8), whole[:20] + bytes(9) + whole[29:], whole[:5]):
        path.write_bytes(damaged)
        with pytest.raises(
            DataError, match=r"sales.csv.GZ: damaged gzip file \(.*\); copy or download it again"
        ):
            opening.read_bytes(path)


def test_a_file_beyond_the_limit_is_not_read(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    assert opening.read_regular(path, 100) == b"x" * 100
    with pytest.raises(OSError, match="it has 100 bytes, and at most 99 are read"):
        opening.read_regular(path, 99)
    os.truncate(path, 1 << 40)  # takes no room on the disk
    with pytest.raises(OSError, match="it has 1,099,511,627,776 bytes"):
        opening.read_regular(path, 1 << 32)
