"""A conditional random field over the tags of a sequence: what a tag says of the next one is learned too.

    P(y | x) = exp score(y) / Z      score(y) = start[y_1] + Σ x_t[y_t] + Σ A[y_{t-1}, y_t] + end[y_T]

Shapes   x (B, T, K) a score for each tag, lengths (B,) -> log-likelihood (B,), marginals (B, T, K),
         path (B, T)
Source   Lafferty, McCallum and Pereira 2001; over a BiLSTM: Huang, Xu and Yu, arXiv:1508.01991
"""

import torch
from torch import Tensor, nn

from unrolled.kernels.torch import crf
from unrolled.nn.torch_tools import Traceable, one_node


class CRF(Traceable):
    """A, start and end begin at 0, so that the chain begins as a softmax of each step by itself.

    `allowed` is a mask of A, start and end, 0 where a tag may follow and -∞ where not. It binds what is
    decoded, not the likelihood: a path of the data that breaks the rule would have an infinite loss.
    """

    def __init__(self, tags: int, allowed: tuple[Tensor, Tensor, Tensor] | None = None) -> None:
        super().__init__()
        self.transitions = nn.Parameter(torch.zeros(tags, tags))
        self.start, self.end = nn.Parameter(torch.zeros(tags)), nn.Parameter(torch.zeros(tags))
        free = torch.zeros(tags, tags), torch.zeros(tags), torch.zeros(tags)
        for name, mask in zip(("transitions", "start", "end"), allowed or free, strict=True):
            self.register_buffer(f"{name}_mask", mask, persistent=False)

    @one_node
    def forward(self, x: Tensor, path: Tensor, lengths: Tensor) -> Tensor:
        """(B,) the log-likelihood of the path (B, T), 0 for a row of no steps."""
        return crf.log_likelihood(x, (self.transitions, self.start, self.end), path, lengths)

    def marginals(self, x: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, K) the probability of each tag at each step among the allowed paths; 0 past the lengths."""
        return crf.marginals(x, self._masked(), lengths)

    def decode(self, x: Tensor, lengths: Tensor) -> Tensor:
        """(B, T) the most likely of the allowed paths; 0 past the lengths."""
        return crf.viterbi(x, self._masked(), lengths)

    def _masked(self) -> tuple[Tensor, Tensor, Tensor]:
        masks = (self.get_buffer(f"{name}_mask") for name in ("transitions", "start", "end"))
        a, start, end = (
            score.detach() + mask
            for score, mask in zip((self.transitions, self.start, self.end), masks, strict=True)
        )
        return a, start, end
