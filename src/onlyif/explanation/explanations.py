"""Explanations: what is said about many predictions, in the order of their rows."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, final, overload

import numpy as np
from jaxtyping import Bool, Float
from typing_extensions import override

from onlyif.core.equality import same
from onlyif.core.errors import SettingError
from onlyif.core.labels import Row
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.frames import frame
from onlyif.explanation.illustrated import illustrated
from onlyif.explanation.layout import left_out_text
from onlyif.explanation.listing import listing, listing_html
from onlyif.explanation.page.document import Page, page_of
from onlyif.explanation.places import many_places, one_place
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
from onlyif.explanation.styled import styled


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
        place = None if isinstance(which, slice) else one_place(which)
        if place is not None:
            return self.items[place]
        return Explanations(tuple(self.items[i] for i in many_places(which, len(self))), self.backend)

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

    def with_images(self, images: Any, regions: Any = None) -> "Explanations":
        """The same with the images that they are of, which pages show and `save` keeps.

        What `explain` finds for `modality=Images(...)` holds its images already.

        Args:
            images: One for each explained row, in order, as an array or a tensor (image, ..., h, w).
            regions: Which pixels are one player, as `Images` takes it; None where each pixel is one.

        Raises:
            SettingError: unless images and explanations fit each other.
            InputError: if the regions do not fit the images.

        Example:
            >>> from onlyif.testing.masks import example_masks
            >>> masks = example_masks().with_images(np.zeros((1, 1, 2, 4)))
            >>> masks[0].details.picture.pixels.shape
            (2, 4, 3)
        """
        return replace(self, items=illustrated(self.items, images, regions))

    def page(self, *, title: str = "Explanations") -> Page:
        """One page for a browser: all rows to search, and each with its sets under a slider over α.

        A notebook shows it as it is, in a frame. It asks nothing of a network; tables and sentences are there
        without a script.

        Args:
            title: What the page is called.

        Example:
            >>> from onlyif.testing.explanations import example_explanations
            >>> len(example_explanations().page().html) < 1_000_000
            True
        """
        rest = {"rows": left_out_text(self.left_out).removeprefix("; ")} if self.left_out else {}
        return Page(page_of(self.items, title, rest))

    def to_html(self, path: str | os.PathLike[str], *, title: str = "Explanations") -> Path:
        """Write the page, `page(...)`, to a file.

        Args:
            path: The file, with or without ".html"; one that is there is replaced.
            title: What the page is called.

        Returns:
            The path of the file.

        Raises:
            StorageError: if it cannot be written.
        """
        return self.page(title=title).write(path)

    @property
    def style(self) -> Any:
        """`to_frame()` as a Styler of pandas: colours of verdicts and statuses, bars behind gaps.

        Raises:
            ExtraError: if pandas or jinja2 is not installed.
            SettingError: if there is no explanation.
        """
        return styled(self.items)

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
        return listing(self.items, self.left_out)

    def _repr_html_(self) -> str:
        return listing_html(self.items, self.left_out)


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
