"""Values, gradients and refusals of `unrolled.kernels.elman`."""

from dataclasses import replace

import pytest
import torch

from unrolled.kernels.elman import elman, supports

from .cases import FUNCTIONS, NAMES, SHAPES, Case, assert_close, random_case, reference

OPTIONS = [(f, r) for f in FUNCTIONS for r in (False, True)]


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("nonlinearity, reverse", OPTIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("T, B, I, H", SHAPES)
def test_output_and_every_gradient_match_float64(T, B, I, H, dtype, nonlinearity, reverse, ragged):
    case = random_case(T, B, I, H, dtype, ragged=ragged, nonlinearity=nonlinearity, reverse=reverse)
    exact = case.double()
    want = exact.run(reference)
    for name, got, right in zip(("y", "h_last"), case.run(elman), want, strict=True):
        assert_close(got, right, I + H + 8, name)
    dy, dh_last = (torch.randn(o.shape, dtype=dtype) for o in want)
    right_gradients = exact.gradients(reference, dy, dh_last)
    for name, got, right in zip(NAMES, case.gradients(elman, dy, dh_last), right_gradients, strict=True):
        assert_close(got, right, T * B + I + H + 8, name)


def test_biases_may_be_left_out():
    case = random_case(4, 3, 5, 7, torch.float64)
    x, h0, weight_ih, weight_hh, bias_ih, bias_hh = case.tensors
    zero = torch.zeros_like(bias_ih)
    for first, second in [(None, None), (bias_ih, None), (None, bias_hh)]:
        got = elman(x, h0, weight_ih, weight_hh, first, second)
        filled = (zero if b is None else b for b in (first, second))
        want = Case((x, h0, weight_ih, weight_hh, *filled)).run(reference)
        assert_close(got[0], want[0], 20)


@pytest.mark.parametrize("wanted", range(6))
def test_gradient_of_one_input_alone(wanted):
    case = random_case(5, 3, 4, 9, torch.float64, ragged=True)
    dy, dh_last = torch.randn(5, 3, 9), torch.randn(3, 9)
    want = case.gradients(elman, dy, dh_last)[wanted]
    tensors = tuple(t.detach().requires_grad_(n == wanted) for n, t in enumerate(case.tensors))
    outputs = replace(case, tensors=tensors).run(elman)
    torch.autograd.backward(outputs, (dy.double(), dh_last.double()))
    assert torch.equal(tensors[wanted].grad, want)
    assert all(t.grad is None for n, t in enumerate(tensors) if n != wanted)


@pytest.mark.parametrize("output", [0, 1])
def test_gradient_of_one_output_alone(output):
    case = random_case(5, 3, 4, 9, torch.float64, ragged=True)
    cotangents = [torch.zeros(5, 3, 9), torch.zeros(3, 9)]
    cotangents[output].normal_()
    leaves = [t.clone().requires_grad_() for t in case.tensors]
    result = replace(case, tensors=tuple(leaves)).run(elman)[output]
    got = torch.autograd.grad(result, leaves, cotangents[output].double())
    for a, b in zip(got, case.double().gradients(reference, *cotangents), strict=True):
        assert_close(a, b, 40)


def strided(tensor):
    """The same numbers, none of them next to another in memory, garbage between them."""
    view = tensor.new_empty([2 * n for n in tensor.shape])[(slice(None, None, 2),) * tensor.dim()]
    return view.copy_(tensor)


LAYOUTS = {
    "time and batch exchanged": lambda t: (
        t.transpose(0, 1).contiguous().transpose(0, 1) if t.dim() > 1 else t
    ),
    "last dimension first": lambda t: t.movedim(-1, 0).contiguous().movedim(0, -1),
    "strided": strided,
    "backwards": lambda t: t.flip(0).flip(0),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_strides_give_the_same_bits(layout):
    case = random_case(5, 6, 7, 9, torch.float32, ragged=True)
    tensors = tuple(map(LAYOUTS[layout], case.tensors))
    moved = replace(case, tensors=tensors, lengths=LAYOUTS[layout](case.lengths))
    for got, want in zip(moved.run(elman), case.run(elman), strict=True):
        assert torch.equal(got, want)
    dy, dh_last = torch.randn(5, 6, 9), torch.randn(6, 9)
    leaves = [t.requires_grad_() for t in moved.tensors]
    got = torch.autograd.grad(moved.run(elman), leaves, (LAYOUTS[layout](dy), LAYOUTS[layout](dh_last)))
    for a, b in zip(got, case.gradients(elman, dy, dh_last), strict=True):
        assert torch.equal(a, b)


def test_rows_that_share_memory():
    case = random_case(5, 1, 3, 4, torch.float64)
    x, h0, *weights = case.tensors
    y, h_last = elman(x.expand(5, 6, 3), h0.expand(6, 4), *weights)
    alone = case.run(elman)
    assert torch.equal(y, alone[0].expand(5, 6, 4))
    assert torch.equal(h_last, alone[1].expand(6, 4))


@pytest.mark.parametrize("T, B, I, H", [(0, 3, 2, 4), (5, 0, 2, 4), (0, 0, 2, 4), (5, 3, 0, 4)])
def test_sizes_of_zero(T, B, I, H):
    case = random_case(T, B, I, H, torch.float64)
    y, h_last = case.run(elman)
    assert y.shape == (T, B, H)
    assert h_last.shape == (B, H)
    if T == 0:
        assert torch.equal(h_last, case.tensors[1])
    dh_last = torch.randn(B, H, dtype=torch.float64)
    gradients = case.gradients(elman, torch.zeros(T, B, H), dh_last)
    for name, gradient, tensor in zip(NAMES, gradients, case.tensors, strict=True):
        assert gradient.shape == tensor.shape
        if T == 0 or B == 0:
            assert torch.equal(gradient, dh_last if name == "h0" else torch.zeros_like(tensor))


def test_a_row_of_no_length_gives_zeros_and_its_state_back():
    case = random_case(4, 5, 3, 6, torch.float32, ragged=True)
    y, h_last = case.run(elman)
    assert torch.equal(y[:, 0], torch.zeros(4, 6))
    assert torch.equal(h_last[0], case.tensors[1][0])


def test_infinities_and_nan_pass():
    x, h0, *weights = random_case(3, 4, 2, 5, torch.float32).tensors
    x[1, 2] = torch.nan
    x[1, 3, 0] = torch.inf
    for nonlinearity in FUNCTIONS:
        y, _ = elman(x, h0, *weights, nonlinearity=nonlinearity)
        assert y[1:, 2].isnan().all()
        assert not y[0].isnan().any()
        assert not y[:, :2].isnan().any()
    assert torch.equal(elman(x, h0, *weights)[0][1, 3].abs(), torch.ones(5))


T, B, I, H = 4, 3, 2, 5
REFUSED = {  # what is changed, and what the message says of it
    "x of two dimensions": ({0: (B, I)}, r"wanted x \(T, B, I\)"),
    "h0 of three dimensions": ({1: (1, B, H)}, r"wanted x \(T, B, I\)"),
    "h0 of another batch": ({1: (B + 1, H)}, r"h0 is \(4, 5\); x and h0 want \(3, 5\)"),
    "weight_ih of another input": ({2: (H, I + 1)}, "weight_ih is"),
    "weight_hh that is not square": ({3: (H, H + 1)}, "weight_hh is"),
    "bias_ih of another size": ({4: (H + 1,)}, "bias_ih is"),
    "bias_hh of two dimensions": ({5: (1, H)}, "bias_hh is"),
}


@pytest.mark.parametrize("wrong", REFUSED)
def test_wrong_shapes_are_refused(wrong):
    change, message = REFUSED[wrong]
    tensors = list(random_case(T, B, I, H, torch.float32).tensors)
    for place, shape in change.items():
        tensors[place] = torch.zeros(shape)
    with pytest.raises(ValueError, match=message):
        elman(*tensors)


def test_wrong_dtypes_and_names_are_refused():
    tensors = random_case(T, B, I, H, torch.float32).tensors
    with pytest.raises(ValueError, match=r"weight_ih is torch\.float64 on cpu; x is torch\.float32"):
        elman(*tensors[:2], tensors[2].double(), *tensors[3:])
    with pytest.raises(ValueError, match=r"not in torch\.float16"):
        elman(*(t.half() for t in tensors))
    with pytest.raises(ValueError, match="tanh, relu, sigmoid, not 'softmax'"):
        elman(*tensors, nonlinearity="softmax")
    with pytest.raises(ValueError, match="runs on the cpu, not on meta"):
        elman(*(t.to("meta") for t in tensors))


@pytest.mark.parametrize(
    "lengths, message",
    [
        (torch.tensor([4, 5, 1]), r"lengths\[1\] is 5; wanted 0 to 4"),
        (torch.tensor([4, 1, -1]), r"lengths\[2\] is -1; wanted 0 to 4"),
        (torch.tensor([4, 1]), r"lengths is \(2,\); wanted \(3,\)"),
        (torch.tensor([4, 1, 1], dtype=torch.int32), "lengths is torch.int32 on cpu; wanted int64"),
    ],
)
def test_wrong_lengths_are_refused(lengths, message):
    with pytest.raises(ValueError, match=message):
        elman(*random_case(T, B, I, H, torch.float32).tensors, lengths=lengths)


def test_wrong_gradients_are_refused_by_the_operator_itself():
    tensors = random_case(T, B, I, H, torch.float32).tensors
    y, dh_last = torch.zeros(T, B, H), torch.zeros(B, H)
    operator = torch.ops.unrolled.elman_backward
    for name, outputs in {
        "y": (torch.zeros(T, B, H - 1), y, dh_last),
        "dy": (y, torch.zeros(T, B + 1, H), dh_last),
        "dh_last": (y, y, torch.zeros(B)),
    }.items():
        with pytest.raises(ValueError, match=f"{name} is"):
            operator(*tensors, None, *outputs, "tanh", False, True, True)


def test_supports_says_why_not():
    assert supports("cpu", torch.float32, "relu") is None
    assert supports(torch.device("cpu"), torch.float64, "sigmoid") is None
    assert "not on cuda" in supports("cuda", torch.float32, "tanh")
    assert "not in torch.bfloat16" in supports("cpu", torch.bfloat16, "tanh")
    assert "not 'gelu'" in supports("cpu", torch.float32, "gelu")
