"""How far the work on the present rows has come, how long it will take, and when it must end.

The one place that asks a model counts its rows here and looks at the clock between two calls; whoever
runs the work made the meter, with the display it writes to, before the work was built on it.
"""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, final

from typing_extensions import override

from onlyif.core.arguments import Number

# With a time limit no call of the model should take much longer than this.
PIECE_S = 0.5
FIRST_PIECE = 256
# What is compared in one step with a time limit: at most this share of what is left, for it may be lost.
SHARE_AT_RISK = 0.125


@final
class TimeUpError(Exception):
    """The time limit was reached; whoever began the work keeps what it has. No user ever sees it."""


class Display(ABC):
    """Where progress is shown."""

    @abstractmethod
    def show(self, rows: float, row_s: float | None) -> None:
        """Show how far the work has come.

        Args:
            rows: Explained rows, the part of the present ones included.
            row_s: About how many seconds a row takes, or None where nothing is known yet.
        """


@final
@dataclass(frozen=True)
class NoDisplay(Display):
    """Shows nothing."""

    @override
    def show(self, rows: float, row_s: float | None) -> None:
        pass


@final
@dataclass(frozen=True, eq=False)
class Meter:
    """Work done of work planned, in model rows, and the time that it may take.

    Args:
        until: When time is up, by the clock; infinite without a limit.
        limit: The limit in seconds, as it was set; infinite without one.
        clock: Seconds since whenever.
        display: What shows the progress.
        counts: What was counted; it grows while the work goes on.
    """

    until: float = math.inf
    limit: float = math.inf
    clock: Callable[[], float] = time.monotonic
    display: Display = field(default_factory=NoDisplay)
    counts: dict[str, float] = field(default_factory=dict)

    def apart(self) -> "Meter":
        """A meter with the same limit that counts by itself and shows nothing: for another thread."""
        return replace(self, display=NoDisplay(), counts=dict(self.counts))

    @override
    def __getstate__(self) -> dict[str, Any]:
        # For another process, which has nothing to show it on.
        return {**self.__dict__, "display": NoDisplay()}

    @property
    def limited(self) -> bool:
        """Whether there is a time limit."""
        return self.until < math.inf

    @property
    def left_s(self) -> float:
        """Seconds until time is up."""
        return self.until - self.clock()

    def begin(self, n_rows: int, planned: int) -> None:
        """A block of rows begins.

        Args:
            n_rows: How many are explained together.
            planned: Model rows that they take at most; 0 where that is not known.
        """
        now, received = self.clock(), self.counts.get("received", 0.0)
        self.counts.update(block=float(n_rows), planned=float(planned), asked=0.0)
        self.counts.update(before=received, checks=received - self.counts.get("explained", 0.0))
        self.counts.update(began=now, closing=0.0, fit=0.0)

    def end(self) -> None:
        """The rows of the block are explained."""
        self.counts["rows"] = self.counts.get("rows", 0.0) + self.counts["block"]
        self.counts["explained"] = self.counts.get("explained", 0.0) + self.block_rows
        self.counts["unit_s"] = self._unit_s()
        self.counts.update(asked=0.0, planned=0.0, block=0.0)

    def expect(self, planned: int) -> None:
        """More is known of what is planned.

        Args:
            planned: Units of work that the present rows take.
        """
        self.counts["planned"] = float(planned)

    def restart(self, planned: int) -> None:
        """What was done for the present rows is of no use; what was learnt of the speed is.

        Args:
            planned: Units of work that they take now.
        """
        self.counts["unit_s"] = self._unit_s()
        self.counts.update(planned=float(planned), asked=0.0, began=self.clock())

    def receive(self, n_rows: int) -> None:
        """The user's model is given rows, for whatever purpose."""
        self.counts["received"] = self.counts.get("received", 0.0) + n_rows

    @property
    def model_rows(self) -> int:
        """Rows that the user's model was given, for whatever purpose."""
        return int(self.counts.get("received", 0.0))

    @property
    def block_rows(self) -> int:
        """Rows that the user's model was given since the present block began."""
        return int(self.counts.get("received", 0.0) - self.counts.get("before", 0.0))

    @property
    def check_rows(self) -> int:
        """Rows that the user's model was given outside the blocks, for preparation and checks, so far."""
        return int(self.counts.get("checks", 0.0))

    @property
    def affordable(self) -> float:
        """Units of work that the time left pays for, by the speed so far; infinite where none is known."""
        unit_s = self._unit_s()
        return max(0.0, self.left_s) / unit_s if unit_s else math.inf

    def count(self, units: int) -> None:
        """Work was done.

        Args:
            units: Model rows, or what stands for them.
        """
        asked = self.counts["asked"] = self.counts.get("asked", 0.0) + units
        planned, block = self.counts.get("planned", 0.0), self.counts.get("block", 0.0)
        if not planned or not block:
            return
        share = min(asked / planned, 0.99)
        row_s = (self.clock() - self.counts["began"]) / share / block
        self.display.show(self.counts.get("rows", 0.0) + share * block, row_s)

    def check(self) -> None:
        """Look at the clock, between two calls.

        Raises:
            TimeUpError: if time is up, or if it will not do for what `must_fit`.
        """
        if not self.limited or "began" not in self.counts or self.counts["closing"]:
            return
        now = self.clock()
        if now >= self.until or self._hopeless(now):
            raise TimeUpError

    @contextmanager
    def closing(self) -> Iterator[None]:
        """While the little is asked that makes a result whole, no time is up."""
        self.counts["closing"] = 1.0
        try:
            yield
        finally:
            self.counts["closing"] = 0.0

    @contextmanager
    def must_fit(self) -> Iterator[None]:
        """While what is done is of no use unless it is finished: it ends as soon as that is hopeless."""
        self.counts["fit"] = self.left_s
        try:
            yield
        finally:
            self.counts["fit"] = 0.0

    def _hopeless(self, now: float) -> bool:
        given, asked, spent = self.counts.get("fit", 0.0), self.counts.get("asked", 0.0), now - self.began
        if not given or spent < SHARE_AT_RISK * given or not asked:
            return False
        return spent * self.counts["planned"] / asked > given

    @property
    def began(self) -> float:
        """When the present rows were begun, by the clock."""
        return self.counts.get("began", self.clock())

    def _unit_s(self) -> float:
        asked = self.counts.get("asked", 0.0)
        return (self.clock() - self.began) / asked if asked else self.counts.get("unit_s", 0.0)

    def piece(self, n_rows: int) -> int:
        """How many of the rows of a call are asked at once: all of them where there is no limit."""
        if not self.limited:
            return max(1, n_rows)
        unit_s = self._unit_s()
        if not unit_s:
            return FIRST_PIECE
        return n_rows if unit_s * n_rows <= PIECE_S else max(1, int(PIECE_S / unit_s))

    def step(self, units: int, most: int, least: int = 4) -> int:
        """How many things are done before the next look at what there is, so that little can be lost.

        Args:
            units: What each takes.
            most: At most how many.
            least: At least how many.
        """
        each_s = units * self._unit_s()
        if not self.limited or most * each_s <= SHARE_AT_RISK * self.left_s:
            return most
        return min(most, max(least, int(SHARE_AT_RISK * self.left_s / each_s)))


def meter_of(
    time_limit: Any, display: Display | None = None, clock: Callable[[], float] = time.monotonic
) -> Meter:
    """A meter whose time begins now.

    Args:
        time_limit: Most seconds, or None.
        display: What shows the progress.
        clock: Seconds since whenever.

    Raises:
        SettingError: unless the limit is a number above 0.
    """
    shown = NoDisplay() if display is None else display
    if time_limit is None:
        return Meter(clock=clock, display=shown)
    limit = Number(above=0.0, below=None).take("time_limit", time_limit)
    return Meter(clock() + limit, limit, clock, shown)
