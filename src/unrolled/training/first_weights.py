"""First weights as textbooks draw them: every weight from N(0, σ²), every bias 0.

What does not begin at random stays: gains, a forget gate's own bias, outputs and states that begin at zero,
tables that begin with vectors, and what is not trained.

Source   Zhang et al., "Dive into Deep Learning", 9.5: σ = 0.01
"""

import torch
from torch import Tensor, nn

from unrolled.nn.recurrent import Recurrent

BEGUN = "begins_with_vectors"  # the attribute of a table that does


def draw_normal(network: nn.Module, deviation: float) -> None:
    """From torch's generator, in the order of the parameters."""
    fixed = [(p, p.detach().clone()) for p in network.parameters() if not p.requires_grad]
    for module in network.modules():
        if isinstance(module, Recurrent):
            module.reset_parameters(deviation)
        elif not hasattr(module, BEGUN):
            for name, parameter in module.named_parameters(recurse=False):
                _draw(name, parameter.detach(), deviation)
    for parameter, values in fixed:
        parameter.detach().copy_(values)


def _draw(name: str, parameter: Tensor, deviation: float) -> None:
    if name == "bias":
        parameter.zero_()
    elif bool(torch.any(parameter)):
        parameter.normal_(0, deviation)
