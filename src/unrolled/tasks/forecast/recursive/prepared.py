"""From the data to a training of the recursive strategy."""

from collections.abc import Sequence

from unrolled.batching.windows import Windows
from unrolled.files.messages import counted
from unrolled.tasks.estimator import Prepared
from unrolled.tasks.forecast.config import ForecastConfig
from unrolled.tasks.forecast.data import Coded
from unrolled.tasks.forecast.defaults import Settled
from unrolled.tasks.forecast.fitted import Fitted
from unrolled.tasks.forecast.network import Network, begin_at
from unrolled.tasks.forecast.recursive.passes import Passes, passes
from unrolled.tasks.forecast.recursive.validation import HorizonValidation
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
    one_step = Validation(series, ends, plan, last_only) if validated else None
    over, notes = None, windows.notes
    batches: Windows | Passes = windows
    if plan.horizon > 1:
        batches = Passes(windows, passes(windows.steps_per_epoch, training))
        if validated:
            distribution = config.forecast.output != "point"
            over = HorizonValidation.of(series, ends, fitted.series, plan, distribution, training.seed)
            notes = (*notes, *_shortened(over, plan.horizon))

    def begin(network: Network) -> None:
        if fitted.mean is not None:
            begin_at(network, fitted.mean / fitted.series.scalers["target"].scale)

    return Prepared(
        config,
        fitted,
        batches,
        by_loss(watched) if (watched := over or one_step) else None,
        (*settled.notes, *notes),
        begin=begin,
        validated=over.measure if over else "",
    )


def _shortened(validation: HorizonValidation | None, horizon: int) -> tuple[str, ...]:
    """A line where the validation part does not hold the horizon."""
    steps = 1 if validation is None else validation.horizon
    if steps == horizon:
        return ()
    return (
        f"validation: forecasts of {counted(steps, 'step')}; no series has {horizon} with a value in the "
        "validation part, after a window",
    )
