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
from math import prod
from typing import final

import numpy as np
from jaxtyping import Float64

from onlyif.core.arrays import doubled, in_dtype
from onlyif.core.blend import blend
from onlyif.core.errors import SettingError
from onlyif.core.players import Players
from onlyif.core.shapes import InputKeep, Instances, Keep
from onlyif.core.subsets import keep_of_codes
from onlyif.models.base import Predictor
from onlyif.models.readouts import Readout
from onlyif.references.base import Draws, Plan, Reference
from onlyif.restrictions.base import Estimate

# At least this many subsets share one evaluation of the base draws, which their errors are paired with.
SUBSETS_A_PASS = 2048
# A call of more rows than the second number holds at most as many entries as the first: 16 MiB of float64.
ENTRIES_A_CALL, FEW_ROWS = 2**21, 1024


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
    """A predictor, a reference and players, walked in blocks.

    Args:
        predictor: The model f.
        reference: The distribution V of what is hidden.
        players: How players tile an instance.
        plan: The draws of every subset; its start and stop are ignored.
        max_rows: Most rows of one model call. Of rows with more than 128 entries a call takes fewer: at most
            2^21 entries, or 1,024 rows where these are more.
    """

    predictor: Predictor
    reference: Reference
    players: Players
    plan: Plan
    max_rows: int

    def __post_init__(self) -> None:
        if self.max_rows < 1:
            raise SettingError(f"max_rows must be at least 1, got {self.max_rows}")
        if self.plan.total < 1:
            raise SettingError(f"need at least 1 draw a subset, got {self.plan.total}")

    def run(self, x: Instances, subsets: Subsets, readout: Readout) -> Estimate:
        """f_S(x) for every instance and subset."""
        with self.predictor.opened() as predictor:
            few = max(FEW_ROWS, ENTRIES_A_CALL // prod(x.shape[1:]))
            walk = replace(self, predictor=predictor, max_rows=min(self.max_rows, few))
            return walk._run(x, subsets, readout)

    def _run(self, x: Instances, subsets: Subsets, readout: Readout) -> Estimate:
        mean = np.empty((len(x), subsets.count))
        errors = np.broadcast_to(0.0, (2, *mean.shape)) if self.exact else np.empty((2, *mean.shape))
        b_call, m_call = _rectangle(len(x), subsets.count, max(1, self.max_rows // self.plan.total))
        # Whole calls only: a remainder in every pass would be a small call in every pass.
        a_pass = m_call * -(-SUBSETS_A_PASS // m_call)
        passes = list(_slices(subsets.count, a_pass))
        for instances in _slices(len(x), b_call):
            numbers = readout.part(instances)
            for part in passes:
                keep = subsets.part(instances, part)
                if self.exact:
                    outputs = self._exact(x[instances], keep, m_call)
                else:
                    moments = self._sampled(x[instances], keep, m_call)
                    outputs = moments.mean[0]
                    for error, stderr in zip(errors, moments.stderr, strict=True):
                        error[instances, part] = numbers.error(stderr)
                mean[instances, part] = numbers.read(outputs)
        asked = subsets.count + (0 if self.exact else len(passes))
        return Estimate(mean, errors[0], errors[1], float(asked * self.plan.total))

    @property
    def exact(self) -> bool:
        """Whether the draws are the atoms of the law."""
        return self.plan.seed is None

    def _exact(self, x: Instances, keep: Keep, m_call: int) -> Float64[np.ndarray, "b m k"]:
        # Filled in place: many small results kept between large ones would tear the heap.
        total = np.zeros(0)
        input_keep = self.players.spread(keep)
        for plan in self._chunks():
            shared = self._shared(x, plan)
            for part in _slices(keep.shape[1], m_call):
                outputs, weights = self._outputs(x, input_keep[:, part], plan, shared)
                if not len(total):
                    total = np.zeros((len(x), keep.shape[1], outputs.shape[3]))
                total[:, part] += (weights[:, :, None] @ outputs)[:, :, 0]
        return total

    def _sampled(self, x: Instances, keep: Keep, m_call: int) -> Moments:
        input_keep, nothing = self.players.spread(keep), self._nothing(x)
        merged: list[Moments] = []
        for plan in self._chunks():
            shared = self._shared(x, plan)
            base = self._outputs(x, nothing, plan, shared)[0]
            n = base.shape[2]
            mean, spread = np.empty((2, 2, len(x), keep.shape[1], base.shape[3]))
            for part in _slices(keep.shape[1], m_call):
                outputs = self._outputs(x, input_keep[:, part], plan, shared)[0]
                values = np.stack([outputs, outputs - base])
                # Sums as products with ones, which are much faster than sums over a middle axis.
                mean[:, :, part] = np.ones(n) @ values / n
                values -= mean[:, :, part, None]
                np.square(values, out=values)
                spread[:, :, part] = np.ones(n) @ values
            whole = Moments(n, mean, spread)
            merged = [merged[0].merge(whole)] if merged else [whole]
        return merged[0]

    def _chunks(self) -> Iterator[Plan]:
        for part in _slices(self.plan.total, self.max_rows):
            yield replace(self.plan, start=part.start, stop=part.stop)

    def _nothing(self, x: Instances) -> InputKeep:
        return np.zeros((1, 1, *x.shape[1:]), dtype=bool)

    def _shared(self, x: Instances, plan: Plan) -> Draws | None:
        """The draws of all subsets and instances, where the law does not depend on what is kept."""
        if self.reference.law.depends_on_x:
            return None
        draws = self.reference.draw(x, self._nothing(x), plan)
        return replace(draws, values=in_dtype(draws.values, self.predictor.batch_dtype))

    def _outputs(
        self, x: Instances, input_keep: InputKeep, plan: Plan, shared: Draws | None
    ) -> tuple[Float64[np.ndarray, "b m n k"], Float64[np.ndarray, "#b #m n"]]:
        """The outputs for every draw, and the draws' weights."""
        draws = self.reference.draw(x, input_keep, plan) if shared is None else shared
        dtype = self.predictor.batch_dtype
        mixed = blend(in_dtype(x, dtype), in_dtype(draws.values, dtype), input_keep)
        outputs = doubled(self.predictor.predict(mixed.reshape(-1, *mixed.shape[3:])))
        return outputs.reshape(*mixed.shape[:3], -1), draws.weights


def _slices(total: int, step: int) -> Iterator[slice]:
    for start in range(0, total, step):
        yield slice(start, min(start + step, total))


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
