"""The bar: how far the work is, inside the present row too, and how long it will take.

A terminal has it on stderr, a notebook as a widget, or as a line of text where ipywidgets is not installed.
"""

import math
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, final

from tqdm import TqdmWarning, tqdm
from typing_extensions import override

from onlyif.core.progress import Display
from onlyif.explanation.explanations import Explanations

# What is done sooner than this is not worth a bar.
QUICK_S = 2.0
# A delay that is over at once; without any, nothing would be drawn later than at the start.
AT_ONCE_S = 1e-9
_FORMAT = "{percentage:3.0f}%|{bar}| {n:.2f}/{total_fmt} rows [{elapsed}<{remaining}{postfix}]"


@final
@dataclass(frozen=True, eq=False)
class ProgressBar(Display):
    """A bar that grows with every call of the model.

    Args:
        bar: tqdm's own.
    """

    bar: Any

    @override
    def show(self, rows: float, row_s: float | None) -> None:
        if self.bar.disable or not self.bar.total:
            return
        if row_s is not None:
            self.bar.set_postfix_str(f"about {seconds_text(row_s)} a row", refresh=False)
            if row_s * (self.bar.total - self.bar.initial) > QUICK_S:
                # It will take long: the reader is told now, and not when it has.
                self.bar.delay = AT_ONCE_S
        self.bar.update(max(0.0, self.bar.initial + rows - self.bar.n))

    def over(self, parts: Iterator[Explanations], total: int, done: int = 0) -> Iterator[Explanations]:
        """The same parts, with the bar moved to the rows that are done.

        Args:
            parts: Finished rows.
            total: How many rows there are.
            done: How many of them were done before.
        """
        bar = self.bar
        if bar.disable:
            yield from parts
            return
        bar.total, bar.initial, bar.n, bar.last_print_n = total, done, done, done
        bar.start_t = bar.last_print_t = bar._time()
        if (widget := getattr(bar, "container", None)) is not None:
            # It was made before the number of rows was known.
            _, drawn, _ = widget.children
            drawn.max, drawn.bar_style, drawn.layout.width = total, "", None
        with bar:
            whole = done
            for part in parts:
                yield part
                whole += len(part)
                bar.update(max(0.0, whole - bar.n))


def progress_bar(shown: bool | None = None) -> ProgressBar:  # the user's own argument, passed on
    """A bar: by default only on a terminal or in a notebook, and only for what takes more than two seconds.

    Args:
        shown: Whether it is shown; None for the default.
    """
    notebook = "ipykernel.zmqshell" in sys.modules
    hidden = not (notebook or sys.stderr.isatty()) if shown is None else not shown
    # Nothing is drawn before the number of rows is known.
    delay = QUICK_S if shown is None else AT_ONCE_S
    kind = _of_notebook() if notebook and not hidden else tqdm
    return ProgressBar(kind(total=0, disable=hidden, delay=delay, miniters=0, bar_format=_FORMAT, leave=True))


def _of_notebook() -> Any:
    """tqdm's choice of a bar in a notebook."""
    with warnings.catch_warnings():
        # That there is no widget without ipywidgets is no news to someone who reads a line of text.
        warnings.simplefilter("ignore", TqdmWarning)
        return import_module("tqdm.auto").tqdm


def seconds_text(value: float) -> str:
    """A time as one reads it.

    Args:
        value: Seconds.

    Example:
        >>> seconds_text(0.4), seconds_text(54.3), seconds_text(400.0)
        ('0.4 s', '54 s', '7 min')
    """
    if value >= 120:
        return f"{math.ceil(value / 60)} min" if value < 7200 else f"{value / 3600:.1f} h"
    return f"{value:.0f} s" if value >= 10 else f"{value:.1g} s"
