"""Code and tools around torch.nn find in our modules what they find in torch.nn's: attributes, traces,
exports, copies, and half precision of accelerated modules."""

import copy
import io
import itertools
import warnings

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn
from torch.ao.quantization import quantize_dynamic
from torch.func import functional_call
from torch.nn.utils import parametrize, prune
from torch.nn.utils.rnn import PackedSequence, pack_sequence
from torch.optim.swa_utils import AveragedModel

import unrolled
import unrolled.nn
from unrolled.kernels import dispatch
from unrolled.kernels.torch import handover

pytestmark = pytest.mark.skipif(dispatch.MISSING is not None, reason="the compiled kernels are missing")

T, B, I, H = 7, 4, 5, 6
LAYERS = {
    "tanh": (nn.RNN, {}),
    "relu": (nn.RNN, {"nonlinearity": "relu", "bias": False}),
    "lstm": (nn.LSTM, {"num_layers": 2, "bidirectional": True, "batch_first": True}),
    "projected": (nn.LSTM, {"proj_size": 3, "num_layers": 2}),
    "gru": (nn.GRU, {"bidirectional": True}),
}
CELLS = {
    "rnn cell": (nn.RNNCell, {"nonlinearity": "relu"}),
    "lstm cell": (nn.LSTMCell, {"bias": False}),
    "gru cell": (nn.GRUCell, {}),
}
BOTH = LAYERS | CELLS
# What torch.nn has not: a cell's option, a layer's option, another size for each direction.
ALONE = {
    "layer_norm": lambda: unrolled.nn.GRU(I, H, layer_norm=True),
    "peephole": lambda: unrolled.nn.LSTM(I, H, peephole=True),
    "sigmoid": lambda: unrolled.nn.RNN(I, H, nonlinearity="sigmoid"),
    "zoneout": lambda: unrolled.nn.LSTM(I, H, zoneout=0.1),
    "the cell mgu": lambda: unrolled.nn.MGU(I, H),
    "two hidden sizes": lambda: unrolled.nn.GRU(I, (H, 3), bidirectional=True),
}


def pair(kind, dtype=torch.float32):
    """A module of torch.nn, and ours with its weights."""
    torch.manual_seed(3)
    make, options = BOTH[kind]
    theirs = make(I, H, dtype=dtype, **options)
    ours = getattr(unrolled.nn, make.__name__)(I, H, dtype=dtype, **options)
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def accelerated(kind, dtype=torch.float32):
    module = pair(kind, dtype)[0]
    assert len(unrolled.accelerate(module).replaced) == 1
    return module


def sample(kind, dtype=torch.float32):
    torch.manual_seed(4)
    return torch.randn(B, I, dtype=dtype) if kind in CELLS else torch.randn(B, T, I, dtype=dtype)


def tensors(result):
    if isinstance(result, PackedSequence):
        return [result.data]
    return [result] if isinstance(result, torch.Tensor) else [t for part in result for t in tensors(part)]


