"""What a user's torch model raises, as one error of ours."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from onlyif.core.errors import ModelError
from onlyif.models.checked import NO_FAULT


@contextmanager
def model_faults(model: str, rows: int) -> Iterator[None]:
    """Around a call of a model: all that it raises becomes a ModelError, but for what is no fault of its own.

    Running out of memory is left as it is, for whoever asks may ask for less.

    Args:
        model: What is asked, for the reader.
        rows: Rows of the call.

    Raises:
        ModelError: naming what the model raised.
    """
    try:
        yield
    except (*NO_FAULT, torch.OutOfMemoryError):
        raise
    except BaseException as error:  # SystemExit among them: a model must not end the program
        if "allocate memory" in str(error):  # the words of torch's CPU allocator
            raise
        call = "1 row" if rows == 1 else f"{rows} rows"
        raise ModelError(f"{model} raised {type(error).__name__} in a call of {call}: {error}") from error
