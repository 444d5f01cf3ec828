"""How often resampled backgrounds give the same set, and have each player in theirs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from onlyif.explanation.selection import ONE_SIDED_95, Measure


@final
@dataclass(frozen=True)
class Stability:
    """How sure one set is: the share of resampled backgrounds that give the same.

    Resamples differ from the background as much as independent backgrounds of as many rows do.

    Args:
        share: The share of resamples that give the same set, with its standard error over resamples.
        inside: The share of resamples in whose set each member is, by name.
        outside: That of each other player that is in some.
        resamples: How many resamples there are.

    Example:
        >>> Stability(Measure(0.9, 0.04), {"age": 1.0}, {"sex": 0.1}, 50).sentence
        '90 % of 50 resampled backgrounds give this set, 81 % at least of any number; of others, sex in 10 %'

    References:
        [wilson1927] the bound of a share.
    """

    share: Measure
    inside: Mapping[str, float]
    outside: Mapping[str, float]
    resamples: int

    @property
    def at_least(self) -> float:
        """A lower bound of the share that more and more resamples would have, with a confidence of 95 %."""
        n, share, z = self.resamples, self.share.value, ONE_SIDED_95
        middle, spread = share + z * z / (2 * n), share * (1 - share) / n + (z / (2 * n)) ** 2
        return max(0.0, (middle - z * math.sqrt(spread)) / (1 + z * z / n))

    @property
    def sentence(self) -> str:
        """The share in words, with the members that are not in every set, and the others that are in some."""
        missing = {name: share for name, share in self.inside.items() if share < 1}
        said = [
            f"{_percent(self.share.value)} of {self.resamples} resampled backgrounds give this set, "
            f"{_percent(self.at_least)} at least of any number"
        ]
        said += [f"of its members, {_listed(missing)}"] if missing else []
        said += [f"of others, {_listed(self.outside)}"] if self.outside else []
        return "; ".join(said)


def _listed(shares: Mapping[str, float]) -> str:
    ordered = sorted(shares.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{name} in {_percent(share)}" for name, share in ordered)


def _percent(share: float) -> str:
    """Whole percents; only nothing is 0 and only everything is 100."""
    whole = min(max(round(100 * share), 1 if share > 0 else 0), 99 if share < 1 else 100)
    return f"{whole} %"
