"""Running out of memory, said in one way."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from onlyif.core.errors import LimitError


@contextmanager
def memory_for(rows: int) -> Iterator[None]:
    """Every way to run out of memory in a model call becomes one error.

    Args:
        rows: Rows of the call, for the reader.

    Raises:
        LimitError: if memory runs out.
    """
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise LimitError(f"out of memory in a model call of {rows} rows") from error
    except RuntimeError as error:
        if "allocate memory" not in str(error):  # the words of torch's CPU allocator
            raise
        raise LimitError(f"out of memory in a model call of {rows} rows") from error
