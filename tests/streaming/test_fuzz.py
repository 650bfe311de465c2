"""The short form of scripts/fuzz_saved.py, and what must never pass, each by itself."""

import json
import time
import tracemalloc

import numpy as np
import pytest

from tests.scripts import script
from unrolled.codecs.tokenizers import BPE
from unrolled.decoding import search
from unrolled.errors import RunError
from unrolled.files import json_text, safetensors
from unrolled.models import saved

FUZZ = script("fuzz_saved")
CASES = {"folder": 60, "file": 60, "snapshot": 120}
FLIPS = {"flipped-folder": 8, "flipped-file": 4, "flipped-snapshot": 8}


@pytest.mark.parametrize("kind", FUZZ.KINDS)
def test_damaged_models_are_refused_by_one_line_or_run(kind):
    saved = FUZZ.sound(kind)
    for form, cases in CASES.items():
        said = FUZZ.fuzz(kind, saved, form, cases, seed=5)
        if said:  # a model that reads backward has no snapshot
            assert said["read"] and len(said) > 3, said
    for form, cases in FLIPS.items():
        FUZZ.fuzz(kind, saved, form, cases, seed=5)


@pytest.fixture(scope="module")
def sound():
    return FUZZ.sound("peepholes")


@pytest.fixture(scope="module")
def translating():
    return FUZZ.sound("translate")


def refused(sound, change, match):
    """The model with `change(about, arrays)` made in it is refused."""
    about = json.loads(json.dumps(sound.model.about))
    arrays = {name: array.copy() for name, array in sound.model.arrays.items()}
    change(about, arrays)
    with pytest.raises(RunError, match=match) as raised:
        saved.model("here", about, arrays)
    assert "\n" not in str(raised.value)


def assign(way, value):
    """about[way[0]][way[1]]… = value"""

    def change(about, arrays):
        for key in way[:-1]:
            about = about[key]
        about[way[-1]] = value

    return change


NETWORK, LAYER = ("network",), ("network", "layer")
CELL = (*LAYER, "cell", 1)


