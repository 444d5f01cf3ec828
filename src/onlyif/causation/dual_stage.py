"""The dual-stage perturbation test: how probable it is that a subset is the necessary and sufficient cause.

For the explained input x^t, a sample E of inputs with x^t among them, a subset s
and its complement, the factual stage weighs each input x of E by

    w_NC(x) = near(x_s, x^t_s) · changed(f(g(x, s, x')) - f(x)),
    w_SF(x) = near(x_rest, x^t_rest) · (1 - changed(f(g(x, rest, x')) - f(x))),

and the interventional stage perturbs the other part of the same input:

    PN = Σ w_NC(x) P(|f(g(x, rest, x')) - f(x)| <= c) / Σ w_NC(x),     P(A, B) = mean of w_NC,
    PS = Σ w_SF(x) P(|f(g(x, s, x')) - f(x)| > c) / Σ w_SF(x),     P(Ā, B̄) = mean of w_SF,
    PNS = PN · P(A, B) + PS · P(Ā, B̄).
"""

from dataclasses import dataclass, field
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from onlyif.causation.abduction import Abduction, WeightedMean
from onlyif.causation.change import Change
from onlyif.causation.checks import (
    ENTRIES_AT_ONCE,
    check_instances,
    check_proper,
    check_subsets,
    check_table,
)
from onlyif.causation.exceedance import Exceedance, Perturber, of_all_inputs
from onlyif.causation.neighbourhood import Neighbourhood
from onlyif.causation.perturbation import Perturbations
from onlyif.causation.probabilities import Probabilities, of_instances, of_subsets
from onlyif.causation.reading import Stages, read, without_whole
from onlyif.core.arrays import Array, doubled, like
from onlyif.core.players import Players
from onlyif.core.shapes import Instances
from onlyif.core.subsets import keep_of_codes
from onlyif.engine.distinct import Differences
from onlyif.engine.engine import Engine, slices
from onlyif.models.base import Predictor
from onlyif.samples.base import Sample, SampleRows

_Keep = Bool[np.ndarray, "#b m d"]


