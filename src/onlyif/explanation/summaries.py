"""Summary over rows: how often each player is in which set, and the mean of what was measured of the sets."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import Any, final

from typing_extensions import override

from onlyif.core.nouns import FEATURE, counted
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.frames import frame
from onlyif.explanation.layout import aligned, clipped, counts_text, error, number, sentence
from onlyif.explanation.model_card import card
from onlyif.explanation.notebook import summary_html
from onlyif.explanation.pixels import PixelNames
from onlyif.explanation.verdicts import Finding

# Squares of what is larger overflow.
_ENORMOUS = 1e150
# What is known of some sets only, or for a reader of one row.
_OF_ONE_ROW = frozenset(
    {"searched", "typical", "effective_pn", "effective_ps", "p_changed", "p_unchanged", "kept", "hidden"}
)
SYMBOLS: Mapping[str, str] = {
    "sufficiency": "Δsuf",
    "necessity": "Δnec",
    "pns": "PNS",
    "pn": "PN",
    "ps": "PS",
    "kept": "f_S",
    "hidden": "f_Sc",
}


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
        from scipy.stats import binomtest  # here, for it takes longer to load than all of onlyif

        ends = binomtest(self.count, self.total).proportion_ci(0.95, method="wilson")
        return float(ends.low), float(ends.high)


@final
@dataclass(frozen=True)
class Mean:
    """A mean over rows and its standard error, which is NaN for a single row."""

    value: float
    stderr: float


_UNKNOWN = Mean(math.nan, math.nan)


@final
@dataclass(frozen=True)
class PlayerSummary:
    """One player over all rows.

    Args:
        name: The player.
        shares: For each kind of set the rows in whose set it is; where nothing is a cause, it is in none.
        scores: The mean of each of its scores, as of its PNS alone.
        against: For each kind of set the number of rows in whose set it is and speaks against what is
            explained.
    """

    name: str
    shares: Mapping[str, Share]
    scores: Mapping[str, Mean]
    against: Mapping[str, int] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class SetSummary:
    """One kind of set over all rows.

    Args:
        selection: Its name, as "sufficient" or "cause".
        size: Mean number of members.
        measures: Mean of each of its measures; of gaps those of fresh draws where there are any.
        verdicts: In how many rows the set holds, does not hold, or this cannot be told; empty where sets have
            no verdict.
    """

    selection: str
    size: Mean
    measures: Mapping[str, Mean]
    verdicts: Mapping[str, int] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class Summary:
    """What many explanations have in common.

    Args:
        n_rows: Rows explained.
        n_informative: Rows with something to explain: whose prediction differs from the average one by more
            than its error, or for which some set has a PNS above 0.
        players: One entry a player, in the order of the table; none for pixels.
        sets: One entry a kind of set.
        sentences: What hidden players are replaced by, or go to.
        backend: The data frame library of the frames.
        statuses: How many explanations are of each status, the most frequent first.
        noun: What a player is; "player" where data of several kinds are together.
    """

    n_rows: int
    n_informative: int
    players: tuple[PlayerSummary, ...]
    sets: tuple[SetSummary, ...]
    sentences: tuple[str, ...]
    backend: str = ""
    statuses: Mapping[str, int] = field(default_factory=dict)
    noun: str = FEATURE

    @property
    def metrics(self) -> Mapping[str, float]:
        """Numbers by their names, for a tracker of experiments: as `sufficient/size`, `sufficient/holds`.

        Verdicts are shares of the sets that have one. What is not finite is left out.

        Example:
            >>> import onlyif
            >>> from onlyif.testing.explanations import example_explanations
            >>> onlyif.summary(example_explanations()).metrics["sufficient/size"]
            1.666...
        """
        found: dict[str, float] = {"rows": self.n_rows, "informative": self.n_informative / self.n_rows}
        for one in self.sets:
            means = {"size": one.size, **one.measures}
            total = sum(one.verdicts.values())
            found |= {f"{one.selection}/{name}": mean.value for name, mean in means.items()}
            found |= {
                f"{one.selection}/{said.value.replace(' ', '_')}": one.verdicts.get(said.value, 0) / total
                for said in (Finding if total else ())
            }
        return {name: float(value) for name, value in found.items() if math.isfinite(value)}

    def to_frame(self) -> Any:
        """One row for each player and kind of set: count, share and its 95 % interval, mean scores.

        Raises:
            ExtraError: if neither pandas, polars nor pyarrow is installed.
        """
        scores = list(dict.fromkeys(name for player in self.players for name in player.scores))
        columns: dict[str, type] = {"player": str, "selection": str, "count": int, "rows": int}
        columns |= {"share": float, "share_low": float, "share_high": float}
        columns |= {f"{name}_{end}": float for name in scores for end in ("mean", "stderr")}
        rows = [
            (
                *(player.name, kind, share.count, share.total, share.value, *share.interval()),
                *(
                    x
                    for name in scores
                    for m in [player.scores.get(name, _UNKNOWN)]
                    for x in (m.value, m.stderr)
                ),
            )
            for player in self.players
            for kind, share in player.shares.items()
        ]
        return frame(columns, rows, self.backend)

    def gaps_frame(self) -> Any:
        """One row for each kind of set: mean size and mean measures, with standard errors over rows.

        Raises:
            ExtraError: if neither pandas, polars nor pyarrow is installed.
        """
        short = {"sufficiency": "delta_suf", "necessity": "delta_nec"}
        names = list(dict.fromkeys(name for one in self.sets for name in one.measures))
        columns: dict[str, type] = {"selection": str}
        columns |= {
            f"{short.get(n, n)}{end}": float for n in ("size", *names) for end in ("_mean", "_stderr")
        }
        rows = [
            (one.selection, *(x for m in (one.size, *_in_order(one, names)) for x in (m.value, m.stderr)))
            for one in self.sets
        ]
        return frame(columns, rows, self.backend)

    @override
    def __repr__(self) -> str:
        kinds = ", ".join(one.selection for one in self.sets)
        return f"Summary({counted(self.n_rows, 'row')}, {counted(len(self.players), 'player')}; {kinds})"

    def to_markdown(self) -> str:
        """A section for a model card: statuses, verdicts, who is in which set how often, what hiding means.

        Example:
            >>> import onlyif
            >>> from onlyif.testing.explanations import example_explanations
            >>> print(onlyif.summary(example_explanations()).to_markdown())
            ## Explanations
            <BLANKLINE>
            3 rows explained, 2 of them with something to explain. Status: explained 1, all features 1, ...
        """
        return card(self)

    def _repr_html_(self) -> str:
        return summary_html(self)

    @override
    def __str__(self) -> str:
        kinds = [one.selection for one in self.sets]
        scores = list(dict.fromkeys(name for player in self.players for name in player.scores))
        measures = list(dict.fromkeys(name for one in self.sets for name in one.measures))
        shares = [[clipped(p.name, 32), *_cells(p, kinds, scores)] for p in self.players]
        means = [
            [one.selection, _mean_text(one.size), *map(_mean_text, _in_order(one, measures))]
            for one in self.sets
        ]
        heads = [SYMBOLS.get(name, name) for name in measures]
        scored = [f"mean {SYMBOLS.get(name, name)} alone" for name in scores]
        what = "cause" if kinds == ["cause"] else "set"
        often = f"How often each {self.noun} is in the {what} (rows; share of rows with its 95 % interval):"
        players = ["", often, *aligned([self.noun, *kinds, *scored], shares)] if shares else []
        return "\n".join(
            [
                f"{counted(self.n_rows, 'row')}, {self.n_informative} of them informative",
                f"Status of the explanations: {counts_text(self.statuses)}",
                *players,
                "",
                "Means over rows (± standard error):",
                *aligned(["set", "size", *heads], means),
                *(f"  {one.selection}: {counts_text(one.verdicts)}" for one in self.sets if one.verdicts),
                "",
                *(sentence(said) for said in self.sentences),
            ]
        )


def summary_of(items: Sequence[Explanation], backend: str = "") -> Summary:
    """The summary of at least one explanation, as `summary` documents it.

    Args:
        items: The explanations.
        backend: The data frame library of the frames.
    """
    kinds = list(dict.fromkeys(name for item in items for name in item.sets))
    features = [item for item in items if not isinstance(item.names, PixelNames)]
    names = dict.fromkeys(name for item in features for name in item.names)
    said = (item.provenance.sentences for item in items)
    return Summary(
        n_rows=len(items),
        n_informative=sum(map(_informative, items)),
        players=tuple(
            _player(name, [item for item in features if name in item.names], kinds) for name in names
        ),
        sets=tuple(_set(kind, [item for item in items if kind in item.sets]) for kind in kinds),
        sentences=tuple(
            dict.fromkeys(one[key] for one in said for key in ("reference", "baseline") if key in one)
        ),
        backend=backend,
        statuses=dict(Counter(item.status.title for item in items).most_common()),
        noun=nouns.pop() if len(nouns := {item.noun for item in items}) == 1 else "player",
    )


def _informative(item: Explanation) -> bool:
    sure = item.details.certificate
    return not item.reason if sure is None else sure.informative


def _player(name: str, items: Sequence[Explanation], kinds: Sequence[str]) -> PlayerSummary:
    shares = {kind: Share(sum(_is_in(name, item, kind) for item in items), len(items)) for kind in kinds}
    scores = [dict(item.scores) for item in items]
    told = [key for key in scores[0] if key != "shapley" and not key.startswith("stability_")]
    named = [key for key in told if all(key in one for one in scores)]
    means = {
        key: mean_of([float(item.scores[key][item.names.index(name)]) for item in items]) for key in named
    }
    against = {kind: sum(_speaks_against(name, item, kind) for item in items) for kind in kinds}
    return PlayerSummary(name, shares, means, against)


def _is_in(name: str, item: Explanation, kind: str) -> bool:
    nothing = kind == "cause" and bool(item.reason)
    return kind in item.sets and name in item.sets[kind].names and not nothing


def _speaks_against(name: str, item: Explanation, kind: str) -> bool:
    if not _is_in(name, item, kind):
        return False
    chosen = item.sets[kind]
    ways = dict(zip(chosen.names, chosen.directions, strict=False))
    return name in ways and item.speaks_against(ways[name])


def _set(kind: str, items: Sequence[Explanation]) -> SetSummary:
    chosen = [item.sets[kind] for item in items]
    names = [name for name in chosen[0].measures if all(name in one.measures for one in chosen)]
    plain = [name for name in names if name not in _OF_ONE_ROW and not name.startswith("fresh_")]
    values = {
        name: [one.measures.get(f"fresh_{name}", one.measures[name]).value for one in chosen]
        for name in plain
    }
    sizes = mean_of([float(one.size) for one in chosen])
    means = {name: mean_of(column) for name, column in values.items()}
    given = [item.verdicts[kind].finding.value for item in items if kind in item.verdicts]
    return SetSummary(kind, sizes, means, dict(Counter(given).most_common()))


def mean_of(values: Sequence[float]) -> Mean:
    """The mean of some numbers; without an error where one of them is infinite, unknown or enormous.

    Args:
        values: At least one.
    """
    if not all(abs(value) < _ENORMOUS for value in values):
        return Mean(sum(values) / len(values), math.nan)
    spread = stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return Mean(fmean(values), spread)


def _in_order(one: SetSummary, names: Sequence[str]) -> list[Mean]:
    return [one.measures.get(name, _UNKNOWN) for name in names]


def _cells(player: PlayerSummary, kinds: Sequence[str], scores: Sequence[str]) -> list[str]:
    shares = [_share_text(player.shares[kind]) for kind in kinds]
    return [*shares, *(_mean_text(player.scores[name]) if name in player.scores else "" for name in scores)]


def _share_text(share: Share) -> str:
    low, high = share.interval()
    return f"{share.count} ({share.value:.0%}, {low:.0%} to {high:.0%})"


def _mean_text(mean: Mean) -> str:
    return number(mean.value) + error(mean.stderr)