def assert_close(a, b, tolerance=1e-5):
    for one, other in zip(tensors(a), tensors(b), strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


def assert_equal(a, b):
    for one, other in zip(tensors(a), tensors(b), strict=True):
        assert torch.equal(one, other)


class Holder(nn.Module):
    def __init__(self, kind, module):
        super().__init__()
        self.inner, self.head, self.cell = module, nn.Linear(I, I), kind in CELLS

    def forward(self, x):
        if not self.cell:
            y, _ = self.inner(self.head(x))
            return torch.relu(y)
        hx = self.inner(self.head(x))
        return self.inner(x, hx)


# Attributes that public code reads and writes


@pytest.mark.parametrize("kind", LAYERS)
def test_attributes_of_layers_are_those_of_torch(kind):
    theirs, ours = pair(kind)
    for module in (ours, accelerated(kind)):
        for name in ("mode", "_all_weights", "_flat_weights_names", "proj_size", "__constants__"):
            assert getattr(module, name) == getattr(theirs, name), name
        assert_equal(module._flat_weights, theirs._flat_weights)
        assert all(
            w is getattr(module, n)
            for w, n in zip(module._flat_weights, module._flat_weights_names, strict=True)
        )
        x = sample(kind)
        sizes = pack_sequence([x[0], x[0, :3]]).batch_sizes
        for names in ("get_expected_hidden_size", "get_expected_cell_size"):
            assert hasattr(module, names) == hasattr(theirs, names)
            if hasattr(theirs, names):
                for given in ((x, None), (x[0], sizes)):
                    assert getattr(module, names)(*given) == getattr(theirs, names)(*given)


@pytest.mark.parametrize("kind", LAYERS)
def test_checks_of_a_call_are_those_of_torch(kind):
    theirs, ours = pair(kind)
    x = sample(kind)
    h = torch.randn(theirs.get_expected_hidden_size(x, None))
    hx = (
        (h, torch.randn(theirs.get_expected_cell_size(x, None)))
        if "lstm" in kind or kind == "projected"
        else h
    )
    order = torch.tensor([2, 0, 3, 1])
    assert_equal(ours.permute_hidden(hx, order), theirs.permute_hidden(hx, order))
    assert ours.check_forward_args(x, hx, None) is None
    wrong = h[:, :2]
    for module in (theirs, ours):
        with pytest.raises(RuntimeError, match="Expected hidden size"):
            module.check_hidden_size(wrong, module.get_expected_hidden_size(x, None))
        with pytest.raises(RuntimeError, match="must be equal to input_size"):
            module.check_input(x[..., :2], None)
        with pytest.raises(ValueError, match="does not match weight dtype"):
            module.check_input(x.double(), None)


@pytest.mark.parametrize("kind", LAYERS)
def test_flat_weights_are_written_through(kind):
    theirs, ours = pair(kind)
    new = [nn.Parameter(torch.randn_like(w)) for w in ours._flat_weights]
    theirs._flat_weights = new
    ours._flat_weights = new
    assert all(getattr(ours, name) is w for name, w in zip(ours._flat_weights_names, new, strict=True))
    assert dict(ours.named_parameters()).keys() == dict(theirs.named_parameters()).keys()
    assert_close(ours(sample(kind)), theirs(sample(kind)))
    ours._flat_weights[1] = other = nn.Parameter(new[1].detach() + 1)
    assert ours.weight_hh_l0 is other
    ours._flat_weights = ours._flat_weights  # as `flatten` of public code does
    with pytest.raises(TypeError, match="cannot assign"):
        ours._flat_weights = [w.detach() for w in new]
    with pytest.raises(ValueError):
        ours._flat_weights = new[:-1]


@pytest.mark.parametrize(
    "name", ["mode", "_all_weights", "_flat_weights", "_flat_weights_names", "check_input"]
)
@pytest.mark.parametrize("beyond", ALONE)
def test_what_torch_has_not_has_no_such_attribute(beyond, name):
    layer = ALONE[beyond]()
    with pytest.raises(
        AttributeError, match=f"{type(layer).__name__} has no {name}: torch.nn has no .*{beyond}"
    ):
        getattr(layer, name)
    assert not hasattr(layer, name)


@pytest.mark.parametrize("kind", CELLS)
def test_attributes_of_cells_are_those_of_torch(kind):
    theirs, ours = pair(kind)
    for module in (ours, accelerated(kind)):
        for name in ("input_size", "hidden_size", "bias", "nonlinearity", "__constants__"):
            assert getattr(module, name, None) == getattr(theirs, name, None)
        assert (module.bias_ih is None) == (theirs.bias_ih is None)
        assert list(module.state_dict()) == list(theirs.state_dict())


# Tools that record or export a model


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", BOTH)
def test_a_symbolic_trace_holds_the_module_as_one_call(kind, training):
    for module in (pair(kind)[1], accelerated(kind)):
        model = Holder(kind, module).train(training)
        graph = torch.fx.symbolic_trace(model)
        calls = [node.target for node in graph.graph.nodes if node.op == "call_module"]
        assert calls == (["head", "inner", "inner"] if kind in CELLS else ["head", "inner"])
        assert graph.inner is module
        assert_equal(graph(sample(kind)), model(sample(kind)))
        assert_equal(torch.fx.symbolic_trace(graph)(sample(kind)), model(sample(kind)))


def test_options_of_a_call_stand_in_the_trace():
    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.stack = unrolled.nn.Stack([unrolled.nn.GRU(I, H), unrolled.nn.LSTM(H, H)])

        def forward(self, x, lengths):
            return self.stack(x, lengths=lengths)[0]

    model, lengths = Masked(), torch.tensor([3, 7, 1, 2])
    x = torch.randn(T, B, I)
    assert torch.equal(torch.fx.symbolic_trace(model)(x, lengths), model(x, lengths))


def test_a_layer_alone_is_no_graph():
    with pytest.raises(TypeError, match="one node of a graph; trace a model that holds it"):
        torch.fx.symbolic_trace(unrolled.nn.GRU(I, H))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("kind", BOTH)
def test_torchscript_is_refused_in_one_line_and_changes_nothing(kind):
    model = Holder(kind, accelerated(kind))
    with pytest.raises(
        NotImplementedError, match="script the model before it is accelerated, or use"
    ) as caught:
        torch.jit.script(model)
    assert "\n" not in str(caught.value)
    assert type(model.inner).__module__.startswith("unrolled")


def onnx_results(model, x):
    file = io.BytesIO()
    torch.onnx.export(model, (x,), file, dynamo=False)
    session = onnxruntime.InferenceSession(file.getvalue())
    return [torch.from_numpy(y) for y in session.run(None, {session.get_inputs()[0].name: x.numpy()})]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [kind for kind in BOTH if kind != "projected"])