@final
@dataclass(frozen=True, eq=False)
class DualStageTest:
    """The dual-stage perturbation test of one model.

    Args:
        predictor: The model f.
        players: How players tile an instance.
        sample: E.
        baseline: x', which perturbed players are set to; of each instance, or one for all.
        neighbourhood: What counts as near x^t, and as a change.
        perturbations: Which players of a set go to the baseline.
        abduction: How the factual event is conditioned on.
        max_rows: Most rows of one model call. Bounds memory and does not change the result.
        seed: Seed of whatever is drawn.

    Raises:
        SettingError: unless max_rows >= 1, or if the baseline does not fit the players.

    References:
        [chen2024] section 4, with the corrections in the guide.
    """

    predictor: Predictor
    players: Players
    sample: Sample
    baseline: Float[Array, "#b *x"]
    neighbourhood: Neighbourhood
    perturbations: Perturbations = field(default_factory=Perturbations)
    abduction: Abduction = field(default_factory=WeightedMean)
    max_rows: int = 16_384
    seed: int = 0

    def __post_init__(self) -> None:
        self._perturber()

    def measure(self, x: Instances, subset: _Keep, change: Change) -> Probabilities:
        """The probabilities of given subsets.

        The empty subset has PNS 0; for the one of all players P(Ā, B̄) is 0. `measure_proper` refuses both.

        Args:
            x: The instances.
            subset: The subsets s; size 1 in b means shared by all instances.
            change: How a change of each instance's prediction is read.

        Raises:
            InputError: if the instances do not fit the baseline or are equal to it.
            SettingError: if there is no target of that number, or no subset.
        """
        check_instances(x, self.baseline, change)
        check_subsets(subset, len(x), self.players.count)
        rows = self.sample.rows(x, self.seed)
        step = max(1, ENTRIES_AT_ONCE // (2 * rows.count))
        some = slices(subset.shape[1], step)
        return of_subsets([self._some_subsets(x, rows, subset[:, part], change) for part in some])

    def measure_proper(self, x: Instances, subset: _Keep, change: Change) -> Probabilities:
        """As `measure`, but subsets that are empty or whole are refused.

        Args:
            x: The instances.
            subset: The subsets s.
            change: How a change of each instance's prediction is read.

        Raises:
            SettingError: if a subset is empty or holds all players.
        """
        check_proper(subset)
        return self.measure(x, subset, change)

    def table(self, x: Instances, change: Change) -> Probabilities:
        """The exact probabilities of all 2^d subsets by bit code, from 2^d model rows an input of E.

        Args:
            x: The instances.
            change: How a change of each instance's prediction is read.

        Raises:
            LimitError: if the tables would not fit the memory.
        """
        check_instances(x, self.baseline, change)
        rows, (different, which) = self.sample.rows(x, self.seed), change.distinct(len(x))
        check_table(rows.count, self.players.count, int(which.max()) + 1)
        shared = None
        if len(rows.shared) and len(self.baseline) == 1:
            shared = self._perturber().table(rows.shared, different)
        found = []
        for i in range(len(x)):
            one = np.array([i])
            perturber, own_change, parts = self._perturber(one), change.take(one), []
            asked = 0.0 if shared is None else shared.model_rows / len(x)
            if rows.own.shape[1]:
                parts.append(perturber.table(rows.own[i], own_change))
                asked += parts[-1].model_rows
            if shared is not None:
                parts.append(shared.of_instances(which[one]))
            elif len(rows.shared):
                parts.append(perturber.table(rows.shared, own_change))
                asked += parts[-1].model_rows
            found.append(self._all_subsets(self._squares(x, rows, one), parts, asked))
        return of_instances(found)

    def table_rows(self, x: Instances) -> int:
        """Model rows that the table of all subsets needs, for all instances together.

        Args:
            x: The instances.
        """
        rows = self.sample.rows(x, self.seed)
        each = 1 if len(self.baseline) == 1 else len(x)
        inputs = len(rows.shared) * each + len(x) * int(rows.own.shape[1])
        return inputs + (inputs << self.players.count)

    def distinct_share(self, x: Instances) -> float:
        """The share of the model rows of all subsets that are asked for: the others are equal to these.

        Args:
            x: The instances.
        """
        rows = self.sample.rows(x, self.seed)
        if not len(rows.shared) or len(self.baseline) > 1:
            return 1.0
        inputs = [one for one in (rows.shared, *rows.own) if len(one)]
        return sum(map(self._asked, inputs)) / self.table_rows(x)

    def _asked(self, inputs: Float[Array, "n *x"]) -> int:
        """Model rows that a table over some inputs asks for: these, and their distinct blends with x'."""
        engine, baseline = self._perturber().engine, like(self.baseline, inputs)
        differ = engine.differing(inputs, baseline)
        if differ is None:
            return len(inputs) * (1 + (1 << self.players.count))
        turned = Differences(differ.players.swapaxes(0, 1))
        return len(inputs) + engine.n_asked(inputs, turned, engine.equal(inputs))

    def _all_subsets(
        self, squares: Float64[np.ndarray, "1 n d"], parts: list[Exceedance], asked: float
    ) -> Probabilities:
        """Block by block of codes, for reading them needs more memory than the table."""
        d, found = self.players.count, []
        # The complement of code k is code 2^d - 1 - k.
        of_rest = [part.of_sets(slice(None, None, -1)) for part in parts]
        for codes in slices(2**d, max(1, ENTRIES_AT_ONCE // (2 * squares.shape[1]))):
            subset = keep_of_codes(np.arange(codes.start, codes.stop), d)[None]
            on_s, on_rest = (
                of_all_inputs([part.of_sets(codes) for part in side]) for side in (parts, of_rest)
            )
            exact = np.ones((1, subset.shape[1]), dtype=bool)
            stages = self._stages(squares, subset, on_s, on_rest, exact)
            share = asked * (codes.stop - codes.start) / 2**d
            found.append(read(stages, self.abduction, self.seed, share))
        return of_subsets(found)

    def _some_subsets(self, x: Instances, rows: SampleRows, subset: _Keep, change: Change) -> Probabilities:
        m, shared = subset.shape[1], None
        both = np.concatenate([subset, ~subset], axis=1)
        different, which = change.distinct(len(x))
        if len(rows.shared) and len(both) == len(self.baseline) == 1:
            first = rows.own.shape[1]
            shared = self._perturber().exceedance(rows.shared[None], first, both, different)
        found = []
        for block in slices(len(x), max(1, ENTRIES_AT_ONCE // (2 * m * rows.count))):
            numbers = np.arange(block.start, block.stop)
            own_subset, own_both = (sets if len(sets) == 1 else sets[block] for sets in (subset, both))
            asked = 0.0 if shared is None else shared.model_rows / len(x) * len(numbers)
            parts = self._own_parts(rows, own_both, numbers, change, with_shared=shared is None)
            asked += sum(part.model_rows for part in parts)
            if shared is not None:
                parts.append(shared.of_instances(which[numbers]))
            whole, is_exact = of_all_inputs(parts), self.perturbations.enumerates_all(own_both)
            stages = self._stages(
                self._squares(x, rows, numbers),
                own_subset,
                whole.of_sets(slice(m)),
                whole.of_sets(slice(m, None)),
                np.broadcast_to(is_exact[:, :m] & is_exact[:, m:], (len(numbers), m)),
            )
            found.append(read(stages, self.abduction, self.seed, asked / len(numbers)))
        return of_instances(found)

    def _own_parts(
        self,
        rows: SampleRows,
        both: _Keep,
        numbers: Int64[np.ndarray, "b"],
        change: Change,
        *,
        with_shared: bool,
    ) -> list[Exceedance]:
        """What perturbing some instances' own inputs does, and the shared ones where that is not known."""
        perturber, own_change = self._perturber(numbers), change.take(numbers)
        both = np.broadcast_to(both, (len(numbers), *both.shape[1:]))
        inputs = [(rows.own[numbers], 0)] if rows.own.shape[1] else []
        if with_shared and len(rows.shared):
            inputs.append((rows.shared[None], rows.own.shape[1]))
        return [perturber.exceedance(part, first, both, own_change) for part, first in inputs]

    def _squares(
        self, x: Instances, rows: SampleRows, numbers: Int64[np.ndarray, "p"]
    ) -> Float64[np.ndarray, "p n d"]:
        """Squared distances of the inputs of E from each of some instances, player by player."""
        return np.stack(
            [
                self.neighbourhood.squares(doubled(rows.of(i)), doubled(x[i]), self.players)
                for i in numbers.tolist()
            ]
        )

    def _stages(
        self,
        squares: Float64[np.ndarray, "b n d"],
        subset: _Keep,
        on_s: Exceedance,
        on_rest: Exceedance,
        exact: Bool[np.ndarray, "b m"],
    ) -> Stages:
        near_on_s, near_on_rest = (
            self.neighbourhood.log_near(squares, sets.astype(np.float64), self.players)
            for sets in (subset, ~subset)
        )
        return Stages(near_on_s, without_whole(near_on_rest, subset), on_s, on_rest, exact)

    def _perturber(self, instances: Int64[np.ndarray, "b"] | None = None) -> Perturber:
        all_alike = instances is None or len(self.baseline) == 1
        return Perturber(
            Engine(self.predictor, self.players, self.max_rows),
            self.baseline if all_alike else self.baseline[instances],
            self.neighbourhood.events,
            self.perturbations,
            self.seed,
        )
