"""The walk over instances, subsets and draws in calls of at most `max_rows` rows.

Both sampled and enumerated restrictions are this walk; they differ in their
plan of draws alone. Memory beyond inputs and outputs is bounded by `max_rows`
whatever the number of instances, subsets and draws: a block is a rectangle of
instances and subsets, and draws are split too when a subset has more of them
than one call may take. Calls of wide rows are smaller still, so that what is
written for a call is read again from the processor's cache, not from memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

import numpy as np
from jaxtyping import Float64

from onlyif.core.arrays import in_dtype
from onlyif.core.errors import SettingError
from onlyif.core.shapes import InputKeep, Instances, Keep
from onlyif.core.subsets import codes_of_keep, keep_of_codes
from onlyif.engine.distinct import PLACES_AT_ONCE, Blends, Differences, EqualRows, code_blocks
from onlyif.engine.engine import PAIRS_AT_ONCE, Engine, slices
from onlyif.models.readouts import Readout
from onlyif.references.base import Draws, Plan, Reference
from onlyif.restrictions.base import Estimate, GroupedTable
from onlyif.restrictions.groups import Groups

# At least this many subsets share one evaluation of the base draws, which their errors are paired with.
SUBSETS_A_PASS = 2048
# Answers to distinct rows of an instance that are held.
MOST_ANSWERS = 2**26


@final
@dataclass(frozen=True, eq=False)
class Moments:
    """Count, mean and sum of squared deviations, merged part by part.

    Args:
        count: Number of draws so far.
        mean: Mean of the outputs, and of the outputs minus those of the empty set, stacked.
        spread: Sum of squared deviations from that mean.
    """

    count: int
    mean: Float64[np.ndarray, "two b m k"]
    spread: Float64[np.ndarray, "two b m k"]

    def merge(self, other: "Moments") -> "Moments":
        """The moments of both parts together (Chan, Golub and LeVeque's update)."""
        total = self.count + other.count
        step = other.mean - self.mean
        mean = self.mean + step * (other.count / total)
        spread = self.spread + other.spread + np.square(step) * (self.count * other.count / total)
        return Moments(total, mean, spread)

    @property
    def stderr(self) -> Float64[np.ndarray, "two b m k"]:
        """Standard errors of the two means; NaN for a single draw."""
        if self.count < 2:
            return np.full_like(self.spread, np.nan)
        return np.sqrt(self.spread / ((self.count - 1) * self.count))


@final
@dataclass(frozen=True, eq=False)
class Subsets:
    """Which subsets are asked: a list of them, or all 2^d by code.

    Args:
        keep: The list, or None for all.
        n_players: d.
    """

    keep: Keep | None
    n_players: int

    @property
    def count(self) -> int:
        """The number m of subsets."""
        return 2**self.n_players if self.keep is None else int(self.keep.shape[1])

    def part(self, instances: slice, subsets: slice) -> Keep:
        """The subsets of one block; never more of the table than that."""
        if self.keep is None:
            return keep_of_codes(np.arange(subsets.start, subsets.stop), self.n_players)[None]
        rows = self.keep if self.keep.shape[0] == 1 else self.keep[instances]
        return rows[:, subsets]


@final
@dataclass(frozen=True, eq=False)
class Walk:
    """A model, a reference and players, walked in blocks.

    Where instances and draws agree in some players, equal rows are asked once: `Engine` says how they are
    found. The results do not change by that, and neither by how the work is split.

    Args:
        engine: The model f behind what asks it.
        reference: The distribution V of what is hidden.
        plan: The draws of every subset; its start and stop are ignored.
    """

    engine: Engine
    reference: Reference
    plan: Plan

    def __post_init__(self) -> None:
        if self.plan.total < 1:
            raise SettingError(f"need at least 1 draw a subset, got {self.plan.total}")

    def run(self, x: Instances, subsets: Subsets, readout: Readout) -> Estimate:
        """f_S(x) for every instance and subset."""
        seen = self._repeats(x)
        with self.engine.opened() as engine:
            return replace(self, engine=engine)._run(x, subsets, readout, seen)

    def _run(self, x: Instances, subsets: Subsets, readout: Readout, seen: "_Repeats | None") -> Estimate:
        if seen is not None and subsets.keep is None and self.exact and seen.affordable:
            return self._whole_table(x, seen, readout)
        mean = np.empty((len(x), subsets.count))
        errors = np.broadcast_to(0.0, (2, *mean.shape)) if self.exact else np.empty((2, *mean.shape))
        at_once = self.engine.rows_a_call if seen is None else max(self.engine.rows_a_call, PAIRS_AT_ONCE)
        b_call, m_call = _rectangle(len(x), subsets.count, max(1, at_once // self.plan.total))
        # Whole calls only: a remainder in every pass would be a small call in every pass.
        a_pass = m_call * -(-SUBSETS_A_PASS // m_call)
        passes = list(slices(subsets.count, a_pass))
        for instances in slices(len(x), b_call):
            numbers = readout.part(instances)
            own = None if seen is None else seen.part(instances)
            for part in passes:
                keep = subsets.part(instances, part)
                if self.exact:
                    outputs = self._exact(x[instances], keep, m_call, own)[:, :, 0]
                else:
                    moments = self._sampled(x[instances], keep, m_call, own)
                    outputs = moments.mean[0]
                    for error, stderr in zip(errors, moments.stderr, strict=True):
                        error[instances, part] = numbers.error(stderr)
                mean[instances, part] = numbers.read(outputs)
        asked = subsets.count + (0 if self.exact else len(passes))
        return Estimate(mean, errors[0], errors[1], float(asked * self.plan.total))

    def grouped_table(self, x: Instances, readout: Readout, groups: Groups) -> GroupedTable:
        """f_S(x) of all subsets, and over each group of the atoms alone; the model is asked once for all.

        Args:
            x: The instances.
            readout: Which number is explained.
            groups: The atoms in groups.
        """
        with self.engine.opened() as engine:
            opened, n_subsets = replace(self, engine=engine), 2**engine.players.count
            shares = np.concatenate([opened._weights(x)[None], groups.shares])
            seen = [self._repeats(x[i : i + 1]) for i in range(len(x))]
            made = [opened._grouped(x[i : i + 1], shares, own) for i, own in enumerate(seen)]
        mean = np.stack([readout.part(slice(i, i + 1)).read(one[:1])[0] for i, one in enumerate(made)])
        nothing = np.broadcast_to(0.0, mean.shape)
        whole = Estimate(mean, nothing, nothing, float(n_subsets * self.plan.total))
        outputs = [one[1:, :, readout.counted(i)].swapaxes(0, 1) for i, one in enumerate(made)]
        return GroupedTable(whole, outputs.__getitem__)

    def _grouped(
        self, x: Instances, shares: Float64[np.ndarray, "s n"], seen: "_Repeats | None"
    ) -> Float64[np.ndarray, "s m k"]:
        """The outputs of one instance for all subsets, averaged with each row of weights."""
        if seen is not None and seen.affordable:
            whole: np.ndarray = self._sum_of_draws(x, seen, shares)[0]
            return whole
        subsets = Subsets(None, self.engine.players.count)
        at_once = self.engine.rows_a_call if seen is None else max(self.engine.rows_a_call, PAIRS_AT_ONCE)
        m_call = max(1, at_once // self.plan.total)
        passes = slices(subsets.count, m_call * -(-SUBSETS_A_PASS // m_call))
        keeps = (subsets.part(slice(0, 1), part) for part in passes)
        parts = [self._exact(x, keep, m_call, seen, shares)[0].swapaxes(0, 1) for keep in keeps]
        return np.concatenate(parts, axis=1)

    def distinct_share(self, x: Instances) -> float:
        """The share of the rows of all subsets that the model is asked for."""
        seen = self._repeats(x)
        if seen is None:
            return 1.0
        n_asked = self.engine.n_asked(seen.values, seen.differ, seen.equal)
        return n_asked / (len(x) * self.plan.total * 2.0**self.engine.players.count)

    @property
    def exact(self) -> bool:
        """Whether the draws are the atoms of the law."""
        return self.plan.seed is None

    def _exact(
        self,
        x: Instances,
        keep: Keep,
        m_call: int,
        seen: "_Repeats | None",
        shares: Float64[np.ndarray, "s n"] | None = None,
    ) -> Float64[np.ndarray, "b m s k"]:
        """Averaged with the law's own weights, or with each row of shares."""
        # Filled in place: many small results kept between large ones would tear the heap.
        total = np.zeros(0)
        for plan in self._chunks(seen):
            shared = self._shared(x, plan)
            for part in slices(keep.shape[1], m_call):
                outputs, weights = self._outputs(x, keep[:, part], plan, shared, seen)
                each = weights[:, :, None] if shares is None else shares[:, plan.start : plan.stop]
                if not len(total):
                    total = np.zeros((len(x), keep.shape[1], each.shape[-2], outputs.shape[3]))
                total[:, part] += each @ outputs
        return total

    def _sampled(self, x: Instances, keep: Keep, m_call: int, seen: "_Repeats | None") -> Moments:
        nothing, merged = np.zeros((1, 1, keep.shape[2]), dtype=bool), list[Moments]()
        for plan in self._chunks(seen):
            shared = self._shared(x, plan)
            base = self._outputs(x, nothing, plan, shared, seen)[0]
            n = base.shape[2]
            mean, spreads = np.empty((2, 2, len(x), keep.shape[1], base.shape[3]))
            for part in slices(keep.shape[1], m_call):
                outputs = self._outputs(x, keep[:, part], plan, shared, seen)[0]
                values = np.stack([outputs, outputs - base])
                # Sums as products with ones, which are much faster than sums over a middle axis.
                mean[:, :, part] = np.ones(n) @ values / n
                values -= mean[:, :, part, None]
                np.square(values, out=values)
                spreads[:, :, part] = np.ones(n) @ values
            whole = Moments(n, mean, spreads)
            merged = [merged[0].merge(whole)] if merged else [whole]
        return merged[0]

    def _chunks(self, seen: "_Repeats | None") -> Iterator[Plan]:
        for part in slices(self.plan.total, self.engine.rows_a_call if seen is None else self.plan.total):
            yield replace(self.plan, start=part.start, stop=part.stop)

    def _shared(self, x: Instances, plan: Plan) -> Draws | None:
        """The draws of all subsets and instances, where the law does not depend on what is kept."""
        if self.reference.law.depends_on_x:
            return None
        draws = self.reference.draw(x, self._nothing(x), plan)
        return replace(draws, values=in_dtype(draws.values, self.engine.predictor.batch_dtype))

    def _nothing(self, x: Instances) -> InputKeep:
        return np.zeros((1, 1, *x.shape[1:]), dtype=bool)

    def _outputs(
        self, x: Instances, keep: Keep, plan: Plan, shared: Draws | None, seen: "_Repeats | None"
    ) -> tuple[Float64[np.ndarray, "b m n k"], Float64[np.ndarray, "#b #m n"]]:
        """The outputs for every draw, and the draws' weights."""
        input_keep = self.engine.players.spread(keep)
        draws = self.reference.draw(x, input_keep, plan) if shared is None else shared
        if seen is None:
            return self.engine.rectangle(x, input_keep, draws.values), draws.weights
        instance, draw = np.arange(len(x))[:, None, None], np.arange(len(seen.values))
        hidden = codes_of_keep(~keep)[:, :, None]
        outputs = self.engine.distinct(x, seen.values, (instance, draw), hidden, seen.differ)
        return outputs, draws.weights

    def _repeats(self, x: Instances) -> "_Repeats | None":
        """Where instances and draws agree; None if little is gained, or each subset has its own draws."""
        law = self.reference.law
        if law.depends_on_x and (law.n_atoms is None or not self.exact):
            return None
        draws = self.reference.draw(x[:2], np.zeros((1, 2, *x.shape[1:]), dtype=bool), self._whole_plan)
        if draws.values.shape[:2] != (1, 1):
            return None
        values = draws.values[0, 0]
        differ = self.engine.differing(x, values)
        return None if differ is None else _Repeats(values, differ, self._equal)

    @cached_property
    def _equal(self) -> EqualRows | None:
        """Which draws are equal; they are the same for all instances."""
        x = np.zeros((1, *self.engine.players.index.shape))
        return self.engine.equal(self.reference.draw(x, self._nothing(x), self._whole_plan).values[0, 0])

    def _weights(self, x: Instances) -> Float64[np.ndarray, "n"]:
        """The weight of each draw, of one with nothing kept where it depends on that."""
        weights: np.ndarray = self.reference.draw(x[:1], self._nothing(x), self._whole_plan).weights[0, 0]
        return weights

    @property
    def _whole_plan(self) -> Plan:
        return replace(self.plan, start=0, stop=self.plan.total)

    def _whole_table(self, x: Instances, seen: "_Repeats", readout: Readout) -> Estimate:
        """All 2^d subsets, from the distinct blends of each draw."""
        d = self.engine.players.count
        mean = np.empty((len(x), 2**d))
        # Instances share calls where their blends are few; with weights of their own they take turns.
        shares = self._weights(x)[None]
        together = self.engine.rows_a_call // int(seen.differ.rows.max())
        if seen.equal is not None:
            together = self.engine.instances_at_once(self.plan.total)
        fitting = min(together, PLACES_AT_ONCE >> d)
        for part in slices(len(x), 1 if self.reference.law.depends_on_x else max(1, fitting)):
            own = seen.part(part)
            if self.reference.law.depends_on_x:
                by_call = [*self.engine.all_blends(x[part], own.values, own.differ, own.equal)]
                total = self._weighted(x[part], by_call)[None]
            else:
                total = self._sum_of_draws(x[part], own, shares)[:, 0]
            mean[part] = readout.part(part).read(total)
        nothing = np.broadcast_to(0.0, mean.shape)
        return Estimate(mean, nothing, nothing, float(mean.shape[1] * self.plan.total))

    def _sum_of_draws(
        self, x: Instances, seen: "_Repeats", shares: Float64[np.ndarray, "s n"]
    ) -> Float64[np.ndarray, "b s two_to_d k"]:
        """The sums over the draws, weighted with each row of shares."""
        total = np.zeros((0, 0, 0, 0))
        for blends in self.engine.all_blends(x, seen.values, seen.differ, seen.equal):
            if not len(total):
                n_outputs, n_subsets = blends.outputs.shape[1], 2**self.engine.players.count
                total = np.zeros((len(x), len(shares), n_outputs, n_subsets))
            blends.add_sums(shares, total)
        return total.swapaxes(2, 3)

    def _weighted(self, x: Instances, every: list[Blends]) -> Float64[np.ndarray, "two_to_d k"]:
        """The sum over draws whose weights depend on what is kept, block by block of subsets."""
        d = self.engine.players.count
        total = np.zeros((2**d, every[0].outputs.shape[1]))
        for codes in code_blocks(2**d, max(len(blends.other) for blends in every) * total.shape[1]):
            keep = self.engine.players.spread(keep_of_codes(np.arange(codes.start, codes.stop), d)[None])
            weights = self.reference.draw(x, keep, self._whole_plan).weights[0]
            for blends in every:
                values = blends.of(codes)
                total[codes] += np.einsum("sp,psk->sk", weights[:, blends.other], values)
        return total


@final
@dataclass(frozen=True, eq=False)
class _Repeats:
    """Draws that all subsets share, and where instances differ from them.

    Args:
        values: The draws.
        differ: In which players each instance and draw differ.
        equal: Which draws are equal in some players, where that is known.
    """

    values: Float64[np.ndarray, "n *x"]
    differ: Differences
    equal: EqualRows | None

    def part(self, instances: slice) -> "_Repeats":
        """The same of some instances."""
        return _Repeats(self.values, self.differ.part(instances), self.equal)

    @property
    def affordable(self) -> bool:
        """Whether the answers to all distinct blends of an instance are few enough to be held."""
        return float(self.differ.rows.max()) <= MOST_ANSWERS


def _rectangle(n_instances: int, n_subsets: int, per_call: int) -> tuple[int, int]:
    """The rectangle of instances and subsets that fills a call best.

    Example:
        >>> _rectangle(100, 1024, 163)
        (1, 163)
    """

    def rows_used(instances: int) -> tuple[int, int]:
        held = min(n_subsets, per_call // instances)
        return instances * held, -instances

    best = max(range(1, min(n_instances, per_call) + 1), key=rows_used)
    return best, min(n_subsets, per_call // best)