def test_onnx_export_gives_the_same_numbers(kind):
    for module in (pair(kind)[1], accelerated(kind)):
        model = Holder(kind, module).eval()
        assert_close(onnx_results(model, sample(kind)), model(sample(kind)))


@pytest.mark.filterwarnings("ignore")
def test_onnx_export_of_what_onnx_has_not():
    projected = unrolled.nn.LSTM(I, H, proj_size=3)  # torch writes a wrong file, or none
    for layer, what in ((ALONE["layer_norm"](), "GRU with layer_norm"), (projected, "LSTM with proj_size")):
        model, x = nn.Sequential(layer, First()).eval(), torch.randn(T, B, I)
        with pytest.raises(NotImplementedError, match=rf"cannot write {what}; .* backend='reference'"):
            onnx_results(model, x)
        layer.backend = "reference"
        assert_close(onnx_results(model, x), [model(x)])


class First(nn.Module):
    def forward(self, results):
        return results[0]


QUANTIZED = "torch.nn.{} was to be quantized, .* quantize the model before it is accelerated"


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("kind", BOTH)
def test_quantization_says_that_it_leaves_our_module_alone(kind):
    model = Holder(kind, accelerated(kind)).eval()
    name = BOTH[kind][0].__name__
    for spec in ({nn.Linear, BOTH[kind][0]}, *(() if name == "RNN" else (None,))):  # the default has no RNN
        with pytest.warns(UserWarning, match=QUANTIZED.format(name)):
            quantized = quantize_dynamic(model, spec)
        assert quantized.head is not None and not isinstance(quantized.head, nn.Linear)
        assert_equal(quantized.inner(sample(kind)), model.inner(sample(kind)))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "torch.nn")
        assert not isinstance(quantize_dynamic(model, {nn.Linear}).head, nn.Linear)


# Copies, conversions and whatever computes weights


@pytest.mark.parametrize("kind", BOTH)
def test_parameters_may_be_swapped_on_conversion(kind):
    before = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        for module in (pair(kind)[1], accelerated(kind)):
            x = sample(kind)
            first = module(x)
            sum(t.sum() for t in tensors(first)).backward()
            module.zero_grad()
            del first
            module.double()
            double = [t.detach().float() for t in tensors(module(x.double()))]  # a graph holds its leaves
            assert_close(double, module.float()(x))
            module.load_state_dict({name: p + 1 for name, p in module.state_dict().items()})
            assert not torch.equal(tensors(module(x))[0], double[0])
    finally:
        torch.__future__.set_swap_module_params_on_conversion(before)


