"""The criterion of causes, by the dual-stage test, and what it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import final

import numpy as np
from jaxtyping import Bool, Float64, Int64
from typing_extensions import override

from onlyif.answers.case import Answer, AnsweringCriterion, Case, Seen
from onlyif.answers.causes_in_time import compare_causes_in_time
from onlyif.answers.in_time import told_of
from onlyif.causation.change import Change, TargetChange
from onlyif.causation.dual_stage import DualStageTest
from onlyif.causation.probabilities import Probabilities
from onlyif.core.arrays import Array, doubled, like
from onlyif.core.errors import SettingError
from onlyif.core.nouns import counted
from onlyif.core.permitted import EVERY_SUBSET, Permitted
from onlyif.criteria.causation import PNSCriterion
from onlyif.engine.engine import outputs_of
from onlyif.explanation.explanation import Details
from onlyif.explanation.selection import Measure, Selection
from onlyif.explanation.status import LOW_SAMPLE_SIZE
from onlyif.models.readouts import Readout, TargetReadout
from onlyif.samples.base import Sample
from onlyif.searches.base import Cloud
from onlyif.searches.visited import codes_of

DEFAULT_SIZE = 3
PROBABILITIES = ("pn", "ps", "p_changed", "p_unchanged", "pns")


@final
@dataclass(frozen=True)
class _Best:
    """The best subset of one size: number in the cloud, ties, mean PNS of that size if all were compared."""

    number: int
    n_ties: int
    typical: float | None


@final
@dataclass(frozen=True, eq=False)
class CausesCriterion(AnsweringCriterion):
    """The sets of each size that are most probably the necessary and sufficient cause.

    Args:
        test: The dual-stage test that the search sees.
        fresh: The same with other random perturbations, for estimating again; None where
            nothing is drawn.
        x: The instances.
        targets: The explained output of each.
        weights: Weight of the necessity part and of the sufficiency part in what is maximised.
        size: The size of the cause, or None for 3, or all but one player where that is less.
        baseline: The players' values at x', as text.
        measured: The probabilities of the subsets that were compared, once they are known.
        place: Where in `measured` a subset is, where time was up; else by bit code.
        permitted: Which subsets may be causes.

    Raises:
        SettingError: unless 1 <= size < number of players, a single player may be a cause alone; or if no
            subset of such a size is permitted.

    References:
        [chen2024] section 4.
    """

    test: DualStageTest
    fresh: DualStageTest | None
    x: Float64[Array, "b c"]
    targets: tuple[int, ...]
    weights: tuple[float, float]
    size: int | None
    baseline: tuple[str, ...]
    measured: Probabilities | None = None
    place: Mapping[int, int] = field(default_factory=dict)
    permitted: Permitted = EVERY_SUBSET

    def __post_init__(self) -> None:
        d = len(self.baseline)
        if self.least > self.largest:
            raise SettingError(f"a cause leaves at least one of {d} players outside, but keep= asks for all")
        if self.size is not None and not self.least <= self.size <= self.largest:
            asked = "" if self.permitted.everything else ", and by what keep= and never= ask for"
            raise SettingError(
                f"the size of a cause must be {self.least} to {self.largest}, for at least one of "
                f"{d} players stays outside{asked}; got {self.size}"
            )

    @property
    def least(self) -> int:
        """The least size of a cause."""
        return max(1, self.permitted.sizes(len(self.baseline))[0])

    @property
    def largest(self) -> int:
        """The largest size of a cause: all players but one, of those that may be in it."""
        d = len(self.baseline)
        return min(max(1, d - 1), self.permitted.sizes(d)[1])

    @property
    def wanted(self) -> int:
        """The size of the cause that is asked for."""
        return max(self.least, min(DEFAULT_SIZE, self.largest)) if self.size is None else self.size

    @property
    def change(self) -> Change:
        """How a change of each instance's prediction is read."""
        return TargetChange(np.array(self.targets, dtype=np.int64))

    @property
    @override
    def readout(self) -> Readout:
        return TargetReadout(np.array(self.targets))

    @override
    def part(self, instances: slice) -> "CausesCriterion":
        return replace(self, x=self.x[instances], targets=self.targets[instances])

    @property
    @override
    def distinct_share(self) -> float:
        return self.test.distinct_share(self.x)

    @override
    def rows_to_compare(self, n_instances: int, each: int) -> int:
        # Of a table; a search asks for one instance at a time.
        return min(n_instances * each, self.test.table_rows(self.x))

    @override
    def rows_to_answer(self, *, complete: bool) -> int:
        return 2  # f(x) and f(x')

    @override
    def compare(self, case: Case) -> Seen:
        found = compare_causes_in_time(case, PNSCriterion(self.test, self.x, self.change, self.weights))
        sample = found.criterion.test.sample
        known = replace(self, test=found.criterion.test, measured=found.measured, place=found.place)
        if sample is not self.test.sample:
            fresh = None if self.fresh is None else replace(self.fresh, sample=sample)
            known, case = replace(known, fresh=fresh), self._with_fewer(case, sample)
        seen = replace(case, criterion=known)
        return Seen(seen, found.clouds, found.model_rows, found.stopped, "by size, the smallest first")

    def _with_fewer(self, case: Case, sample: Sample) -> Case:
        """The case, saying that time allowed for fewer inputs of E."""
        few, n = (one.rows(self.x[:1], self.test.seed).count for one in (sample, self.test.sample))
        made = case.provenance
        made = replace(
            made,
            sentences={**made.sentences, "sample": sample.sentence},
            values={**made.values, "n_sample": few},
        )
        note = f"the time limit of {case.meter.limit:g} s allowed for {few} of the {n} inputs of E"
        subjects = tuple(replace(one, notes=(*one.notes, note)) for one in case.subjects)
        return replace(case, provenance=made, subjects=subjects)

    @override
    def answers(self, seen: Seen) -> tuple[Answer, ...]:
        predicted = self._predictions()
        return tuple(self._answer(seen, i, *predicted[i]) for i in range(len(seen.clouds)))

    def _answer(self, seen: Seen, i: int, prediction: float, base: float) -> Answer:
        cloud, names = seen.choices[i], seen.case.names
        best = self.best_of_sizes(cloud)
        numbers = np.array([one.number for one in best])
        chosen, more = self._measured(seen, i, cloud, numbers)
        singles, path = _path(chosen, best, cloud)
        cause = max((one for one in path if one.size <= self.wanted), key=lambda one: one.size)
        made, noun = seen.case.provenance.values, seen.case.provenance.noun
        reason = _reason((*path, *singles), float(made["c"]))
        notes = [
            *self._at_baseline(names, i),
            *([] if seen.stopped else self._short(cause, noun)),
        ]
        notes += [*_low(cause, len(names), int(made["n_sample"]), reason)]
        notes += self._cut_short(seen, i) if seen.stopped else []
        return Answer(
            prediction,
            base,
            0.0,
            {"cause": cause},
            {"pns": np.array([one.pns.value for one in singles])},
            settings={"size": cause.size},
            details=Details(path=path, singles=singles, baseline=self.baseline),
            notes=tuple(notes),
            reason=reason,
            model_rows=more + 2,
        )

    def best_of_sizes(self, cloud: Cloud) -> list[_Best]:
        """For each size that was compared the subset with the highest PNS; ties by the canonical order."""
        scores, found = (cloud.parts @ np.array(self.weights) / cloud.grid).round(), []
        for numbers in cloud.by_size[1 : self.largest + 1]:
            if len(numbers):
                those = scores[numbers]
                first = int(those.argmin())
                typical = float((1.0 - cloud.parts[numbers]).sum(1).mean()) if cloud.complete else None
                found.append(_Best(int(numbers[first]), int((those == those[first]).sum()), typical))
        return found

    def _measured(
        self, seen: Seen, i: int, cloud: Cloud, numbers: Int64[np.ndarray, "_"]
    ) -> tuple[list[Selection], float]:
        """Every player alone and the chosen subsets, read off or estimated again; model rows for that."""
        names, d = seen.case.names, len(seen.case.names)
        keep = np.concatenate([np.eye(d, dtype=np.bool_), cloud.keep_of(numbers)])
        if self.measured is not None and (seen.stopped or self.fresh is None):
            # The cloud is in canonical order, what was measured in the order of the calls.
            codes = codes_of(keep) if seen.stopped else [*(1 << np.arange(d)), *numbers]
            places = [self.place[code] for code in codes] if seen.stopped else [int(code) for code in codes]
            pairs = zip(places, keep, strict=True)
            exact = self._exact
            return [
                measured_set(names, self.measured, (i, place), row, exact=exact) for place, row in pairs
            ], 0.0
        one = self.change.take(np.array([i]))
        again = (self.fresh or self.test).measure(self.x[i : i + 1], keep[None], one)
        told = [measured_set(names, again, (0, m), row, exact=self._exact) for m, row in enumerate(keep)]
        return told, again.model_rows

    @property
    def _exact(self) -> bool:
        return self.test.abduction.n_resampled is None

    def _predictions(self) -> list[tuple[float, float]]:
        """f(x) and f(x') of each instance."""
        test, targets = self.test, np.array(self.targets)[:, None]
        with test.predictor.opened() as predictor:
            outputs = outputs_of(predictor, self.x, test.max_rows)
            at_baseline = outputs_of(predictor, like(test.baseline, self.x), test.max_rows)
        full = np.take_along_axis(outputs, targets, 1)
        base = np.take_along_axis(np.broadcast_to(at_baseline, outputs.shape), targets, 1)
        return [*zip(full.ravel().tolist(), base.ravel().tolist(), strict=True)]

    def _cut_short(self, seen: Seen, i: int) -> list[str]:
        """What is certain although time ended the search."""
        noun = seen.case.provenance.noun
        told = told_of(seen.clouds[i], seen.case.meter.limit, noun)
        sizes = seen.choices[i].by_size[self.least : self.wanted + 1]
        beyond = not all(map(len, sizes))
        reached = f"; sets of {counted(self.wanted, noun)} were not reached" if beyond else ""
        return [f"{told}; what was drawn was not estimated again on other perturbations{reached}"]

    def _at_baseline(self, names: tuple[str, ...], i: int) -> list[str]:
        """A note on the players whose values are those of the baseline already."""
        x, base = doubled(self.x[i]), doubled(self.test.baseline[0])
        same = (x == base) | (np.isnan(x) & np.isnan(base))
        index = self.test.players.index
        there = [name for p, name in enumerate(names) if same[index == p].all()]
        said = "already at the baseline, so that their PNS comes from near rows with other values"
        return [f"{said}: {', '.join(there)}"] if there else []

    def _short(self, cause: Selection, noun: str) -> list[str]:
        if cause.size == self.wanted:
            return []
        reached = f"the search reached no set of {counted(self.wanted, noun)} within its budget"
        return [f"{reached}, only of {cause.size}; raise it"]


