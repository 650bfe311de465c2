"""Targets are the inputs shifted by one, across every border of batches, for every size."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unrolled.batching import streams
from unrolled.batching.streams import Streams, encoded
from unrolled.errors import DataError

SIZES = {"length": st.integers(2, 90), "window": st.integers(1, 20), "rows": st.integers(1, 9)}


def numbered(length):
    """A text in which every token says where it stands."""
    return np.arange(length, dtype=np.int32)


@given(**SIZES, epoch=st.integers(1, 4), skip=st.integers(0, 3))
def test_consecutive_rows_walk_on_and_targets_lie_one_ahead(length, window, rows, epoch, skip):
    made = Streams(numbered(length), window, rows)
    batches = list(made.batches(epoch))
    assert len(batches) == made.steps_per_epoch >= 1
    x, y = (torch.cat([getattr(batch, name) for batch in batches], 1) for name in "xy")
    assert torch.equal(y, x + 1), "across the borders of batches too"
    assert torch.equal(x[:, 1:], x[:, :-1] + 1), "each row walks on"
    seen = x.flatten().tolist()
    assert seen == sorted(set(seen)) and length - 1 - len(seen) < min(rows, length - 1)
    assert [batch.goes_on for batch in batches] == [False] + [True] * (len(batches) - 1)
    for one, same in zip(made.batches(epoch, skip), batches[skip:], strict=True):
        assert torch.equal(one.x, same.x) and torch.equal(one.y, same.y) and one.goes_on == same.goes_on


@given(**SIZES, epoch=st.integers(1, 4), skip=st.integers(0, 3), seed=st.integers(0, 5))
def test_random_windows_hold_every_target_at_most_once(length, window, rows, epoch, skip, seed):
    made = Streams(numbered(length), window, rows, "random", seed)
    batches = list(made.batches(epoch))
    assert len(batches) == made.steps_per_epoch >= 1
    seen = []
    for batch in batches:
        assert torch.equal(batch.y, batch.x + 1) and not batch.goes_on
        assert torch.equal(batch.x[:, 1:], batch.x[:, :-1] + 1)
        seen += batch.y.flatten().tolist()
    assert len(set(seen)) == len(seen) and length - 1 - len(seen) < 2 * window
    for one, same in zip(made.batches(epoch, skip), batches[skip:], strict=True):
        assert torch.equal(one.x, same.x)


def test_random_windows_differ_from_epoch_to_epoch_and_seed_to_seed():
    def order(seed, epoch):
        made = Streams(numbered(400), 10, 7, "random", seed)
        return torch.cat([batch.x.flatten() for batch in made.batches(epoch)]).tolist()

    assert order(1, 1) == order(1, 1)
    assert order(1, 1) != order(1, 2) != order(2, 2)


def test_one_token_is_no_text():
    with pytest.raises(ValueError, match="two tokens"):
        Streams(numbered(1), 4, 2)


def test_numbers_lie_in_a_file_that_nobody_sees(tmp_path, monkeypatch):
    monkeypatch.setattr(streams.tempfile, "tempdir", str(tmp_path))
    pieces = ["abc", "", "d" * 1000, "é😀"]
    tokens = encoded(pieces, lambda text: np.array([ord(letter) for letter in text], np.int64))
    assert tokens.tolist() == [ord(letter) for letter in "".join(pieces)]
    assert isinstance(tokens, np.memmap) and not list(tmp_path.iterdir())
    assert len(encoded([], lambda text: np.empty(0, np.int64))) == 0


def test_no_room_is_told(monkeypatch):
    class Full:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def write(self, data):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(streams.tempfile, "TemporaryFile", Full)
    with pytest.raises(DataError, match="No space left on device; free some"):
        encoded(["a"], lambda text: np.zeros(1, np.int64))
