"""The GRU and the LSTM of neuralforecast, with its defaults, early stopping on the validation part, the
window that unrolled reads, and the calendar.

    python -m peer_models.recurrent GRU JOB OUT.csv SEED
"""

import logging
import warnings
from typing import Any

import numpy as np

from peer_models.job import Array, Job, answer

# Steps from one look at the validation part to the next, and how many looks without gain end a training.
CHECK_STEPS, PATIENCE = 50, 5
QUIET = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "accelerator": "cpu"}


def forecasts(name: str, job: Job, seed: int) -> tuple[Array, list[str]]:
    """(N, H), and remarks. Every step of the test part is an origin here; those of the job are taken."""
    import pandas
    from neuralforecast import NeuralForecast

    warnings.simplefilter("ignore")
    logging.disable(logging.INFO)
    columns = {"unique_id": job.name, "ds": np.arange(len(job.known)), "y": job.known}
    frame = pandas.DataFrame(columns | dict(zip(job.calendar_names, job.calendar.T, strict=True)))
    judged = NeuralForecast(models=[_model(name, job, seed)], freq=1).cross_validation(
        frame,
        val_size=job.validation_end - job.train_end,
        test_size=len(job.known) - job.validation_end,
        n_windows=None,
        step_size=1,
        refit=False,
    )
    by_origin = judged.pivot(index="cutoff", columns="ds", values=name)
    ahead = [by_origin.loc[at, list(range(at + 1, at + 1 + job.horizon))] for at in job.origins]
    return np.stack(ahead), []


def _model(name: str, job: Job, seed: int) -> Any:
    from neuralforecast.models import GRU, LSTM

    return {"GRU": GRU, "LSTM": LSTM}[name](
        h=job.horizon,
        input_size=job.window,
        futr_exog_list=list(job.calendar_names) or None,
        val_check_steps=CHECK_STEPS,
        early_stop_patience_steps=PATIENCE,
        start_padding_enabled=True,
        random_seed=seed,
        alias=name,
        **QUIET,
    )


if __name__ == "__main__":
    answer(forecasts)
