"""A trained network with what it needs to read data and to be judged: made from a configuration, kept in a
run."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.errors import RunError
from unrolled.runs import Run
from unrolled.tasks.forecast.config import ForecastConfig
from unrolled.tasks.forecast.data import Codec
from unrolled.tasks.forecast.network import Network
from unrolled.tasks.forecast.preparation import Prepared
from unrolled.tasks.model import build
from unrolled.tasks.outputs import OUTPUTS
from unrolled.training.generators import own_generators


@dataclass(frozen=True)
class Trained:
    """`naive_scale` (K,) is the unit of MASE; `last_time` where the last series of the training data ends, as
    a whole number."""

    network: Network
    codec: Codec
    naive_scale: NDArray[np.float64]
    last_time: int


def untrained(prepared: Prepared) -> Trained:
    """A new network, its weights drawn from the seed. ConfigError where its sizes do not go together."""
    with own_generators(torch.device("cpu"), prepared.config.training.seed):
        network = _network(prepared.config, prepared.codec)
    return Trained(network, prepared.codec, prepared.naive_scale, prepared.last_time)


def write_about(trained: Trained, run: Run) -> None:
    """Everything but the weights, which make a run finished."""
    run.save_arrays("scalers", trained.codec.arrays())
    own = {"naive_scale": trained.naive_scale.tolist(), "last_time": trained.last_time}
    run.save_json("data", trained.codec.about() | own)


def read_trained(run: Run, config: ForecastConfig) -> Trained:
    """What `write_about` and `run.save_model` wrote. RunError where it is missing, damaged or does not
    fit."""
    about, arrays = run.load_json("data"), run.load_arrays("scalers")
    try:
        codec = Codec.restore(about, arrays)
        naive_scale, last_time = np.array(about["naive_scale"], np.float64), int(about["last_time"])
        network = _network(config, codec)
    except (LookupError, TypeError, ValueError) as error:
        raise RunError(
            f"{run.folder}: data.json and scalers.safetensors do not fit ({error!r:.80}); restore them, or "
            "train anew"
        ) from error
    run.load_into(network)
    return Trained(network.eval(), codec, naive_scale, last_time)


def _network(config: ForecastConfig, codec: Codec) -> Network:
    options = config.forecast
    output = OUTPUTS[options.output](options.quantile_levels)
    relative = [level == "relative" for level in config.plan().level]
    return Network(build(config.model, codec.width), output, codec.steps, options.residual, relative)
