"""What a reader says of a wrong file."""

import pytest

from unrolled.errors import DataError
from unrolled.files.query import Query
from unrolled.files.reading import read_sequences


def refused(source, error=DataError, **named) -> str:
    """The message of the error, which is one line."""
    with pytest.raises(error) as caught:
        read_sequences(source, Query(**named))
    assert "\n" not in str(caught.value)
    return str(caught.value)