def saved(module):
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, saved])
@pytest.mark.parametrize("kind", BOTH)
def test_copies_have_weights_of_their_own(kind, duplicate):
    for module in (pair(kind)[1], accelerated(kind)):
        x = sample(kind)
        wanted = [t.detach().clone() for t in tensors(module(x))]
        other = duplicate(module)
        assert type(other) is type(module) and other._accelerated == module._accelerated
        with torch.no_grad():
            for p in other.parameters():
                p.add_(0.5)
        assert_equal(module(x), wanted)
        assert not torch.equal(tensors(other(x))[0], wanted[0])


@pytest.mark.parametrize("kind", BOTH)
def test_replicas_and_shared_memory(kind):
    module = accelerated(kind)
    x = sample(kind)
    wanted = module(x)
    replica = module._replicate_for_data_parallel()
    for name, p in module.named_parameters():
        setattr(replica, name, p.detach() + 0.5)  # as torch.nn.parallel.replicate does
    assert not torch.equal(tensors(replica(x))[0], tensors(wanted)[0])
    assert_equal(module.share_memory()(x), wanted)
    with torch.no_grad():
        module.weight_ih.zero_() if kind in CELLS else module.weight_ih_l0.zero_()
    assert not torch.equal(tensors(module(x))[0], tensors(wanted)[0])


@pytest.mark.parametrize("kind", BOTH)
def test_functional_call_and_averages(kind):
    for module in (pair(kind)[1], accelerated(kind)):
        theirs, x = pair(kind)[0], sample(kind)
        other = {name: torch.randn_like(p).requires_grad_() for name, p in module.named_parameters()}
        results = [functional_call(m, other, (x,)) for m in (module, theirs)]
        assert_close(*results)
        gradients = [
            torch.autograd.grad(sum(t.square().sum() for t in tensors(r)), list(other.values()))
            for r in results
        ]
        assert_close(*gradients, tolerance=1e-4)
        averages = [AveragedModel(m) for m in (module, theirs)]
        for average, m in zip(averages, (module, theirs), strict=True):
            average.update_parameters(m)
            with torch.no_grad():
                next(m.parameters()).add_(0.25)
            average.update_parameters(m)
        assert_close(averages[0](x), averages[1](x))


class Scaled(nn.Module):
    def forward(self, weight):
        return weight * 0.5


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(
    "how", ["parametrization", "weight norm", "new weight norm", "spectral norm", "pruning"]
)
def test_weights_computed_by_torch_utilities(kind, how):
    name = "weight_hh" if kind in CELLS else "weight_hh_l0"
    change = {
        "parametrization": lambda m: parametrize.register_parametrization(m, name, Scaled()),
        "weight norm": lambda m: nn.utils.weight_norm(m, name),
        "new weight norm": lambda m: nn.utils.parametrizations.weight_norm(m, name),
        "spectral norm": lambda m: nn.utils.spectral_norm(m, name),
        "pruning": lambda m: prune.l1_unstructured(m, name, 0.5),
    }[how]
    double = torch.float64
    x = sample(kind, double)
    hx = None if kind in LAYERS else torch.randn(B, H, dtype=double)
    hx = (hx, hx.sin()) if kind == "lstm cell" else hx
    modules = [*pair(kind, double), accelerated(kind, double)]
    results = []
    for module in modules:
        torch.manual_seed(7)
        change(module)
        module.eval()
        result = module(x, hx)
        loss = sum(t.square().sum() for t in tensors(result))
        results.append([*tensors(result), *torch.autograd.grad(loss, list(module.parameters()))])
    assert_close(results[1], results[0], 1e-9)
    assert_close(results[2], results[0], 1e-9)


# Half precision and autocast of accelerated modules


