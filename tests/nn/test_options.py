"""What torch.nn never took: each option does what its paper says, and impossible ones are refused by name."""

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from unrolled.cells import Call, Masks
from unrolled.cells.loop import unroll
from unrolled.nn import GRU, LSTM, RNN, GRUCell


def copier(**options):
    """relu(x + h) or, without x or h, a copy of the other: what stands between them shows in the output."""
    layer = RNN(4, 4, nonlinearity="relu", bias=False, **options)
    with torch.no_grad():
        layer.weight_ih_l0.copy_(torch.eye(4))
        layer.weight_hh_l0.copy_(torch.eye(4))
    return layer


def test_recurrent_dropout_thins_h_anew_at_each_step_and_leaves_x_alone():
    torch.manual_seed(1)
    layer, h0 = copier(recurrent_dropout=0.5), torch.ones(1, 200, 4)
    y, _ = layer(torch.zeros(3, 200, 4), h0)
    assert set(y[0].flatten().tolist()) == {0.0, 2.0}
    assert set(y[2].flatten().tolist()) == {0.0, 8.0}
    assert 0 < (y[1] > 0).sum() < (y[0] > 0).sum(), "a second, different mask"
    x = torch.rand(1, 200, 4)
    assert torch.equal(layer(x)[0], x)
    layer.eval()
    assert torch.equal(layer(torch.zeros(3, 200, 4), h0)[0], torch.ones(3, 200, 4))


def test_recurrent_dropout_leaves_the_memory_of_a_gru_untouched():
    layer = GRU(3, 5, recurrent_dropout=0.9)
    with torch.no_grad():
        layer.bias_ih_l0[5:10] = 50.0  # the update gate keeps everything
    h0 = torch.randn(1, 2, 5)
    y, _ = layer(torch.randn(6, 2, 3), h0)
    assert torch.equal(y, h0.expand(6, 2, 5))


def test_variational_dropout_has_one_mask_for_x_and_one_for_h_over_all_steps():
    torch.manual_seed(1)
    layer = copier(variational_dropout=0.5)
    with torch.no_grad():
        layer.weight_hh_l0.zero_()
    x = torch.rand(5, 200, 4) + 0.5
    kept = layer(x)[0] / x
    assert torch.allclose(kept, kept[:1].expand_as(kept))
    assert set(kept[0].round(decimals=4).flatten().tolist()) == {0.0, 2.0}
    assert kept[0].std(0).min() > 0, "rows have masks of their own"
    layer = copier(variational_dropout=0.5)
    y, _ = layer(torch.zeros(3, 200, 4), torch.ones(1, 200, 4))
    assert torch.equal(y[0] > 0, y[2] > 0) and set(y[2].flatten().tolist()) == {0.0, 8.0}
    layer.eval()
    assert torch.equal(layer(x)[0], copier()(x)[0])


def test_variational_dropout_has_one_mask_for_each_packed_row():
    torch.manual_seed(1)
    layer, lengths = copier(variational_dropout=0.5), [5, 2, 4]
    with torch.no_grad():
        layer.weight_hh_l0.zero_()
    x = pack_padded_sequence(torch.rand(5, 3, 4) + 0.5, lengths, enforce_sorted=False)
    kept, _ = pad_packed_sequence(x._replace(data=layer(x)[0].data / x.data))
    for b, n in enumerate(lengths):
        torch.testing.assert_close(kept[:n, b], kept[0, b].expand(n, 4))


def test_zoneout_keeps_each_state_at_its_own_rate_and_takes_the_mean_in_evaluation():
    torch.manual_seed(1)
    layer = LSTM(3, 4, zoneout=(0.25, 0.75))
    hx = (torch.randn(1, 2000, 4), torch.randn(1, 2000, 4))
    _, last = layer(torch.randn(1, 2000, 3), hx)
    for kept, rate in zip(((a == b) for a, b in zip(last, hx, strict=True)), (0.25, 0.75), strict=True):
        assert kept.float().mean() == pytest.approx(rate, abs=0.02)  # 8,000 draws: σ < 0.005
    layer.eval()
    plain = LSTM(3, 4)
    plain.load_state_dict(layer.state_dict())
    x = torch.randn(1, 2000, 3)
    for k, rate in enumerate((0.25, 0.75)):
        mean = rate * hx[k] + (1 - rate) * plain(x, hx)[1][k]
        torch.testing.assert_close(layer(x, hx)[1][k], mean)


@pytest.mark.parametrize("rates", [(0, 0.5), [0.0, 0.5]])
def test_rates_of_zoneout_are_any_numbers_in_any_sequence(rates):
    layer = LSTM(3, 4, zoneout=rates).eval()
    twin = LSTM(3, 4, zoneout=(0.0, 0.5)).eval()
    twin.load_state_dict(layer.state_dict())
    x = torch.randn(5, 2, 3)
    assert torch.equal(layer(x)[0], twin(x)[0])


