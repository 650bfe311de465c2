"""An ONNX node RNN, GRU or LSTM as one of our layers. What differs between the two stands here, once:

rows of the gates   ONNX i, o, f, c (peepholes i, o, f) and z, r, h; ours i, f, g, o (i, f, o) and r, z, n
shapes              W (D, S, I), R (D, S, H), B (D, 2S) with both biases, P (D, 3H), states (D, B, H),
                    Y (T, D, B, H); with layout=1 X (B, T, I), states (B, D, H), Y (B, T, D, H)
coupled             input_forget=1: f_t = 1 - i_t, and the rows of f are there but not read
reset_after         linear_before_reset
"""

import numpy as np
import onnx
import torch

from unrolled.nn import GRU, LSTM, RNN, Recurrent

GATES = {"RNN": [0], "GRU": [1, 0, 2], "LSTM": [0, 2, 3, 1], "LSTM coupled": [0, 3, 1]}
PEEPHOLES = {"LSTM": [0, 2, 1], "LSTM coupled": [0, 1]}
SUFFIXES = {"forward": [""], "reverse": ["_reverse"], "bidirectional": ["", "_reverse"]}
ACTIVATIONS = {"GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}
NONLINEARITIES = {"Tanh": "tanh", "Relu": "relu", "Sigmoid": "sigmoid"}
READ = {"activations", "direction", "hidden_size", "input_forget", "layout", "linear_before_reset"}

Arrays = dict[str, np.ndarray]


def attributes(node: onnx.NodeProto) -> dict[str, object]:
    """By name, texts decoded. ValueError for one that is not read here."""
    found = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    if unknown := found.keys() - READ:
        raise ValueError(
            f"{node.op_type} has {', '.join(sorted(unknown))}; this adapter reads {sorted(READ)}"
        )
    text = {name: value.decode() for name, value in found.items() if isinstance(value, bytes)}
    lists = {name: [a.decode() for a in v] for name, v in found.items() if name == "activations"}
    return found | text | lists


def inputs(node: onnx.NodeProto, arrays: list[np.ndarray]) -> Arrays:
    """The node's inputs by the names of the specification; those left out are missing."""
    formal = [i.name for i in onnx.defs.get_schema(node.op_type).inputs]
    given = [name for name, actual in zip(formal, node.input, strict=False) if actual]
    return dict(zip(given, arrays, strict=True))


def rows(stack: np.ndarray, order: list[int], H: int) -> torch.Tensor:
    """(n·H, …) -> the blocks of H rows in this order."""
    return torch.tensor(np.concatenate([stack[k * H : (k + 1) * H] for k in order]))


def options(node: onnx.NodeProto, given: Arrays) -> tuple[type[Recurrent], dict[str, object]]:
    """Our layer and its options. ValueError for activations that it does not have."""
    read = attributes(node)
    direction = read.get("direction", "forward")
    ways = len(SUFFIXES[direction])
    common = {
        "bidirectional": ways == 2,
        "reverse": direction == "reverse",
        "bias": "B" in given,
        "batch_first": bool(read.get("layout", 0)),
    }
    names = read.get("activations", ACTIVATIONS.get(node.op_type, ["Tanh"]) * ways)
    if node.op_type == "RNN" and len(set(names)) == 1 and names[0] in NONLINEARITIES:
        return RNN, common | {"nonlinearity": NONLINEARITIES[names[0]]}
    if names != ACTIVATIONS.get(node.op_type, []) * ways:
        raise ValueError(f"{node.op_type} with activations {names}: our layers have no such cell")
    if node.op_type == "GRU":
        return GRU, common | {"reset_after": bool(read.get("linear_before_reset", 0))}
    coupled = bool(read.get("input_forget", 0))
    return LSTM, common | {"coupled_input_forget": coupled, "peephole": "P" in given}


def weights(kind: str, given: Arrays, d: int, suffix: str) -> dict[str, torch.Tensor]:
    """The parameters of direction d under our names, rows in our order."""
    H = given["R"].shape[-1]
    found = {"weight_ih": given["W"][d], "weight_hh": given["R"][d]}
    if "B" in given:
        found |= dict(zip(("bias_ih", "bias_hh"), np.split(given["B"][d], 2), strict=True))
    ordered = {f"{name}_l0{suffix}": rows(stack, GATES[kind], H) for name, stack in found.items()}
    if "P" in given:
        ordered[f"weight_peephole_l0{suffix}"] = rows(given["P"][d], PEEPHOLES[kind], H).view(-1, H)
    return ordered


def layer(node: onnx.NodeProto, given: Arrays, dtype: torch.dtype) -> Recurrent:
    """Our layer with the node's weights."""
    build, chosen = options(node, given)
    made = build(given["X"].shape[-1], given["R"].shape[-1], dtype=dtype, **chosen)
    kind = node.op_type + (" coupled" if chosen.get("coupled_input_forget") else "")
    suffixes = SUFFIXES[attributes(node).get("direction", "forward")]
    state: dict[str, torch.Tensor] = {}
    for d, suffix in enumerate(suffixes):
        state |= weights(kind, given, d, suffix)
    made.load_state_dict(state)
    return made


def run(node: onnx.NodeProto, arrays: list[np.ndarray], dtype: torch.dtype) -> Arrays:
    """Y, Y_h and, of an LSTM, Y_c, in ONNX's shapes."""
    given = inputs(node, arrays)
    ours = layer(node, given, dtype)
    batch_first = ours.batch_first
    hx = [torch.tensor(given[name], dtype=dtype) for name in ("initial_h", "initial_c") if name in given]
    hx = [s.transpose(0, 1) if batch_first else s for s in hx]
    lengths = torch.tensor(given["sequence_lens"]) if "sequence_lens" in given else None
    x = torch.tensor(given["X"], dtype=dtype)
    with torch.no_grad():
        y, state = ours(x, None if not hx else hx[0] if len(hx) == 1 else tuple(hx), lengths=lengths)
    y = y.unflatten(-1, (1 + ours.bidirectional, -1))
    found = [y if batch_first else y.movedim(2, 1)]
    for s in state if isinstance(state, tuple) else (state,):
        found.append(s.transpose(0, 1) if batch_first else s)
    return dict(zip(("Y", "Y_h", "Y_c"), (t.numpy() for t in found), strict=False))
