"""Smallest sets on a larger background, where that of all subsets must be small.

f_S(x) of all subsets is a mean over few rows. The sets that may be the smallest are compared again on many
others, from the smallest size on and on ever more rows, until one is within ε by as much as lets it be so on
as many other rows, too: by a one-sided prediction bound. A set is ruled out before that only where its gap is
above ε by so many of its standard errors that, as far as means over so many rows are normal, the probability
that any set of its kind is ruled out wrongly is at most `ERROR`: quantiles of Student's t at a level that is
divided by the number of sets (Bonferroni).

References:
    [evendar2006] successive elimination.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import final

import numpy as np
from jaxtyping import Float64, Int64

from onlyif.answers.confidence import quantile_of
from onlyif.core.subsets import keep_of_codes
from onlyif.criteria.distances import Distance, Host, gap_error
from onlyif.explanation.selection import Measure
from onlyif.restrictions.row_outputs import RowOutputs
from onlyif.searches.base import Cloud

# Half of it is for the first background, half for looks at few further rows.
ERROR = 0.01
# Further rows on which sets are looked at before they are on all; the most sets of one size that are, and
# that are on all. What is left out is counted.
LEVELS, MOST_OF_LEVELS, MOST_ON_ALL = (128, 512), (24, 8), 4
# Beyond so many looks only the nearest set of each further size is looked at.
MOST_LOOKS = 2**9
CONFIDENCE = 0.95
# A set is chosen if, so sure, its gap is within ε on as many other rows, too: two means over different rows
# differ by the errors of both. So whoever checks it on other rows finds that it holds.
ERRORS_OF_TWO = math.sqrt(2)


@final
@dataclass(frozen=True, eq=False)
class Elimination:
    """The smallest set on the larger background, and how it was found by elimination.

    Args:
        code: Its code; None if none of the permitted sets is within ε.
        n_ties: How many sets of its size, or cost, are known to be.
        compared: How many sets were looked at again.
        undecided: How many smaller, or cheaper, ones could neither be ruled out nor be seen to be within ε.
        rows: Outputs that this took, equal ones counted each time.
        known: Outputs with a subset kept, by its code, on all rows.
    """

    code: int | None
    n_ties: int
    compared: int
    undecided: int
    rows: int
    known: dict[int, Float64[np.ndarray, "n"]] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class Again:
    """A set on the larger background.

    Args:
        gaps: Δsuf and Δnec.
        kept: f_S(x).
        hidden: f_Sc(x).
    """

    gaps: tuple[Measure, Measure]
    kept: Measure
    hidden: Measure


def rows_besides(n_rows: int) -> int:
    """The most rows asked for an instance, beside what is raced: f_0, the last sizes, three sets.

    Args:
        n_rows: How many rows the larger background has.
    """
    of_a_size = sum(level * most for level, most in zip(LEVELS, MOST_OF_LEVELS, strict=True))
    return 2 * (of_a_size + MOST_ON_ALL * n_rows) + 7 * n_rows


@final
@dataclass(frozen=True, eq=False)
class OneInstance:
    """The larger background for one instance.

    Args:
        outputs: What the model makes of its rows, and of blends with them.
        distance: ρ.
        confidence: How sure it is to be that a chosen set is within ε on as many other rows.
        most_raced: Rows asked for beyond which only the nearest set of each further size is looked at.
        instance: The number of the instance.
        n_players: d.
        prediction: f(x).
        base: f of the background's own rows.
    """

    outputs: RowOutputs
    distance: Distance
    confidence: float
    most_raced: int
    instance: int
    n_players: int
    prediction: float
    base: Float64[np.ndarray, "n"]

    def smallest(
        self, cloud: Cloud, lower: Float64[np.ndarray, "v p"], part: int, epsilon: float
    ) -> Elimination:
        """The smallest permitted set that is within ε, as far as that can be told; where players have costs
        the cheapest; of several the one with the least gap.

        Args:
            cloud: The subsets, compared on the smaller background.
            lower: What their gaps are not below.
            part: Which part of the gap: 0 for Δsuf, 1 for Δnec.
            epsilon: ε.
        """
        compared, undecided, rows, looks = 0, 0, 0, 0
        for group in _by_rank(cloud, lower, part, epsilon):
            costly = self.outputs.asks and rows > self.most_raced
            nearest = costly or looks > MOST_LOOKS - sum(MOST_OF_LEVELS) - MOST_ON_ALL
            race = self._race(group, part, epsilon, nearest=nearest)
            compared, rows, looks = compared + race.looked_at, rows + race.rows, looks + race.looks
            if len(race.within):
                best = int(race.within[0])
                return Elimination(best, len(race.within), compared, undecided, rows, race.known)
            undecided += race.undecided
        return Elimination(None, 0, compared, undecided, rows)

    def again(self, codes: Int64[np.ndarray, "m"], known: dict[int, Float64[np.ndarray, "n"]]) -> list[Again]:
        """Some sets on the larger background.

        Args:
            codes: The sets.
            known: Outputs on all rows with a subset kept, by its code.
        """
        whole, everything = (1 << self.n_players) - 1, slice(0, self.outputs.n_rows)
        sides = np.concatenate([codes, whole - codes])
        known = {0: self.base, **known}
        new = np.array([code for code in np.unique(sides).tolist() if code not in known], dtype=np.int64)
        if len(new):
            known = {**known, **dict(zip(new.tolist(), self._kept(new, everything), strict=True))}
        values = np.stack([known[code] for code in sides.tolist()])
        kept, hidden = values[: len(codes)], values[len(codes) :]
        gaps = [self._gaps(one, part, 1.0) for part, one in enumerate((kept, hidden))]
        return [
            Again(
                (
                    Measure(float(gaps[0][0][i]), float(gaps[0][1][i])),
                    Measure(float(gaps[1][0][i]), float(gaps[1][1][i])),
                ),
                Measure(float(kept[i].mean()), error_of(kept[i])),
                Measure(float(hidden[i].mean()), error_of(hidden[i])),
            )
            for i in range(len(codes))
        ]

    def _race(self, group: Int64[np.ndarray, "m"], part: int, epsilon: float, *, nearest: bool) -> "_Race":
        """Which of some sets are within ε, those with the least gap first: on few rows, on more, on all."""
        whole, n = (1 << self.n_players) - 1, self.outputs.n_rows
        levels = [pair for pair in zip(LEVELS, MOST_OF_LEVELS, strict=True) if pair[0] < n and not nearest]
        levels.append((n, 1 if nearest else MOST_ON_ALL))
        left, values, rows, looks, out = group, np.empty((len(group), 0)), 0, 0, 0
        for level, most in levels:
            if not len(left):
                break
            left, values = left[:most], values[:most]
            more = slice(values.shape[1], level)
            asked = left if part == 0 else whole - left
            values = np.concatenate([values, self._kept(asked, more)], axis=1)
            rows, looks = rows + len(left) * (more.stop - more.start), looks + len(left)
            gap, margin = self._gaps(values, part, quantile_of(1 - ERROR / 2 / MOST_LOOKS, level))
            there = np.flatnonzero(gap - margin <= epsilon)
            out += len(left) - len(there)
            there = there[np.argsort(gap[there], kind="stable")]
            left, values = left[there], values[there]
        gap, margin = self._gaps(values, part, ERRORS_OF_TWO * quantile_of(self.confidence, None))
        within = gap + margin <= epsilon
        asked = left if part == 0 else whole - left
        known = dict(zip(asked[within][:1].tolist(), values[within][:1], strict=True))
        # Only so many looks are allowed for in what is ruled out.
        undecided = len(group) - (0 if nearest else out)
        return _Race(left[within], min(len(group), levels[0][1]), undecided, rows, looks, known)

    def _kept(self, codes: Int64[np.ndarray, "m"], rows: slice) -> Float64[np.ndarray, "m n"]:
        """The outputs with some subsets kept; f(x) itself where that is all players."""
        drawn = codes != (1 << self.n_players) - 1
        values = np.full((len(codes), rows.stop - rows.start), self.prediction)
        if drawn.any():
            keep = keep_of_codes(codes[drawn], self.n_players)
            values[drawn] = self.outputs.at(self.instance, keep, rows)
        return values

    def _gaps(
        self, values: Float64[np.ndarray, "m n"], part: int, times: float
    ) -> tuple[Float64[np.ndarray, "m"], Float64[np.ndarray, "m"]]:
        """The gaps of some sets from outputs on the first rows, and what so many standard errors make.

        Of Δnec both sides are means over the same rows, so that the error is that of their difference.
        """
        distance, full = self.distance, np.array(self.prediction)
        base, average = self.base[: values.shape[1]], self.base.mean()
        if not len(values):
            return np.empty(0), np.empty(0)
        if part == 0:
            mean = full + (values - full).mean(1)
            side = Side(lambda to: distance.between(full, to), mean, _errors(values))
        else:
            apart = values - base
            mean = average + apart.mean(1)
            side = Side(lambda to: distance.between(to, average), mean, _errors(apart))
        ends = (full, base.min(), base.max(), values.min(), values.max())
        return side.gap, side.margin(distance, times, (np.array(np.min(ends)), np.array(np.max(ends))))


@final
@dataclass(frozen=True, eq=False)
class Side:
    """The estimated side of some gaps.

    Args:
        gap_of: The gap for each value of it.
        value: Its estimates.
        stderr: Their standard errors, of the difference of both sides.
    """

    gap_of: Callable[[Host], Host]
    value: Host
    stderr: Host

    @property
    def gap(self) -> Host:
        """The gaps."""
        return self.gap_of(self.value)

    def margin(self, distance: Distance, times: float, reach: tuple[Host, Host]) -> Host:
        """What so many standard errors either way make of the gaps, within the reach of predictions."""

        def within(to: Host) -> Host:
            return self.gap_of(np.clip(to, *reach))

        return gap_error(distance, within, self.value, times * self.stderr, self.gap)


@final
@dataclass(frozen=True, eq=False)
class _Race:
    """What came of some sets of one size.

    Args:
        within: Those within ε, by their codes, the one with the least gap first.
        looked_at: How many were looked at.
        undecided: How many were not ruled out.
        rows: Outputs that this took.
        looks: How often one was compared with ε.
        known: Outputs of the first one on all rows, by the code of what is kept.
    """

    within: Int64[np.ndarray, "_"]
    looked_at: int
    undecided: int
    rows: int
    looks: int
    known: dict[int, Float64[np.ndarray, "n"]]


def _by_rank(
    cloud: Cloud, lower: Float64[np.ndarray, "v p"], part: int, epsilon: float
) -> Iterator[Int64[np.ndarray, "_"]]:
    """The sets that are not ruled out, those of one size, or cost, together; the nearest to ε first."""
    numbers = np.concatenate(cloud.by_size)
    sizes = np.repeat(np.arange(len(cloud.by_size)), [len(of_size) for of_size in cloud.by_size])
    ranks = cloud.costs(numbers) if cloud.permitted.costs else sizes
    there = lower[numbers, part] <= epsilon
    numbers, ranks = numbers[there], ranks[there]
    order = np.lexsort((cloud.parts[numbers, part], ranks))
    numbers, ranks = numbers[order], ranks[order]
    yield from np.split(numbers, np.flatnonzero(np.diff(ranks)) + 1)


def _errors(values: Float64[np.ndarray, "m n"]) -> Float64[np.ndarray, "m"]:
    errors: np.ndarray = values.std(1, ddof=1) / np.sqrt(values.shape[1])
    return errors


def error_of(values: Float64[np.ndarray, "n"]) -> float:
    """The standard error of a mean.

    Args:
        values: What it is the mean of.
    """
    return float(_errors(values[None])[0])
