"""How often, and how clearly, perturbing a set of players changes the prediction, for each input of E."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from onlyif.causation.asking import Asker, answers, slices, trusted_digits
from onlyif.causation.change import Change
from onlyif.causation.neighbourhood import Events
from onlyif.causation.perturbation import Perturbations
from onlyif.core.errors import SettingError
from onlyif.core.players import Players
from onlyif.core.subsets import keep_of_codes
from onlyif.predictors.base import Predictor


@final
@dataclass(frozen=True, eq=False)
class Exceedance:
    """Means over the perturbations of sets of players, for each input of E.

    Args:
        values: In this order: the mean of how much a change counts as one (the factual stage); the
            fraction with |Δf| > c (the interventional stage); the variances of these two means as
            estimates, and their covariance, which are 0 where all choices were enumerated. A table has
            the first two alone.
        model_rows: Rows that the model was asked for, all told.
    """

    values: Float64[Tensor, "v b m n"]
    model_rows: int

    @property
    def soft(self) -> Float64[Tensor, "b m n"]:
        """Mean of how much a change counts as one."""
        return self.values[0]

    @property
    def hard(self) -> Float64[Tensor, "b m n"]:
        """Fraction of changes above c."""
        return self.values[1]


@final
@dataclass(frozen=True, eq=False)
class Perturber:
    """A model, asked for perturbed inputs in calls of at most `max_rows` rows.

    Args:
        predictor: The model f.
        players: How players tile an instance.
        baseline: x', of each instance or shared by all.
        events: What counts as a change.
        perturbations: Which players go to the baseline.
        max_rows: Most rows of one model call.
        seed: Seed of the random choices.

    Raises:
        SettingError: unless max_rows >= 1, or if players and baseline have different shapes.
    """

    predictor: Predictor
    players: Players
    baseline: Float[Tensor, "#b *x"]
    events: Events
    perturbations: Perturbations
    max_rows: int
    seed: int

    def __post_init__(self) -> None:
        if self.max_rows < 1:
            raise SettingError(f"max_rows must be at least 1, got {self.max_rows}")
        if self.players.index.shape != self.baseline.shape[1:]:
            raise SettingError(
                f"players cover inputs of shape {tuple(self.players.index.shape)}, the baseline has shape "
                f"{tuple(self.baseline.shape[1:])}; need the same"
            )

    def exceedance(
        self, rows: Float[Tensor, "#b n *x"], first: int, sets: Bool[Tensor, "#b m d"], change: Change
    ) -> Exceedance:
        """The exceedance of given sets of players.

        Args:
            rows: Inputs of E; size 1 in b means shared, and asked for once if `sets` and baseline are too.
            first: The number in E of the first of them.
            sets: The players that may go to the baseline.
            change: The change of each instance's prediction; of as many as are wanted if all is shared.
        """
        b, m = max(len(rows), len(sets), len(self.baseline)), sets.shape[1]
        flat = sets.expand(b, -1, -1).flatten(0, 1)
        with self._asker(rows, change, b) as asker:
            blocks = [*self._enumerated(asker, flat, m), *self._drawn(asker, flat, m, first)]
        lead = blocks[0].values.shape[1] if blocks else 1
        held = torch.zeros(5, lead, len(flat), rows.shape[1], dtype=torch.float64)
        for block in blocks:
            held[:, :, block.entries, block.inputs] = block.values.cpu()
        if b > 1:
            held = held.reshape(5, b, m, rows.shape[1])
        asked = sum(block.model_rows for block in blocks)
        return Exceedance(held, asked + rows.shape[0] * rows.shape[1])

    def table(self, rows: Float[Tensor, "#b n *x"], change: Change) -> Exceedance:
        """The exact exceedance of all 2^d sets by bit code, from 2^d model rows an input.

        The prediction with exactly the players R at the baseline is asked for once for each
        R; the mean over the random R in a set then follows for all sets by one transform.

        Args:
            rows: Inputs of E; size 1 in b means shared.
            change: The change of each instance's prediction.
        """
        b, n, d = max(len(rows), len(self.baseline)), rows.shape[1], self.players.count
        per_instance = []
        with self._asker(rows, change, b) as asker:
            for instance in range(b):
                per_instance.append(self._all_sets(asker, torch.tensor([instance]), n))
        pair = torch.cat(per_instance, dim=1)
        mean_over_subsets(pair, self.perturbations.p_replace)
        return Exceedance(pair, rows.shape[0] * n + b * n * 2**d)

    def _all_sets(
        self, asker: Asker, instance: Int64[Tensor, "1"], n: int
    ) -> Float64[Tensor, "two lead m n"]:
        d, per_input = self.players.count, []
        for inputs in slices(n, self.max_rows):
            width = max(1, self.max_rows // (inputs.stop - inputs.start))
            columns = []
            for codes in slices(2**d, width):
                hit = torch.from_numpy(keep_of_codes(np.arange(codes.start, codes.stop), d))[None, None]
                change = asker.changes(instance, inputs, hit)[:, 0].transpose(1, 2)
                columns.append(torch.stack(self._counted(change)))
            per_input.append(torch.cat(columns, dim=2))
        return torch.cat(per_input, dim=3).cpu()

    def _counted(self, change: Float64[Tensor, "*s"]) -> tuple[Float64[Tensor, "*s"], Float64[Tensor, "*s"]]:
        """How much each change counts as one, and whether it is above c."""
        return self.events.changed(change), (change > self.events.threshold).double()

    @contextmanager
    def _asker(self, rows: Float[Tensor, "#b n *x"], change: Change, b: int) -> Iterator[Asker]:
        with self.predictor.opened() as predictor:
            parts = torch.split(rows.flatten(0, 1), self.max_rows)
            # Copies, for an opened predictor may change its batch.
            base = torch.cat([answers(predictor, part.clone()) for part in parts])
            base, digits = base.reshape(*rows.shape[:2], -1), trusted_digits(predictor, base.dtype)
            yield Asker(
                predictor,
                self.players,
                self.baseline.to(rows),
                rows,
                base.double(),
                change,
                b,
                digits,
                self.events.threshold,
            )

    def _enumerated(self, asker: Asker, flat: Bool[Tensor, "p d"], m: int) -> Iterator["_Block"]:
        """All choices of the sets that are small enough, sets of one size together."""
        sizes, n = flat.sum(1), asker.rows.shape[1]
        for size in sorted(set(sizes.tolist())):
            if not self.perturbations.enumerates(size):
                continue
            chosen, weights = self.perturbations.enumerated(size)
            for entries, inputs in self._rectangles(torch.nonzero(sizes == size).flatten(), n, len(chosen)):
                places = flat[entries].nonzero()[:, 1].view(len(entries), 1, size).expand(-1, len(chosen), -1)
                hit = torch.zeros(len(entries), len(chosen), flat.shape[1], dtype=torch.bool)
                hit.scatter_(2, places, chosen.expand(len(entries), -1, -1))
                values = self._moments(asker, entries // m, inputs, hit.unsqueeze(1), weights)
                values[2:] = 0.0
                rows = len(entries) * (inputs.stop - inputs.start) * len(chosen)
                yield _Block(entries, inputs, values, rows)

    def _drawn(self, asker: Asker, flat: Bool[Tensor, "p d"], m: int, first: int) -> Iterator["_Block"]:
        """Random choices for the other sets, the same for all of them."""
        t = self.perturbations.n_perturbations
        sizes = enumerate(flat.sum(1).tolist())
        large = [number for number, size in sizes if not self.perturbations.enumerates(size)]
        # Ones, divided by their sum: a mean of ones is then exactly one.
        weights = torch.ones(t, dtype=torch.float64)
        drawn_for = torch.tensor(large, dtype=torch.int64)
        for entries, inputs in self._rectangles(drawn_for, asker.rows.shape[1], t):
            start, stop = first + inputs.start, first + inputs.stop
            drawn = self.perturbations.drawn(start, stop, flat.shape[1], self.seed)
            hit = flat[entries].unsqueeze(1).unsqueeze(1) & drawn
            values = self._moments(asker, entries // m, inputs, hit, weights)
            values[2:] *= 1 / (t - 1) if t > 1 else torch.nan
            rows = len(entries) * (inputs.stop - inputs.start) * t
            yield _Block(entries, inputs, values, rows)

    def _rectangles(self, entries: Int64[Tensor, "p"], n: int, t: int) -> Iterator[tuple[Tensor, slice]]:
        """Entries and inputs that fill a call, or one of each where t alone fills it."""
        at_once = max(1, self.max_rows // t)
        for inputs in slices(n, at_once):
            for part in slices(len(entries), max(1, at_once // (inputs.stop - inputs.start))):
                yield entries[part], inputs

    def _moments(
        self,
        asker: Asker,
        instances: Int64[Tensor, "p"],
        inputs: slice,
        hit: Bool[Tensor, "p #n t d"],
        weights: Float64[Tensor, "t"],
    ) -> Float64[Tensor, "five lead p n"]:
        """Means, variances and covariance over the choices t, in as many calls as they need."""
        width = max(1, self.max_rows // (len(instances) * (inputs.stop - inputs.start)))
        shares = []
        for part in slices(len(weights), width):
            soft, hard = self._counted(asker.changes(instances, inputs, hit[:, :, part]))
            products = torch.stack([soft, hard, soft * soft, hard * hard, soft * hard])
            shares.append(products @ weights[part].to(products.device))
        total = torch.stack(shares).sum(0) / weights.sum()
        total[2] -= total[0].square()
        total[3] -= total[1].square()
        total[4] -= total[0] * total[1]
        # Rounding of a variance that is 0.
        total[2:4] = total[2:4].clamp(min=0.0)
        return total


@final
@dataclass(frozen=True, eq=False)
class _Block:
    """Moments of some entries (instances and sets, flattened) for some inputs of E."""

    entries: Int64[Tensor, "p"]
    inputs: slice
    values: Float64[Tensor, "five lead p n"]
    model_rows: int


def mean_over_subsets(values: Float64[Tensor, "two b two_to_d n"], p_replace: float) -> None:
    """From values of sets to their means over random subsets of each set, in place.

    Entry S becomes Σ over R in S of φ^|R| (1 - φ)^(|S| - |R|) times entry R, player by player.

    Args:
        values: One value for each set by bit code.
        p_replace: φ.
    """
    d = values.shape[2].bit_length() - 1
    for player in range(d):
        halves = values.view(*values.shape[:2], -1, 2, 1 << player, values.shape[3])
        halves[:, :, :, 1] *= p_replace
        halves[:, :, :, 1] += (1.0 - p_replace) * halves[:, :, :, 0]
