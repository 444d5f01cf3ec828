"""Explanations: what is said about many predictions, in the order of their rows."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, final, overload

from typing_extensions import override

from onlyif.core.errors import SettingError
from onlyif.core.labels import Row
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.frames import frame
from onlyif.explanation.layout import aligned, clipped, counted, left_out_text, number
from onlyif.explanation.places import many_places, one_place
from onlyif.explanation.records import (
    CONTINUUM_COLUMNS,
    PLAYER_COLUMNS,
    SELECTION_COLUMNS,
    continuum_records,
    player_records,
    selection_records,
)

N_SHOWN = 10


@final
@dataclass(frozen=True, eq=False)
class Explanations:
    """One explanation a row: a sequence that can be sliced, joined and laid out as frames.

    A number gives one `Explanation`; a slice, a list of numbers or a mask of
    booleans gives `Explanations`. Two of them are joined by `+`, many by `joined`.

    Args:
        items: The explanations, one a row.
        backend: The data frame library that frames are made with: "pandas", "polars" or
            "pyarrow"; empty where the user came with none, which means any that is installed.
        left_out: The labels of rows that were asked for and not begun when the time limit was reached.

    Raises:
        SettingError: if an item is of another kind.

    Example:
        >>> from onlyif.testing.explanations import example_explanations
        >>> explanations = example_explanations()
        >>> len(explanations), len(explanations[1:]), explanations[0].sufficient.names
        (3, 2, ('age', 'income'))
    """

    items: tuple[Explanation, ...]
    backend: str = ""
    left_out: tuple[Row, ...] = ()

    def __post_init__(self) -> None:
        for i, item in enumerate(self.items):
            if not isinstance(item, Explanation):
                raise SettingError(f"item {i} is a {type(item).__name__}; need Explanation")

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Explanation]:
        return iter(self.items)

    @overload
    def __getitem__(self, which: int) -> Explanation: ...
    @overload
    def __getitem__(self, which: Any) -> "Explanation | Explanations": ...
    def __getitem__(self, which: Any) -> "Explanation | Explanations":
        place = None if isinstance(which, slice) else one_place(which)
        if place is not None:
            return self.items[place]
        return Explanations(tuple(self.items[i] for i in many_places(which, len(self))), self.backend)

    def __add__(self, other: "Explanations") -> "Explanations":
        return joined([self, other])

    def to_frame(self) -> Any:
        """One row for each explained row and selection (sufficient, necessary, unified).

        `players` are the members' names, joined by ", "; `players_frame` has one boolean a
        player instead. `delta_uni` is Δuni at the explanation's own α, and its standard
        error an upper bound, since the two gaps share their draws. Columns that start with
        `fresh` hold the gaps on draws that the search never saw, NaN where gaps are exact.

        Raises:
            ExtraError: if neither pandas, polars nor pyarrow is installed.
        """
        return frame(SELECTION_COLUMNS, [r for item in self for r in selection_records(item)], self.backend)

    def continuum_frame(self) -> Any:
        """One row for each explained row, size rule and solution over α in [low, high].

        A row with low = high is the canonical solution at one breakpoint.

        Raises:
            ExtraError: if neither pandas, polars nor pyarrow is installed.
        """
        return frame(CONTINUUM_COLUMNS, [r for item in self for r in continuum_records(item)], self.backend)

    def players_frame(self) -> Any:
        """One row for each explained row and player: its value, in which sets it is, its Shapley value.

        The Shapley value is NaN where f_S(x) is not known for all subsets.

        Raises:
            ExtraError: if neither pandas, polars nor pyarrow is installed.
        """
        return frame(PLAYER_COLUMNS, [r for item in self for r in player_records(item)], self.backend)

    @override
    def __repr__(self) -> str:
        if not self.items:
            return "no explanations" + left_out_text(self.left_out)
        half = N_SHOWN // 2
        shown = self.items if len(self) <= N_SHOWN else self.items[:half] + self.items[-half:]
        header = ["row", "target", "f(x)", "f_0", "sufficient", "necessary", "unified"]
        lines = aligned(header, [_line(item) for item in shown], indent="")
        if len(shown) < len(self):
            lines.insert(1 + half, f"… {len(self) - len(shown)} more …")
        return "\n".join([counted(len(self), "explanation") + left_out_text(self.left_out), *lines])


def collected(given: Explanation | Explanations) -> Explanations:
    """One explanation or many, as a collection.

    Example:
        >>> from onlyif.testing.explanations import example_explanations
        >>> len(collected(example_explanations()[0]))
        1
    """
    return Explanations((given,)) if isinstance(given, Explanation) else given


def joined(parts: Iterable[Explanations]) -> Explanations:
    """All explanations of several collections, in order; frames are made as by the first that says how."""
    held = list(parts)
    backend = next((part.backend for part in held if part.backend), "")
    left_out = tuple(row for part in held for row in part.left_out)
    return Explanations(tuple(item for part in held for item in part.items), backend, left_out)


def _line(item: Explanation) -> list[str]:
    sets = [clipped(str(chosen), 28) for chosen in (item.sufficient, item.necessary, item.unified)]
    label = clipped(item.target_label, 16)
    return [clipped(str(item.row), 12), label, number(item.prediction), number(item.base), *sets]
