"""The criterion of sufficient and necessary sets, and what it answers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import final

import numpy as np
from jaxtyping import Bool
from typing_extensions import override

from onlyif.answers.case import Answer, AnsweringCriterion, Case, Seen, SetQuestion
from onlyif.answers.certificates import Facts, certify
from onlyif.answers.confidence import Bounded, bounded, errors_of_groups, quantile_of
from onlyif.answers.effects import (
    Change,
    asked,
    numbered,
    of_necessary,
    of_sufficient,
    of_unified,
    with_effects,
)
from onlyif.answers.elimination import Elimination
from onlyif.answers.in_time import told_of, whole_sizes
from onlyif.answers.larger import Larger, told_of_eliminations
from onlyif.answers.sets_in_time import compare_in_time, from_table
from onlyif.answers.shapley import shapley_values
from onlyif.answers.solutions import alternatives_of, continua_of
from onlyif.answers.solved import EPSILON_SHARE, GAP_PARTS, Solved, epsilon_of, on_larger, refreshed, solve
from onlyif.answers.stability import KINDS, Codes, Resampled, Rule, resampled_sets, shares_of, with_stability
from onlyif.core.errors import SettingError
from onlyif.core.permitted import Permitted
from onlyif.core.players import Players
from onlyif.core.shapes import Instances
from onlyif.criteria.distances import Distance, gap_error
from onlyif.criteria.unified import Unified
from onlyif.explanation.explanation import Details
from onlyif.explanation.layout import empty_reason
from onlyif.explanation.selection import Measure, Selection
from onlyif.explanation.status import LOW_SAMPLE_SIZE
from onlyif.models.readouts import Readout
from onlyif.references.base import Reference
from onlyif.restrictions.base import Estimate, GroupedTable
from onlyif.restrictions.groups import Groups
from onlyif.restrictions.set_function import SetFunction
from onlyif.restrictions.tabulated import TabulatedRestriction
from onlyif.searches.base import Cloud

CONDITIONS = ("what the sufficient set leaves", "the necessary set", "what the unified set leaves")


@final
@dataclass(frozen=True, eq=False)
class _Sure:
    """How sure the sets of an instance are: bounds of all gaps, and the sets of resamples, if any."""

    compared: Bounded
    codes: Mapping[str, Codes]


@final
@dataclass(frozen=True, eq=False)
class Conditioning:
    """What a reference is conditioned on, to see whether it rests on enough background rows.

    Args:
        reference: What a hidden player is replaced by.
        players: How players tile an instance.
    """

    reference: Reference
    players: Players

    def few(self, x: Instances, solved: Sequence[Solved]) -> list[tuple[float, str] | None]:
        """How many background rows stand for an instance's sets, and a warning; None where enough do."""
        kept = np.stack([one.filled for one in solved])
        kept[:, 1] ^= True
        size = self.reference.effective_sample_size(x, self.players.spread(kept))
        if size is None:
            return [None] * len(x)
        there = np.array([[kind in one.sets for kind in KINDS] for one in solved])
        size = np.where(there, size, np.inf)
        return [
            None
            if value >= LOW_SAMPLE_SIZE
            else (
                value,
                f"only {value:.1f} background rows effectively stand for {CONDITIONS[place]}; "
                "take more background rows or a wider kernel before you trust it",
            )
            for value, place in zip(size.min(1).tolist(), size.argmin(1).tolist(), strict=True)
        ]