def test_learned_initial_state_stands_for_hx_and_gets_its_gradient():
    layer = LSTM(3, (4, 5), 2, bidirectional=True, learn_initial_state=True)
    names = [name for name, _ in layer.named_parameters() if name.startswith("initial")]
    assert names == [
        f"initial_{kind}_l{k}{way}" for k in (0, 1) for way in ("", "_reverse") for kind in ("h", "c")
    ]
    assert all(not getattr(layer, name).any() for name in names)
    with torch.no_grad():
        for name in names:
            getattr(layer, name).normal_()
    x = torch.randn(6, 2, 3)
    state = layer.initial_state(2)
    assert torch.equal(layer(x)[0], layer(x, state)[0])
    layer(x)[0].sum().backward()
    assert all(getattr(layer, name).grad.abs().min() > 0 for name in names)


def test_two_sizes_in_two_directions():
    layer = GRU(3, (4, 6), 2, bidirectional=True)
    assert layer.output_size == 10 and layer.weight_ih_l1_reverse.shape == (18, 10)
    x = torch.randn(5, 2, 3)
    y, state, states = layer(x, lengths=[5, 2], return_states=True)
    assert y.shape == (5, 2, 10)
    names = [f"layer{k}.{way}.h" for k in (0, 1) for way in ("forward", "backward")]
    assert list(state) == list(states) == layer.state_names() == names
    assert [s.shape for s in state.values()] == [(2, 4), (2, 6)] * 2
    assert torch.equal(torch.cat([states["layer1.forward.h"], states["layer1.backward.h"]], -1), y)


def test_each_direction_is_a_layer_of_its_own():
    """Both directions at once equal a forward and a `reverse` layer with the same weights."""
    x, lengths = torch.randn(5, 3, 4), [5, 0, 3]
    both = LSTM(4, (6, 7), bidirectional=True, peephole=True)
    there, back = LSTM(4, 6, peephole=True), LSTM(4, 7, peephole=True, reverse=True)
    weights = both.state_dict()
    there.load_state_dict({name: w for name, w in weights.items() if not name.endswith("_reverse")})
    back.load_state_dict({name: w for name, w in weights.items() if name.endswith("_reverse")})
    apart = [layer(x, lengths=lengths)[0] for layer in (there, back)]
    assert torch.equal(both(x, lengths=lengths)[0], torch.cat(apart, -1))
    assert there.state_names()[0] == "layer0.forward.h" and back.state_names()[0] == "layer0.backward.h"


@pytest.mark.parametrize("merge", ["sum", "mean", "product"])
def test_merges(merge):
    torch.manual_seed(2)
    concat = RNN(3, 4, bidirectional=True)
    layer = RNN(3, 4, 2, bidirectional=True, merge=merge)
    layer.load_state_dict(concat.state_dict(), strict=False)
    assert layer.output_size == 4 and layer.weight_ih_l1.shape == (4, 4)
    x = torch.randn(5, 2, 3)
    a, b = concat(x)[0].chunk(2, -1)
    wanted = {"sum": a + b, "mean": (a + b) / 2, "product": a * b}[merge]
    first = RNN(3, 4, bidirectional=True, merge=merge)
    first.load_state_dict(concat.state_dict())
    assert torch.equal(first(x)[0], wanted)


@pytest.mark.parametrize(
    "layer",
    [
        LSTM(4, 6, 2, bidirectional=True, proj_size=3, peephole=True),
        GRU(4, 6, 2, reset_after=False),
        RNN(4, 6, 2, "sigmoid"),
    ],
    ids=str,
)
def test_layers_are_their_cells_one_after_another(layer):
    """Depth, directions, states and names, composed here by hand from calls of the reference."""
    x, lengths = torch.randn(5, 3, 4), torch.tensor([5, 0, 3])
    layer.backend = "reference"
    y, _, states = layer(x, lengths=lengths, return_states=True)
    below = x
    for k in range(2):
        parts = []
        for way, suffix in (("forward", f"_l{k}"), ("backward", f"_l{k}_reverse"))[: 1 + layer.bidirectional]:
            p = {name: getattr(layer, name + suffix) for name in layer.cell.shapes(below.shape[-1], 6, True)}
            zeros = tuple(torch.zeros(3, size) for size in layer.cell.state_sizes(6))
            result = unroll(Call(layer.cell, below, zeros, p, lengths, Masks(), way == "backward", True))
            parts.append(result.y)
            for kind, wanted in zip(layer.cell.states, result.states, strict=True):
                assert torch.equal(states[f"layer{k}.{way}.{kind}"], wanted)
        below = torch.cat(parts, -1)
    assert torch.equal(y, below)


