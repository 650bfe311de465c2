"""What a module keeps packed: made once, not copied, frozen as long as someone says so."""

import copy
import pickle

from unrolled.kernels.packs import Packs


class Weights:
    frozen = False


def test_weights_are_packed_once_for_each_key():
    packs = Packs()
    first, other = packs.get("a", Weights), packs.get("b", Weights)
    assert packs.get("a", Weights) is first and first is not other


def test_copies_and_pickles_begin_empty_and_thawed():
    packs = Packs()
    packs.freeze()
    weights = packs.get("a", Weights)
    for twin in (copy.copy(packs), copy.deepcopy(packs), pickle.loads(pickle.dumps(packs))):
        assert not twin.frozen
        assert twin.get("a", Weights) is not weights


def test_what_was_packed_before_and_since_is_frozen_until_the_last_thaw():
    packs = Packs()
    before = packs.get("before", Weights)
    packs.freeze()
    packs.freeze()
    since = packs.get("since", Weights)
    assert before.frozen and since.frozen
    packs.thaw()
    assert before.frozen and since.frozen and packs.frozen
    packs.thaw()
    assert not before.frozen and not since.frozen and not packs.frozen
