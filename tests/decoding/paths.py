"""Where labels stand on a path that is known: what decoding is held against."""

import numpy as np

from unrolled.decoding import hmm


def spans_on(topology, transcript, path):
    """Where each label of a transcript stands on a path (T,) of positions."""
    position = path - topology.silence
    spoken = position % topology.stride < topology.states
    frames = [np.flatnonzero(spoken & (position // topology.stride == j)) for j in range(len(transcript))]
    return [hmm.Span(k, at[0], at[-1] + 1) for k, at in zip(transcript, frames, strict=True)]
