"""Plain text for readers: numbers, gaps and aligned tables."""

import math
import textwrap
from collections.abc import Sequence

from onlyif.core.labels import Row
from onlyif.core.visible import on_one_line, visible
from onlyif.explanation.selection import Gap


def number(value: float) -> str:
    """Four significant digits, without an exponent where a reader can do without.

    Example:
        >>> number(0.123456), number(123456.7), number(1e-9)
        ('0.1235', '123457', '1e-09')
    """
    if 9999.5 <= abs(value) < 1e9:
        return f"{value:.0f}"
    return f"{value + 0.0:.4g}"


def error(stderr: float) -> str:
    """A standard error as it follows its value; nothing when exact.

    Example:
        >>> error(0.0), error(0.0123), error(float("nan"))
        ('', ' ± 0.012', ' ± unknown')
    """
    if math.isnan(stderr):
        return " ± unknown"
    return f" ± {stderr:.2g}" if stderr else ""


def gap_text(gap: Gap) -> str:
    """A gap with its standard error.

    Example:
        >>> gap_text(Gap(0.25, 0.01))
        '0.25 ± 0.01'
    """
    return number(gap.value) + error(gap.stderr)


def clipped(text: str, width: int) -> str:
    """The text, its end replaced by an ellipsis where it is longer than `width`.

    Example:
        >>> clipped("mean concave points", 12)
        'mean concav…'
    """
    shown = on_one_line(text)
    return shown if len(shown) <= width else shown[: width - 1] + "…"


def counted(count: int, noun: str) -> str:
    """A count with its noun.

    Example:
        >>> counted(1, "row"), counted(2, "row")
        ('1 row', '2 rows')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"


def everything(count: int) -> str:
    """All features as the subject of a sentence.

    Example:
        >>> everything(1), everything(2)
        ('the one feature is', 'all 2 features are')
    """
    return "the one feature is" if count == 1 else f"all {count} features are"


def sentence(text: str) -> str:
    """The text with a capital in front and one full stop at its end.

    Example:
        >>> sentence("all of them"), sentence("All of them.")
        ('All of them.', 'All of them.')
    """
    shown = visible(text)
    return shown[:1].upper() + shown[1:].removesuffix(".") + "."


def wrapped(text: str, width: int, indent: str = "  ", hanging: str = "  ") -> str:
    """The text in lines of at most `width`, names of features kept whole where they fit."""
    return textwrap.fill(
        visible(text), width, initial_indent=indent, subsequent_indent=hanging, break_on_hyphens=False
    )


def aligned(
    header: Sequence[str], rows: Sequence[Sequence[str]], indent: str = "  ", width: int = 10**6
) -> list[str]:
    r"""Lines of a table with columns of equal width; the last column wraps at `width`.

    Example:
        >>> print("\n".join(aligned(["α", "set"], [["0.5", "{age}"]], indent="")))
        α    set
        0.5  {age}
    """
    cells = [[on_one_line(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = []
    for row in cells:
        start = indent + "".join(f"{cell:<{size}}  " for cell, size in zip(row[:-1], widths, strict=False))
        lines += wrapped(row[-1], max(width, len(start) + 20), start, " " * len(start)).splitlines()
    return [line.rstrip() for line in lines]


def left_out_text(rows: Sequence[Row]) -> str:
    """How many rows were left out when time was up, as the end of a phrase; "" where none was.

    Example:
        >>> left_out_text(("7", "8"))
        '; 2 rows left out: the time limit was reached'
    """
    return f"; {counted(len(rows), 'row')} left out: the time limit was reached" if rows else ""
