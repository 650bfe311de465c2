"""Nodes with random asymmetric weights, and what onnxruntime makes of them on a CPU."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
OUTPUTS = {"RNN": ["Y", "Y_h"], "GRU": ["Y", "Y_h"], "LSTM": ["Y", "Y_h", "Y_c"]}
ELEMENTS = {"float32": TensorProto.FLOAT, "int32": TensorProto.INT32}


def random_arrays(
    kind: str, ways: int, T: int, B: int, I: int, H: int, taken: set[str]
) -> dict[str, np.ndarray]:
    """Inputs of a node by name, of the optional ones those in `taken`. One length is 0, one T."""
    rng = np.random.default_rng([T, B, I, H, ways])
    S = GATES[kind] * H

    def normal(*shape: int, scale: float = 0.7) -> np.ndarray:
        return rng.normal(0.1, scale, shape).astype(np.float32)

    scale = 1.5 * H**-0.5  # neither vanishing nor saturated
    lengths = rng.integers(0, T + 1, B, dtype=np.int32)
    lengths[0] = 0
    lengths[B // 2] = T
    arrays = {
        "X": normal(T, B, I),
        "W": normal(ways, S, I, scale=scale),
        "R": normal(ways, S, H, scale=scale),
        "B": normal(ways, 2 * S),
        "sequence_lens": lengths,
        "initial_h": normal(ways, B, H),
        "initial_c": normal(ways, B, H),
        "P": normal(ways, 3 * H),
    }
    return {name: array for name, array in arrays.items() if name in taken | {"X", "W", "R"}}


def node(kind: str, arrays: dict[str, np.ndarray], **attributes: object) -> onnx.NodeProto:
    """A node that takes `arrays`, inputs left out between them empty."""
    formal = [i.name for i in onnx.defs.get_schema(kind).inputs]
    last = max(k for k, name in enumerate(formal) if name in arrays)
    given = [name if name in arrays else "" for name in formal[: last + 1]]
    return helper.make_node(kind, given, OUTPUTS[kind], hidden_size=arrays["R"].shape[-1], **attributes)


def run(node: onnx.NodeProto, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The node's outputs by name."""
    taken = [
        helper.make_tensor_value_info(name, ELEMENTS[str(a.dtype)], a.shape) for name, a in arrays.items()
    ]
    given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in node.output]
    graph = helper.make_graph([node], "one node", taken, given)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    return dict(zip(node.output, session.run(None, arrays), strict=True))