def input_states(kind, dtype, x):
    theirs = pair(kind)[0]
    if kind in CELLS:
        h = torch.randn(B, H).to(dtype)
        return (h, h.sin()) if kind == "lstm cell" else h
    h = torch.randn(theirs.get_expected_hidden_size(x, None)).to(dtype)
    if theirs.mode != "LSTM":
        return h
    return h, torch.randn(theirs.get_expected_cell_size(x, None)).to(dtype)


@pytest.mark.parametrize("kind", BOTH)
def test_half_precision_is_torchs_own(kind):
    theirs, module = pair(kind)[0].bfloat16(), accelerated(kind).bfloat16()
    x = sample(kind).bfloat16()
    for hx in (None, input_states(kind, torch.bfloat16, x)):
        assert_equal(module(x, hx), theirs(x, hx))
    assert type(module) is type(pair(kind)[1])
    assert_close(module.float()(x.float()), pair(kind)[1].bfloat16().float()(x.float()))


@pytest.mark.parametrize("lower", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("given", [torch.float32, None])
@pytest.mark.parametrize("kind", BOTH)
def test_under_autocast_results_have_torchs_dtypes(kind, given, lower):
    theirs, module = pair(kind)[0], accelerated(kind)
    x = sample(kind)
    for incoming, hx in itertools.product((x, x.to(lower)), (None, input_states(kind, given or lower, x))):
        with torch.autocast("cpu", lower):
            result = tensors(module(incoming, hx))
            try:
                wanted = tensors(theirs(incoming, hx))
            except RuntimeError:  # torch has no LSTM of float16 for float32 inputs
                assert lower == torch.float16
                continue
        if lower == torch.float16 and theirs._get_name() == "LSTM":
            continue  # of it torch knows several dtypes
        assert [t.dtype for t in result] == [t.dtype for t in wanted]
        for one, other in zip(result, wanted, strict=True):  # bfloat16 has 8 bits, and steps add up
            torch.testing.assert_close(one.float(), other.float(), rtol=0.05, atol=0.05)


def test_large_calls_under_autocast_are_torchs_where_it_is_faster(monkeypatch):
    monkeypatch.setattr(handover, "has_bfloat16", lambda: True)
    theirs = nn.LSTM(I, 128)
    module = copy.deepcopy(theirs)
    unrolled.accelerate(module)
    x = torch.randn(20, 32, I)
    with torch.autocast("cpu", torch.bfloat16):
        assert_equal(module(x), theirs(x))
        small = module(x[:, :2])
    with torch.autocast("cpu", enabled=False):
        assert_equal(small, [t.bfloat16() for t in tensors(module(x[:, :2]))])
    with torch.autocast("cpu", torch.bfloat16):
        monkeypatch.setattr(handover, "has_bfloat16", lambda: False)
        ours = module(x)
    assert not torch.equal(tensors(ours)[0], tensors(theirs(x))[0].bfloat16())


@pytest.mark.parametrize("autocast", [True, False])
@pytest.mark.parametrize("kind", BOTH)
def test_half_precision_compiles_and_maps(kind, autocast):
    module = accelerated(kind) if autocast else accelerated(kind).bfloat16()
    x = sample(kind) if autocast else sample(kind).bfloat16()
    torch._dynamo.reset()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        assert_equal(torch.compile(module, backend="eager", fullgraph=True)(x), module(x))
        several = torch.func.vmap(module, randomness="error")(torch.stack([x, x + 1]))
        assert [t.shape for t in tensors(several)] == [(2, *t.shape) for t in tensors(module(x))]


def test_a_named_backend_or_an_option_of_ours_stays_here(monkeypatch):
    module = accelerated("gru").bfloat16()
    x = sample("gru").bfloat16()
    monkeypatch.setattr(nn.GRU, "forward", None)
    _, _, states = module(x, return_states=True)
    assert all(s.dtype == torch.bfloat16 for s in states.values())
    module.backend = "reference"
    assert tensors(module(x))[0].dtype == torch.bfloat16
    ours = pair("gru")[1].bfloat16()
    assert np.isfinite(ours(x)[0].float().detach().numpy()).all()
