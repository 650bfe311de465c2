"""Values, gradients and refusals of `unrolled.kernels.torch.recurrence`, for every cell that has a kernel."""

import pytest
import torch

from unrolled.cells import LSTM, Elman
from unrolled.kernels.torch.backends import by_kernel

from ..cases import CELLS, DIRECTIONS, SHAPES, assert_close, assert_same_bits, random_case, reference


def cotangents(outputs):
    generator = torch.Generator().manual_seed(5)
    return [torch.randn(o.shape, generator=generator, dtype=torch.float64) for o in outputs]


@pytest.mark.parametrize("ragged, masked", [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_outputs_and_every_gradient_match_float64(cell, dtype, direction, ragged, masked):
    for shape in SHAPES:
        T, B, I, H = shape
        case = random_case(
            CELLS[cell], *shape, dtype, reverse=DIRECTIONS[direction], ragged=ragged, masked=masked
        )
        exact = case.double()
        want = exact.run(reference)
        # a layer norm divides by the deviation of a stack, which for six units is far below one
        terms = (T * B + I + H + 20) * (20 if getattr(CELLS[cell], "layer_norm", False) else 3)
        for got, right in zip(case.run(), want, strict=True):
            assert_close(got, right, terms, f"{shape} output")
        given = cotangents(want)
        right_gradients = exact.gradients(given, reference)
        for name, got, right in zip(case.names, case.gradients(given), right_gradients, strict=True):
            assert_close(got, right, terms, f"{shape} {name}")


@pytest.mark.parametrize("cell", CELLS)
def test_both_directions_are_each_of_them(cell):
    case = random_case(CELLS[cell], 5, 3, 4, 6, torch.float32, reverse=(False, True), ragged=True)
    y, *rest = case.run()
    apart = [by_kernel([call]) for call in case.calls]
    assert torch.equal(y, torch.cat([result.y for result in apart], -1))
    wanted = [s for r in apart for s in r.last] + [s for r in apart for s in r.states]
    assert_same_bits(rest, wanted)


@pytest.mark.parametrize("k", [1, 3, 7, 40])
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("cell", CELLS)
def test_states_kept_at_every_kth_step_give_the_same_gradients(cell, direction, k):
    case = random_case(
        CELLS[cell], 19, 3, 4, 12, torch.float64, reverse=DIRECTIONS[direction], ragged=True, masked=True
    )
    few = case.change(keep_every=k)
    assert_same_bits(few.run(), case.run())
    given = cotangents(case.run())
    for function in (by_kernel, reference):
        for a, b in zip(few.gradients(given, function), case.gradients(given), strict=True):
            assert_close(a, b, 400)


def saved_bytes(case):
    """What autograd holds until backward, beside the inputs and y."""
    sizes = []

    def pack(tensor):
        sizes.append(tensor.numel() * tensor.itemsize)
        return tensor

    leaves = case.leaves()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        y = case.with_tensors(leaves).run()[0]
    return sum(sizes) - sum(t.numel() * t.itemsize for t in (*leaves, y))


@pytest.mark.parametrize(
    "cell", [name for name in CELLS if "blocks" not in name]
)  # their weights are made anew
def test_a_long_sequence_keeps_no_more_than_was_asked(cell):
    case = random_case(CELLS[cell], 1000, 2, 3, 12, torch.float32)
    widest = max(CELLS[cell].state_sizes(12))
    assert saved_bytes(case.change(keep_every=50)) <= 20 * 2 * widest * 4


def test_biases_may_be_left_out():
    case = random_case(Elman(), 4, 3, 5, 7, torch.float64)
    for left_out in (("bias_ih",), ("bias_hh",), ("bias_ih", "bias_hh")):
        (call,) = case.calls
        fewer = {name: p for name, p in call.parameters.items() if name not in left_out}
        zeros = {n: torch.zeros_like(p) if n in left_out else p for n, p in call.parameters.items()}
        got = case.change(parameters=fewer).run()
        assert_same_bits(got, case.change(parameters=zeros).run())


@pytest.mark.parametrize("cell", ["tanh", "gru", "lstm projected"])
def test_gradient_of_one_input_alone(cell):
    case = random_case(CELLS[cell], 5, 3, 4, 9, torch.float64, ragged=True, reverse=(False, True))
    given = cotangents(case.run())
    want = case.gradients(given)
    for wanted in range(len(case.tensors)):
        tensors = [t.detach().clone().requires_grad_(n == wanted) for n, t in enumerate(case.tensors)]
        torch.autograd.backward(case.with_tensors(tensors).run(), given)
        assert torch.equal(tensors[wanted].grad, want[wanted])
        assert all(t.grad is None for n, t in enumerate(tensors) if n != wanted)


@pytest.mark.parametrize("cell", ["relu", "gru reset before", "lstm peephole"])
def test_gradient_of_one_output_alone(cell):
    case = random_case(CELLS[cell], 5, 3, 4, 9, torch.float64, ragged=True, reverse=(False, True))
    outputs = len(case.run())
    for wanted in range(outputs):
        leaves = case.leaves()
        result = case.with_tensors(leaves).run()[wanted]
        (given,) = cotangents([result])
        got = torch.autograd.grad(result, leaves, given, allow_unused=True, materialize_grads=True)
        exact = case.with_tensors(leaves).run(reference)[wanted]
        right = torch.autograd.grad(exact, leaves, given, allow_unused=True, materialize_grads=True)
        for name, a, b in zip(case.names, got, right, strict=True):
            assert_close(a, b, 200, name)


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
}


@pytest.mark.parametrize("cell", ["tanh", "gru layer norm", "lstm coupled, peephole", "lstm projected"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_strides_give_the_same_bits(layout, cell):
    change = LAYOUTS[layout]
    case = random_case(
        CELLS[cell], 5, 6, 7, 9, torch.float32, ragged=True, masked=True, reverse=(True, False)
    )
    first = case.calls[0]
    recurrent, zoneout = first.masks
    masks = first.masks._replace(
        recurrent=change(recurrent), zoneout=tuple(z if isinstance(z, float) else change(z) for z in zoneout)
    )
    moved = case.with_tensors(list(map(change, case.tensors)))
    moved = moved.change(lengths=change(first.lengths), masks=masks)
    outputs = case.run()
    assert_same_bits(moved.run(), outputs)
    given = [c.float() for c in cotangents(outputs)]
    leaves = [t.requires_grad_() for t in moved.tensors]
    got = torch.autograd.grad(moved.with_tensors(leaves).run(), leaves, list(map(change, given)))
    assert_same_bits(got, case.gradients(given))


def test_rows_that_share_memory():
    case = random_case(LSTM(), 5, 1, 3, 4, torch.float64)
    (call,) = case.calls
    wide = call._replace(x=call.x.expand(5, 6, 3), state=tuple(s.expand(6, 4) for s in call.state))
    result, alone = by_kernel([wide]), by_kernel([call])
    assert torch.equal(result.y, alone.y.expand(5, 6, 4))
    assert_same_bits(result.last, [s.expand(6, 4) for s in alone.last])


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("T, B, I", [(0, 3, 2), (5, 0, 2), (0, 0, 2)])
def test_sizes_of_zero(T, B, I, cell):
    case = random_case(CELLS[cell], T, B, I, 12, torch.float64, reverse=(False, True))
    y, *rest = case.run()
    assert y.shape[:2] == (T, B)
    if T == 0:
        assert_same_bits(rest[: 2 * len(CELLS[cell].states)], [s for c in case.calls for s in c.state])
    gradients = case.gradients([torch.ones_like(o) for o in (y, *rest)])
    assert [g.shape for g in gradients] == [t.shape for t in case.tensors]
    names = zip(case.names, gradients, strict=True)
    assert not any(g.any() for n, g in names if n not in ("x", "h", "c"))


@pytest.mark.parametrize("cell", CELLS)
def test_what_is_not_a_number_stays_in_its_row(cell):
    case = random_case(CELLS[cell], 4, 5, 3, 12, torch.float32)
    x = case.calls[0].x.clone()
    x[1, 2] = torch.nan
    y = case.change(x=x).run()[0]
    assert y[1:, 2].isnan().all()
    assert torch.equal(y[:, [0, 1, 3, 4]], case.run()[0][:, [0, 1, 3, 4]])


T, B, I, H = 4, 3, 2, 6
REFUSED = {  # which tensor of a call in the order of `names`, its shape, and what the message says
    "x of two dimensions": (0, (B, I), r"x is \(3, 2\); wanted \(T, B, 2\)"),
    "x of other features": (0, (T, B, I + 1), r"x is \(4, 3, 3\); wanted \(T, B, 2\)"),
    "h of three dimensions": (1, (1, B, H), r"h0 is float32 \(1, 1, 3, 6\); wanted float32 \(n, 3, 6\)"),
    "c of another batch": (2, (B + 1, H), r"c0 is float32 \(1, 4, 6\); wanted float32 \(n, 3, 6\)"),
    "weight_ih of three dimensions": (3, (1, 4 * H, I), "wanted weight_ih"),
    "weight_ih of other rows": (3, (3 * H, I), r"weight_ih is \(18, 2\); this lstm wants \(24, 2\)"),
    "weight_hh of other columns": (4, (4 * H, H + 1), "weight_hh is"),
    "bias_ih of another size": (5, (4 * H + 1,), "bias_ih is"),
    "bias_hh of two dimensions": (6, (1, 4 * H), "bias_hh is"),
    "peepholes of another size": (7, (2, H), "weight_peephole is"),
}


@pytest.mark.parametrize("wrong", REFUSED)
def test_wrong_shapes_are_refused(wrong):
    place, shape, message = REFUSED[wrong]
    case = random_case(LSTM(peephole=True), T, B, I, H, torch.float32)
    tensors = list(case.tensors)
    tensors[place] = torch.zeros(shape)
    with pytest.raises(ValueError, match=message):
        case.with_tensors(tensors).run()


def test_missing_and_unknown_parameters_are_refused():
    case = random_case(LSTM(peephole=True), T, B, I, H, torch.float32)
    parameters = dict(case.calls[0].parameters)
    with pytest.raises(ValueError, match="weight_xy is no parameter of this lstm"):
        case.change(parameters=parameters | {"weight_xy": torch.zeros(2)}).run()
    del parameters["weight_peephole"]
    with pytest.raises(ValueError, match="weight_peephole missing; this lstm has weight_ih"):
        case.change(parameters=parameters).run()


def test_wrong_dtypes_and_masks_are_refused():
    case = random_case(Elman(), T, B, I, H, torch.float32, masked=True)
    x, h, weight_ih, *weights = case.tensors
    with pytest.raises(ValueError, match=r"x is float32 \(4, 3, 2\); wanted float64"):
        case.with_tensors([x, h, weight_ih.double(), *weights]).run()
    with pytest.raises(ValueError, match=r"x is float64 \(4, 3, 2\); wanted float32"):
        case.with_tensors([x.double(), h, weight_ih, *weights]).run()
    with pytest.raises(ValueError, match=r"not in torch\.float16"):
        case.with_tensors([t.half() for t in case.tensors]).run()
    mask = case.calls[0].masks.recurrent
    with pytest.raises(
        ValueError, match=r"recurrent\[0\] is float32 \(3, 3, 6\); wanted float32 \(4, 3, 6\)"
    ):
        case.change(masks=case.calls[0].masks._replace(recurrent=mask[1:])).run()
    with pytest.raises(ValueError, match="give masks no gradient"):
        case.change(masks=case.calls[0].masks._replace(recurrent=mask.requires_grad_())).run()


@pytest.mark.parametrize(
    "lengths, message",
    [
        (torch.tensor([4, 5, 1]), r"lengths\[1\] is 5; wanted 0 to 4"),
        (torch.tensor([4, 1, -1]), r"lengths\[2\] is -1; wanted 0 to 4"),
        (torch.tensor([4, 1]), r"lengths is int64 \(2,\); wanted int64 \(3,\)"),
        (torch.tensor([4, 1, 1], dtype=torch.int32), r"lengths is int32 \(3,\); wanted int64"),
    ],
)
def test_wrong_lengths_are_refused(lengths, message):
    with pytest.raises(ValueError, match=message):
        random_case(Elman(), T, B, I, H, torch.float32).change(lengths=lengths).run()
