"""CausalExplanations: the causes of many predictions, in the order of their rows."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final, overload

from typing_extensions import override

from onlyif.core.errors import SettingError
from onlyif.core.labels import Row
from onlyif.explanation.causal import CausalExplanation
from onlyif.explanation.cause import Cause
from onlyif.explanation.frames import frame
from onlyif.explanation.layout import aligned, clipped, counted, left_out_text, number
from onlyif.explanation.places import many_places, one_place

N_SHOWN = 10
_ROW: Mapping[str, type] = {
    "row": object, "target": int, "target_label": str, "prediction": float, "baseline_prediction": float,
}  # fmt: skip
_CAUSE: Mapping[str, type] = {
    "players": str, "size": int, "pn": float, "pn_stderr": float, "pn_sample_stderr": float, "ps": float,
    "ps_stderr": float, "ps_sample_stderr": float, "p_changed": float, "p_unchanged": float, "pns": float,
    "pns_stderr": float, "pns_sample_stderr": float, "pns_halved": float, "pns_searched": float,
    "pns_typical": float, "effective_pn": float, "effective_ps": float, "exact": bool, "n_ties": int,
}  # fmt: skip
_SETTINGS: Mapping[str, type] = {
    "b": float, "c": float, "n_sample": int, "baseline": str, "sample": str, "search": str, "seed": int,
    "model_rows": int, "seconds": float, "reason": str,
}  # fmt: skip
CAUSE_COLUMNS: Mapping[str, type] = {**_ROW, **_CAUSE, **_SETTINGS}
PATH_COLUMNS: Mapping[str, type] = {**_ROW, **_CAUSE, "chosen": bool}
SINGLE_COLUMNS: Mapping[str, type] = {
    "row": object, "player": str, "value": str, "baseline": str, "in_cause": bool, **_CAUSE,
}  # fmt: skip


@final
@dataclass(frozen=True, eq=False)
class CausalExplanations:
    """One causal explanation a row: a sequence that can be sliced, joined and laid out as frames.

    A number gives one `CausalExplanation`; a slice, a list of numbers or a mask of
    booleans gives `CausalExplanations`. Two of them are joined by `+`.

    Args:
        items: The explanations, one a row.
        backend: The data frame library that frames are made with, as in `Explanations`.
        left_out: The labels of rows that were asked for and not begun when the time limit was reached.

    Raises:
        SettingError: if an item is of another kind.

    Example:
        >>> from onlyif.testing.causes import example_causes
        >>> found = example_causes()
        >>> len(found), len(found[1:]), found[0].cause.names
        (2, 1, ('age', 'income'))
    """

    items: tuple[CausalExplanation, ...]
    backend: str = ""
    left_out: tuple[Row, ...] = ()

    def __post_init__(self) -> None:
        for i, item in enumerate(self.items):
            if not isinstance(item, CausalExplanation):
                raise SettingError(f"item {i} is a {type(item).__name__}; need CausalExplanation")

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[CausalExplanation]:
        return iter(self.items)

    @overload
    def __getitem__(self, which: int) -> CausalExplanation: ...
    @overload
    def __getitem__(self, which: Any) -> "CausalExplanation | CausalExplanations": ...
    def __getitem__(self, which: Any) -> "CausalExplanation | CausalExplanations":
        place = None if isinstance(which, slice) else one_place(which)
        if place is not None:
            return self.items[place]
        return CausalExplanations(tuple(self.items[i] for i in many_places(which, len(self))), self.backend)

    def __add__(self, other: "CausalExplanations") -> "CausalExplanations":
        both = self.left_out + other.left_out
        return CausalExplanations(self.items + other.items, self.backend or other.backend, both)

    def to_frame(self) -> Any:
        """One row for each explained row: its cause of the chosen size.

        `players` are the members' names, joined by ", ". `_stderr` columns hold standard
        errors given E, `_sample_stderr` ones over E; `pns_searched` is the PNS that the search
        saw, NaN where nothing was drawn, and `pns_typical` the mean over all subsets of that size.

        Raises:
            ExtraError: if neither pandas, polars nor pyarrow is installed.
        """
        rows = [(*_row(item), *_cause(item.cause), *_settings(item)) for item in self]
        return frame(CAUSE_COLUMNS, rows, self.backend)

    def path_frame(self) -> Any:
        """One row for each explained row and size: the subset of that size with the highest PNS.

        Raises:
            ExtraError: if neither pandas, polars nor pyarrow is installed.
        """
        rows = [(*_row(item), *_cause(c), c.size == item.size) for item in self for c in item.path]
        return frame(PATH_COLUMNS, rows, self.backend)

    def players_frame(self) -> Any:
        """One row for each explained row and player: its value, the baseline's, and its PNS alone.

        Raises:
            ExtraError: if neither pandas, polars nor pyarrow is installed.
        """
        rows = [
            (item.row, name, item.values[i], item.baseline[i], i in item.cause.players, *_cause(single))
            for item in self
            for i, (name, single) in enumerate(zip(item.names, item.singles, strict=True))
        ]
        return frame(SINGLE_COLUMNS, rows, self.backend)

    @override
    def __repr__(self) -> str:
        if not self.items:
            return "no causal explanations" + left_out_text(self.left_out)
        half = N_SHOWN // 2
        shown = self.items if len(self) <= N_SHOWN else self.items[:half] + self.items[-half:]
        lines = aligned(["row", "target", "f(x)", "f(x')", "PNS", "cause"], [*map(_line, shown)], indent="")
        if len(shown) < len(self):
            lines.insert(1 + half, f"… {len(self) - len(shown)} more …")
        return "\n".join([counted(len(self), "causal explanation") + left_out_text(self.left_out), *lines])


def _line(item: CausalExplanation) -> list[str]:
    numbers = (item.prediction, item.baseline_prediction, item.cause.pns.value)
    return [
        clipped(str(item.row), 12),
        clipped(item.target_label, 16),
        *map(number, numbers),
        clipped(str(item.cause), 60),
    ]


def _row(item: CausalExplanation) -> tuple[object, ...]:
    return item.row, item.target, item.target_label, item.prediction, item.baseline_prediction


def _cause(cause: Cause) -> tuple[object, ...]:
    pn, ps, pns = ((m.value, m.stderr, m.sample_stderr) for m in (cause.pn, cause.ps, cause.pns))
    return (
        ", ".join(cause.names),
        cause.size,
        *pn,
        *ps,
        cause.p_changed.value,
        cause.p_unchanged.value,
        *pns,
        cause.pns_halved,
        math.nan if cause.searched is None else cause.searched,
        math.nan if cause.typical is None else cause.typical,
        cause.effective_pn,
        cause.effective_ps,
        cause.exact,
        cause.n_ties,
    )


def _settings(item: CausalExplanation) -> tuple[object, ...]:
    made = item.provenance
    return (
        *(made.b, made.c, made.n_sample, made.baseline, made.sample, made.search, made.seed),
        *(item.model_rows, item.seconds, item.reason),
    )
