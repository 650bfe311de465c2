"""onnxruntime as a peer: torch.nn's weights in an ONNX node of their own, in ONNX's order of gates.

onnxruntime keeps its defaults, but for the number of threads, which is torch's, and one node at a time.
"""

from typing import Any

import torch
from torch import Tensor, nn

from unrolled.bench.layers import CELLS
from unrolled.bench.workload import Absent, Peer, Size, Values

OPSET, IR_VERSION = 14, 8

# Place of torch's gates (i f g o; r z n) in ONNX's order (i o f c; z r h), and the attributes of the node.
NODES: dict[str, tuple[str, list[int], dict[str, Any]]] = {
    "rnn": ("RNN", [0], {"activations": ["Tanh"]}),
    "gru": ("GRU", [1, 0, 2], {"linear_before_reset": 1}),
    "lstm": ("LSTM", [0, 3, 1, 2], {}),
}


def onnxruntime(
    cell: str, size: Size, layer: nn.Module, x: Tensor, state: Tensor | tuple[Tensor, ...] = ()
) -> Peer | Absent:
    """Inference of `layer` (one layer, one direction) on x (T, B, I), from `state` (1, B, H) or zeros."""
    states = state if isinstance(state, tuple) else (state,)
    onnx = session(cell, size, layer, len(states))
    if isinstance(onnx, Absent):
        return onnx
    names = ["x", *(f"initial_{name}" for name in CELLS[cell].states[: len(states)])]
    feed = {name: tensor.numpy() for name, tensor in zip(names, (x, *states), strict=True)}

    def values() -> Values:
        y, *last = (torch.from_numpy(array) for array in onnx.run(None, feed))
        return {"y": y.squeeze(1)} | {f"{n}_last": s for n, s in zip(CELLS[cell].states, last, strict=True)}

    return Peer(lambda: onnx.run(None, feed), values)


def session(cell: str, size: Size, layer: nn.Module, states: int) -> Any:
    """A session of `model`, or Absent where there is no onnxruntime."""
    try:
        import onnx  # noqa: F401
        import onnxruntime as runtime
    except ImportError as error:
        return Absent(f"{error}; pip install 'unrolled[onnx]'")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    return runtime.InferenceSession(
        model(cell, size, layer, states).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def model(cell: str, size: Size, layer: nn.Module, states: int) -> Any:
    """The graph of one node, its weights constants; `states` of its states are inputs (1, B, H)."""
    from onnx import TensorProto, helper, numpy_helper

    operator, order, attributes = NODES[cell]
    H = size.H
    p = {
        name.removesuffix("_l0"): v.detach().view(len(order), H, *v.shape[1:])
        for name, v in layer.named_parameters()
    }
    constants = {
        "W": p["weight_ih"][order].flatten(0, 1),
        "R": p["weight_hh"][order].flatten(0, 1),
        "bias": torch.cat([p["bias_ih"][order].flatten(), p["bias_hh"][order].flatten()]),
    }
    initial = [f"initial_{name}" for name in CELLS[cell].states[:states]]
    results = ["y", *(f"{name}_last" for name in CELLS[cell].states)]
    node = helper.make_node(
        operator,
        ["x", *constants, *(["", *initial] if initial else [])],
        results,
        hidden_size=H,
        **attributes,
    )
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["T", "B", size.I])]
    inputs += [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, "B", H]) for name in initial]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in results]
    weights = [numpy_helper.from_array(v.unsqueeze(0).numpy(), name) for name, v in constants.items()]
    graph = helper.make_graph([node], cell, inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
