"""Memory of finished arrays is kept for the next ones."""

from functools import cache

import numpy as np

# The largest array that glibc learns from, with room for its own bookkeeping.
LARGEST = 2**25 - 2**13


@cache
def keep_freed_memory() -> None:
    """Have the C library keep the memory of freed arrays, up to 64 MiB, where it is glibc; once a process.

    Calls of a model make and free arrays of some MiB each. By default these pages go back to the system and
    are cleared anew for the next call, which takes longer than the arithmetic of a small network does. glibc
    adapts to the largest block that was freed so far; one that nobody writes to costs nothing. Whoever has
    set its limits by hand (`MALLOC_TRIM_THRESHOLD_` and others) keeps these.

    References:
        mallopt(3), M_MMAP_THRESHOLD and M_TRIM_THRESHOLD
    """
    largest = np.empty(LARGEST, dtype=np.uint8)
    del largest
