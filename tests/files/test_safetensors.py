"""Our files are sound for the format's own library, and its files for us."""

import hashlib
import json

import numpy as np
import pytest
import safetensors
import safetensors.numpy

from unrolled.errors import RunError
from unrolled.files.safetensors import CODES, DTYPES, contents, dump, parse

METADATA = {"unrolled": '{"kind": "é"}', "more": ""}


def arrays_of_every_kind():
    draw = np.random.default_rng(3)
    made = {}
    for name, code in DTYPES.items():
        whole = (draw.normal(size=(3, 5)) * 50).astype(code)
        made |= {
            f"{name}.whole": whole,
            f"{name}.view": whole.T[1:],
            f"{name}.one": whole[0, 0],
            f"{name}.none": whole[:0],
        }
    return {name: np.asarray(array) for name, array in made.items()}


def test_the_library_reads_ours(tmp_path):
    wanted = arrays_of_every_kind()
    (tmp_path / "a").write_bytes(dump(wanted, METADATA))
    with safetensors.safe_open(tmp_path / "a", "numpy") as file:
        found = file.metadata()
        assert len(found.pop("checksum")) == 64 and found == METADATA
        for name, array in wanted.items():
            found = file.get_tensor(name)
            assert found.dtype == array.dtype and np.array_equal(found, array), name


def test_we_read_the_library_s():
    wanted = {name: np.ascontiguousarray(array) for name, array in arrays_of_every_kind().items()}
    found, metadata = contents(safetensors.numpy.save(wanted, METADATA))
    assert metadata == METADATA and found.keys() == wanted.keys()
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype and np.array_equal(found[name], array), name


def test_ours_come_back_aligned_and_are_views():
    data = dump(arrays_of_every_kind(), METADATA)
    found, _ = parse("it", data)
    for name, array in found.items():
        assert np.array_equal(array, arrays_of_every_kind()[name])
        assert not array.size or array.flags.aligned, name
        assert array.dtype == bool or not array.flags.writeable, (
            name
        )  # truth may be copied to be made sure of


@pytest.mark.parametrize("dtype", ["f2", "c8", "U3", "O", "M8[s]"])
def test_other_types_are_not_written(dtype):
    assert np.dtype(dtype).str not in CODES
    with pytest.raises(ValueError, match="'a' is"):
        dump({"a": np.zeros(2, dtype)}, {})


def entry(begin, end, shape=(1,), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    ("header", "numbers", "complaint"),
    [
        ({"a": entry(0, 4), "b": entry(4, 8)}, 12, "4 bytes stand behind"),
        ({"a": entry(4, 8)}, 8, "gap or overlap at byte 4"),
        ({"a": entry(0, 4), "b": entry(0, 4)}, 4, "gap or overlap at byte 0"),
        ({"a": entry(0, 4, [1 << 40, 1 << 40])}, 4, "of shape"),
        ({"a": entry(0, 4, [-1, -1])}, 4, "of shape"),
        ({"a": entry(0, 4, [True])}, 4, "of shape"),
        ({"a": entry(0, 4, [1] * 9)}, 4, "of shape"),
        ({"a": entry(0, 2, dtype="BF16")}, 2, "is described by"),
        ({"a": 3}, 0, "is described by"),
        ({"__metadata__": {"a": 3}}, 0, "metadata are no texts"),
        ([], 0, "no table of arrays"),
    ],
)
def test_what_does_not_add_up_is_one_line(header, numbers, complaint):
    text = json.dumps(header).encode()
    with pytest.raises(ValueError, match=complaint) as caught:
        contents(len(text).to_bytes(8, "little") + text + bytes(numbers))
    assert "\n" not in str(caught.value)


def test_a_name_that_stands_twice_is_refused():
    text = b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":1}'
    with pytest.raises(ValueError, match="a name stands twice"):
        contents(len(text).to_bytes(8, "little") + text)


def test_the_checksum_is_what_the_docs_say():
    data = dump(arrays_of_every_kind(), METADATA)
    assert data[8:37] == b'{"__metadata__":{"checksum":"'
    assert data[37:101].decode() == hashlib.sha256(data[:37] + data[101:]).hexdigest()
    assert parse("it", data)[1] == METADATA
    assert dump(arrays_of_every_kind(), METADATA) == data


def test_every_flipped_bit_is_refused():
    data = dump({"a": np.arange(3.0), "b": np.zeros(2, bool)}, METADATA)
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(RunError, match="it is damaged or no safetensors file of unrolled: it") as caught:
            parse("it", bytes(flipped), "do this")
        assert str(caught.value).endswith("; do this") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change", [lambda data: data[:-1], lambda data: data + b"\0", lambda data: data[:40]]
)
def test_what_is_cut_or_longer_is_refused(change):
    with pytest.raises(RunError, match="it is damaged"):
        parse("it", change(dump({"a": np.arange(3.0)}, {})))
