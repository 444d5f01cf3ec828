"""A piece of work: a model, rows and everything chosen, ready to be explained block by block."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

from onlyif.answers.case import Case
from onlyif.core.progress import Meter
from onlyif.setup.foundation import Foundation
from onlyif.setup.ready import Choice, Ready, ready_of
from onlyif.setup.tables import CodedRows


class Setup(ABC):
    """All that is chosen for a model and a background, whatever rows are explained: it is made once."""

    @property
    @abstractmethod
    def foundation(self) -> Foundation:
        """The model and the background."""

    def work(self, rows: CodedRows, meter: Meter) -> "Work":
        """The work that explains some rows.

        Args:
            rows: The rows, coded by these tables.
            meter: What counts the work; it is asked for from here on, not before.

        Raises:
            OtherModelError: if the model is no more what it was when this was made.
        """
        return self.work_on(ready_of(self.foundation, rows, meter))

    @abstractmethod
    def work_on(self, ready: Ready) -> "Work":
        """The work that explains some rows.

        Args:
            ready: The rows, with what the model says of them.
        """


@final
@dataclass(frozen=True, eq=False)
class Work:
    """All rows as one case, and how it is divided.

    Args:
        whole: All rows.
        planned_rows: Model rows that a row takes at most; 0 where the model is not asked.
        rows_a_block: How many rows are explained at once.
        meets_large_calls: Whether f(x) is itself asked for in calls as large as all others, so that it
            tells of them.
        setup: What it was made by.
        ready: What it was made of.
        choice: What was chosen for the rows.
    """

    whole: Case
    planned_rows: int
    rows_a_block: int
    meets_large_calls: bool
    setup: Setup
    ready: Ready
    choice: Choice

    def __len__(self) -> int:
        return len(self.whole.subjects)

    @property
    def backend(self) -> str:
        """The library of the user's frames."""
        return self.ready.tables.backend

    def apart(self) -> "Work":
        """The same with a meter of its own, for another thread."""
        return self.setup.work_on(self.ready.apart())


def work_of(setup: Setup, ready: Ready, choice: Choice, rows_a_block: int) -> Work:
    """The work by a criterion.

    Args:
        setup: What makes work of this kind.
        ready: The rows, with what the model says of them.
        choice: What was chosen.
        rows_a_block: How many rows are explained at once.
    """
    planned = ready.planned_rows(choice)
    case, meets = ready.case(choice), choice.meets_large_calls
    return Work(case, planned, rows_a_block, meets, setup, ready, choice)
