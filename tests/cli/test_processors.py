"""No answer depends on the processor: what a model says has the same bits where numpy, torch, the C library
and the kernels use other instruction sets. scripts/fuzz_processors.py is the longer form."""

import ast
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import unrolled
from unrolled.kernels import _cpu

from .processors import answers, lowered, numbers, train

SOURCE = Path(unrolled.__file__).parent
FUNCTIONS = re.compile(
    r"exp(2|m1)?|log(1p|2|10|addexp2?|space)?|a?(rc)?(sin|cos|tan)h?2?|(float_)?pow(er)?|cbrt|hypot|l?gamma|erfc?|"
    r"(v|tensor)?dot|inner|outer|matmul|einsum|convolve|correlate|interp|fft|linalg"
)
METHODS = ("dot", "standard_normal", "inv_cdf")
several = pytest.mark.skipif(_cpu.isas() == ["portable"], reason="this processor has one instruction set")


@several
def test_every_task_predicts_and_streams_the_same_bits(tmp_path: Path) -> None:
    train(tmp_path)
    found, *checksums = json.loads(lowered("portable", "-m", "tests.cli.processors", str(tmp_path), "1"))
    for name, own in answers(tmp_path).items():
        assert found[name] == own, name
    assert checksums == [numbers()]


@several
def test_the_instruction_sets_are_lowered() -> None:
    """Else the test above compares nothing. numpy's own exp has other bits then."""
    code = "import zlib, numpy as np; print(zlib.crc32(np.exp(np.arange(1, 200_000) / 7e3)))"
    assert int(lowered("portable", "-c", code)) != zlib.crc32(np.exp(np.arange(1, 200_000) / 7e3))


def calls(tree: ast.AST) -> Iterator[str]:
    """What processors round each in its way: functions of libraries, products of matrices, powers."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            library = isinstance(node.value, ast.Name) and node.value.id in ("np", "math")
            if (library and FUNCTIONS.fullmatch(node.attr)) or node.attr in METHODS:
                yield ast.unparse(node)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult | ast.Pow):
            square = isinstance(node.right, ast.Constant) and node.right.value == 2
            constant = isinstance(node.left, ast.Constant) and isinstance(node.right, ast.Constant)
            if isinstance(node.op, ast.MatMult) or not (square or constant):
                yield ast.unparse(node)


def test_what_answers_are_made_by_calls_no_function_that_processors_round_otherwise() -> None:
    """Those of the kernels stand in their place (kernels/numpy/). Of processors that
    are not at hand the test above says nothing."""
    rooms = ("runtime", "files", "batching")
    paths = [path for room in rooms for path in (SOURCE / room).rglob("*.py")]
    paths.append(SOURCE / "kernels" / "numpy" / "functions.py")
    found = {str(path.relative_to(SOURCE)): [*calls(ast.parse(path.read_text()))] for path in paths}
    assert {path: own for path, own in found.items() if own} == {}
    assert [*calls(ast.parse("np.exp(x); a @ b; x**0.5; x**2; 2**9; y.dot(z)"))] == [
        "a @ b",
        "x ** 0.5",
        "np.exp",
        "y.dot",
    ]
