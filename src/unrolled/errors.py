"""What can go wrong that a user can mend. Each message is one line: wanted, got, where, and what to do."""

import sys
from typing import Any


class UnrolledError(Exception):
    """Base of all errors below. `exit_status` is what the command line returns for it. Those of wrong values
    are ValueErrors too, as other libraries raise them."""

    exit_status = 1


class DataError(UnrolledError, ValueError):
    """A file or table does not hold what is needed. The message names file, line, column or row."""


class RunError(UnrolledError):
    """A run folder cannot be read or written."""


class TrainingError(UnrolledError):
    """A loss, gradient or weight became NaN or infinite. The message names epoch, step and parameter."""


class DisagreementError(UnrolledError):
    """Two ways to compute the same give different numbers. The message names both and the difference."""


class ConfigError(UnrolledError, ValueError):
    """An option or configuration key is wrong, whatever the files hold."""

    exit_status = 2


class NotFittedError(ConfigError, AttributeError):
    """A model is asked for what it has after `fit` alone. Where scikit-learn is imported it is its error of
    this name too, so that who catches that one catches this."""

    def __reduce__(self) -> Any:
        return not_fitted, self.args


def not_fitted(message: str) -> NotFittedError:
    """The error to raise. Who can catch scikit-learn's has imported it: nothing is imported here."""
    theirs = sys.modules.get("sklearn.exceptions")
    if theirs is None:
        return NotFittedError(message)
    both: type[NotFittedError] = type("NotFittedError", (NotFittedError, theirs.NotFittedError), {})
    return both(message)
