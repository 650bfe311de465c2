"""accelerate(): the same numbers, the same objects, and a reason for whatever it leaves alone."""

import copy
import io
import itertools
import os
import re

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import parametrizations, prune
from torch.nn.utils.rnn import PackedSequence, pack_sequence

import unrolled
import unrolled.nn
from unrolled.kernels import dispatch

pytestmark = pytest.mark.skipif(dispatch.MISSING is not None, reason="the compiled kernels are missing")

T, B, I, H = 7, 4, 5, 6
# Sums of about ten terms over seven steps; float32 rounds each at 6e-8, and gradients add 28 tokens.
TOLERANCE = {torch.float64: {"rtol": 1e-10, "atol": 1e-12}, torch.float32: {"rtol": 1e-4, "atol": 1e-5}}
LAYERS = {
    "tanh": (nn.RNN, {}),
    "relu": (nn.RNN, {"nonlinearity": "relu"}),
    "lstm": (nn.LSTM, {}),
    "projected": (nn.LSTM, {"proj_size": 3}),
    "gru": (nn.GRU, {}),
}
SHAPES = {
    "plain": {},
    "deep, both ways, dropout": {"num_layers": 3, "bidirectional": True, "dropout": 0.3},
    "batch first, without bias": {"num_layers": 2, "batch_first": True, "bias": False},
    "dropout of one layer": {"dropout": 0.5},
}
CELLS = [nn.RNNCell, nn.LSTMCell, nn.GRUCell]


def tensors(result):
    """Every tensor of nested tuples, a PackedSequence's data among them."""
    if isinstance(result, PackedSequence):
        return [result.data]
    return [result] if isinstance(result, torch.Tensor) else [t for part in result for t in tensors(part)]


def outcome(model, inputs):
    """Results and every gradient of one call of `model`, its random numbers drawn from one seed."""
    torch.manual_seed(5)
    found = tensors(model(*inputs))
    loss = sum((torch.linspace(-1, 2, t.numel(), dtype=t.dtype) * t.flatten()).sum() for t in found)
    wanted = [t for t in tensors(inputs) if t.requires_grad]
    return [*found, *torch.autograd.grad(loss, [*wanted, *model.parameters()])]


def assert_same_before_and_after(model, *inputs):
    before = outcome(model, inputs)
    report = unrolled.accelerate(model)
    assert len(report.replaced) == 1 and not report.kept, report
    for a, b in zip(outcome(model, inputs), before, strict=True):
        torch.testing.assert_close(a, b, **TOLERANCE[b.dtype])


def random(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype, requires_grad=True)


def state_of(layer, dtype):
    rows = layer.num_layers * (1 + layer.bidirectional)
    h = random(rows, B, layer.proj_size or H, dtype=dtype)
    return (h, random(rows, B, H, dtype=dtype)) if isinstance(layer, nn.LSTM) else h


@pytest.mark.filterwarnings("ignore:dropout option adds dropout")
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind, shape", list(itertools.product(LAYERS, SHAPES)))
def test_layers_give_the_same_numbers(kind, shape, training, dtype):
    torch.manual_seed(1)
    make, options = LAYERS[kind]
    layer = make(I, H, dtype=dtype, **options, **SHAPES[shape]).train(training)
    x = random(B, T, I, dtype=dtype) if layer.batch_first else random(T, B, I, dtype=dtype)
    assert_same_before_and_after(copy.deepcopy(layer), x)
    assert_same_before_and_after(layer, x, state_of(layer, dtype))
    assert type(layer) is getattr(unrolled.nn, make.__name__)
    assert layer.training == training


@pytest.mark.parametrize("kind", LAYERS)
def test_packed_sequences_go_in_and_come_out(kind):
    torch.manual_seed(2)
    make, options = LAYERS[kind]
    layer = make(I, H, 2, bidirectional=True, dtype=torch.float64, **options)
    packed = pack_sequence(
        [torch.randn(n, I, dtype=torch.float64) for n in (3, 7, 1, 4)], enforce_sorted=False
    )
    assert_same_before_and_after(copy.deepcopy(layer), packed)
    assert_same_before_and_after(layer, packed, state_of(layer, torch.float64))
    assert isinstance(layer(packed)[0], PackedSequence)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("make", CELLS)
def test_cells_give_the_same_numbers(make, dtype, bias):
    torch.manual_seed(3)
    cell = make(I, H, bias, dtype=dtype)
    x, h, c = random(B, I, dtype=dtype), random(B, H, dtype=dtype), random(B, H, dtype=dtype)
    assert_same_before_and_after(copy.deepcopy(cell), x)
    assert_same_before_and_after(cell, x, (h, c) if make is nn.LSTMCell else h)
    assert type(cell) is getattr(unrolled.nn, make.__name__)


