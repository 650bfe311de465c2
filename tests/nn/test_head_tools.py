"""What torch.fx, TorchScript, torch.jit.trace and torch.onnx.export make of heads."""

import io
import warnings

import pytest
import torch
from torch import nn

import unrolled.nn as ours
from unrolled.kernels.torch.pooling import pooling


class Pool(nn.Module):
    def forward(self, y, lengths):
        return pooling("mean", y, lengths)


class Read(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = ours.Attention("additive", 4, 5)

    def forward(self, s, y, lengths):
        return self.attention(s, self.attention.keys(y), y, lengths)


class Likelihood(nn.Module):
    def __init__(self):
        super().__init__()
        self.chain = ours.CRF(3)
        nn.init.normal_(self.chain.transitions)

    def forward(self, x, path, lengths):
        return self.chain(x, path, lengths)


class Decode(Likelihood):
    def forward(self, x, lengths):
        return self.chain.decode(x, lengths)


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


Y, X, LENGTHS = drawn(2, 4, 5), drawn(2, 4, 3, seed=1), torch.tensor([3, 4])
MODULES = {
    "Linear": lambda: (nn.Sequential(ours.Linear(5, 3)), (Y,)),
    "LayerNorm": lambda: (nn.Sequential(ours.LayerNorm(5)), (Y,)),
    "Softmax": lambda: (nn.Sequential(ours.Softmax()), (Y,)),
    "LogSoftmax": lambda: (nn.Sequential(ours.LogSoftmax()), (Y,)),
    "Embedding": lambda: (nn.Sequential(ours.Embedding(7, 3)), (torch.tensor([[1, 2], [3, 6]]),)),
    "Attention": lambda: (Read(), (drawn(2, 1, 4, seed=2), Y, LENGTHS)),
    "CRF": lambda: (Likelihood(), (X, torch.tensor([[0, 1, 2, 0], [2, 2, 1, 0]]), LENGTHS)),
}
FUNCTIONS = {"pooling": lambda: (Pool(), (Y, LENGTHS)), "decode": lambda: (Decode(), (X, LENGTHS))}
ALL = MODULES | FUNCTIONS


def results(model, call):
    found = model(*call)
    return found if isinstance(found, tuple) else (found,)


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("training", [False, True])
def test_a_symbolic_trace_records_a_head_as_one_call(name, training):
    model, call = MODULES[name]()
    traced = torch.fx.symbolic_trace(model.train(training))
    assert "call_module" in {node.op for node in traced.graph.nodes}
    for found, wanted in zip(results(traced, call), results(model, call), strict=True):
        assert torch.equal(found, wanted)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_symbolic_trace_through_a_function_says_what_to_do(name):
    with pytest.raises(TypeError, match=r"use a module of unrolled.nn, or .* torch.fx.wrap"):
        torch.fx.symbolic_trace(FUNCTIONS[name]()[0])


@pytest.mark.parametrize("name", [*MODULES, "decode"])
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_torchscript_is_refused_in_one_line(name):
    with pytest.raises(NotImplementedError, match=r"cannot compile .* or use torch.jit.trace") as e:
        torch.jit.script(ALL[name]()[0])
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("name", ALL)
def test_a_trace_gives_the_answers_of_other_inputs_too(name):
    model, call = ALL[name]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(model, call)
    other = tuple(t.flip(0) if t.dtype == torch.int64 else -t for t in call)
    for found, wanted in zip(results(traced, other), results(model, other), strict=True):
        assert torch.equal(found, wanted)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.filterwarnings("ignore")
def test_onnx_has_torch_s_own_operators_of_a_head(name):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    model, call = ALL[name]()
    file = io.BytesIO()
    torch.onnx.export(model.eval(), call, file, dynamo=False)
    session = onnxruntime.InferenceSession(file.getvalue())
    inputs = {i.name: t.numpy() for i, t in zip(session.get_inputs(), call, strict=True)}
    for found, wanted in zip(session.run(None, inputs), results(model, call), strict=True):
        torch.testing.assert_close(torch.from_numpy(found), wanted.detach(), rtol=1e-5, atol=1e-6)


def test_the_best_path_is_found_in_a_compiled_program():
    model, call = FUNCTIONS["decode"]()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(*call), model(*call))
    exported = torch.export.export(model, call).module()
    assert torch.equal(exported(-X, LENGTHS), model(-X, LENGTHS))