def measured_set(
    names: Sequence[str],
    found: Probabilities,
    place: tuple[int, int],
    keep: Bool[np.ndarray, "d"],
    *,
    exact: bool,
) -> Selection:
    """A subset with its probabilities.

    Args:
        names: The players' names.
        found: What was measured.
        place: The instance and the subset there.
        keep: The subset.
        exact: Whether what is enumerated is exact, too.
    """
    quantities = (found.values, found.stderr, found.sample_stderr)
    measures = {
        name: Measure(*(float(getattr(one, name)[place]) for one in quantities)) for name in PROBABILITIES
    }
    measures["effective_pn"] = Measure(float(found.effective_pn[place]))
    measures["effective_ps"] = Measure(float(found.effective_ps[place]))
    players = tuple(np.flatnonzero(keep).tolist())
    return Selection(players, names, measures, exact=exact and bool(found.exact[place]))


def _path(
    measured: list[Selection], best: list[_Best], cloud: Cloud
) -> tuple[tuple[Selection, ...], tuple[Selection, ...]]:
    """Every player alone, and the path, which says what the search saw."""
    singles, chosen = measured[: -len(best)], measured[-len(best) :]
    path = []
    for one, found in zip(chosen, best, strict=True):
        seen = float((1.0 - cloud.parts[found.number]).sum())
        more = {} if one.exact else {"searched": Measure(seen)}
        more |= {} if found.typical is None else {"typical": Measure(found.typical)}
        path.append(replace(one, measures={**one.measures, **more}, n_ties=found.n_ties))
    return tuple(singles), tuple(path)


def _reason(measured: tuple[Selection, ...], c: float) -> str:
    if any(one.pns.value > 0 for one in measured):
        return ""
    return (
        "no perturbation changes the prediction of an input near this row by enough to count "
        f"(c = {c:.4g}): the PNS of every set is 0"
    )


def _low(cause: Selection, n_players: int, n_sample: int, reason: str) -> list[str]:
    """A warning where few inputs of E decide the values."""
    sizes = [(cause.effective_pn, "PN")]
    sizes += [(cause.effective_ps, "PS")] if cause.size < n_players else []
    least, which = min(sizes)
    if reason or least >= LOW_SAMPLE_SIZE:
        return []
    return [
        f"only {least:.1f} of the {n_sample} inputs of E effectively stand for {which} of "
        "the cause; take more inputs or a larger b before you trust it"
    ]
