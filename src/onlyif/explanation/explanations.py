"""Explanations: what is said about many predictions, in the order of their rows."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, final, overload

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from typing_extensions import override

from onlyif.core.equality import same
from onlyif.core.errors import SettingError
from onlyif.core.labels import Row
from onlyif.core.nouns import counted
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.frames import frame
from onlyif.explanation.layout import aligned, clipped, left_out_text, number, share_text
from onlyif.explanation.pixels import PixelNames
from onlyif.explanation.records import (
    alternatives_layout,
    continuum_layout,
    members_layout,
    path_layout,
    player_layout,
    reasons_layout,
    set_layout,
    short_layout,
    short_path_layout,
    short_player_layout,
)
from onlyif.explanation.shap_values import shap_values

N_SHOWN = 10


@final
@dataclass(frozen=True, eq=False)
class Explanations:
    """One explanation a row: a sequence that can be sliced, joined and laid out as frames.

    A number gives one `Explanation`; a slice, a list of numbers or a mask of
    booleans gives `Explanations`. Two of them are joined by `+`, many by `joined`. All are by one
    criterion, since gaps and probabilities do not compare; those by another one make a collection of
    their own. Two are equal if their explanations are.

    Args:
        items: The explanations, one a row; of images one an image and α.
        backend: The data frame library that frames are made with: "pandas", "polars" or
            "pyarrow"; empty where the user came with none, which means any that is installed.
        left_out: The labels of rows that were asked for and not begun when the time limit was reached.

    Raises:
        SettingError: if an item is of another kind, or they are by several criteria.

    Example:
        >>> from onlyif.testing.explanations import example_explanations
        >>> explanations = example_explanations()
        >>> len(explanations), len(explanations[1:]), explanations[0].sufficient.names
        (3, 2, ('age', 'income'))
    """

    items: tuple[Explanation, ...]
    backend: str = field(default="", compare=False)
    left_out: tuple[Row, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        for i, item in enumerate(self.items):
            if not isinstance(item, Explanation):
                raise SettingError(f"item {i} is a {type(item).__name__}; need Explanation")
        criteria = list(dict.fromkeys(item.criterion for item in self.items))
        if len(criteria) > 1:
            got = " and ".join(map(repr, criteria))
            raise SettingError(
                f"one collection holds explanations by one criterion, got {got}; keep them apart, each in a "
                "file of its own"
            )

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Explanation]:
        return iter(self.items)

    @overload
    def __getitem__(self, which: int) -> Explanation: ...
    @overload
    def __getitem__(self, which: Any) -> "Explanation | Explanations": ...
    def __getitem__(self, which: Any) -> "Explanation | Explanations":
        place = None if isinstance(which, slice) else _one_place(which)
        if place is not None:
            return self.items[place]
        return Explanations(tuple(self.items[i] for i in _many_places(which, len(self))), self.backend)

    @override
    def __eq__(self, other: object) -> bool:
        return same(self, other)

    def __add__(self, other: "Explanations") -> "Explanations":
        return joined([self, other])

    def of_row(self, row: Row) -> "Explanations":
        """The explanations of one row; of an image, one for each α.

        Args:
            row: Its label.
        """
        return Explanations(tuple(item for item in self.items if item.row == row), self.backend)

    def at_alpha(self, alpha: float) -> "Explanations":
        """The explanations for one α.

        Args:
            alpha: α.

        Raises:
            SettingError: if there is none, naming those there are.
            AbsentError: if they are by a criterion without α.
        """
        chosen = tuple(item for item in self.items if abs(item.alpha - alpha) < 1e-6)
        if not chosen:
            have = sorted({item.alpha for item in self.items})
            raise SettingError(f"no explanation for alpha={alpha}; there are {have}")
        return Explanations(chosen, self.backend)

    def soft(self) -> Float[np.ndarray, "b h w"]:
        """The soft masks of images of one size, in one array.

        Raises:
            AbsentError: if these are no explanations of images by masks.
        """
        return np.stack([item.soft for item in self.items])

    def hard(self) -> Bool[np.ndarray, "b h w"]:
        """The sets of pixels of images of one size, in one array.

        Raises:
            AbsentError: if these are no explanations of images by masks.
        """
        return np.stack([item.hard for item in self.items])

    def to_frame(self, *, full: bool = False) -> Any:
        """One row for each explained row and set (sufficient, necessary, unified; cause; mask).

        `row` is the label in the user's own index, so that it joins the user's table. `players` are the
        members' names, joined by ", "; `members_frame` has one row a member, with its value and direction,
        `players_frame` one boolean a player. `verdict` says whether a smallest set holds on rows that the
        search never saw, `status` what kind of answer it is.

        Args:
            full: Whether all that is known is a column: target, size rule, settings, provenance and cost too.
                Columns that end with `_stderr` hold standard errors, those that end with `_sample_stderr` the
                ones over E. `delta_uni` is Δuni at the explanation's own α, and its standard error an upper
                bound, since the two gaps share their draws. Columns that start with `fresh` hold the gaps on
                draws that the search never saw, NaN where gaps are exact; `pns_searched` is the PNS that the
                search saw, `pns_typical` the mean over all subsets of that size.

        Raises:
            ExtraError: if neither pandas, polars nor pyarrow is installed.
        """
        return frame(*(set_layout if full else short_layout)(self.items), self.backend)

    def to_shap(self) -> Any:
        """The Shapley values as a `shap.Explanation`, one row an explanation: for shap's pictures.

        Each row's values are of its own target and sum to f(x) - f_0, where `base_values` holds f_0.

        Raises:
            ExtraError: if shap is not installed.
            SettingError: if there is no explanation, they are of different players, or not all subsets of one
                of them were compared.
            AbsentError: if they are by a criterion without Shapley values.
        """
        return shap_values(self.items)

    def rows(self) -> list[dict[str, object]]:
        """The rows of `to_frame(full=True)` as dictionaries, without any library of frames."""
        columns, records = set_layout(self.items)
        return [dict(zip(columns, record, strict=True)) for record in records]

    def reasons_frame(self) -> Any:
        """A short frame, one row for each explained row: what was decided, why, and how far to trust it.

        `row` is the label in the user's own index, so that it joins the user's table. `decision` is the label
        that is decided for ("not" before one that is decided against, "" where nothing decides), `reasons`
        the members of the sufficient set, or of the cause, that speak for it, with their values: "" where the
        numbers bear none, which `verdict`, on the sufficient set, and `status` tell.

        Raises:
            ExtraError: if neither pandas, polars nor pyarrow is installed.
            AbsentError: if the players are pixels.
        """
        return frame(*reasons_layout(self.items), self.backend)

    def members_frame(self) -> Any:
        """A long frame, one row for each explained row, set and member: its value, direction, changes of f.

        `kept_beside_others` is f_S - f_(S without it), `kept_alone` f_{it} - f_0; `hidden_beside_others` is
        what showing it again brings where the whole set is hidden, `hidden_alone` what hiding it alone takes
        away.
        A sufficient set has the first two, a necessary one the others, the unified set those that α weighs;
        the rest is NaN. `direction` is "" where the criterion tells none.

        Raises:
            ExtraError: if neither pandas, polars nor pyarrow is installed.
            AbsentError: if the players are pixels.
        """
        return frame(*members_layout(self.items), self.backend)

    def continuum_frame(self) -> Any:
        """One row for each explained row, size rule and solution over α in [low, high].

        A row with low = high is the canonical solution at one breakpoint.

        Raises:
            ExtraError: if neither pandas, polars nor pyarrow is installed.
            AbsentError: if the explanations have no continuum.
        """
        return frame(*continuum_layout(self.items), self.backend)

    def alternatives_frame(self) -> Any:
        """One row for each explained row and minimal set that is within ε: "sufficient" or "necessary".

        Raises:
            ExtraError: if neither pandas, polars nor pyarrow is installed.
            AbsentError: if no minimal sets were looked for.
        """
        return frame(*alternatives_layout(self.items), self.backend)

    def path_frame(self, *, full: bool = False) -> Any:
        """One row for each explained row and size: the subset of that size with the highest PNS.

        Args:
            full: Whether all that is known of the subset is a column.

        Raises:
            ExtraError: if neither pandas, polars nor pyarrow is installed.
            AbsentError: if the explanations have no path.
        """
        return frame(*(path_layout if full else short_path_layout)(self.items), self.backend)

    def players_frame(self, *, full: bool = False) -> Any:
        """One row for each explained row and player: its value, in which sets it is, its scores.

        The Shapley value is NaN where f_S(x) is not known for all subsets. With causes it has the PNS of the
        player alone, and the baseline's value.

        Args:
            full: Whether all that is known of the player alone is a column, where causes are looked for.

        Raises:
            ExtraError: if neither pandas, polars nor pyarrow is installed.
            AbsentError: if the players are pixels.
        """
        return frame(*(player_layout if full else short_player_layout)(self.items), self.backend)

    @override
    def __repr__(self) -> str:
        if not self.items:
            return "no explanations" + left_out_text(self.left_out)
        half = N_SHOWN // 2
        shown = self.items if len(self) <= N_SHOWN else self.items[:half] + self.items[-half:]
        header = ["row", "target", "f(x)", shown[0].base_word, *_header(shown[0])]
        lines = aligned(header, [_line(item) for item in shown], indent="")
        if len(shown) < len(self):
            lines.insert(1 + half, f"… {len(self) - len(shown)} more …")
        return "\n".join([counted(len(self), "explanation") + left_out_text(self.left_out), *lines])


def collected(given: Explanation | Explanations) -> Explanations:
    """One explanation or many, as a collection.

    Raises:
        SettingError: if it is neither.

    Example:
        >>> from onlyif.testing.explanations import example_explanations
        >>> len(collected(example_explanations()[0]))
        1
    """
    match given:
        case Explanation():
            return Explanations((given,))
        case Explanations():
            return given
        case _:
            raise SettingError(
                "need an explanation, or explanations as onlyif.explain gives them, "
                f"got {type(given).__name__} {str(given)[:60]!r}"
            )


def one_of(given: object, user: str) -> Explanation:
    """A single explanation, as a text or a picture needs it; of a collection of one row, that row's.

    Raises:
        SettingError: if it is none, or several.
    """
    match given:
        case Explanation():
            return given
        case Explanations() if len(given) == 1:
            return given.items[0]
        case Explanations():
            got = f"Explanations of {len(given)} rows: choose one, as found[0]"
        case _:
            got = type(given).__name__
    raise SettingError(f"{user} takes the explanation of one row, got {got}")


def joined(parts: Iterable[Explanations]) -> Explanations:
    """All explanations of several collections, in order; frames are made as by the first that says how.

    Args:
        parts: The collections, all by one criterion.

    Raises:
        SettingError: if they are by several criteria.
    """
    every = list(parts)
    backend = next((part.backend for part in every if part.backend), "")
    left_out = tuple(row for part in every for row in part.left_out)
    return Explanations(tuple(item for part in every for item in part.items), backend, left_out)


def _header(item: Explanation) -> list[str]:
    if isinstance(item.names, PixelNames):
        return ["α", "Δsuf", "Δnec", "set"] if "unified" in item.sets else ["scores"]
    return ["PNS", *item.sets] if "cause" in item.sets else [*item.sets]


def _line(item: Explanation) -> list[str]:
    label = item.target_label or str(item.target)
    values = (clipped(item.value_text(value), 16) for value in (item.prediction, item.base))
    start = [clipped(str(item.row), 12), clipped(label, 16), *values]
    if isinstance(item.names, PixelNames):
        return [*start, *_pixels(item)]
    if "cause" in item.sets:
        return [*start, number(item.cause.pns.value), *(clipped(str(one), 60) for one in item.sets.values())]
    return [*start, *(clipped(str(chosen), 28) for chosen in item.sets.values())]


def _pixels(item: Explanation) -> list[str]:
    if "unified" not in item.sets:
        return [", ".join(item.scores)]
    chosen = item.unified
    gaps = chosen.sufficiency.value, chosen.necessity.value
    return [number(item.alpha), *map(number, gaps), share_text(chosen.size, len(item.names))]


def _one_place(which: Any) -> int | None:
    """The position that a single number means; None where more than one item is asked for.

    Example:
        >>> _one_place(-1), _one_place([0, 2])
        (-1, None)
    """
    place = np.asarray(which)
    if place.ndim:
        return None
    if place.dtype.kind not in "iu":
        raise SettingError(f"an explanation is chosen by its position, a whole number; got {which!r}")
    return int(place)


def _many_places(which: Any, count: int) -> list[int]:
    """The positions that a slice, a list of numbers or a mask means.

    Example:
        >>> _many_places(slice(1, None), 3), _many_places([True, False, True], 3)
        ([1, 2], [0, 2])
    """
    if isinstance(which, slice):
        return list(range(count)[which])
    places: NDArray[Any] = np.asarray(which)
    if places.dtype.kind == "b" and places.shape == (count,):
        return [int(i) for i in np.flatnonzero(places)]
    if places.ndim == 1 and (places.dtype.kind in "iu" or not places.size):
        return [int(i) for i in places]
    raise SettingError(
        f"need a number, a slice, a list of numbers or {count} booleans, "
        f"got {places.dtype} of shape {places.shape}"
    )
