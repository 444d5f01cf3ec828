"""How often, and how clearly, perturbing a set of players changes the prediction, for each input of E."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from onlyif.causation.asking import Asker
from onlyif.causation.change import Change
from onlyif.causation.neighbourhood import Events
from onlyif.causation.perturbation import Perturbations
from onlyif.core.arrays import Array, doubled, like, namespace
from onlyif.core.errors import SettingError
from onlyif.core.subsets import keep_of_codes
from onlyif.engine.distinct import Differences, code_blocks
from onlyif.engine.engine import Engine, answers, slices
from onlyif.models.outputs import digits_of


@final
@dataclass(frozen=True, eq=False)
class Exceedance:
    """Means over the perturbations of sets of players, for each input of E, and how sure these are.

    Args:
        model_rows: Model rows that this needs, equal ones counted each time, all told.
        soft: The mean of how much a change counts as one: the factual stage.
        hard: The fraction with |Δf| > c: the interventional stage.
        soft_variance: The variance of the first mean as an estimate; 0 where all choices were enumerated, NaN
            where there was a single one.
        hard_variance: That of the second.
        covariance: That of both.
    """

    model_rows: int
    soft: Float64[np.ndarray, "b m n"]
    hard: Float64[np.ndarray, "b m n"]
    soft_variance: Float64[np.ndarray, "b m n"]
    hard_variance: Float64[np.ndarray, "b m n"]
    covariance: Float64[np.ndarray, "b m n"]

    @property
    def arrays(self) -> tuple[Float64[np.ndarray, "b m n"], ...]:
        """All that is known, in the order of the fields."""
        return self.soft, self.hard, self.soft_variance, self.hard_variance, self.covariance

    def of_instances(self, numbers: Int64[np.ndarray, "p"]) -> "Exceedance":
        """The same of some instances.

        Args:
            numbers: Which instances, also several times.
        """
        # A view where it is one: what is broadcast stays so.
        part = slice(int(numbers[0]), int(numbers[0]) + 1) if len(numbers) == 1 else numbers
        return Exceedance(self.model_rows, *(array[part] for array in self.arrays))

    def of_sets(self, part: slice) -> "Exceedance":
        """The same of some sets."""
        return Exceedance(self.model_rows, *(array[:, part] for array in self.arrays))


def exact(
    soft: Float64[np.ndarray, "b m n"], hard: Float64[np.ndarray, "b m n"], model_rows: int
) -> Exceedance:
    """Means over all perturbations there are.

    Args:
        soft: The mean of how much a change counts as one.
        hard: The fraction with |Δf| > c.
        model_rows: Model rows that this needs.
    """
    nothing = np.broadcast_to(0.0, soft.shape)
    return Exceedance(model_rows, soft, hard, nothing, nothing, nothing)


def of_all_inputs(parts: Sequence[Exceedance]) -> Exceedance:
    """The exceedance of several parts of E together.

    Args:
        parts: The parts, in the order of E.
    """
    if len(parts) == 1:
        return parts[0]
    arrays = zip(*(part.arrays for part in parts), strict=True)
    rows = sum(part.model_rows for part in parts)
    return Exceedance(rows, *(np.concatenate(same, axis=2) for same in arrays))


@final
@dataclass(frozen=True, eq=False)
class Perturber:
    """A model, asked for perturbed inputs in calls of at most `max_rows` rows.

    Args:
        engine: The model f behind what asks it.
        baseline: x', of each instance or shared by all.
        events: What counts as a change.
        perturbations: Which players go to the baseline.
        seed: Seed of the random choices.

    Raises:
        SettingError: if players and baseline have different shapes.
    """

    engine: Engine
    baseline: Float[Array, "#b *x"]
    events: Events
    perturbations: Perturbations
    seed: int

    def __post_init__(self) -> None:
        shapes = tuple(self.engine.players.index.shape), tuple(self.baseline.shape[1:])
        if shapes[0] != shapes[1]:
            raise SettingError(
                f"players cover inputs of shape {shapes[0]}, the baseline has shape {shapes[1]}; need the "
                "same"
            )

    def exceedance(
        self, rows: Float[Array, "#b n *x"], first: int, sets: Bool[np.ndarray, "#b m d"], change: Change
    ) -> Exceedance:
        """The exceedance of given sets of players, for each instance.

        Where inputs, sets and baseline are shared, the model is asked once for all instances.

        Args:
            rows: Inputs of E; size 1 in b means shared.
            first: The number in E of the first of them.
            sets: The players that may go to the baseline.
            change: The change of each instance's prediction.
        """
        b, n, (_, m, d) = max(len(rows), len(sets), len(self.baseline)), rows.shape[1], sets.shape
        flat = np.broadcast_to(sets, (b, m, d)).reshape(b * m, d)
        with self._asker(rows, change) as asker:
            lead = len(asker.rounding) if b == 1 else 1
            whole = [np.zeros((lead, b * m, n)) for _ in range(5)]
            asked = rows.shape[0] * n
            for choices in chain(
                self._enumerated(flat, n, asker.at_once), self._drawn(flat, n, first, asker.at_once)
            ):
                block = self._exceedance(asker, choices, None if b == 1 else choices.entries // m)
                for held, part in zip(whole, block.arrays, strict=True):
                    held[:, choices.entries, choices.inputs] = part
                asked += block.model_rows
        return Exceedance(asked, *(held.reshape(-1, m, n) for held in whole))

    def table(self, rows: Float[Array, "n *x"], change: Change) -> Exceedance:
        """The exact exceedance of all 2^d sets by bit code, from 2^d model rows an input.

        The prediction with exactly the players R at the baseline is asked for once for each
        R; the mean over the random R in a set then follows for all sets by one transform.

        Args:
            rows: Inputs of E, shared by all instances as the baseline is.
            change: The change of each instance's prediction.
        """
        n, d = len(rows), self.engine.players.count
        with self._asker(rows[None], change) as asker:
            soft, hard = np.empty((2, len(asker.rounding), 2**d, n))
            if asker.differ is not None:
                self._spread_over(asker, asker.differ, soft, hard)
            else:
                self._every_row(asker, soft, hard)
        for means in (soft, hard):
            mean_over_subsets(means, self.perturbations.p_replace)
        return exact(soft, hard, n + n * 2**d)

    def _every_row(
        self,
        asker: Asker,
        soft: Float64[np.ndarray, "b two_to_d n"],
        hard: Float64[np.ndarray, "b two_to_d n"],
    ) -> None:
        """Fill the tables with sets that are wholly at the baseline."""
        n_sets, n, max_rows = int(soft.shape[1]), int(soft.shape[2]), self.engine.rows_a_call
        for inputs in slices(n, max_rows):
            for codes in slices(n_sets, max(1, max_rows // (inputs.stop - inputs.start))):
                part = np.arange(codes.start, codes.stop)
                hit = keep_of_codes(part, self.engine.players.count)[None, None]
                changes = asker.all_changes(inputs, hit)[:, 0].swapaxes(1, 2)
                soft[:, codes, inputs] = self.events.changed(changes)
                hard[:, codes, inputs] = changes > self.events.threshold

    def _spread_over(
        self,
        asker: Asker,
        differ: Differences,
        soft: Float64[np.ndarray, "b two_to_d n"],
        hard: Float64[np.ndarray, "b two_to_d n"],
    ) -> None:
        """The same from the distinct rows of each input, which agrees with the baseline in some players."""
        # The tables' codes are of players at the baseline: those that are "kept" of it.
        turned = Differences(differ.players.swapaxes(0, 1))
        rows = asker.rows[0]
        for blends in asker.engine.all_blends(asker.baseline, rows, turned, asker.engine.equal(rows)):
            inputs, each = blends.one_by_one()
            changes = asker.changes_of(inputs, each.outputs)
            of_rows = self.events.changed(changes), (changes > self.events.threshold).astype(np.float64)
            for codes in code_blocks(soft.shape[1], len(each.other) * len(soft)):
                places = each.of_pairs.places(codes).T
                for table, values in zip((soft, hard), of_rows, strict=True):
                    table[:, codes, each.other] = values.take(places, axis=1)

    @contextmanager
    def _asker(self, rows: Float[Array, "#b n *x"], change: Change) -> Iterator[Asker]:
        flat, c = namespace(rows).reshape(rows, (-1, *rows.shape[2:])), self.events.threshold
        with self.engine.opened() as engine:
            given = answers(engine.predictor, flat, engine.rows_a_call)
            base = doubled(given).reshape(*rows.shape[:2], -1)
            sizes = change.between(base[:, None, :, None], np.zeros_like(base))
            digits = min(engine.predictor.meaning.digits, digits_of(given.dtype))
            rounding = np.maximum(sizes.reshape(len(sizes), -1).max(1), c) * 2.0**-digits
            baseline = like(self.baseline, rows)
            differ = engine.differing(flat, baseline)
            yield Asker(engine, baseline, rows, differ, base, change, rounding, c)

    def _enumerated(self, flat: Bool[np.ndarray, "p d"], n: int, rows: int) -> Iterator["_Choices"]:
        """All choices of the sets that are small enough, sets of one size together."""
        sizes = flat.sum(1)
        for size in filter(self.perturbations.enumerates, np.unique(sizes).tolist()):
            chosen, weights = self.perturbations.enumerated(size)
            large_enough = np.flatnonzero(sizes == size)
            for inputs in slices(n, max(1, rows // len(chosen))):
                for entries in _fitting(large_enough, inputs, rows // len(chosen)):
                    hit = np.zeros((len(entries), len(chosen), flat.shape[1]), dtype=bool)
                    members = np.nonzero(flat[entries])[1].reshape(len(entries), 1, size)
                    np.put_along_axis(hit, np.broadcast_to(members, (*hit.shape[:2], size)), chosen[None], 2)
                    yield _Choices(entries, inputs, hit[:, None], weights, drawn=False)

    def _drawn(self, flat: Bool[np.ndarray, "p d"], n: int, first: int, rows: int) -> Iterator["_Choices"]:
        """Random choices for the other sets, the same for all of them."""
        large = np.flatnonzero(~self.perturbations.enumerates_all(flat))
        t = self.perturbations.n_perturbations
        for inputs in slices(n if len(large) else 0, max(1, rows // t)):
            start, stop = first + inputs.start, first + inputs.stop
            drawn = self.perturbations.drawn(start, stop, flat.shape[1], self.seed)
            for entries in _fitting(large, inputs, rows // t):
                # Ones, divided by their sum: a mean of ones is then exactly one.
                yield _Choices(entries, inputs, flat[entries][:, None, None] & drawn, np.ones(t), drawn=True)

    def _exceedance(
        self, asker: Asker, choices: "_Choices", instances: Int64[np.ndarray, "p"] | None
    ) -> Exceedance:
        """Means, variances and covariance over the choices, in as many calls as they need.

        Of each set for its own instance, or where none is named for all instances.
        """
        t, n_rows = len(choices.weights), len(choices.entries) * (choices.inputs.stop - choices.inputs.start)
        sums: list[np.ndarray] = []
        for part in slices(t, max(1, asker.at_once // n_rows)):
            hit, weights = choices.hit[:, :, part], choices.weights[part]
            if instances is None:
                changes = asker.all_changes(choices.inputs, hit)
            else:
                changes = asker.own_changes(instances, choices.inputs, hit)[None]
            soft, hard = self.events.changed(changes), (changes > self.events.threshold).astype(np.float64)
            products = (soft, hard, soft * soft, soft * hard) if choices.drawn else (soft, hard)
            sums.append(np.stack([product @ weights for product in products]))
        means = np.sum(sums, axis=0) / choices.weights.sum()
        if not choices.drawn:
            soft, hard = means
            return exact(soft, hard, n_rows * t)
        soft, hard, soft_squared, both = means
        share = 1 / (t - 1) if t > 1 else np.nan
        # Not below 0: rounding of a variance that is 0. The square of 0 or 1 is itself.
        return Exceedance(
            n_rows * t,
            soft,
            hard,
            np.maximum(soft_squared - soft**2, 0.0) * share,
            np.maximum(hard - hard**2, 0.0) * share,
            (both - soft * hard) * share,
        )


@final
@dataclass(frozen=True, eq=False)
class _Choices:
    """Which players go to the baseline, of some entries (instances and sets, flattened) and inputs of E."""

    entries: Int64[np.ndarray, "p"]
    inputs: slice
    hit: Bool[np.ndarray, "p #n t d"]
    weights: Float64[np.ndarray, "t"]
    drawn: bool


def _fitting(entries: Int64[np.ndarray, "p"], inputs: slice, each: int) -> Iterator[np.ndarray]:
    """The entries part by part, each of which fills a call with these inputs.

    Args:
        entries: The entries.
        inputs: The inputs.
        each: Sets and inputs that fill a call.
    """
    return (entries[part] for part in slices(len(entries), max(1, each // (inputs.stop - inputs.start))))


def mean_over_subsets(values: Float64[np.ndarray, "b two_to_d n"], p_replace: float) -> None:
    """From values of sets to their means over random subsets of each set, in place.

    Entry S becomes Σ over R in S of φ^|R| (1 - φ)^(|S| - |R|) times entry R, player by player.

    Args:
        values: One value for each set by bit code, contiguous in memory.
        p_replace: φ.
    """
    b, n_sets, n = values.shape
    for player in range(n_sets.bit_length() - 1):
        halves = values.reshape(b, -1, 2, 1 << player, n)
        without, with_player = halves[:, :, 0], halves[:, :, 1]
        # (1 - φ)·without + φ·with, without room for either product.
        with_player -= without
        with_player *= p_replace
        with_player += without
