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
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from onlyif.causation.abduction import Abduction, WeightedMean
from onlyif.causation.asking import slices
from onlyif.causation.change import Change
from onlyif.causation.checks import check_change, check_instances, check_proper, check_table
from onlyif.causation.exceedance import Exceedance, Perturber
from onlyif.causation.neighbourhood import Neighbourhood
from onlyif.causation.perturbation import Perturbations
from onlyif.causation.probabilities import Probabilities, joined
from onlyif.causation.reading import Stages, read, together, without_whole
from onlyif.core.players import Players
from onlyif.core.shapes import Instances
from onlyif.core.subsets import keep_of_codes
from onlyif.predictors.base import Predictor
from onlyif.samples.base import Sample, SampleRows

# Moments are held for so many instances, subsets and inputs at once.
ENTRIES_AT_ONCE = 2**21


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
    baseline: Float[Tensor, "#b *x"]
    neighbourhood: Neighbourhood
    perturbations: Perturbations = field(default_factory=Perturbations)
    abduction: Abduction = field(default_factory=WeightedMean)
    max_rows: int = 16_384
    seed: int = 0

    def __post_init__(self) -> None:
        self._perturber()

    def measure(self, x: Instances, subset: Bool[Tensor, "#b m d"], change: Change) -> Probabilities:
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
        check_instances(x, self.baseline, subset, self.players.count)
        check_change(change, len(x))
        rows = self.sample.rows(x, self.seed)
        step = max(1, ENTRIES_AT_ONCE // (2 * rows.count))
        parts = [self._some_subsets(x, rows, part, change) for part in torch.split(subset, step, dim=1)]
        return joined(parts, dim=1)

    def measure_proper(self, x: Instances, subset: Bool[Tensor, "#b m d"], change: Change) -> Probabilities:
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
        nothing = torch.zeros(1, 1, self.players.count, dtype=torch.bool)
        check_instances(x, self.baseline, nothing, self.players.count)
        check_change(change, len(x))
        rows = self.sample.rows(x, self.seed)
        check_table(rows.count, self.players.count, int(change.distinct(len(x))[1].max()) + 1)
        shared, which = self._shared_table(rows, change, len(x))
        parts = []
        for number in range(len(x)):
            one = torch.tensor([number])
            held, asked = [], 0.0
            if rows.own.shape[1]:
                own = self._perturber(one).table(rows.own[number : number + 1], change.take(one))
                held, asked = [own.values[:, 0]], float(own.model_rows)
            if len(rows.shared):
                lead = shared if shared is not None else self._own_table_of_shared(rows, one, change)
                held.append(lead.values[:, which[number] if shared is not None else 0])
                asked += lead.model_rows / (len(x) if shared is not None else 1)
            parts.append(self._all_subsets(x, rows, number, torch.cat(held, dim=2), asked))
        return joined(parts, dim=0)

    def _shared_table(
        self, rows: SampleRows, change: Change, n_instances: int
    ) -> tuple[Exceedance | None, Tensor]:
        """The table of the inputs that all instances share, where they share the baseline too."""
        different, which = change.distinct(n_instances)
        if not len(rows.shared) or len(self.baseline) > 1:
            return None, which
        return self._perturber().table(rows.shared.unsqueeze(0), different), which

    def _own_table_of_shared(self, rows: SampleRows, one: Tensor, change: Change) -> Exceedance:
        return self._perturber(one).table(rows.shared.unsqueeze(0), change.take(one))

    def _all_subsets(
        self, x: Instances, rows: SampleRows, number: int, values: Float[Tensor, "v m n"], asked: float
    ) -> Probabilities:
        """Block by block of codes, for the errors need more memory than the table."""
        d, parts = self.players.count, []
        for codes in slices(2**d, max(1, ENTRIES_AT_ONCE // (2 * rows.count))):
            subset = torch.from_numpy(keep_of_codes(np.arange(codes.start, codes.stop), d))
            # The complement of code k is code 2^d - 1 - k.
            rest = values[:, 2**d - codes.stop : 2**d - codes.start].flip(1)
            share = asked * (codes.stop - codes.start) / 2**d
            means = torch.cat([values[:, codes], rest], dim=1)
            moments = torch.cat([means, means.new_zeros(3, *means.shape[1:])])
            stages = self._stages(x[number], rows.of(number), subset, moments)
            exact = torch.ones(1, len(subset), dtype=torch.bool)
            parts.append(self._probabilities([stages], exact, rows.count, share))
        return joined(parts, dim=1)

    def _some_subsets(
        self, x: Instances, rows: SampleRows, subset: Bool[Tensor, "#b m d"], change: Change
    ) -> Probabilities:
        both = torch.cat([subset, ~subset], dim=1)
        shared = None
        if len(rows.shared) and len(both) == len(self.baseline) == 1:
            different, which = change.distinct(len(x))
            inputs = rows.shared.unsqueeze(0)
            shared = self._perturber().exceedance(inputs, rows.own.shape[1], both, different)
        at_once = max(1, ENTRIES_AT_ONCE // (both.shape[1] * rows.count))
        parts = []
        for block in slices(len(x), at_once):
            numbers = torch.arange(block.start, block.stop)
            held, asked = self._moments(rows, both, numbers, change, with_shared=shared is None)
            sets, stages = (subset if len(subset) == 1 else subset[block]), []
            for i, number in enumerate(numbers.tolist()):
                moments = held[:, i]
                if shared is not None:
                    moments = torch.cat([moments, shared.values[:, which[number]]], dim=2)
                stages.append(self._stages(x[number], rows.of(number), sets[i % len(sets)], moments))
            asked += 0 if shared is None else shared.model_rows / len(x) * len(numbers)
            own = both if len(both) == 1 else both[block]
            exact = self.perturbations.enumerates_both(own).expand(len(numbers), -1)
            parts.append(self._probabilities(stages, exact, rows.count, asked / len(numbers)))
        return joined(parts, dim=0)

    def _moments(
        self,
        rows: SampleRows,
        both: Bool[Tensor, "#b m d"],
        numbers: Tensor,
        change: Change,
        *,
        with_shared: bool,
    ) -> tuple[Float[Tensor, "v b m n"], float]:
        """The moments of some instances' own inputs, and of the shared ones where these were not had."""
        sets = both if len(both) == 1 else both[numbers]
        perturber, own_change = self._perturber(numbers), change.take(numbers)
        b, m = len(numbers), both.shape[1]
        held, asked = [torch.zeros(5, b, m, 0, dtype=torch.float64)], 0
        if rows.own.shape[1]:
            own = perturber.exceedance(rows.own[numbers], 0, sets.expand(b, -1, -1), own_change)
            held, asked = [own.values], own.model_rows
        if with_shared and len(rows.shared):
            inputs = rows.shared.unsqueeze(0)
            more = perturber.exceedance(inputs, rows.own.shape[1], sets.expand(b, -1, -1), own_change)
            held, asked = [*held, more.values], asked + more.model_rows
        return torch.cat(held, dim=3), float(asked)

    def _stages(
        self,
        one: Float[Tensor, "*x"],
        inputs: Float[Tensor, "n *x"],
        subset: Bool[Tensor, "m d"],
        moments: Float[Tensor, "v two_m n"],
    ) -> Stages:
        both = torch.cat([subset, ~subset])
        near = self.neighbourhood.log_near(inputs, one, both, self.players).cpu()
        on_s, on_rest = near.chunk(2)
        moments_on_s, moments_on_rest = moments.chunk(2, dim=1)
        return Stages(on_s, without_whole(on_rest, subset.cpu()), moments_on_s, moments_on_rest)

    def _probabilities(
        self, stages: list[Stages], exact: Bool[Tensor, "b m"], n_sample: int, model_rows: float
    ) -> Probabilities:
        found, (b, m) = read(together(stages), self.abduction, self.seed), exact.shape
        return Probabilities(
            found.values.reshape(b, m, -1),
            found.stderr.reshape(b, m, -1),
            found.sample_stderr.reshape(b, m, -1),
            found.effective.reshape(b, m, -1),
            exact,
            n_sample,
            model_rows,
        )

    def _perturber(self, instances: Tensor | None = None) -> Perturber:
        all_alike = instances is None or len(self.baseline) == 1
        return Perturber(
            self.predictor,
            self.players,
            self.baseline if all_alike else self.baseline[instances],
            self.neighbourhood.events,
            self.perturbations,
            self.max_rows,
            self.seed,
        )
