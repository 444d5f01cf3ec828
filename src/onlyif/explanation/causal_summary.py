"""Summary of causes over rows: how often each player is in the cause, and its PNS alone."""

from dataclasses import dataclass
from typing import Any, final

from typing_extensions import override

from onlyif.core.errors import SettingError
from onlyif.explanation.causal_explanations import CausalExplanations
from onlyif.explanation.frames import frame
from onlyif.explanation.layout import aligned, clipped, counted, error, number, sentence
from onlyif.explanation.summary import Mean, Share, mean_of


@final
@dataclass(frozen=True)
class PlayerCauses:
    """One player over all rows.

    Args:
        name: The player.
        in_cause: Rows in whose cause it is; rows without any cause are none of them.
        alone: Mean PNS of the player alone.
    """

    name: str
    in_cause: Share
    alone: Mean


@final
@dataclass(frozen=True)
class CausalSummary:
    """What the causes of many rows have in common.

    Args:
        n_rows: Rows explained.
        n_caused: Rows for which some set has a PNS above 0.
        size: Mean size of the chosen causes.
        pns: Their mean PNS.
        players: One entry a player, in the order of the table.
        baselines: The sentences that say what the baselines are.
        backend: The data frame library of `to_frame`.
    """

    n_rows: int
    n_caused: int
    size: Mean
    pns: Mean
    players: tuple[PlayerCauses, ...]
    baselines: tuple[str, ...]
    backend: str = ""

    def to_frame(self) -> Any:
        """One row for each player: count, share with its 95 % interval, mean PNS alone.

        Raises:
            ExtraError: if neither pandas, polars nor pyarrow is installed.
        """
        columns = {"player": str, "count": int, "rows": int, "share": float, "share_low": float,
                   "share_high": float, "pns_alone_mean": float, "pns_alone_stderr": float}  # fmt: skip
        rows = [
            (p.name, s.count, s.total, s.value, *s.interval(), p.alone.value, p.alone.stderr)
            for p in self.players
            for s in [p.in_cause]
        ]
        return frame(columns, rows, self.backend)

    @override
    def __str__(self) -> str:
        rows = [
            [clipped(p.name, 32), _share_text(p.in_cause), number(p.alone.value) + error(p.alone.stderr)]
            for p in self.players
        ]
        mean = number(self.pns.value) + error(self.pns.stderr)
        return "\n".join(
            [
                f"{counted(self.n_rows, 'row')}, {self.n_caused} of them with a cause; mean size "
                f"{number(self.size.value)}, mean PNS {mean}",
                "",
                "How often each feature is in the cause (rows; share with its 95 % interval), "
                "and its mean PNS alone:",
                *aligned(["feature", "in the cause", "PNS alone"], rows),
                "",
                *(sentence(said) for said in self.baselines),
            ]
        )


def summary_of_causes(found: CausalExplanations) -> CausalSummary:
    """How often each player is in the cause, with mean PNS.

    Args:
        found: One or more rows. A player's shares are among the rows that have it.

    Raises:
        SettingError: if there is no explanation.

    Example:
        >>> from onlyif.testing.causes import example_causes
        >>> summary_of_causes(example_causes()).players[0].in_cause
        Share(count=1, total=2)
    """
    if not len(found):
        raise SettingError("a summary needs at least one explanation, got none")
    names = dict.fromkeys(name for item in found for name in item.names)
    return CausalSummary(
        n_rows=len(found),
        n_caused=sum(not item.reason for item in found),
        size=mean_of([float(item.size) for item in found]),
        pns=mean_of([item.cause.pns.value for item in found]),
        players=tuple(_player(name, found) for name in names),
        baselines=tuple(dict.fromkeys(item.provenance.baseline for item in found)),
        backend=found.backend,
    )


def _player(name: str, found: CausalExplanations) -> PlayerCauses:
    having = [item for item in found if name in item.names]
    count = sum(name in item.cause.names and not item.reason for item in having)
    alone = [item.singles[item.names.index(name)].pns.value for item in having]
    return PlayerCauses(name, Share(count, len(having)), mean_of(alone))


def _share_text(share: Share) -> str:
    low, high = share.interval()
    return f"{share.count} ({share.value:.0%}, {low:.0%} to {high:.0%})"
