"""Summary over rows: how often each player is in which set, and the mean gaps."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any, final

from typing_extensions import override

from onlyif.core.errors import SettingError
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.explanations import Explanations, collected
from onlyif.explanation.frames import frame
from onlyif.explanation.layout import aligned, clipped, counted, error, number, sentence
from onlyif.explanation.records import selections_of
from onlyif.explanation.selection import NORMAL_95, Selection

KINDS = ("sufficient", "necessary", "unified")


# Squares of what is larger overflow.
_ENORMOUS = 1e150


@final
@dataclass(frozen=True)
class Share:
    """How many of some rows, with Wilson's 95 % interval for the share among all rows like these.

    Args:
        count: Rows counted.
        total: Rows asked, at least one.

    Example:
        >>> Share(5, 10).value, Share(5, 10).interval()
        (0.5, (0.236..., 0.763...))

    References:
        [wilson1927]
    """

    count: int
    total: int

    @property
    def value(self) -> float:
        """The share, 0 to 1."""
        return self.count / self.total

    def interval(self) -> tuple[float, float]:
        """Lower and upper end of the 95 % interval."""
        n, square = self.total, NORMAL_95**2
        centre = (self.value + square / (2 * n)) / (1 + square / n)
        half = math.sqrt(self.value * (1 - self.value) / n + square / (4 * n * n)) / (1 + square / n)
        half *= NORMAL_95
        # The ends are exactly 0 and 1 at shares of 0 and 1; rounding must not say otherwise.
        low = centre - half if self.count else 0.0
        return max(0.0, low), min(1.0, centre + half) if self.count < n else 1.0


@final
@dataclass(frozen=True)
class Mean:
    """A mean over rows and its standard error, which is NaN for a single row."""

    value: float
    stderr: float


@final
@dataclass(frozen=True)
class PlayerSummary:
    """In how many rows one player is in each set.

    Args:
        name: The player.
        sufficient: Rows in whose smallest ε-sufficient set it is.
        necessary: Rows in whose smallest ε-necessary set it is.
        unified: Rows in whose unified set it is.
    """

    name: str
    sufficient: Share
    necessary: Share
    unified: Share


@final
@dataclass(frozen=True)
class GapSummary:
    """One kind of set over all rows.

    Args:
        selection: "sufficient", "necessary" or "unified".
        size: Mean number of members.
        sufficiency: Mean Δsuf, of fresh draws where there are any.
        necessity: Mean Δnec, likewise.
    """

    selection: str
    size: Mean
    sufficiency: Mean
    necessity: Mean


@final
@dataclass(frozen=True)
class Summary:
    """What many explanations have in common.

    Args:
        n_rows: Rows explained.
        n_informative: Rows whose prediction differs from the average one by more than its error.
        players: One entry a player, in the order of the table.
        gaps: One entry a kind of set.
        references: The sentences that say what hidden features are replaced by.
        backend: The data frame library of `to_frame`.
    """

    n_rows: int
    n_informative: int
    players: tuple[PlayerSummary, ...]
    gaps: tuple[GapSummary, ...]
    references: tuple[str, ...]
    backend: str = ""

    def to_frame(self) -> Any:
        """One row for each player and kind of set: count, share and its 95 % interval.

        Raises:
            ExtraError: if neither pandas, polars nor pyarrow is installed.
        """
        columns = {"player": str, "selection": str, "count": int, "rows": int}
        shares = {"share": float, "share_low": float, "share_high": float}
        rows = [
            (player.name, kind, share.count, share.total, share.value, *share.interval())
            for player in self.players
            for kind, share in zip(KINDS, _shares(player), strict=True)
        ]
        return frame({**columns, **shares}, rows, self.backend)

    def gaps_frame(self) -> Any:
        """One row for each kind of set: mean size and mean gaps, with standard errors over rows.

        Raises:
            ExtraError: if neither pandas, polars nor pyarrow is installed.
        """
        names = ("size", "delta_suf", "delta_nec")
        columns = {"selection": str} | {f"{n}{end}": float for n in names for end in ("_mean", "_stderr")}
        rows = [
            (gap.selection, *(x for mean in _means(gap) for x in (mean.value, mean.stderr)))
            for gap in self.gaps
        ]
        return frame(columns, rows, self.backend)

    @override
    def __str__(self) -> str:
        shares = [[clipped(p.name, 32), *(_share_text(s) for s in _shares(p))] for p in self.players]
        gaps = [[gap.selection, *(_mean_text(mean) for mean in _means(gap))] for gap in self.gaps]
        return "\n".join(
            [
                f"{counted(self.n_rows, 'row')}, {self.n_informative} of them informative",
                "",
                "How often each feature is in the set (rows; share of rows with its 95 % interval):",
                *aligned(["feature", *KINDS], shares),
                "",
                "Means over rows (± standard error):",
                *aligned(["set", "size", "Δsuf", "Δnec"], gaps),
                "",
                *(sentence(said) for said in self.references),
            ]
        )


def summary(explanations: Explanation | Explanations) -> Summary:
    """How often each player is in the sufficient, necessary and unified set, with mean gaps.

    Gaps of fresh draws are taken where there are any: those that a search has
    minimised are too small on average.

    Args:
        explanations: One or more rows. A player's shares are among the rows that have it.

    Raises:
        SettingError: if there is no explanation.

    Example:
        >>> from onlyif.testing.explanations import example_explanations
        >>> summary(example_explanations()).players[0].sufficient
        Share(count=2, total=3)
    """
    held = collected(explanations)
    items = held.items
    if not items:
        raise SettingError("a summary needs at least one explanation, got none")
    names = dict.fromkeys(name for item in items for name in item.names)
    return Summary(
        n_rows=len(items),
        n_informative=sum(item.certificate.informative for item in items),
        players=tuple(_player(name, [item for item in items if name in item.names]) for name in names),
        gaps=tuple(_gap(kind, [selections_of(item)[kind] for item in items]) for kind in KINDS),
        references=tuple(dict.fromkeys(item.provenance.reference for item in items)),
        backend=held.backend,
    )


def _player(name: str, items: Sequence[Explanation]) -> PlayerSummary:
    counts = [sum(name in selections_of(item)[kind].names for item in items) for kind in KINDS]
    return PlayerSummary(name, *(Share(count, len(items)) for count in counts))


def _gap(kind: str, chosen: Sequence[Selection]) -> GapSummary:
    gaps = [each.fresh or (each.sufficiency, each.necessity) for each in chosen]
    sizes = mean_of([float(each.size) for each in chosen])
    return GapSummary(
        kind, sizes, mean_of([suf.value for suf, _ in gaps]), mean_of([nec.value for _, nec in gaps])
    )


def mean_of(values: Sequence[float]) -> Mean:
    """The mean of some numbers; without an error where one of them is infinite, unknown or enormous.

    Args:
        values: At least one.
    """
    if not all(abs(value) < _ENORMOUS for value in values):
        return Mean(sum(values) / len(values), math.nan)
    spread = stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return Mean(fmean(values), spread)


def _shares(player: PlayerSummary) -> tuple[Share, Share, Share]:
    return player.sufficient, player.necessary, player.unified


def _means(gap: GapSummary) -> tuple[Mean, Mean, Mean]:
    return gap.size, gap.sufficiency, gap.necessity


def _share_text(share: Share) -> str:
    low, high = share.interval()
    return f"{share.count} ({share.value:.0%}, {low:.0%} to {high:.0%})"


def _mean_text(mean: Mean) -> str:
    return number(mean.value) + error(mean.stderr)
