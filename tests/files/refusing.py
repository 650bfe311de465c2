"""What a reader says of a wrong file."""

import pytest

from unrolled.errors import DataError
from unrolled.files.reading import read_sequences


def refused(source, error=DataError, **named) -> str:
    """The message of the error, which is one line."""
    with pytest.raises(error) as caught:
        read_sequences(source, **named)
    assert "\n" not in str(caught.value)
    return str(caught.value)
