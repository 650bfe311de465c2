"""Which state each step of the training sequences is in: evenly at first, then on the network's best paths.

    round 0            every state of a transcript's chain equally long; the best path of a trained network
    round r = 1, 2, …  after r_1 2^(r-1) epochs: the best path (Viterbi) on ln p(s | x_t) - ln p(s)

r_1 is the option `realign`: by default alignments are made anew after epochs 2, 4, 8, 16, …, often while they
change much. With each the shares p(s) of the states, their probabilities to stay and that of silence are
estimated anew (decoding/hmm.py, Counts); the network keeps them with its weights, so that the best epoch's
weights go with its own. The paths are kept in checkpoints: a resumed training ends with the same bits.

Shapes   log p (B, T, S), steps (B,); paths (T_i,) of positions in the chain of a transcript
Source   Bourlard and Morgan 1994, Connectionist Speech Recognition; Renals et al. 1994, IEEE TSAP 2(1)
"""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from unrolled.batching.buckets import Buckets, padded
from unrolled.decoding.hmm import Counts, Numbers, Topology
from unrolled.decoding.hybrid import States
from unrolled.decoding.ngram_model import Grams
from unrolled.tasks.transcribe.examples import Batch
from unrolled.tasks.transcribe.network import Network, outputs, together


def states_of(network: Network, topology: Topology, grams: Grams | None = None) -> States:
    """What answers with what is known of them now."""
    arrays = {name: array.numpy() for name, array in network.p.chain.named_buffers()}
    return States.of(topology, grams, **arrays)


class Realigned:
    """The batches of `buckets` with the states of all steps, for `network`; `first` is r_1. `trained`:
    whether the network can align already."""

    def __init__(
        self,
        network: Network,
        topology: Topology,
        buckets: Buckets[Batch],
        first: int,
        trained: bool = False,
    ) -> None:
        self.network, self.topology, self.buckets, self.first = network, topology, buckets, first
        self.paths: list[Numbers] = [np.empty(0, np.int64)] * len(buckets.lengths)
        self.transcripts: list[list[int]] = [[]] * len(buckets.lengths)
        for batch in self._all():
            steps = network.block.steps(batch.lengths).tolist()
            for i, count, one in zip(batch.indices, steps, transcripts(batch), strict=True):
                self.transcripts[i], self.paths[i] = one, self.topology.even(count, len(one))
        if trained:
            self._realign()
        else:
            self._settle()

    @property
    def steps_per_epoch(self) -> int:
        return self.buckets.steps_per_epoch

    def batches(self, epoch: int, skip: int = 0) -> Iterator[Batch]:
        """Makes alignments anew where they are due."""
        if skip == 0 and self._due(epoch - 1):
            self._realign()
        for batch in self.buckets.batches(epoch, skip):
            rows = [self.topology.chain(self.transcripts[i])[self.paths[i]] for i in batch.indices]
            yield batch._replace(states=padded([torch.from_numpy(row) for row in rows])[0])

    def kept(self) -> dict[str, Tensor]:
        return {"paths": torch.from_numpy(np.concatenate(self.paths).astype(np.int32))}

    def put_back(self, saved: Mapping[str, Tensor]) -> None:
        paths, places = saved["paths"].numpy().astype(np.int64), np.cumsum([len(one) for one in self.paths])
        if paths.shape != (places[-1],):
            raise ValueError(f"paths of {paths.shape} steps, for {places[-1]}")
        self.paths = np.split(paths, places[:-1])

    def _due(self, done: int) -> bool:
        """Whether `done` epochs are r_1 times a power of 2."""
        rounds, rest = divmod(done, self.first)
        return rounds > 0 and rest == 0 and rounds & (rounds - 1) == 0

    def _realign(self) -> None:
        states = states_of(self.network, self.topology)
        self.network.train(False)
        for batch in self._all():
            with torch.no_grad():
                log_p, steps = outputs(self.network, batch.x, batch.lengths)
            paths = states.aligned(states.scaled(log_p.numpy()), steps.numpy(), transcripts(batch))
            for i, path in zip(batch.indices, paths, strict=True):
                self.paths[i] = path
        self.network.train()
        self._settle()

    def _settle(self) -> None:
        counts = Counts.of(self.topology, self.transcripts, self.paths)
        moves = counts.moves()
        for chain in (member.p.chain for member in self.network.ensemble):
            chain.stay.copy_(torch.from_numpy(moves.stay))
            chain.pause.fill_(moves.pause)
            chain.prior.copy_(torch.from_numpy(counts.prior()))

    def _all(self) -> Iterator[Batch]:
        return map(self.buckets.collate, together(self.network, self.buckets.lengths.tolist()))


def transcripts(batch: Batch) -> list[list[int]]:
    """(B,) of the states' labels, which are numbered from 0."""
    each = torch.split(batch.labels - 1, batch.counts.tolist())
    return [one.tolist() for one in each]
