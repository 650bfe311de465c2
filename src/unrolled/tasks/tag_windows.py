"""How taggers read sequences that are longer than what one update learns from. With a window of S steps

    both directions   windows with L steps of context and look-ahead (batching/lookahead.py), in use too
    one direction     stretches of S steps with a carried state (batching/stretches.py), whole in use; where
                      there are fewer sequences than rows of a batch, they are cut into lanes that learn
                      side by side, of LEAST_LANE steps at least

So it is where a window was named, and where the longest training sequence of numbers has more than LONG
steps: of whole ones there would be few updates, each of which takes long. Of such long series the directions
are tried, where they were left open and the training has LEAST_TRIED steps: both are trained for TRIAL_SHARE
of them, MOST_STEPS at most, one alone for ONE_WAY times as many, which take less time. It is taken where
its losses of the pieces of the validation part are clearly lower (choice.py), and lower than those of answers
that know nothing but how frequent each tag is. The forget gates of an LSTM begin with a bias of FORGET_BIAS
there, so that they reach back from the first step on.

Source   forget bias: Jozefowicz, Zaremba and Sutskever 2015, An empirical exploration of recurrent networks
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.batching.lookahead import Lookahead, LookaheadBatches
from unrolled.batching.splits import chronological
from unrolled.batching.stretches import Stretches
from unrolled.errors import ConfigError
from unrolled.files.messages import counted, option
from unrolled.files.tagged import Tagged
from unrolled.nn.functional import cross_entropy
from unrolled.tasks.choice import LEAST_TRIED, clearly_lower
from unrolled.tasks.split_data import Shares, Splits
from unrolled.tasks.tag_codec import Batch, Examples
from unrolled.tasks.tag_config import TagConfig
from unrolled.tasks.unseen import UNSEEN
from unrolled.training.batches import Batches
from unrolled.training.config import FEWEST_EPOCHS, LEAST_STEPS, LEAST_VALIDATION

Losses = NDArray[np.float64]
Notes = tuple[str, ...]

LONG, WINDOW, MARGIN = 1000, 64, 32
LEAST_LANE = 1000
FORGET_BIAS, WORD_DROPOUT = 1.0, 0.3
TRIAL_SHARE, MOST_STEPS, ONE_WAY = 1 / 5, 200, 2


def lookahead_of(config: TagConfig) -> Lookahead | None:
    """The windows of a model that reads in both directions, in training and in use; None: whole sequences."""
    options = config.tag
    if options.window is None or not config.model.bidirectional:
        return None
    return Lookahead(options.window, MARGIN if options.lookahead is None else options.lookahead)


def batches(examples: Examples, config: TagConfig) -> Batches[Batch]:
    """Those of a training."""
    training, window, lookahead = config.training, config.tag.window, lookahead_of(config)
    how = training.batch_size, training.seed
    if window is None:
        return examples.buckets(training)
    if lookahead is not None:
        return LookaheadBatches(examples.lengths, lookahead, examples.batch_of, *how)
    lanes = examples if len(examples.lengths) >= training.batch_size else _in_lanes(examples, how[0])
    return Stretches(lanes.lengths, window, lanes.cut, *how)


def fixed(config: TagConfig, train: Tagged) -> TagConfig:
    """The options with a usual one for each that is open."""
    model, options = config.model, config.tag
    long = not train.is_text and max(train.lengths) > LONG and not (options.crf or model.reverse)
    usual: dict[str, object] = {
        "bidirectional": not model.reverse,
        "input_dropout": WORD_DROPOUT if train.is_text else 0.0,
    }
    if long and _begins_forgetting(config):
        usual["forget_bias"] = FORGET_BIAS
    usual = {name: value for name, value in usual.items() if getattr(model, name) is None}
    model = model.model_copy(update=usual)
    window = options.window or (WINDOW if long else None)
    margin = options.lookahead
    if window is not None and model.bidirectional and margin is None:
        margin = MARGIN
    options = options.model_copy(update={"window": window, "lookahead": margin})
    return config.model_copy(update={"model": model, "tag": options})


def chosen(
    config: TagConfig,
    data: Splits[Tagged],
    tried: Callable[[TagConfig, int], Losses],
) -> tuple[TagConfig, Notes]:
    """The same by a trial, and what to tell of it. `tried` gives the losses (P,) of the pieces of the
    validation part after a training of so many steps. ConfigError for a look-ahead without windows."""
    best = fixed(config, data.train)
    if best.tag.window is None and best.tag.lookahead is not None:
        raise ConfigError(
            f"{option('lookahead')} belongs to {option('window')}, and these sequences are read whole; set "
            f"{option('window', WINDOW)}, or leave it out"
        )
    longest = counted(max(data.train.lengths), "step")
    if data.train.is_text or max(data.train.lengths) <= LONG:
        return best, ()
    if best.tag.window is None:
        whole = option("crf") if config.tag.crf else option("reverse")
        return best, (f"sequences of up to {longest} are read whole with {whole}, in few and slow updates",)
    notes: Notes = (f"sequences of up to {longest} are learned from in windows of {best.tag.window}",)
    if not _is_tried(config, best, data):
        return _with_steps(best, data.train), (*notes, _said(best))
    steps = min(MOST_STEPS, int(_most_steps(best, data.train) * TRIAL_SHARE))
    other = _one_way(best)
    both, one = tried(best, steps), tried(other, ONE_WAY * steps)
    learned = float(one.mean()) < _loss_of_shares(data)
    taken = other if learned and clearly_lower(one, both) else best
    losses = f"validation loss {both.mean():.4g} after {counted(steps, 'step')} in both directions"
    losses = f"{losses}, {one.mean():.4g} after {ONE_WAY * steps} in one"
    notes = (*notes, f"{_said(taken)}: {losses}")
    return _with_steps(taken, data.train), notes


def _loss_of_shares(data: Splits[Tagged]) -> float:
    """Of the validation part, where the share of each tag in training is the answer to all steps."""
    counts = Counter(chain.from_iterable(data.train.truth))
    losses = [
        -math.log(counts[tag] / counts.total())
        for tag in chain.from_iterable(data.validation.truth)
        if tag in counts
    ]
    return sum(losses) / max(1, len(losses))


def _begins_forgetting(config: TagConfig) -> bool:
    """Whether its forget gates are half open at first, so that little is left after some steps."""
    model, training = config.model, config.training
    plain = model.bias and not getattr(model, "coupled_input_forget", None)
    return model.cell == "lstm" and plain and training.init == "torch" and training.start_from is None


def is_cut_in_time(data: Tagged, shares: Shares) -> bool:
    """Whether there are series of numbers too few for every part, and long, and no groups to keep whole."""
    parts = [share for share in shares[:2] if share]
    few = shares[3] is None and len(data) <= len(parts) and all(share < 1 for share in parts)
    return few and not data.is_text and min(data.lengths) > LONG


def cut_in_time(data: Tagged, shares: Shares) -> tuple[Tagged, Tagged, Tagged]:
    """Each series in this order; parts of no share are empty."""
    ends = [chronological(T, *shares[:2]) for T in data.lengths]
    train = data.cut([slice(0, a) for a, _ in ends])
    validation, test = data.cut([slice(a, b) for a, b in ends]), data.cut([slice(b, None) for _, b in ends])
    kept = [f"the last {share:.0%} to {what}" for share, what in ((shares[1], "test"),) if share]
    kept += [f"{shares[0]:.0%} {'before' if kept else 'at the end'} to validate"] if shares[0] else []
    note = f"each series is cut in time, {', '.join(kept)}: there are too few to keep whole ones"
    nothing = data.select([])
    return (
        replace(train, notes=(*data.notes, note)),
        validation if shares[0] else nothing,
        test if shares[1] else nothing,
    )


def piece_losses(outputs: Sequence[NDArray[Any]], tags: Sequence[Tensor], steps: int) -> Losses:
    """(P,) the mean loss of each piece of so many steps that has a known tag, of o (T_i, K)."""
    losses = []
    for o, truth in zip(outputs, tags, strict=True):
        known = (truth != UNSEEN).double()
        each = cross_entropy(torch.from_numpy(o), truth.clamp(min=0), reduction="none").double() * known
        for at in range(0, len(o), steps):
            if count := float(known[at : at + steps].sum()):
                losses.append(float(each[at : at + steps].sum()) / count)
    return np.array(losses)


def _in_lanes(examples: Examples, rows: int) -> Examples:
    """Sequences cut so that about so many rows learn side by side."""
    steps = max(LEAST_LANE, -(-sum(examples.lengths) // rows))
    return examples.windowed(Lookahead(steps, 0))


def _is_tried(config: TagConfig, best: TagConfig, data: Splits[Tagged]) -> bool:
    """Whether the direction is open, the training long enough, and the validation part too."""
    model = config.model
    free = model.bidirectional is None and model.merge == "concat" and model.backward_hidden is None
    free = free and config.tag.lookahead is None and best.model.bidirectional is True
    pieces = sum(-(-T // (best.tag.window or 1)) for T in data.validation.lengths)
    enough = data.validation is not data.train and pieces >= LEAST_VALIDATION
    return free and enough and _most_steps(best, data.train) >= LEAST_TRIED


def _one_way(config: TagConfig) -> TagConfig:
    model = config.model.model_copy(update={"bidirectional": False})
    return config.model_copy(
        update={"model": model, "tag": config.tag.model_copy(update={"lookahead": None})}
    )


def _per_epoch(config: TagConfig, train: Tagged) -> int:
    """About how many updates, in either way."""
    window = config.tag.window or max(train.lengths)
    return -(-sum(-(-T // window) for T in train.lengths) // config.training.batch_size)


def _most_steps(config: TagConfig, train: Tagged) -> int:
    per_epoch = _per_epoch(config, train)
    return _with_steps(config, train).training.step_limit(per_epoch) or LEAST_TRIED


def _with_steps(config: TagConfig, train: Tagged) -> TagConfig:
    """LEAST_STEPS, and FEWEST_EPOCHS, where no length of the training is named: an update learns from many
    windows, which are much alike."""
    training = config.training
    if training.epochs or training.steps or training.minutes:
        return config
    epochs = max(FEWEST_EPOCHS, math.ceil(LEAST_STEPS / _per_epoch(config, train)))
    return config.model_copy(update={"training": training.model_copy(update={"epochs": epochs})})


def _said(config: TagConfig) -> str:
    if lookahead := lookahead_of(config):
        return (
            f"in both directions, with {lookahead.margin} steps before and behind each "
            f"({option('lookahead')})"
        )
    return f"in one direction ({option('bidirectional', False)}), the state carried on"
