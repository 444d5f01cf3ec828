"""Criteria of a user's own, on the restricted predictions f_S(x): one class each, with its answer."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from typing_extensions import override

from onlyif.answers.case import Answer, AnsweringCriterion, Case, Seen
from onlyif.answers.in_time import searched, told_of
from onlyif.core.errors import SettingError
from onlyif.core.subsets import canonical_order, keep_of_codes
from onlyif.criteria.base import Criterion
from onlyif.criteria.recorded import RecordedCriterion
from onlyif.explanation.selection import Measure, Selection
from onlyif.models.readouts import Readout
from onlyif.restrictions.set_function import SetFunction
from onlyif.searches.base import Cloud, Compared
from onlyif.searches.in_step import recorded_cloud

MOST_AT_ONCE = 64


@final
@dataclass(frozen=True, eq=False)
class ComparedSets:
    """The subsets of one instance that a search compared under a criterion.

    Args:
        cloud: The subsets, with the parts of their gaps; its `by_size` has those that may be reported.
        names: The players' names.
        parts: The names of the parts.
        weights: The weights of the parts in the gap.
        exact: Whether all restricted predictions are exact.
    """

    cloud: Cloud
    names: tuple[str, ...]
    parts: tuple[str, ...]
    weights: tuple[float, ...]
    exact: bool

    def best(self, size: int | None = None) -> Selection:
        """The subset with the least gap; ties go to the smallest, then the first, and are counted.

        Where players have costs, ties go to the cheapest first.

        Args:
            size: At most so many players; None for any number.

        Raises:
            SettingError: if none of that size may be reported.
        """
        cloud, most = self.cloud, len(self.names) if size is None else size
        gaps = (cloud.parts @ np.array(self.weights) / cloud.grid).round()
        allowed = np.concatenate(cloud.by_size[: most + 1])
        if not len(allowed):
            raise SettingError(f"no subset of at most {most} players that may be reported was compared")
        least = gaps[allowed].min()
        tied = allowed[gaps[allowed] == least]
        first = int(np.argmin(cloud.costs(tied))) if cloud.permitted.costs else 0
        return self.selection(int(tied[first]), len(tied))

    def selection(self, number: int, n_ties: int = 0) -> Selection:
        """One of the subsets, with the parts of its gap as measures.

        Args:
            number: Its number in the cloud.
            n_ties: How many subsets attain the same best value.
        """
        players = np.flatnonzero(self.cloud.keep_of(np.array([number]))[0]).tolist()
        values, errors = self.cloud.parts[number].tolist(), self.cloud.stderr[number].tolist()
        measures = {
            name: Measure(value, error) for name, value, error in zip(self.parts, values, errors, strict=True)
        }
        return Selection(tuple(players), self.names, measures, n_ties, self.exact)


class OwnCriterion(ABC):
    """A criterion on f_S(x): the gap of a subset in named parts, and the answer from what was compared.

    `onlyif.explain(..., criterion=...)` takes an object of a class of yours. Everything else (references,
    restrictions, searches, time limits, texts, files and pictures) is as for the paper's criterion.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """The criterion's name; explanations by criteria of different names do not mix."""

    @property
    @abstractmethod
    def parts(self) -> tuple[str, ...]:
        """The names of the parts of the gap, in order."""

    @abstractmethod
    def of(self, function: SetFunction) -> Criterion:
        """The gaps of subsets of some instances.

        Args:
            function: f_S(x) of the instances.
        """

    @abstractmethod
    def answer(self, compared: ComparedSets) -> Mapping[str, Selection]:
        """The sets that explain one instance, by name.

        Args:
            compared: What a search compared.
        """


@final
@dataclass(frozen=True, eq=False)
class BoundCriterion(AnsweringCriterion):
    """A criterion of a user's own, for a block of instances.

    Args:
        own: The user's criterion.
        set_function: f_S(x) of the block.
        fresh: The same on draws that the search never sees, for re-estimating; None where there are none.
    """

    own: OwnCriterion
    set_function: SetFunction
    fresh: SetFunction | None

    @property
    @override
    def readout(self) -> Readout:
        return self.set_function.readout

    @override
    def part(self, instances: slice) -> "BoundCriterion":
        fresh = None if self.fresh is None else self.fresh.part(instances)
        return replace(self, set_function=self.set_function.part(instances), fresh=fresh)

    @property
    @override
    def distinct_share(self) -> float:
        return self.set_function.restriction.distinct_share(self.set_function.x)

    @override
    def compare(self, case: Case) -> Seen:
        criterion, rows = self.own.of(self.set_function), self.set_function.restriction.method.rows
        in_time = case.search.plan.complete and case.meter.limited
        found = searched(case, criterion, rows, _by_size if in_time else None)
        return Seen(case, found.clouds, found.model_rows, found.stopped, "by size, the smallest first")

    @override
    def answers(self, seen: Seen) -> tuple[Answer, ...]:
        names, method, made = seen.case.names, self.set_function.restriction.method, seen.case.provenance
        weights, parts = self.own.of(self.set_function).weights, tuple(self.own.parts)
        ends = self.set_function.predict(np.array([False, True])[None, :, None].repeat(len(names), axis=2))
        answers = []
        for i, cloud in enumerate(seen.choices):
            sets = dict(self.own.answer(ComparedSets(cloud, names, parts, weights, method.exact)))
            self._check_permitted(sets, cloud)
            notes = (told_of(cloud, seen.case.meter.limit, made.noun),) if seen.stopped else ()
            mean = ends.mean[i]
            answers.append(
                Answer(mean[1].item(), mean[0].item(), ends.stderr[i, 0].item(), sets, notes=notes)
            )
        again = 0.0 if seen.stopped or self.fresh is None else self._refresh(answers, parts)
        return tuple(replace(answer, model_rows=ends.model_rows + again) for answer in answers)

    def _check_permitted(self, sets: Mapping[str, Selection], cloud: Cloud) -> None:
        for name, chosen in sets.items():
            if not cloud.permitted.holds(chosen.keep[None])[0]:
                raise SettingError(
                    f"the criterion {self.own.name!r} gave {chosen} as {name!r}, which keep=, never= or "
                    "order= do not permit; let its `answer` choose by `compared.best`, or among "
                    "`compared.cloud.by_size`"
                )

    def _refresh(self, answers: list[Answer], parts: tuple[str, ...]) -> float:
        """Add what is measured on draws that the search never saw; model rows for that."""
        assert self.fresh is not None
        most = max(len(answer.sets) for answer in answers)
        keeps = [[one.keep for one in answer.sets.values()] for answer in answers]
        filled = [[*keep, *([keep[0]] * (most - len(keep)))] for keep in keeps]
        again = self.own.of(self.fresh).gap(np.array(filled))
        for i, answer in enumerate(answers):
            sets = {}
            for m, (name, chosen) in enumerate(answer.sets.items()):
                pairs = zip(parts, again.parts[i, m].tolist(), again.stderr[i, m].tolist(), strict=True)
                fresh = {f"fresh_{part}": Measure(value, error) for part, value, error in pairs}
                sets[name] = replace(chosen, measures={**chosen.measures, **fresh}, exact=False)
            answers[i] = replace(answer, sets=sets)
        return again.model_rows


def _by_size(criterion: RecordedCriterion, n_players: int, digits: int) -> Compared:
    """The empty set and that of all players, then all of one player, of two, and so on."""
    first, *inner, last = canonical_order(n_players)
    for codes in (first, last, *inner):
        for start in range(0, len(codes), MOST_AT_ONCE):
            criterion.gap(keep_of_codes(codes[start : start + MOST_AT_ONCE], n_players)[None])
    n_instances = len(criterion.found[0].gaps.parts)
    clouds = [recorded_cloud(criterion.found, i, n_players, digits) for i in range(n_instances)]
    rows = sum(one.gaps.model_rows for one in criterion.found)
    return Compared(tuple(cloud for cloud in clouds if cloud is not None), rows)