@pytest.mark.parametrize(
    ("way", "value"),
    [
        ((*LAYER, "hidden_size"), 8),
        ((*LAYER, "hidden_size"), 2**40),
        ((*LAYER, "hidden_size"), -7),
        ((*LAYER, "hidden_size"), 7.0),
        ((*LAYER, "hidden_size"), float("inf")),
        ((*LAYER, "hidden_size"), [7, 7]),
        ((*LAYER, "input_size"), 6),
        ((*LAYER, "num_layers"), 1),
        ((*LAYER, "num_layers"), 3),
        ((*LAYER, "num_layers"), 2**40),
        ((*LAYER, "num_layers"), True),
        ((*LAYER, "bidirectional"), True),
        ((*LAYER, "learn_initial_state"), 1),
        ((*LAYER, "bias"), 1),
        ((*LAYER, "else"), 1),
        ((*LAYER, "cell"), ["gru", {}]),
        ((*LAYER, "cell"), ["rnn", {}]),
        ((*LAYER, "cell"), ["quantum", {}]),
        ((*LAYER, "cell"), "lstm"),
        ((*LAYER, "cell"), ["lstm"]),
        ((*LAYER, "cell"), [["lstm"], {}]),
        (CELL, {}),
        (CELL, ["peephole"]),
        *(((*CELL, "peephole"), value) for value in (False, 1, "yes", None)),
        ((*CELL, "coupled_input_forget"), True),
        ((*CELL, "layer_norm"), True),
        ((*CELL, "reset_after"), False),
        *(((*CELL, "proj_size"), value) for value in (1, 7, -1, 10**400)),
        *(((*CELL, "cells_per_block"), n) for n in (2, 7, 0, -1, 10**400, True, 1.0, None)),
        ((*LAYER, "merge"), "sum"),
        ((*LAYER, "merge"), "else"),
        ((*LAYER, "zoneout"), [0.1, 0.1, 0.1]),
        ((*LAYER, "zoneout"), [float("nan")] * 2),
        ((*LAYER, "zoneout"), 10**400),
        ((*LAYER, "zoneout"), "0.1"),
        ((*NETWORK, "block"), "Pooled"),
        ((*NETWORK, "block"), "Linear"),
        ((*NETWORK, "block"), ["Language"]),
        ((*NETWORK, "layer"), {"block": "Linear", "inputs": 5, "outputs": 7}),
        ((*NETWORK, "layer"), None),
        ((*NETWORK, "layer"), []),
        ((*NETWORK, "embedding", "rows"), 10**6),
        ((*NETWORK, "embedding", "size"), 6),
        ((*NETWORK, "head", "inputs"), 8),
        ((*NETWORK, "head", "outputs"), 3),
        ((*NETWORK, "head", "bias"), False),
        ((*NETWORK, "head"), None),
        ((*NETWORK, "projection"), {"block": "Linear", "inputs": 7, "outputs": 5}),
        ((*NETWORK, "input_dropout"), "0"),
        (("network",), []),
        (("codec", "tokenizer"), {"symbols": ["<unk>", "a"]}),
        (("codec", "tokens"), ["characters"]),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(sound, way, value):
    refused(sound, assign(way, value), "^here: ")


@pytest.mark.parametrize(
    ("way", "value"),
    [
        (("network", "decoder", "attention", "kind"), "dot"),  # which has no u
        (("network", "decoder", "attention", "kind"), "else"),
        (("network", "decoder", "attention", "size"), 2**40),
        (("network", "decoder", "attention"), None),
        (("network", "decoder", "join"), None),
        (("network", "decoder", "bridge"), None),
        (("network", "decoder", "bridge", "reads"), []),
        (("network", "decoder", "bridge", "reads"), [["layer0.forward.h", 6]] * 2),
        (("network", "decoder", "bridge", "reads"), [["layer9.forward.h", 6]]),
        (("network", "decoder", "bridge", "reads"), [["layer0.h", "6"]]),
        (("network", "decoder", "bridge", "reads"), [["layer0.forward.h", 2**60]]),
        (("network", "decoder", "bridge", "reads"), [[f"layer0.{k}.h", 6] for k in range(3000)]),
        (("network", "decoder", "bridge", "makes"), [["layer0.forward.h", 6], [None, 6]]),
        (("network", "decoder", "bridge", "makes"), [["layer-1.forward.h", 6]]),
        (("network", "decoder", "bridge", "linears"), []),
        (("network", "decoder", "layer", "reverse"), True),
        (("network", "decoder", "layer", "input_size"), 5),
        (("network", "decoder", "embedding", "rows"), 99),
        (("network", "decoder", "head", "outputs"), 99),
        (("network", "embedding", "rows"), 99),
        (("network", "block"), "Decoder"),
        (("answers", "longest"), 1 << 20),
        (("answers", "longest"), 1 << 14),  # beside the beam below
        (("answers", "min_length"), 1 << 14),
        (("answers", "beam"), 1025),
        (("answers", "else"), 1),
    ],
    ids=lambda value: f"{value}"[:60],
)
def test_what_could_not_be_used_or_has_no_bound_is_refused_at_once(translating, way, value):
    def change(about, arrays):
        about["answers"] |= {"beam": 256}
        assign(way, value)(about, arrays)

    refused(translating, change, "^here: ")


def test_an_answer_has_a_bound_whatever_the_training_part_was():
    class Never:
        """A model that never ends, of two symbols and the end, 2."""

        calls = 0

        def __call__(self, tokens, parents, rows):
            self.calls += 1
            return np.log(np.array([[0.9, 0.1, 1e-300]] * len(tokens)))

    step = Never()
    (answers,) = search.beam_search(step, [1 << 40], begin=0, end=2, beam=1)
    assert len(answers[0].tokens) == search.MOST_SYMBOLS == step.calls - 1


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_are_refused(sound, number):
    def change(about, arrays):
        arrays["layer.weight_hh_l1"][-1, -1] = number

    refused(sound, change, "'layer.weight_hh_l1' holds NaN or infinity")


def test_every_parameter_of_a_layer_has_its_one_shape(sound):
    for name in [name for name in sound.model.arrays if name.startswith("layer.")]:
        for other in (lambda a: a[:-1], lambda a: a[None], lambda a: a.astype(np.float64)):

            def change(about, arrays, name=name, other=other):
                arrays[name] = other(arrays[name])

            refused(sound, change, f"the description does not fit .*{name}|wanted one of float32")


@pytest.mark.parametrize(
    "change",
    [
        lambda bpe: bpe["model"]["vocab"].update({"a": 2**31}),
        lambda bpe: bpe["model"].update(vocab="/etc/passwd"),
        lambda bpe: bpe["model"]["merges"].append(["no such", "pair"]),
        lambda bpe: bpe.update(normalizer={"type": "Replace", "pattern": {"Regex": "(a+)+$"}, "content": ""}),
        lambda bpe: bpe["pre_tokenizer"].update(add_prefix_space=True),
    ],
)
def test_byte_pairs_are_taken_only_as_unrolled_makes_them(change):
    about = BPE.fit([FUZZ.TEXT], most_symbols=280).about()
    assert BPE.restore(about).about() == about
    change(about["bpe"])
    begun = time.perf_counter()
    with pytest.raises(RunError, match=r"^bpe: [^\n]*$"):
        BPE.restore(about)
    assert time.perf_counter() - begun < 1


def header(entries, numbers=b"", padding=0):
    text = json.dumps(entries).encode() + b" " * padding
    return len(text).to_bytes(8, "little") + text + numbers


def test_arrays_across_their_alignment_are_moved():
    entry = {"x": {"dtype": "F64", "shape": [3], "data_offsets": [0, 24]}}
    for padding in range(8):
        data = header(entry, np.arange(3.0).tobytes(), padding)
        (x,) = safetensors.contents(data)[0].values()
        assert x.flags.aligned and x.tolist() == [0, 1, 2]


def test_truth_values_are_0_or_1():
    entry = {"x": {"dtype": "BOOL", "shape": [4], "data_offsets": [0, 4]}}
    (x,) = safetensors.contents(header(entry, bytes([0, 1, 2, 255])))[0].values()
    assert x.dtype == bool and x.view(np.uint8).tolist() == [0, 1, 1, 1]


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100_000,
        b'{"a":' * 40 + b"1" + b"}" * 40,
        b'{"a": 1, "a": 2}',
        b"[1e999]",
        b"[NaN]",
        b"[-Infinity]",
        b"[" + b"9" * 5000 + b"]",
        b'["' + b'\\"' * 200_000,
        b"[" + b"[]," * 300_000 + b"[]]",
        b"\xff",
        b"",
    ],
    ids=lambda text: repr(text[:12]),
)
def test_json_of_any_kind_is_refused_at_once(text):
    tracemalloc.start()
    with pytest.raises(ValueError) as raised:
        json_text.parse(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * len(text) + 100_000
    assert len(str(raised.value)) < 200


def test_brackets_in_texts_do_not_count():
    deep = "[" * 100
    assert json_text.parse(json.dumps({"a": deep, deep: f'"{deep}\\'}).encode()) == {
        "a": deep,
        deep: f'"{deep}\\',
    }