@final
@dataclass(frozen=True, eq=False)
class SetsCriterion(AnsweringCriterion):
    """Sufficient and necessary sets, and all between: Δsuf, Δnec and Δuni of the restricted predictions.

    Args:
        set_function: f_S(x) of the block.
        fresh: The same on draws that the search never sees, for re-estimating; None where there are none.
        distance: ρ.
        question: What is asked.
        keep_table: Whether the explanations keep f_S(x) of all subsets.
        conditions: What the reference is conditioned on; None where that is not looked at.
        groups: Background rows in groups, with resamples of these; None where nobody asks how sure sets are.
        larger: More background rows, on which smallest sets are chosen; None where those of the set function
            are all there are, or enough.
        table: f_S(x) of all subsets, once it is known.
        small: The same over the rows of the set function alone, where `table` has f_0 over more.
        grouped: The same over the groups, too.

    Raises:
        SettingError: if the size that is asked for is larger than the number of players.

    References:
        [bharti2024] section 4.
    """

    set_function: SetFunction
    fresh: SetFunction | None
    distance: Distance
    question: SetQuestion
    keep_table: bool = False
    conditions: Conditioning | None = None
    groups: Groups | None = None
    larger: Larger | None = None
    table: Estimate | None = None
    small: Estimate | None = None
    grouped: GroupedTable | None = None

    def __post_init__(self) -> None:
        size, n_players = self.question.size, self.set_function.n_players
        if size is not None and size > n_players:
            raise SettingError(f"size must be at most the number of players, {n_players}; got {size}")

    @property
    @override
    def readout(self) -> Readout:
        return self.set_function.readout

    @override
    def part(self, instances: slice) -> "SetsCriterion":
        fresh = None if self.fresh is None else self.fresh.part(instances)
        larger = None if self.larger is None else self.larger.part(instances)
        return replace(self, set_function=self.set_function.part(instances), fresh=fresh, larger=larger)

    @property
    @override
    def distinct_share(self) -> float:
        return self.set_function.restriction.distinct_share(self.set_function.x)

    @override
    def rows_to_answer(self, *, complete: bool) -> int:
        # Both ends, and the unified set with its complement between them; three sets on fresh draws likewise.
        seen = 0 if complete else (2 + 4) * self.set_function.restriction.method.rows
        again = 0 if self.larger is None else self.larger.most_rows
        return seen + again + (0 if self.fresh is None else (2 + 6) * self.fresh.restriction.method.rows)

    @override
    def compare(self, case: Case) -> Seen:
        criterion, small = self.of(self.set_function), None
        if self.larger is None:
            found = compare_in_time(case, criterion, self.groups)
        else:
            small, table = self.larger.tables(self.set_function)
            found = from_table(case, criterion, table)
        known = replace(
            self, set_function=found.function, table=found.table, small=small, grouped=found.grouped
        )
        order = "by size, from both ends"
        return Seen(replace(case, criterion=known), found.clouds, found.model_rows, found.stopped, order)

    def of(self, function: SetFunction) -> Unified:
        """Δuni for one set function.

        Args:
            function: f_S(x), on the draws of the search or on others.
        """
        return Unified(function, self.distance, self.question.alpha)

    @override
    def answers(self, seen: Seen) -> tuple[Answer, ...]:
        names, criterion, table = seen.case.names, self.of(self.set_function), self.table
        ends = self.set_function.predict(_ends(len(names)))
        total = _total_gaps(self.distance, ends)
        solved = self._solved(seen, total)
        chosen = np.stack([one.filled for one in solved])
        unified = criterion.gap(chosen[:, 2:])
        rows = ends.model_rows + unified.model_rows
        if self.fresh is not None and not seen.stopped:
            again = self.of(self.fresh).gap(chosen)
            solved = [refreshed(one, again, i) for i, one in enumerate(solved)]
            rows += again.model_rows
        if table is not None or not seen.stopped:
            solved, effect_rows = self._with_effects(solved, seen.case.digits)
            rows += effect_rows
        if self.larger is not None:
            solved = [self._again(self.larger, one, i) for i, one in enumerate(solved)]
        values = None if table is None else shapley_values(table.mean)
        # A player hidden is one not kept: the other half of what was asked for the unified set.
        hidden = None if unified.mirror is None else unified.mirror.parts[:, 0, 0]
        x = self.set_function.x
        few = [None] * len(x) if self.conditions is None else self.conditions.few(x, solved)
        return tuple(
            self._answer(
                seen,
                i,
                one,
                Answer(
                    ends.mean[i, 1].item(),
                    ends.mean[i, 0].item(),
                    ends.stderr[i, 0].item(),
                    {},
                    {} if values is None else {"shapley": values[i]},
                    settings={} if warned is None else {"effective_rows": warned[0]},
                    notes=() if warned is None else (warned[1],),
                    model_rows=rows + (self.larger.rows_of(one.eliminations) if self.larger else 0),
                ),
                0.0 if hidden is None else float(hidden[i]),
            )
            for i, (one, warned) in enumerate(zip(solved, few, strict=True))
        )

    def _solved(self, seen: Seen, total: Sequence[Measure]) -> list[Solved]:
        """The solutions of all instances, with what else would do and the sets of resamples."""
        names, sure = seen.case.names, [self._sure(cloud, i) for i, cloud in enumerate(seen.choices)]
        continua, compared = continua_of(seen.choices, names), [one.compared for one in sure]
        eliminations = self._eliminations(seen.choices, total)
        solved = [
            solve(self.question, *one) for one in zip(compared, continua, total, eliminations, strict=True)
        ]
        others = alternatives_of(compared, names, [one.epsilon for one in solved])
        return [
            replace(one, alternatives=sets, codes=known.codes)
            for one, sets, known in zip(solved, others, sure, strict=True)
        ]

    def _eliminations(
        self, clouds: Sequence[Cloud], total: Sequence[Measure]
    ) -> list[Mapping[str, Elimination]]:
        """The smallest sets of each instance on the larger background; none where there is none."""
        if self.larger is None or self.table is None:
            return [{}] * len(clouds)
        lower, made = self.larger.lower(self.table), list[Mapping[str, Elimination]]()
        for i, (cloud, gap) in enumerate(zip(clouds, total, strict=True)):
            rows = self.larger.of(self.set_function, i, self.table.mean[i, -1].item())
            epsilon = epsilon_of(self.question, gap)
            made.append({kind: rows.smallest(cloud, lower[i], part, epsilon) for part, kind in GAP_PARTS})
        return made

    def _again(self, larger: Larger, solved: Solved, i: int) -> Solved:
        """The same solutions with f_S(x), gaps and verdicts of their sets over the larger background."""
        assert self.table is not None
        known = {code: kept for one in solved.eliminations.values() for code, kept in one.known.items()}
        codes = np.array([chosen.code for chosen in solved.sets.values()])
        rows = larger.of(self.set_function, i, self.table.mean[i, -1].item())
        times = None if self.question.confidence is None else quantile_of(larger.confidence, None)
        sets = {
            kind: on_larger(chosen, kind, again, times)
            for (kind, chosen), again in zip(solved.sets.items(), rows.again(codes, known), strict=True)
        }
        return replace(solved, sets=sets)

    def _with_effects(self, solved: Sequence[Solved], digits: int) -> tuple[list[Solved], float]:
        """The same solutions with what each member does, and the model rows an instance that this took."""
        alpha = self.question.alpha
        told: Mapping[str, Callable[[Selection], Iterator[tuple[Change, ...]]]] = {
            "sufficient": of_sufficient,
            "necessary": of_necessary,
            "unified": partial(of_unified, alpha=alpha),
        }
        chosen = [tuple(one.sets.values()) for one in solved]
        changes = [
            numbered(sets, [told[kind](chosen) for kind, chosen in one.sets.items()])
            for one, sets in zip(solved, chosen, strict=True)
        ]
        function = self.set_function
        if self.small is not None:
            # What members do is told by the same rows throughout.
            own = TabulatedRestriction(self.small, function.restriction.method)
            function = replace(function, restriction=own)
        estimate = asked(function, changes, of_decisions=self.distance.kind.of_decisions)
        sets = [with_effects(chosen[i], changes[i], estimate, i, digits) for i in range(len(solved))]
        solved = [
            replace(one, sets=dict(zip(one.sets, of_one, strict=True)))
            for one, of_one in zip(solved, sets, strict=True)
        ]
        return solved, estimate.model_rows

    def _answer(self, seen: Seen, i: int, solved: Solved, base: Answer, hidden: float) -> Answer:
        question, cloud, codes = self.question, seen.choices[i], solved.codes
        sets = {kind: with_stability(one, codes[kind]) if codes else one for kind, one in solved.sets.items()}
        scores = {f"stability_{kind}": shares_of(codes[kind], cloud.n_players) for kind in sets if codes}
        certificate = certify(self._facts(solved, hidden), cloud)
        noun = seen.case.provenance.noun
        kept = self.table.mean[i].copy() if self.table is not None and self.keep_table else None
        return replace(
            base,
            sets=sets,
            scores={**base.scores, **scores},
            measures={"total_gap": solved.total_gap},
            settings={
                **base.settings,
                **({"resamples": len(codes["unified"])} if codes else {}),
                **({} if question.confidence is None else {"confidence": question.confidence}),
                **({} if self.larger is None else told_of_eliminations(self.larger, solved.eliminations)),
                "alpha": question.alpha,
                "epsilon": solved.epsilon,
                "size": solved.size,
                "exact_size": question.exact_size,
            },
            details=Details(solved.continua, certificate, table=kept, alternatives=solved.alternatives),
            notes=(*(self._cut_short(seen, solved, i) if seen.stopped else ()), *base.notes),
            reason=solved.missing
            or empty_reason(
                sets["sufficient"],
                sets["necessary"],
                solved.total_gap,
                certificate,
                noun,
            ),
        )

    def _sure(self, cloud: Cloud, i: int) -> _Sure:
        """The compared subsets of an instance with bounds of their gaps, and the sets of its resamples."""
        confidence = self.question.confidence if self.larger is None else self.larger.confidence
        if self.grouped is None or self.groups is None:
            if confidence is None:
                return _Sure(Bounded(cloud, cloud), {})
            return _Sure(bounded(cloud, cloud.stderr, quantile_of(confidence, None)), {})
        outputs, compared = self.grouped.of_groups(i), Bounded(cloud, cloud)
        if confidence is not None:
            errors = errors_of_groups(outputs, self.readout, self.distance)
            compared = bounded(cloud, errors, quantile_of(confidence, outputs.shape[1]))
        if not len(self.groups.weights):
            return _Sure(compared, {})
        prediction = self.grouped.whole.mean[i, -1].item()
        resampled = Resampled(outputs, self.groups.weights, self.readout, prediction)
        rule = Rule(self.question, EPSILON_SHARE, self.distance, cloud.grid, compared.margins)
        return _Sure(compared, resampled_sets(resampled, rule, cloud.by_size))

    def _cut_short(self, seen: Seen, solved: Solved, i: int) -> tuple[str, ...]:
        """What the reader should know of a search that time ended, and what is certain nevertheless."""
        cloud, permitted = seen.clouds[i], seen.case.permitted
        less, known = "cheaper" if permitted.costs else "smaller", whole_sizes(cloud) + 1
        certain = [
            kind
            for kind in KINDS[:2]
            if kind in solved.sets and _is_least(solved.sets[kind], permitted, known)
        ]
        left = [kind for kind in KINDS[:2] if kind not in certain]
        said = [f"no {less} set is {' and none is '.join(certain)}"] if certain else []
        said += [f"a {less} {f' and a {less} '.join(left)} set may have been overlooked"] if left else []
        fresh = "" if self.fresh is None else "; gaps were not estimated again on fresh draws"
        sure = "" if self.groups is None else "; nor is it known how stable they are"
        told = told_of(cloud, seen.case.meter.limit, seen.case.provenance.noun)
        return (f"{told}; {', '.join(said)}{fresh}{sure}",)

    def _facts(self, solved: Solved, hidden_sufficiency: float) -> Facts:
        return Facts(
            sufficient=solved.sets.get("sufficient"),
            necessary=solved.sets.get("necessary"),
            unified=solved.sets["unified"],
            alpha=self.question.alpha,
            epsilon=solved.epsilon,
            total_gap=solved.total_gap,
            hidden_sufficiency=hidden_sufficiency,
            is_metric=self.distance.kind.is_metric,
            exact=self.set_function.restriction.method.exact and self.larger is None,
        )


def _is_least(chosen: Selection, permitted: Permitted, known: int) -> bool:
    """Whether no set can be smaller, or cheaper, if all with fewer than `known` players were compared."""
    if not permitted.costs:
        return chosen.size <= known
    return permitted.cost(chosen.players) <= sum(sorted(permitted.costs)[:known])


def _ends(n_players: int) -> Bool[np.ndarray, "1 2 d"]:
    return np.array([False, True])[None, :, None].repeat(n_players, axis=2)


def _total_gaps(distance: Distance, ends: Estimate) -> list[Measure]:
    """ρ(f(x), f_0) of each instance."""
    base, full = ends.mean[:, 0], ends.mean[:, 1]
    gap = distance.between(full, base)
    error = gap_error(distance, lambda moved: distance.between(full, moved), base, ends.stderr[:, 0], gap)
    return [Measure(*pair) for pair in zip(gap.tolist(), error.tolist(), strict=True)]
