"""How large calls are best for a model that is known by its answers alone: told by the memory they take.

What layers or kernels make of a row stays in the processor's cache in small calls only; what the trees of a
forest make of it is next to nothing, and each call costs them much. Neither is timed, so that equal work asks
for equal calls. `benchmarks/calls.py` has the figures.
"""

import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, final

from onlyif.models.base import ANY_ROWS, NETWORK_ROWS

Answer = TypeVar("Answer")
# Bytes a row, beside two copies of it, from which on a model is asked as networks are: two layers of 64 take
# 1,024, a forest of 100 trees for two classes 85, a sum 8.
MANY_BYTES = 512


@final
@dataclass(frozen=True)
class Peak:
    """What a call took.

    Args:
        rows: Its rows.
        n_bytes: The most that Python and numpy held for it at once.
    """

    rows: int
    n_bytes: int


def peak_of(ask: Callable[[], Answer], rows: int) -> tuple[Answer, Peak | None]:
    """An answer, and what it took; None where somebody else already looks at that.

    Args:
        ask: The call.
        rows: Its rows.
    """
    if tracemalloc.is_tracing():
        return ask(), None
    tracemalloc.start()
    try:
        answer = ask()
        return answer, Peak(rows, tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


def best_rows(many: Peak | None, few: Peak | None, row_bytes: int) -> int:
    """Rows of one call from which on each takes longer.

    Args:
        many: What a call took.
        few: What one of fewer rows took.
        row_bytes: Bytes of a row itself.

    Example:
        >>> best_rows(Peak(32, 34_364), Peak(16, 17_980), 80)
        4096
    """
    if many is None or few is None or many.rows <= few.rows:
        return ANY_ROWS
    each = (many.n_bytes - few.n_bytes) / (many.rows - few.rows)
    return NETWORK_ROWS if each >= MANY_BYTES + 2 * row_bytes else ANY_ROWS
