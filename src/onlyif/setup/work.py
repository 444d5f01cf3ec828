"""A piece of work: a model, rows and everything chosen, ready to be explained block by block."""

from dataclasses import dataclass
from typing import Any, final

from onlyif.answers.case import Case
from onlyif.setup.options import Options


@final
@dataclass(frozen=True, eq=False)
class Source:
    """What the user gave, so that the same work can be made again in another way.

    Args:
        model: The model.
        rows: The rows to explain.
        background: The background, or None.
        options: All that can be chosen.
    """

    model: Any
    rows: Any
    background: Any
    options: Options


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
        backend: The library of the user's frames.
        source: What it was made of.
    """

    whole: Case
    planned_rows: int
    rows_a_block: int
    meets_large_calls: bool
    backend: str
    source: Source

    def __len__(self) -> int:
        return len(self.whole.subjects)
