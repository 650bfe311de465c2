"""The linear chain against every path there is, its gradients, Viterbi and its ties; laws bit by bit."""

import itertools
import math

import pytest
import torch

from unrolled.kernels import _cpu
from unrolled.kernels.torch import crf_reference as chain
from unrolled.kernels.torch.crf import log_likelihood, log_partition, marginals, viterbi
from unrolled.nn import CRF

from ..cases import assert_close, assert_same_bits

DTYPES = [torch.float32, torch.float64]
SHAPES = [(1, 1, 1), (3, 5, 3), (2, 3, 5), (4, 1, 7), (1, 6, 2)]


def drawn(*shape, seed=0, dtype=torch.float64):
    return (1.5 * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)).to(
        dtype
    )


def case(B, T, K, dtype=torch.float64, seed=0):
    """x, (A, start, end), path, lengths: the first T, the second 1, the rest between."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, T + 1, (B,), generator=generator)
    lengths[0], lengths[1:2] = T, 1
    path = torch.randint(0, K, (B, T), generator=generator)
    scores = drawn(K, K, seed=seed + 1), drawn(K, seed=seed + 2), drawn(K, seed=seed + 3)
    return (
        drawn(B, T, K, seed=seed + 4, dtype=dtype),
        tuple(s.to(dtype) for s in scores),
        path,
        lengths,
    )


def every_path(x, scores, length):
    """{path: score} of one row (T, K)."""
    (a, start, end), K = scores, x.shape[1]
    found = {}
    for path in itertools.product(range(K), repeat=length):
        steps = sum(x[t, k].item() for t, k in enumerate(path))
        between = sum(a[i, j].item() for i, j in itertools.pairwise(path))
        found[path] = start[path[0]].item() + steps + between + end[path[-1]].item()
    return found


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_everything_matches_the_enumeration_of_all_paths(isa, shape, dtype):
    x, scores, path, lengths = case(*shape, dtype)
    found = log_likelihood(x, scores, path, lengths), marginals(x, scores, lengths)
    best = viterbi(x, scores, lengths)
    for b, length in enumerate(lengths.tolist()):
        paths = every_path(x[b].double(), [s.double() for s in scores], length)
        log_z = math.log(math.fsum(math.exp(score) for score in paths.values()))
        want = torch.zeros(shape[1:], dtype=torch.float64)
        for one, score in paths.items():
            for t, k in enumerate(one):
                want[t, k] += math.exp(score - log_z)
        own = torch.tensor(paths[tuple(path[b, :length].tolist())] - log_z, dtype=torch.float64)
        # A few roundings a step of numbers up to log Z.
        assert_close(found[0][b], own, 16 * max(1.0, abs(log_z)))
        assert_close(found[1][b], want, 64)
        assert paths[tuple(best[b, :length].tolist())] == max(paths.values())
        assert not best[b, length:].any()


@pytest.mark.parametrize("shape", SHAPES)
def test_the_gradient_is_observed_less_expected(shape):
    x, scores, path, lengths = case(*shape)
    x.requires_grad_()
    (dx,) = torch.autograd.grad(log_likelihood(x, scores, path, lengths).sum(), x)
    valid = torch.arange(shape[1]) < lengths.unsqueeze(1)
    observed = torch.nn.functional.one_hot(path, shape[2]) * valid.unsqueeze(2)
    assert_close(dx, observed - marginals(x, scores, lengths), 4)


@pytest.mark.parametrize("shape", SHAPES)
def test_first_and_second_derivatives_of_every_tensor_match_differences(isa, shape):
    x, scores, path, lengths = case(*shape)
    leaves = [t.requires_grad_() for t in (x, *scores)]
    for function in (
        lambda x, *scores: log_likelihood(x, scores, path, lengths),
        lambda x, *scores: log_partition(x, scores, lengths),
    ):
        assert torch.autograd.gradcheck(function, leaves)
    assert torch.autograd.gradgradcheck(lambda x, *s: log_likelihood(x, s, path, lengths), leaves)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 41, 17), (2, 9, 33), (2, 300, 5)])
def test_values_and_gradients_match_the_reference_in_float64(isa, shape, dtype):
    x, scores, path, lengths = case(*shape, dtype)
    weight = drawn(shape[0], seed=9)

    def gradients(tensors, run):
        leaves = [t.clone().requires_grad_() for t in tensors]
        value = run(*leaves)
        return value.detach(), *torch.autograd.grad(value @ weight.to(value), leaves)

    got = gradients((x, *scores), lambda x, *s: log_likelihood(x, s, path, lengths))
    want = gradients(
        [t.double() for t in (x, *scores)],
        lambda x, *s: chain.score(x, *s, lengths, path) - chain.log_z(x, *s, lengths),
    )
    for g, w in zip(got, want, strict=True):
        assert_close(g, w, 8 * shape[1])
    assert torch.equal(
        viterbi(x.double(), [s.double() for s in scores], lengths),
        chain.viterbi(x.double(), *(s.double() for s in scores), lengths),
    )


def test_marginals_add_up_to_one_over_a_thousand_steps(isa):
    x, scores, _, lengths = case(2, 1001, 9, torch.float32)
    p = marginals(50 * x, scores, lengths)
    valid = torch.arange(1001) < lengths.unsqueeze(1)
    assert_close(p.sum(2)[valid], torch.ones(int(valid.sum()), dtype=torch.float64), 32)
    assert not p[~valid].any()


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_marginals_are_the_same_in_inference_mode(monkeypatch, backend):
    monkeypatch.setenv("UNROLLED_BACKEND", backend)
    x, scores, _, lengths = case(2, 5, 3, torch.float32)
    want = marginals(x, scores, lengths)
    with torch.inference_mode():
        inside, a, start, end = (t.clone() for t in (x, *scores))
        assert torch.equal(marginals(x, scores, lengths), want)
        assert torch.equal(marginals(inside, (a, start, end), lengths.clone()), want)


def test_of_paths_that_tie_the_lowest_last_tag_wins():
    x, scores = torch.zeros(1, 4, 3), (torch.zeros(3, 3), torch.zeros(3), torch.zeros(3))
    lengths = torch.tensor([4])
    assert viterbi(x, scores, lengths).tolist() == [[0, 0, 0, 0]]
    x[0, 0, 1:] = 1.0  # tags 1 and 2 tie at the first step
    scores[2][1:] = 2.0  # and at the last
    assert viterbi(x, scores, lengths).tolist() == [[1, 0, 0, 1]]
    assert chain.viterbi(x, *scores, lengths).tolist() == [[1, 0, 0, 1]]


def test_long_rows_lose_no_precision(isa):
    """Scores that were added up in float32 over these steps would stand 0.06 apart."""
    x, scores, _, lengths = case(1, 3000, 4, torch.float32)
    x, scores = x / 8 + 250, tuple(s / 8 for s in scores)
    wide = x.double(), tuple(s.double() for s in scores)
    found, want = viterbi(x, scores, lengths), viterbi(*wide, lengths)
    assert torch.equal(found, want) and torch.equal(chain.viterbi(x, *scores, lengths), want)


def test_what_is_forbidden_is_never_decoded_and_has_no_probability():
    generator = torch.Generator().manual_seed(3)
    for seed in range(40):
        K = 2 + seed % 6
        masks = [(torch.rand(shape, generator=generator) < 0.4) for shape in ((K, K), (K,), (K,))]
        masks[0].fill_diagonal_(False)
        masks[1][seed % K] = masks[2][seed % K] = False  # one path at least
        forbidden = tuple(torch.where(m, -math.inf, 0.0) for m in masks)
        x, _, _, lengths = case(3, 7, K, torch.float32, seed)
        crf = CRF(K, forbidden)
        with torch.no_grad():
            for parameter in crf.parameters():
                parameter.copy_(drawn(*parameter.shape, seed=seed))
        path, p = crf.decode(x, lengths), crf.marginals(x, lengths)
        for b, length in enumerate(lengths.tolist()):
            y = path[b, :length].tolist()
            assert not masks[1][y[0]] and not masks[2][y[-1]]
            assert not any(masks[0][i, j] for i, j in itertools.pairwise(y))
            assert not p[b, 0][masks[1]].any() and not p[b, length - 1][masks[2]].any()
            assert_close(p[b, :length].sum(1), torch.ones(length, dtype=torch.float64), 16)


def test_a_forbidden_transition_gets_no_gradient():
    x, (a, start, end), _, lengths = case(2, 5, 4)
    a = a.index_put((torch.tensor([1, 2]), torch.tensor([3, 0])), torch.tensor(-math.inf, dtype=a.dtype))
    a.requires_grad_()
    (d,) = torch.autograd.grad(log_partition(x, (a, start, end), lengths).sum(), a)
    assert d.isfinite().all() and d[1, 3] == 0 and d[2, 0] == 0 and d[0, 0] > 0


def test_a_row_has_the_same_bits_in_any_batch_padded_with_nan():
    for seed in range(30):
        B, T, K = 2 + seed % 5, 3 + seed % 11, 1 + seed % 19
        x, scores, path, lengths = case(B, T, K, torch.float32, seed)
        x[torch.arange(T) >= lengths.unsqueeze(1)] = math.nan
        path[torch.arange(T) >= lengths.unsqueeze(1)] = 10**9

        def everything(x, path, lengths, scores=scores):
            x = x.clone().requires_grad_()
            value = log_likelihood(x, scores, path, lengths)
            (dx,) = torch.autograd.grad(value.sum(), x)
            return value, dx, marginals(x, scores, lengths), viterbi(x, scores, lengths)

        together = everything(x, path, lengths)
        for b, length in enumerate(lengths.tolist()):
            alone = everything(x[b : b + 1, :length], path[b : b + 1, :length], lengths[b : b + 1])
            assert_same_bits(
                alone, [t[b : b + 1] if t.dim() == 1 else t[b : b + 1, :length] for t in together]
            )
            assert not together[1][b, length:].any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_instruction_sets_and_threads_change_no_bit(dtype, restore_isa):
    x, scores, path, lengths = case(40, 23, 19, dtype)
    results, before = [], torch.get_num_threads()
    for isa, threads in itertools.product(_cpu.isas(), (1, 2, 5)):
        _cpu.use_isa(isa)
        torch.set_num_threads(threads)
        leaves = [t.clone().requires_grad_() for t in (x, *scores)]
        value = log_likelihood(leaves[0], leaves[1:], path, lengths)
        results.append(
            [value, *torch.autograd.grad(value.sum(), leaves), viterbi(x, scores, lengths).to(dtype)]
        )
    torch.set_num_threads(before)
    for result in results[1:]:
        assert_same_bits(result, results[0])


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_rows_and_batches_of_nothing(monkeypatch, backend):
    monkeypatch.setenv("UNROLLED_BACKEND", backend)
    x, scores, path, _ = case(2, 3, 4)
    lengths = torch.tensor([0, 3])
    found = log_likelihood(x, scores, path, lengths)
    assert found[0] == 0 and found[1] < 0
    assert not marginals(x, scores, lengths)[0].any() and not viterbi(x, scores, lengths)[0].any()
    assert log_likelihood(x[:0], scores, path[:0], lengths[:0]).shape == (0,)
    assert log_likelihood(x[:, :0], scores, path[:, :0], lengths * 0).tolist() == [0, 0]


def test_the_reference_reads_no_padding(monkeypatch):
    x, scores, path, lengths = case(3, 5, 4)
    want = log_likelihood(x, scores, path, lengths), marginals(x, scores, lengths)
    x[torch.arange(5) >= lengths.unsqueeze(1)] = math.nan
    path[torch.arange(5) >= lengths.unsqueeze(1)] = 10**9
    monkeypatch.setenv("UNROLLED_BACKEND", "reference")
    for g, w in zip(
        (log_likelihood(x, scores, path, lengths), marginals(x, scores, lengths)), want, strict=True
    ):
        assert_close(g, w, 64)


def test_wrong_calls_are_refused():
    x, scores, path, lengths = case(2, 3, 4)
    with pytest.raises(ValueError, match=r"transitions is float64 \(3, 4\); wanted float64 \(4, 4\)"):
        log_likelihood(x, (scores[0][:3], *scores[1:]), path, lengths)
    with pytest.raises(ValueError, match=r"path is int64 \(2, 2\); wanted int64 \(2, 3\)"):
        log_likelihood(x, scores, path[:, :2], lengths)
    with pytest.raises(ValueError, match="row 1 has length 4; wanted 0 to 3"):
        log_likelihood(x, scores, path, torch.tensor([1, 4]))
    with pytest.raises(IndexError, match="4 at place 0"):
        log_likelihood(x, scores, path * 0 + 4, lengths)
    with pytest.raises(ValueError, match=r"x is float64 \(3, 4\); wanted float64 \(B, T, K\)"):
        viterbi(x[0], scores, lengths)