@pytest.mark.parametrize("backend", [None, "reference"])
@pytest.mark.parametrize("k", [1, 4, 100])
def test_states_kept_at_every_kth_step_give_the_same_gradients(k, backend):
    layer = LSTM(3, 4, 2, bidirectional=True, dtype=torch.float64, backend=backend)
    few = LSTM(3, 4, 2, bidirectional=True, dtype=torch.float64, backend=backend, keep_every=k)
    few.load_state_dict(layer.state_dict())
    x, gradients = torch.randn(11, 3, 3, dtype=torch.float64), []
    for one in (layer, few):
        y, (h, c) = one(x, lengths=[11, 0, 6])
        loss = (y**3).sum() + h.sum() + c.sin().sum()
        gradients.append(torch.autograd.grad(loss, list(one.parameters())))
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b)
    assert "keep_every" not in repr(layer) and f"keep_every={k}" in repr(few)


def test_torch_s_operators_cannot_keep_fewer_states():
    with pytest.raises(ValueError, match="does not compute keep_every"):
        LSTM(3, 4, keep_every=2, backend="torch")(torch.randn(5, 2, 3))


def test_repr_shows_what_is_not_the_default():
    layer = LSTM(3, 4, bidirectional=True, peephole=True, zoneout=0.1)
    assert repr(layer) == "LSTM(3, 4, peephole=True, bidirectional=True, zoneout=0.1)"


IMPOSSIBLE = {
    "dropout and num_layers=1": lambda: GRU(3, 4, dropout=0.5),
    "recurrent_dropout and variational_dropout": lambda: GRU(
        3, 4, recurrent_dropout=0.1, variational_dropout=0.1
    ),
    "bidirectional and reverse": lambda: RNN(3, 4, bidirectional=True, reverse=True),
    "hidden_size and bidirectional=False": lambda: RNN(3, (4, 5)),
    "hidden_size and bidirectional=True": lambda: RNN(3, (4, 5, 6), bidirectional=True),
    "merge and bidirectional=False": lambda: RNN(3, 4, merge="sum"),
    "merge and hidden_size": lambda: RNN(3, (4, 5), bidirectional=True, merge="mean"),
    "merge='max'": lambda: RNN(3, 4, bidirectional=True, merge="max"),
    "zoneout and gru": lambda: GRU(3, 4, zoneout=(0.1, 0.2)),
    "zoneout=1.0": lambda: GRU(3, 4, zoneout=1.0),
    "dropout=1.5": lambda: GRU(3, 4, 2, dropout=1.5),
    "recurrent_dropout=-0.1": lambda: GRU(3, 4, recurrent_dropout=-0.1),
    "variational_dropout=1.0": lambda: GRU(3, 4, variational_dropout=1.0),
    "forget_bias and bias=False": lambda: LSTM(3, 4, bias=False, forget_bias=1.0),
    "forget_bias and coupled_input_forget": lambda: LSTM(3, 4, forget_bias=1.0, coupled_input_forget=True),
    "hidden_size=4 and cells_per_block=3": lambda: LSTM(3, 4, cells_per_block=3),
    "proj_size=4 and hidden_size=4": lambda: LSTM(3, 4, proj_size=4),
    "input_size=0": lambda: RNN(0, 4),
    "hidden_size=0": lambda: RNN(3, 0),
    "num_layers=0": lambda: RNN(3, 4, 0),
    "keep_every=0": lambda: RNN(3, 4, keep_every=0),
    "backend='gpu'": lambda: RNN(3, 4, backend="gpu"),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_impossible_combinations_are_refused_by_name(case):
    with pytest.raises(ValueError) as error:
        IMPOSSIBLE[case]()
    for name in case.replace(" and ", " ").split():
        assert name in str(error.value)


def test_an_option_of_another_cell_is_refused():
    with pytest.raises(TypeError, match="peephole"):
        GRU(3, 4, peephole=True)


def test_projected_outputs_of_one_size_merge_whatever_the_hidden_sizes():
    layer = LSTM(3, (5, 6), bidirectional=True, proj_size=2, merge="sum")
    assert layer(torch.randn(4, 2, 3))[0].shape == (4, 2, 2)


@pytest.mark.parametrize("make", [LSTM, GRU, RNN])
@pytest.mark.parametrize("name, value", [("bias", 0), ("batch_first", "False"), ("bidirectional", 1)])
def test_true_or_false_is_no_number_and_no_text(make, name, value):
    with pytest.raises(TypeError, match=f"{name}={value!r}: wanted True or False"):
        make(3, 4, **{name: value})


@pytest.mark.parametrize("make", [LSTM, GRUCell])
def test_sizes_are_whole_numbers(make):
    with pytest.raises(TypeError, match=r"input_size=3\.0: wanted a whole number"):
        make(3.0, 4)
    with pytest.raises(TypeError, match="hidden_size='4': wanted a whole number"):
        make(3, "4")
    with pytest.raises(TypeError, match="bias=1: wanted True or False"):
        make(3, 4, bias=1)
