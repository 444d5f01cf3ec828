"""Freed memory serves the next arrays."""

import platform

import numpy as np
import pytest

from onlyif.core.memory import keep_freed_memory


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc")
def test_pages_of_freed_arrays_are_not_made_anew():
    import resource

    keep_freed_memory()
    counts = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(5):
            arrays = [np.ones(2**19) for _ in range(4)]
            del arrays
        counts.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    # Twenty arrays of 1,024 pages: the first few are new, none after these.
    assert min(counts) < 1024
