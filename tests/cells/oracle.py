"""The cells again, in NumPy, row by row from the papers' equations; nothing here comes from the package.

Every function is analytic where it is used, so a complex step gives exact derivatives: with ε = 1e-30 and no
subtraction, Im f(x + iε) / ε has no rounding beyond that of f.
"""

import numpy as np

EPSILON = 1e-30


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def relu(a):
    return np.where(a.real > 0, a, 0)


def normal(a):
    centred = a - a.mean()
    return centred / np.sqrt((centred**2).mean() + 1e-5)


def elman(x, state, thinned, p, *, nonlinearity="tanh"):
    squash = {"tanh": np.tanh, "relu": relu, "sigmoid": sigmoid}[nonlinearity]
    zero = np.zeros(len(state[0]))
    a = p["weight_ih"] @ x + p.get("bias_ih", zero) + p["weight_hh"] @ thinned + p.get("bias_hh", zero)
    return (squash(a),)


def gru(x, state, thinned, p, *, reset_after=True, layer_norm=False):
    (h,) = state
    H = len(h)
    zero = np.zeros(3 * H)
    b, c = p.get("bias_ih", zero), p.get("bias_hh", zero)
    rz, n = np.arange(2 * H), np.arange(2 * H, 3 * H)

    def product(side, v, rows, bias):
        a = p[f"weight_{side}"][rows] @ v
        return (p[f"gain_{side}"][rows] * normal(a) if layer_norm else a) + bias[rows]

    gates = sigmoid(product("ih", x, rz, b) + product("hh", thinned, rz, c))
    reset, update = gates[:H], gates[H:]
    after, before = reset * product("hh", thinned, n, c), product("hh", reset * thinned, n, c)
    candidate = np.tanh(product("ih", x, n, b) + (after if reset_after else before))
    return (update * h + (1 - update) * candidate,)


def mgu(x, state, thinned, p, *, layer_norm=False):
    (h,) = state
    H = len(h)
    zero = np.zeros(2 * H)
    b, c = p.get("bias_ih", zero), p.get("bias_hh", zero)
    forgets, renews = np.arange(H), np.arange(H, 2 * H)

    def product(side, v, rows, bias):
        a = p[f"weight_{side}"][rows] @ v
        return (p[f"gain_{side}"][rows] * normal(a) if layer_norm else a) + bias[rows]

    f = sigmoid(product("ih", x, forgets, b) + product("hh", thinned, forgets, c))
    candidate = np.tanh(product("ih", x, renews, b) + product("hh", f * thinned, renews, c))
    return ((1 - f) * h + f * candidate,)


def lstm(
    x,
    state,
    thinned,
    p,
    *,
    proj_size=0,
    peephole=False,
    cells_per_block=1,
    coupled_input_forget=False,
    layer_norm=False,
):
    _, c = state
    H, K = len(c), cells_per_block
    M = H // K
    wx, uh = p["weight_ih"] @ x, p["weight_hh"] @ thinned
    if layer_norm:
        wx, uh = p["gain_ih"] * normal(wx), p["gain_hh"] * normal(uh)
    a = wx + uh + p.get("bias_ih", 0) + p.get("bias_hh", 0)
    where = {
        "i": slice(0, M),
        "f": slice(M, 2 * M),
        "g": slice(2 * M, 2 * M + H),
        "o": slice(2 * M + H, None),
    }
    rows = ["i", "f", "o"]
    if coupled_input_forget:
        where = {"i": slice(0, M), "g": slice(M, M + H), "o": slice(M + H, None)}
        rows = ["i", "o"]

    def gate(name, seen):
        units = a[where[name]].astype(complex)
        for unit in range(M):  # one gate unit a block, looked into by each of the block's cells
            if peephole:
                for cell in range(unit * K, unit * K + K):
                    units[unit] += p["weight_peephole"][rows.index(name), cell] * seen[cell]
        return np.array([sigmoid(units[cell // K]) for cell in range(H)])

    i = gate("i", c)
    f = 1 - i if coupled_input_forget else gate("f", c)
    c = f * c + i * np.tanh(a[where["g"]])
    out = p["gain_c"] * normal(c) + p.get("shift_c", 0) if layer_norm else c
    h = gate("o", c) * np.tanh(out)
    return (p["weight_hr"] @ h if proj_size else h, c)


STEPS = {"rnn": elman, "gru": gru, "mgu": mgu, "lstm": lstm}


def run(name, options, x, state, p, lengths, reverse, recurrent=None, zoneout=None):
    """x (T, B, I), states (B, H) -> all states (T, B, H), zero past a length, and each row's last."""
    T, B, _ = x.shape
    every = [np.zeros((T, *s.shape), complex) for s in state]
    last = [s.astype(complex) for s in state]
    for b in range(B):
        steps = range(T if lengths is None else lengths[b])
        for t in reversed(steps) if reverse else steps:
            old = tuple(s[b] for s in last)
            thinned = old[0] if recurrent is None else old[0] * recurrent[t, b]
            new = STEPS[name](x[t, b], old, thinned, p, **options)
            for k in range(len(state)):
                keep = 0.0 if zoneout is None else zoneout[k]
                keep = keep[t, b] if isinstance(keep, np.ndarray) else keep
                last[k][b] = keep * old[k] + (1 - keep) * new[k]
                every[k][t, b] = last[k][b]
    return every, last


def gradients(f, arrays):
    """Exact derivatives of the real scalar f(arrays) by each element of each array."""
    found = {}
    for name, array in arrays.items():
        found[name] = np.zeros(array.shape)
        for index in np.ndindex(*array.shape):
            moved = array.astype(complex)
            moved[index] += 1j * EPSILON
            found[name][index] = f(arrays | {name: moved}).imag / EPSILON
    return found