class Model(nn.Module):
    """Recurrent modules wherever a model may hold them."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(3, I)
        self.encode = nn.Sequential(nn.LSTM(I, H, bidirectional=True))
        self.steps = nn.ModuleList([nn.GRUCell(2 * H, H), nn.RNNCell(H, 3)])
        self.by_name = nn.ModuleDict({"gru": nn.GRU(3, 3), "same": self.steps[0]})
        self.by_name["gru"].weight_hh_l0 = self.by_name["gru"].weight_ih_l0  # tied
        self.steps[1].bias_hh.requires_grad_(False)

    def forward(self, x):
        y, _ = self.encode(self.embed(x))
        return self.by_name["gru"](self.steps[1](self.steps[0](y.flatten(0, 1))).view(T, -1, 3))[0]


def test_a_model_trains_on_with_the_optimizer_it_had():
    torch.manual_seed(4)
    model = Model().double()
    alone = copy.deepcopy(model)
    x = torch.randn(T, B, 3, dtype=torch.float64)
    ours, theirs = (torch.optim.Adam(m.parameters(), 0.01) for m in (model, alone))
    for step in range(6):
        if step == 3:
            unrolled.accelerate(model)
        for m, optimizer in ((model, ours), (alone, theirs)):
            optimizer.zero_grad()
            m(x).square().mean().backward()
            optimizer.step()
    for (name, a), (wanted_name, b) in zip(
        model.state_dict().items(), alone.state_dict().items(), strict=True
    ):
        assert name == wanted_name
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10)  # Adam divides by small gradients


def test_objects_stay_the_same_ones():
    model = Model().eval()
    modules, parameters = dict(model.named_modules()), dict(model.named_parameters())
    needs = {name: p.requires_grad for name, p in parameters.items()}
    random_state = torch.get_rng_state()
    report = unrolled.accelerate(model)
    assert torch.equal(torch.get_rng_state(), random_state)
    assert len(report.replaced) == 4
    assert all(a is b for a, b in zip(model.modules(), modules.values(), strict=True))
    assert list(dict(model.named_parameters())) == list(parameters)
    assert all(p is parameters[name] for name, p in model.named_parameters())
    assert {name: p.requires_grad for name, p in model.named_parameters()} == needs
    assert model.by_name["gru"].weight_hh_l0 is model.by_name["gru"].weight_ih_l0
    assert model.by_name["same"] is model.steps[0]
    assert not any(m.training for m in model.modules())


def test_the_report_reads_as_a_table():
    model = Model()
    model.old = type("Special", (nn.LSTM,), {})(2, 3)
    report = unrolled.accelerate(model)
    assert str(report).splitlines() == [
        "replaced 4 of 5 recurrent modules",
        "module                 was                                      is",
        "encode.0               torch.nn.LSTM(5, 6, bidirectional=True)  unrolled.nn.LSTM",
        "steps.0, by_name.same  torch.nn.GRUCell(12, 6)                  unrolled.nn.GRUCell",
        "steps.1                torch.nn.RNNCell(6, 3)                   unrolled.nn.RNNCell",
        "by_name.gru            torch.nn.GRU(3, 3)                       unrolled.nn.GRU",
        "old                    Special(2, 3)                            kept: a subclass of torch.nn.LSTM, "
        "and may differ from it; derive it from unrolled.nn.LSTM",
    ]
    assert [found.replacement for found in report] == [*(f.replacement for f in report.replaced), ""]
    assert [found.paths for found in report.kept] == [("old",)]
    assert str(unrolled.accelerate(nn.Linear(1, 1))) == "no recurrent modules found"


def test_a_second_call_changes_nothing():
    model = Model()
    unrolled.accelerate(model)
    before = {module: dict(vars(module)) for module in model.modules()}
    report = unrolled.accelerate(model)
    assert not report.replaced and {found.reason for found in report} == {"unrolled's already"}
    assert all(vars(module) == before[module] for module in model.modules())


def test_the_model_itself_may_be_the_layer():
    layer = nn.GRU(I, H)
    report = unrolled.accelerate(layer)
    assert isinstance(layer, unrolled.nn.GRU)
    assert [found.paths for found in report] == [("",)] and "(the model)" in str(report)


def test_what_the_caller_put_on_a_module_stays_and_works():
    layer = nn.LSTM(I, H)
    seen = []
    layer.register_forward_pre_hook(lambda module, inputs: seen.append(("before", inputs)))
    layer.register_forward_hook(lambda module, inputs, output: seen.append(("after", output)))
    layer.register_full_backward_hook(lambda module, dx, dy: seen.append(("backward", dx)))
    layer.register_buffer("scale", torch.tensor(2.0))
    layer.note = "mine"
    unrolled.accelerate(layer)
    x = torch.randn(T, B, I, requires_grad=True)
    output = layer(x)
    output[0].sum().backward()
    assert [name for name, _ in seen] == ["before", "after", "backward"]
    assert torch.equal(seen[0][1][0], x) and torch.equal(seen[1][1][0], output[0])
    assert torch.equal(seen[2][1][0], x.grad)
    assert layer.note == "mine" and layer.state_dict()["scale"] == 2


def test_the_module_can_be_copied_moved_and_saved():
    layer = nn.LSTM(I, H, 2)
    unrolled.accelerate(layer)
    x = torch.randn(T, B, I)
    wanted = layer(x)[0]
    file = io.BytesIO()
    torch.save(layer, file)
    file.seek(0)
    for other in (copy.deepcopy(layer), torch.load(file, weights_only=False)):
        assert torch.equal(other(x)[0], wanted)
        assert other.weight_ih_l0 is not layer.weight_ih_l0
    torch.testing.assert_close(layer.double()(x.double())[0].float(), wanted, **TOLERANCE[torch.float32])
    fresh = nn.LSTM(I, H, 2)
    fresh.load_state_dict(layer.float().state_dict())
    torch.testing.assert_close(fresh(x)[0], wanted, **TOLERANCE[torch.float32])


COMPILED = {
    "torch.compile(model)": lambda model: torch.compile(model, backend="eager"),
    "model.compile()": lambda model: model.compile(backend="eager") or model,
}


@pytest.mark.parametrize(
    "make", [lambda: nn.Sequential(nn.Linear(I, I), nn.LSTM(I, H)), lambda: nn.LSTM(I, H)]
)
@pytest.mark.parametrize("wrap", COMPILED.values(), ids=COMPILED)
def test_a_compiled_model_runs_ours_from_then_on(make, wrap, monkeypatch):
    torch._dynamo.reset()
    model = wrap(make())
    x = torch.randn(T, B, I)
    with torch.no_grad():
        before = [model(x)[0] for _ in range(2)][1]
        monkeypatch.setattr(torch._VF, "lstm", None)  # torch.nn's layers need it
        assert len(unrolled.accelerate(model).replaced) == 1
        torch.testing.assert_close(model(x)[0], before, **TOLERANCE[torch.float32])


def test_a_model_in_data_parallel():
    model = nn.DataParallel(Model())
    assert unrolled.accelerate(model).replaced[0].paths == ("module.encode.0",)
    assert model(torch.randn(T, B, 3)).shape == (T, B, 3)


def in_a_group_of_one(rank, folder):
    dist.init_process_group("gloo", f"file://{folder}/meeting", rank=0, world_size=1)
    model = DistributedDataParallel(Model())
    x = torch.randn(T, B, 3)
    before = model(x)
    assert len(unrolled.accelerate(model).replaced) == 4
    torch.testing.assert_close(model(x), before, **TOLERANCE[torch.float32])
    model(x).sum().backward()
    assert model.module.encode[0].weight_hh_l0.grad.abs().sum() > 0
    sharded = nn.Sequential(nn.GRU(I, H))
    fully_shard(sharded[0], mesh=init_device_mesh("cpu", (1,)))
    (kept,) = unrolled.accelerate(sharded).kept
    assert kept.reason == "its weights are sharded; accelerate before fully_shard"
    sharded = nn.Sequential(nn.GRU(I, H))
    y = sharded(torch.ones(T, B, I))[0]
    unrolled.accelerate(sharded)
    fully_shard(sharded[0], mesh=init_device_mesh("cpu", (1,)))
    torch.testing.assert_close(sharded(torch.ones(T, B, I))[0], y, **TOLERANCE[torch.float32])
    (folder / "done").touch()
    os._exit(0)  # see test_distributed.py


@pytest.mark.skipif(not dist.is_available(), reason="torch was built without torch.distributed")
def test_distributed_data_parallel_goes_on_and_shards_stay(tmp_path):
    mp.spawn(in_a_group_of_one, (tmp_path,))
    assert (tmp_path / "done").exists()


class Dropped(nn.Module):
    """Weight dropout (Merity et al. 2017, arXiv:1708.02182): the weight is made anew before each call."""

    def __init__(self, layer, name):
        super().__init__()
        self.layer, self.name = layer, name
        raw = nn.Parameter(getattr(layer, name).data)
        delattr(layer, name)
        layer.register_parameter(f"{name}_raw", raw)

    def forward(self, *inputs):
        weight = nn.functional.dropout(getattr(self.layer, f"{self.name}_raw"), 0.5, self.training)
        setattr(self.layer, self.name, weight)
        return self.layer(*inputs)


def used(model):
    model(
        torch.zeros(T, B, I, dtype=torch.float64) if hasattr(model, "layer") else torch.zeros(B, I).double()
    )
    return model


# Modules whose weights are plain tensors that somebody computes before each call.
COMPUTED = {
    "weight dropout": lambda: Dropped(nn.LSTM(I, H).double(), "weight_hh_l0"),
    "weight dropout, used before": lambda: used(Dropped(nn.GRU(I, H).double(), "weight_hh_l0")),
    "weight norm": lambda: nn.utils.weight_norm(nn.RNN(I, H).double(), "weight_hh_l0"),
    "spectral norm": lambda: nn.utils.spectral_norm(nn.LSTM(I, H).double(), "weight_hh_l0").eval(),
    "pruning": lambda: prune.random_unstructured(nn.GRU(I, H).double(), "weight_ih_l0", 0.5),
    "a pruned cell, used before": lambda: used(
        prune.l1_unstructured(nn.GRUCell(I, H).double(), "weight_ih", 0.5)
    ),
}


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("make", COMPUTED.values(), ids=COMPUTED)
def test_weights_that_are_computed_before_each_call(make):
    torch.manual_seed(6)
    model = make()
    x = random(B, I) if isinstance(model, nn.GRUCell) else random(T, B, I)
    assert_same_before_and_after(model, x)
    (own, *_) = (m for m in model.modules() if hasattr(m, "hidden_size"))
    first = tensors(model(x))[0].detach().clone()
    with torch.no_grad():
        raw = next(p for name, p in own.named_parameters() if name.endswith(("_raw", "_v", "_orig")))
        raw.add_(torch.rand_like(raw))
    torch.manual_seed(5)
    assert not torch.allclose(tensors(model(x))[0], first)  # the raw weight is read anew


def scripted():
    return torch.jit.script(nn.Sequential(nn.LSTM(I, H)))


def quantized():
    return torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.LSTM(I, H)), {nn.LSTM})


def parametrized():
    return parametrizations.weight_norm(nn.GRU(I, H), "weight_hh_l0")


def patched():
    layer = nn.LSTM(I, H)
    layer.forward = lambda x: x
    return layer


def cut():
    layer = nn.LSTM(I, H)
    layer.weight_ih_l0 = nn.Parameter(torch.randn(4 * H, I - 1))
    return layer


def removed():
    layer = nn.LSTM(I, H)
    del layer.bias_ih_l0
    return layer


class Named(nn.Parameter):
    pass


def strange():
    layer = nn.LSTM(I, H)
    layer.weight_ih_l0 = Named(layer.weight_ih_l0.data)
    return layer


def marked():
    layer = nn.GRU(I, H)
    layer.merge = "mine"
    return layer


def base():
    return nn.RNNBase("GRU", I, H)


REFUSED = {
    scripted: "TorchScript; accelerate the model before",
    quantized: "quantized",
    parametrized: "weight_hh_l0 is computed by a parametrization; accelerate before it is registered",
    removed: "bias_ih_l0 is missing, and nothing stands for it",
    type(
        "Own", (nn.LSTMCell,), {}
    ): "a subclass of torch.nn.LSTMCell, .* derive it from unrolled.nn.LSTMCell",
    base: "no layer or cell of torch.nn's own",
    patched: "forward was replaced on the instance",
    cut: r"weight_ih_l0 is \(24, 4\); its sizes say \(24, 5\)",
    strange: "weight_ih_l0 is a Named; wanted a plain Parameter or Tensor",
    marked: "attributes that ours needs for itself: merge",
    lambda: nn.LSTM(
        I, H
    ).bfloat16(): "nothing to gain on cpu in bfloat16: .* float32, float64, .* convert it",
    lambda: nn.LSTM(I, H, device="meta"): "its weights are on meta; load them, then accelerate",
    lambda: nn.GRUCell(0, H): "input_size=0: wanted 1 or more",
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("make, reason", REFUSED.items(), ids=[r.split(";")[0] for r in REFUSED.values()])
def test_what_stays_says_why_and_is_untouched(make, reason):
    model = make(I, H) if isinstance(make, type) else make()
    before = [(module, type(module), dict(vars(module))) for module in model.modules()]
    report = unrolled.accelerate(model)
    assert len(report) == 1 and not report.replaced
    (kept,) = report.kept
    assert re.search(reason, kept.reason), kept.reason
    for module, kind, own in before:
        assert type(module) is kind and vars(module).keys() == own.keys()


def test_only_a_module_is_taken():
    with pytest.raises(TypeError, match="got dict; hand in the model itself"):
        unrolled.accelerate({"lstm": nn.LSTM(I, H)})
