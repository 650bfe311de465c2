import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy
import torch

from unrolled.errors import RunError
from unrolled.files.safetensors import dump
from unrolled.files.tensors import read_arrays, read_tensors, require, write_arrays, write_tensors

KIND = "example 1"
ABOUT = {"epoch": 3, "loss": 0.1 + 0.2, "names": ["Köln", "😀"], "none": None}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64, torch.uint8, torch.bool])
def test_tensors_come_back_bitwise(tmp_path, dtype):
    whole = (torch.randn(7, 5) * 100).to(dtype)
    tensors = {"whole": whole, "view": whole.T[1:], "scalar": whole[0, 0], "empty": whole[:0]}
    write_tensors(tmp_path / "t", KIND, tensors, ABOUT)
    back, about = read_tensors(tmp_path / "t", KIND)
    assert about == ABOUT
    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[name], tensors[name]) and back[name].dtype == dtype for name in tensors)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.bool_])
def test_arrays_come_back_bitwise(tmp_path, dtype):
    whole = (np.random.default_rng(1).normal(size=(7, 5)) * 100).astype(dtype)
    arrays = {"whole": whole, "view": whole.T[1:], "scalar": whole[0, 0], "empty": whole[:0]}
    write_arrays(tmp_path / "t", KIND, arrays, ABOUT)
    back, about = read_arrays(tmp_path / "t", KIND)
    assert about == ABOUT
    assert all(np.array_equal(back[name], arrays[name]) and back[name].dtype == dtype for name in arrays)


def test_what_is_read_outlives_the_file(tmp_path):
    write_tensors(tmp_path / "t", KIND, {"a": torch.arange(5)}, {})
    back, _ = read_tensors(tmp_path / "t", KIND)
    (tmp_path / "t").write_bytes(b"\0" * 200)
    assert torch.equal(back["a"], torch.arange(5))


def test_equal_contents_give_equal_bytes(tmp_path):
    tensors = {name: torch.full((3,), float(number)) for number, name in enumerate("abcdefgh")}
    files = [tmp_path / str(number) for number in range(5)]
    for file in files:
        write_tensors(file, KIND, tensors, {"x": 1, "y": 2, "z": 3})
    assert len({file.read_bytes() for file in files}) == 1


def test_tensors_that_share_memory_are_both_written(tmp_path):
    a = torch.randn(3)
    write_tensors(tmp_path / "t", KIND, {"a": a, "b": a}, {})
    assert torch.equal(read_tensors(tmp_path / "t", KIND)[0]["b"], a)


@pytest.mark.parametrize("read", [read_tensors, read_arrays])
class TestWrongFiles:
    def fails(self, read, path, match):
        with pytest.raises(RunError, match=match) as caught:
            read(path, KIND)
        assert "\n" not in str(caught.value)

    def test_missing(self, tmp_path, read):
        self.fails(read, tmp_path / "none", "cannot read .*none")

    def test_a_folder(self, tmp_path, read):
        self.fails(read, tmp_path, "cannot read")

    @pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"\xff" * 64, b"\x10" + b"\0" * 7 + b"[" * 16])
    def test_garbage(self, tmp_path, read, data):
        (tmp_path / "t").write_bytes(data)
        self.fails(read, tmp_path / "t", "t is damaged or no safetensors file")

    def test_truncated(self, tmp_path, read):
        write_tensors(tmp_path / "t", KIND, {"a": torch.arange(50)}, {})
        (tmp_path / "t").write_bytes((tmp_path / "t").read_bytes()[:-1])
        self.fails(read, tmp_path / "t", "t is damaged or no safetensors file")

    @pytest.mark.parametrize(
        "entry",
        [None, "", "[]", "3", "{}", '{"kind": "example 1"}', '{"kind": 1, "about": 3}', "[" * 100_000],
    )
    def test_of_others(self, tmp_path, read, entry):
        metadata = {"unrolled": entry} if entry is not None else {}
        (tmp_path / "t").write_bytes(dump({"a": np.zeros(1)}, metadata))
        self.fails(read, tmp_path / "t", "t was not written by unrolled")

    def test_without_a_checksum(self, tmp_path, read):
        (tmp_path / "t").write_bytes(safetensors.numpy.save({"a": np.zeros(1)}, {"unrolled": "{}"}))
        self.fails(read, tmp_path / "t", "it carries no checksum; restore it or train anew")

    def test_of_another_version(self, tmp_path, read):
        write_tensors(tmp_path / "t", "example 2", {}, {})
        self.fails(read, tmp_path / "t", "t holds 'example 2'; unrolled .* reads 'example 1' here")


@pytest.mark.parametrize(
    "found, message",
    [
        ({"a": torch.zeros(2, 3)}, "wanted a tensor 'b', found none"),
        ({"a": torch.zeros(2, 3), "b": torch.zeros(1), "c": torch.zeros(1)}, "found a tensor 'c'"),
        ({"a": torch.zeros(3, 2), "b": torch.zeros(1)}, r"'a' has shape \(3, 2\) .* wants \(2, 3\)"),
        (
            {"a": torch.zeros(2, 3), "b": torch.zeros(1).double()},
            "'b' has .* torch.float64, .* torch.float32",
        ),
    ],
)
def test_what_does_not_fit_a_model_is_named(tmp_path, found, message):
    wanted = {"a": torch.zeros(2, 3), "b": torch.zeros(1)}
    with pytest.raises(RunError, match=message):
        require(tmp_path, found, wanted)
    require(tmp_path, wanted, wanted)


def test_arrays_need_no_torch(tmp_path):
    code = """
import pathlib, sys, numpy
from unrolled.files.tensors import read_arrays, write_arrays
path = pathlib.Path(sys.argv[1])
write_arrays(path, "k", {"a": numpy.zeros(3)}, {})
sys.exit(read_arrays(path, "k")[0]["a"].shape != (3,) or "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "t")], check=False)
    assert done.returncode == 0
