"""What the epochs of a tagger are chosen by, and what is shown of each beside its loss: where the validation
part has entities their F1, else the share of right steps."""

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ConfigError
from unrolled.files.messages import listed, option
from unrolled.files.tagged import Tagged
from unrolled.tasks import confusion, entities, unseen
from unrolled.tasks.split_data import Splits
from unrolled.tasks.tag_codec import TagCodec
from unrolled.tasks.tag_config import TagConfig
from unrolled.training.selection import LOSS

ENTITIES = "entity-f1"


def settled(config: TagConfig, codec: TagCodec, data: Splits[Tagged]) -> TagConfig:
    """With what epochs are chosen by. ConfigError for entities that are not there."""
    select, validation = config.training.select, data.validation
    if select == ENTITIES and not _has_entities(codec, validation):
        raise ConfigError(
            f"{option('select', ENTITIES)} scores the entities of the validation part, and it has none (tags "
            f"are {listed(codec.tags)}); set {option('select', 'accuracy')}, or leave it out"
        )
    if select is not None:
        return config
    usual = ENTITIES if validation is not data.train and _has_entities(codec, validation) else LOSS
    return config.model_copy(update={"training": config.training.model_copy(update={"select": usual})})


def shown(config: TagConfig, codec: TagCodec, validation: Tagged) -> str:
    """The measure of each epoch: the one that it is chosen by, or the usual one."""
    if config.training.measure != LOSS:
        return config.training.measure
    return ENTITIES if _has_entities(codec, validation) else "accuracy"


def measured(
    measure: str, tags: Sequence[str], truth: Sequence[Sequence[str]], paths: Sequence[NDArray[np.int64]]
) -> float:
    """Of paths (N,) of (T_i,) numbers of `tags`."""
    if measure == ENTITIES:
        return entities.scores(truth, [[tags[k] for k in path.tolist()] for path in paths])["entity F1"]
    every = list(chain.from_iterable(truth))
    names = unseen.joined(tags, every)
    numbers = np.array(unseen.numbered(every, names), np.int64)
    m = confusion.confusion(numbers, np.concatenate(paths), len(names))
    return confusion.accuracy(m) if measure == "accuracy" else confusion.macro_f1(m)


def _has_entities(codec: TagCodec, data: Tagged) -> bool:
    return codec.scheme != entities.NONE and any(map(entities.entities, data.truth))
