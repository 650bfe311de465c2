"""Every cell of the compiled module against its own equations in float64: values and every gradient."""

from dataclasses import replace

import pytest
import torch

from .calls import CELLS, draw

# What the kernel and the equations round differently, in units of the largest number that is compared.
CLOSE = 1e-11


def assert_close(got, want, name):
    if want.numel():
        torch.testing.assert_close(
            got, want, rtol=0, atol=CLOSE * (1 + want.abs().max().item()), msg=lambda m: f"{name}: {m}"
        )


def check(case):
    leaves = case.leaves()
    reference = leaves.reference()
    has_c = len(case.state) > 1
    T, B = case.x.shape[:2]
    valid = torch.ones(T, B, 1, dtype=torch.bool)
    if case.lengths is not None:
        valid = (torch.arange(T).unsqueeze(1) < case.lengths).unsqueeze(-1)
    nan = torch.tensor(torch.nan, dtype=case.x.dtype)
    inputs = leaves.x.detach().where(valid, nan)  # what stands past a length must not matter
    case = type(case)(**{**case.__dict__, "x": inputs})

    outputs, trace = case.run()
    wanted = (reference.y, *((reference.states[1],) if has_c else ()), *reference.last)
    for name, got, want in zip(
        ("y", "c", "h_last", "c_last") if has_c else ("y", "h_last"), outputs, wanted, strict=True
    ):
        assert_close(got, want.detach(), name)
    inference = case.run(train=False)[0]
    assert all(torch.equal(a, b) for a, b in zip(outputs, inference, strict=True))

    cotangents = [torch.randn_like(w) for w in wanted]
    loss = sum((w * d).sum() for w, d in zip(wanted, cotangents, strict=True))
    tensors = {"x": leaves.x, **{f"state{m}": s for m, s in enumerate(leaves.state)}, **leaves.parameters}
    gradients = torch.autograd.grad(loss, list(tensors.values()))
    dy, d_c = cotangents[0].where(valid, nan), cotangents[1].where(valid, nan) if has_c else None
    got = case.gradients(outputs[0].where(valid, nan), trace, dy, cotangents[-len(case.state) :], d_c)
    for name, want in zip(tensors, gradients, strict=True):
        assert_close(got[name], want, f"d_{name}")


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("name, cell", CELLS, ids=str)
def test_values_and_every_gradient(name, cell, seed):
    check(draw(name, cell, seed))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name, cell", CELLS, ids=str)
def test_where_threads_share_the_units_of_few_rows(name, cell, seed):
    check(draw(name, cell, seed, sizes=(3, 1 + seed, 21, 187), threads=2, recurrent=None))


@pytest.mark.parametrize("T, B, I, H", [(1, 1, 1, 5), (1, 7, 3, 16), (2, 3, 17, 65), (5, 1, 64, 64)])
@pytest.mark.parametrize("name, cell", CELLS, ids=str)
def test_sizes_at_the_edges(name, cell, T, B, I, H):
    check(draw(name, cell, 5, sizes=(T, B, I, H)))


def test_rows_without_a_step_keep_their_state_and_weights_get_no_gradient():
    for name, cell in CELLS:
        check(draw(name, cell, 3, sizes=(4, 3, 5, 9), lengths=torch.tensor([0, 0, 0])))


@pytest.mark.parametrize("name, cell", [c for c in CELLS if getattr(c[1], "layer_norm", False)], ids=str)
def test_a_norm_whose_variance_overflows_gives_no_plausible_number(name, cell):
    case = draw(name, cell, 0, (2, 3, 4, 9), torch.float32, plain=True, lengths=None)
    x = case.x.clone()
    x[0, 1] *= 1e25
    y = replace(case, x=x).run()[0][0]
    assert y[:, 1].isnan().all()
    assert y[:, [0, 2]].isfinite().all()
