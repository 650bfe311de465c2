"""What can go wrong that a user can mend. Each message is one line: wanted, got, where, and what to do."""


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
