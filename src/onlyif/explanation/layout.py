"""Plain text for readers: numbers, gaps and aligned tables."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from onlyif.core.labels import Row
from onlyif.core.nouns import FEATURE, counted
from onlyif.core.visible import on_one_line, visible
from onlyif.explanation.certificate import Certificate
from onlyif.explanation.selection import Measure, Selection


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


def measure_text(measure: Measure) -> str:
    """A number with its standard errors.

    Example:
        >>> measure_text(Measure(0.25, 0.01)), measure_text(Measure(0.25, 0.0, 0.03))
        ('0.25 ± 0.01', '0.25 (over E ± 0.03)')
    """
    over = error(measure.sample_stderr).strip()
    return number(measure.value) + error(measure.stderr) + (f" (over E {over})" if over else "")


def clipped(text: str, width: int) -> str:
    """The text, its end replaced by an ellipsis where it is longer than `width`.

    Example:
        >>> clipped("mean concave points", 12)
        'mean concav…'
    """
    shown = on_one_line(text)
    return shown if len(shown) <= width else shown[: width - 1] + "…"


def counts_text(counts: Mapping[str, int]) -> str:
    """How often each of some words was said, as "holds 5, cannot tell 2"."""
    return ", ".join(f"{word} {count}" for word, count in counts.items())


def everything(count: int, noun: str) -> str:
    """All players as the subject of a sentence.

    Args:
        count: How many there are.
        noun: What one of them is.

    Example:
        >>> everything(1, "edge"), everything(2, "feature")
        ('the one edge is', 'all 2 features are')
    """
    return f"the one {noun} is" if count == 1 else f"all {counted(count, noun)} are"


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


def share_text(size: int, n_pixels: int) -> str:
    """How large a set of pixels is, in words; only the empty one is 0, only the whole one is all.

    Args:
        size: Pixels in the set.
        n_pixels: All pixels.

    Example:
        >>> share_text(0, 4096), share_text(2, 4096), share_text(512, 4096)
        ('empty: no pixel', '0.049% of pixels', '12.5% of pixels')
        >>> share_text(4095, 4096), share_text(4096, 4096)
        ('99.976% of pixels', 'all pixels')
    """
    if size in (0, n_pixels):
        return "all pixels" if size else "empty: no pixel"
    percent = 100 * size / n_pixels
    near = min(percent, 100 - percent)  # the digits that tell it from nothing, or from everything
    digits = 1 if near >= 1 else 1 - math.floor(math.log10(near))
    return f"{percent:.{digits}f}% of pixels"


def basis_text(certificate: Certificate, *, constrained: bool) -> str:
    """On what a certificate rests, in words.

    Args:
        certificate: What is certain.
        constrained: Whether only some sets may be reported.
    """
    said = certificate.basis.sentence
    return said.replace("all subsets", "all permitted subsets") if constrained else said


def permitted_text(settings: Mapping[str, Any]) -> str:
    """Which sets may be reported, in words; "" where all may and the smallest are wanted.

    Args:
        settings: What was asked, as `Explanation` has it.

    Example:
        >>> permitted_text({"never": ("age",), "order": {"city": ("country",)}, "costs": {"age": 2.0}})
        'none holds age; city only beside country; the least total cost counts, not the size (age 2)'
    """
    said = [f"{word} {', '.join(settings[name])}" for name, word in _HOLDS.items() if name in settings]
    said += [f"{name} only beside {', '.join(needed)}" for name, needed in settings.get("order", {}).items()]
    costs = ", ".join(f"{name} {number(cost)}" for name, cost in settings.get("costs", {}).items())
    return "; ".join([*said, *([f"the least total cost counts, not the size ({costs})"] if costs else [])])


_HOLDS = {"keep": "every set holds", "never": "none holds"}


def empty_reason(
    sufficient: Selection,
    necessary: Selection,
    total_gap: Measure,
    certificate: Certificate,
    noun: str = FEATURE,
) -> str:
    """Why the smallest ε-sufficient and ε-necessary sets are empty, as one sentence; "" when they are not.

    Both hold for the empty set exactly when ρ(f(x), f_0) <= ε: hiding nothing and hiding
    everything then give nearly the same prediction.

    Args:
        sufficient: The smallest ε-sufficient set.
        necessary: The smallest ε-necessary set.
        total_gap: ρ(f(x), f_0).
        certificate: What is certain about them.
        noun: What a player is.
    """
    if sufficient.size and necessary.size:
        return ""
    distance = measure_text(total_gap)
    if not certificate.informative:
        return (
            f"The prediction cannot be told apart from the average one (they differ by {distance}), "
            "so there is nothing to explain."
        )
    near = f"within ε = {number(certificate.epsilon)} of f(x)"
    return (
        f"With every {noun} hidden the prediction is already {near} "
        f"(they differ by {distance}), so no {noun} is needed."
    )
