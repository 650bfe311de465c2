"""ONNX's own backend node tests for RNN, GRU and LSTM, on our layers. Their weights are constant, so they
show shapes, directions and layouts; test_onnxruntime.py shows the equations.
"""

import re

import numpy as np
import pytest
import torch
from onnx.backend.test.case.node import collect_testcases

from . import node as adapter

COMMON = "defaults", "with_initial_bias", "batchwise", "reverse", "bidirectional"
NAMES = [
    *(f"test_{cell}_{what}" for cell in ("simple_rnn", "gru", "lstm") for what in COMMON),
    "test_rnn_seq_length",
    "test_gru_seq_length",
    "test_lstm_with_peepholes",
]


@pytest.fixture(scope="module")
def cases():
    """By name, all those that ONNX ships for the three operators."""
    with np.errstate(all="ignore"):  # other operators' tests are made too, and some overflow on purpose
        made = collect_testcases()
    return {case.name: case for case in made if re.match(r"test_(simple_)?(rnn|gru|lstm)_", case.name)}


def test_none_is_left_out(cases):
    assert sorted(cases) == sorted(NAMES)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", NAMES)
def test_node(cases, name, dtype):
    """In the tolerance that ONNX states with the test."""
    case = cases[name]
    (node,) = case.model.graph.node
    asked = [name for name, actual in zip(("Y", "Y_h", "Y_c"), node.output, strict=False) if actual]
    for arrays, wanted in case.data_sets:
        found = adapter.run(node, arrays, dtype)
        assert len(wanted) == len(asked) > 0
        for output, expected in zip(asked, wanted, strict=True):
            np.testing.assert_allclose(found[output], expected, rtol=case.rtol, atol=case.atol)
            assert found[output].shape == expected.shape
