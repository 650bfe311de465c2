"""From the data to a training of the recursive strategy."""

from collections.abc import Sequence

from unrolled.tasks.estimator import Prepared
from unrolled.tasks.forecast.config import ForecastConfig
from unrolled.tasks.forecast.data import Coded
from unrolled.tasks.forecast.defaults import Settled
from unrolled.tasks.forecast.fitted import Fitted
from unrolled.tasks.forecast.network import Network, begin_at
from unrolled.tasks.forecast.recursive.windows import Validation, training_windows
from unrolled.training.selection import by_loss


def prepare(
    settled: Settled, series: Sequence[Coded], fitted: Fitted, validated: bool
) -> Prepared[ForecastConfig, Fitted]:
    config, ends = settled.config, settled.ends
    plan, training, last_only = config.plan(), config.training, config.forecast.loss_at == "last"
    trained = [i for i, (end, _) in enumerate(ends) if end]  # the others are whole parts
    learnt, learnt_ends = [series[i] for i in trained], [ends[i] for i in trained]
    windows = training_windows(learnt, learnt_ends, plan, training.batch_size, training.seed, last_only)
    validation = Validation(series, ends, plan, last_only) if validated else None

    def begin(network: Network) -> None:
        if fitted.mean is not None:
            begin_at(network, fitted.mean / fitted.series.scalers["target"].scale)

    notes = (*settled.notes, *windows.notes)
    return Prepared(config, fitted, windows, by_loss(validation) if validation else None, notes, begin=begin)
