"""f_S(x) of a link of a sum over players under a finite reference, exactly: the model is asked for parts."""

from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import final

import numpy as np
from jaxtyping import Bool, Float64, Int64
from typing_extensions import override

from onlyif.core.arrays import doubled
from onlyif.core.errors import SettingError
from onlyif.core.players import Players
from onlyif.core.progress import Meter
from onlyif.core.shapes import Instances, Keep
from onlyif.core.subsets import codes_of_keep, keep_of_codes
from onlyif.engine.engine import Engine, checked, slices
from onlyif.models.base import Predictor
from onlyif.models.links import Link, SquaredLink
from onlyif.models.readouts import Readout
from onlyif.references.base import Plan, Reference
from onlyif.restrictions.base import Estimate, GroupedTable, Method, Restriction, check_table_size
from onlyif.restrictions.groups import Groups

_BLOCK_ENTRIES = 2**18  # margins held at once: subsets times atoms times outputs


@final
@dataclass(frozen=True, eq=False)
class AdditiveRestriction(Restriction):
    """Exact f_S(x) of a link of a sum over players under a reference V with finitely many atoms z.

    f_S(x) = Σ_z w_z link(m_0 + Σ_{i ∈ S} m_i(x) + Σ_{i ∉ S} m_i(z)).

    What a player adds to the margin is measured: one row a player, of x and of each atom, in which that
    player alone differs from a row of origin. No blend is asked for: where an atom adds what x adds, but for
    e players, it has 2^e different margins, each one addition from another. Choose it for linear models,
    generalised linear ones, naive Bayes, and networks, whose first layer takes sums; under a Gaussian
    choose `LinearGaussianRestriction`.

    Args:
        margins: The model's margins, a sum over players for every row.
        link: From margins to outputs.
        reference: The distribution V of what is hidden; finite, with atoms that do not depend on x.
        players: How players tile an instance.
        parts: What each player adds in each atom.
        origin: The row that parts are measured from.
        base: Its margins, m_0.
        weights: The weight of each atom, where it does not depend on x.
        max_rows: Most rows of one model call.
        meter: What counts the atoms of a table, which takes long where they are many.

    References:
        [bharti2024] section 2, the average restricted prediction.
    """

    margins: Predictor
    link: Link
    reference: Reference
    players: Players
    parts: Float64[np.ndarray, "n d k"]
    origin: Float64[np.ndarray, "1 c"]
    base: Float64[np.ndarray, "k"]
    weights: Float64[np.ndarray, "n"]
    max_rows: int = 16_384
    meter: Meter = field(default_factory=Meter)

    @override
    def predict(self, x: Instances, keep: Keep, readout: Readout) -> Estimate:
        mean = np.empty((len(x), keep.shape[1]))
        n, _, k = self.parts.shape
        for i, own in enumerate(self.parts_of(x)):
            part = slice(i, i + 1)
            subsets = keep[0 if len(keep) == 1 else i]
            for some in slices(len(subsets), max(1, _BLOCK_ENTRIES // (n * k))):
                self.meter.check()
                outputs = self._at_subsets(x[part], own, subsets[some])
                mean[i, some] = readout.part(part).read(outputs[None])[0]
                self.meter.count(self.method.rows * len(outputs))
        return self._exact(mean)

    @override
    def table(self, x: Instances, readout: Readout) -> Estimate:
        d = self.players.count
        check_table_size(len(x), d)
        if self.reference.law.depends_on_x:
            return self.predict(x, keep_of_codes(np.arange(2**d), d)[None], readout)
        mean = np.empty((len(x), 2**d))
        self.meter.expect(len(x) * len(self.parts))
        for i, own in enumerate(self.parts_of(x)):
            outputs = self._of_groups(own, np.zeros(len(self.parts), dtype=np.int64), np.ones(1))
            mean[i] = readout.part(slice(i, i + 1)).read(outputs)[0]
        return self._exact(mean)

    @override
    def grouped_table(self, x: Instances, readout: Readout, groups: Groups) -> GroupedTable:
        if self.reference.law.depends_on_x:
            return super().grouped_table(x, readout, groups)
        group, sizes, d = groups.group, groups.sizes / len(self.parts), self.players.count
        check_table_size(len(x) * (1 + len(sizes)), d)
        self.meter.expect(len(x) * len(self.parts))
        outputs, mean = list[np.ndarray](), np.empty((len(x), 2**d))
        for i, own in enumerate(self.parts_of(x)):
            made = self._of_groups(own, group, sizes)
            mean[i] = readout.part(slice(i, i + 1)).read(np.tensordot(sizes, made, 1)[None])[0]
            outputs.append(made[..., readout.counted(i)].swapaxes(0, 1))
        return GroupedTable(self._exact(mean), outputs.__getitem__)

    @override
    def with_squares(self) -> Restriction | None:
        # Where margins are the outputs, a mean is no sum over atoms, and takes as many of them as there are.
        return None if self.link.additive else replace(self, link=SquaredLink(self.link))

    def row_outputs(
        self,
        own: Float64[np.ndarray, "d k"],
        parts: Float64[np.ndarray, "d n k"],
        keep: Bool[np.ndarray, "m d"],
    ) -> Float64[np.ndarray, "m n j"]:
        """The outputs of an instance with some players of other rows, row by row.

        Args:
            own: What each player adds in the instance.
            parts: What each adds in the other rows.
            keep: The players kept, for each subset.
        """
        margins = np.tensordot((~keep).astype(np.float64), parts, 1)
        margins += (self.base + keep.astype(np.float64) @ own)[:, None]
        return self.link.completed(self._linked(margins))

    def _of_groups(
        self, own: Float64[np.ndarray, "d k"], group: Int64[np.ndarray, "n"], sizes: Float64[np.ndarray, "g"]
    ) -> Float64[np.ndarray, "g two_to_d j"]:
        """The outputs for every subset over each group of atoms, whose weights sum to its size."""
        made = self._sums if self.link.additive else self._at_all
        return made(own, group, sizes)

    def parts_of(self, x: Instances) -> Float64[np.ndarray, "b d k"]:
        """What each player of some instances adds to their margins.

        Args:
            x: The instances.
        """
        engine = Engine(self.margins, self.players, self.max_rows)
        parts: np.ndarray = measured_parts(engine, doubled(x), self.origin) - self.base
        return parts

    def _at_subsets(
        self, x: Instances, own: Float64[np.ndarray, "d k"], keep: Bool[np.ndarray, "m d"]
    ) -> Float64[np.ndarray, "m j"]:
        n, d, k = self.parts.shape
        hidden = (~keep).astype(np.float64) @ self.parts.transpose(1, 0, 2).reshape(d, n * k)
        margins = hidden.reshape(-1, n, k) + (self.base + keep.astype(np.float64) @ own)[:, None]
        weights = self.weights[None]
        if self.reference.law.depends_on_x:
            plan = Plan(n, 0, n, None)
            weights = self.reference.draw(x, self.players.spread(keep[None]), plan).weights[0]
        mean: np.ndarray = (weights[:, None] @ self._linked(margins))[:, 0]
        return self.link.completed(mean)

    def _sums(
        self, own: Float64[np.ndarray, "d k"], group: Int64[np.ndarray, "n"], sizes: Float64[np.ndarray, "g"]
    ) -> Float64[np.ndarray, "g two_to_d k"]:
        """Where the margins are the outputs, their mean is a sum too."""
        shares = np.where(group == np.arange(len(sizes))[:, None], self.weights, 0.0) / sizes[:, None]
        hidden = np.tensordot(shares, self.parts, 1)
        return self._linked(_all_sums(self.base + hidden.sum(1), own - hidden))

    def _at_all(
        self, own: Float64[np.ndarray, "d k"], group: Int64[np.ndarray, "n"], sizes: Float64[np.ndarray, "g"]
    ) -> Float64[np.ndarray, "g two_to_d j"]:
        # Players in which most atoms differ have the lowest bits: what is added then lies close together.
        differ = (own != self.parts).any(2)
        order = np.argsort(-differ.sum(0), kind="stable")
        differ, steps = differ[:, order], (own - self.parts)[:, order]
        counts, masks = differ.sum(1), codes_of_keep(differ)
        total = np.zeros((len(sizes), 0, 2 ** len(own)))
        by_mask = np.lexsort((group, masks, counts))
        for count in np.unique(counts).tolist():
            atoms = by_mask[slice(*np.searchsorted(counts[by_mask], [count, count + 1]))]
            for some in slices(len(atoms), max(1, _BLOCK_ENTRIES // self.parts.shape[2] >> count)):
                self.meter.check()
                part = atoms[some]
                moved = steps[part][differ[part]].reshape(len(part), count, steps.shape[2])
                outputs = self._linked(_all_sums(self.base + self.parts[part].sum(1), moved))
                if not total.shape[1]:
                    total = np.zeros((len(sizes), outputs.shape[2], total.shape[2]))
                _add(
                    total, outputs * self.weights[part, None, None], (differ[part], masks[part], group[part])
                )
                self.meter.count(len(part))
        means = [_in_order(one / size, order) for one, size in zip(total, sizes, strict=True)]
        return np.stack([self.link.completed(one.T) for one in means])

    def _linked(self, margins: Float64[np.ndarray, "*m k"]) -> Float64[np.ndarray, "*m _"]:
        """What is averaged.

        Raises:
            ModelError: if a link leaves the numbers.
        """
        outputs = self.link.averaged(margins)
        checked(self.margins, outputs.reshape(-1, outputs.shape[-1]))
        return outputs

    def _exact(self, mean: Float64[np.ndarray, "b m"]) -> Estimate:
        nothing = np.broadcast_to(0.0, mean.shape)
        return Estimate(mean, nothing, nothing, float(self.method.rows * mean.shape[1] or self.players.count))

    @property
    @override
    def method(self) -> Method:
        return Method(
            "exactly, from what each feature adds to the sums inside the model, "
            f"in x and in all {len(self.parts)} rows of the reference",
            exact=True,
            rows=len(self.parts) if self.link.costly else 0,
        )


def measured_parts(
    engine: Engine, rows: Float64[np.ndarray, "r c"], origin: Float64[np.ndarray, "1 c"]
) -> Float64[np.ndarray, "r d k"]:
    """The margins of a row of origin in which one player is that of another row.

    Args:
        engine: The margins.
        rows: The other rows.
        origin: The row of origin.
    """
    d = engine.players.count
    which = np.repeat(np.arange(len(rows)), d), np.zeros(len(rows) * d, dtype=np.int64)
    with engine.opened() as opened:
        margins = opened.blends(rows, origin, which, np.tile(np.eye(d, dtype=bool), (len(rows), 1)))
    return margins.reshape(len(rows), d, -1)


def compile_additive(  # noqa: PLR0917 - as the restriction
    margins: Predictor,
    link: Link,
    reference: Reference,
    players: Players,
    x: Float64[np.ndarray, "b c"],
    max_rows: int = 16_384,
    meter: Meter | None = None,
) -> AdditiveRestriction:
    """Measure what each player adds in each atom of a reference, once for all instances.

    Args:
        margins: The model's margins.
        link: From margins to outputs.
        reference: The distribution V of what is hidden.
        players: How players tile an instance.
        x: Some instances, two if there are two.
        max_rows: Most rows of one model call.
        meter: What counts the work.

    Raises:
        SettingError: if the reference is not finite, or its atoms depend on the instance.
        ModelError: if a margin is NaN or infinite.
    """
    n = reference.law.n_atoms
    if n is None:
        raise SettingError("need a reference with finitely many atoms, got one that can only be sampled")
    draws = reference.draw(x[:2], np.zeros((1, 2, *x.shape[1:]), dtype=bool), Plan(n, 0, n, None))
    if draws.values.shape[:2] != (1, 1):
        raise SettingError("need a reference whose atoms are the same for all instances and subsets")
    atoms = doubled(draws.values[0, 0])
    engine, origin = Engine(margins, players, max_rows), atoms[:1]
    base = engine.blends(
        origin, origin, (np.zeros(1, int), np.zeros(1, int)), np.ones((1, players.count), bool)
    )
    return AdditiveRestriction(
        margins, link, reference, players,
        parts=measured_parts(engine, atoms, origin) - base,
        origin=origin,
        base=base[0],
        weights=draws.weights[0, 0],
        max_rows=max_rows,
        meter=meter or Meter(),
    )  # fmt: skip


def _add(
    total: Float64[np.ndarray, "g j two_to_d"],
    outputs: Float64[np.ndarray, "n e j"],
    atoms: tuple[Bool[np.ndarray, "n d"], Int64[np.ndarray, "n"], Int64[np.ndarray, "n"]],
) -> None:
    """Add outputs to the tables of their groups, those of atoms with the same differences at once.

    Args:
        total: One table an output and group.
        outputs: Those of some atoms, for all subsets of the players in which they differ from x.
        atoms: For each atom these players, the same as a code, and its group.
    """
    differ, masks, group = atoms
    fresh = np.ones(len(masks), dtype=np.bool_)
    fresh[1:] = (masks[1:] != masks[:-1]) | (group[1:] != group[:-1])
    first = np.flatnonzero(fresh)
    for start, summed in zip(first.tolist(), np.add.reduceat(outputs, first), strict=True):
        # The last player first, those that follow each other and all differ or all agree on one axis.
        runs = [(different, len(list(run))) for different, run in groupby(differ[start, ::-1].tolist())]
        shape = [1 << length if different else 1 for different, length in runs]
        for table, output in zip(total[group[start]], summed.T, strict=True):
            whole = table.reshape([1 << length for _, length in runs])
            whole += output.reshape(shape)


def _in_order(
    total: Float64[np.ndarray, "j two_to_d"], order: Int64[np.ndarray, "d"]
) -> Float64[np.ndarray, "j two_to_d"]:
    """Tables of all subsets whose bit i stands for player order[i], with bit i for player i."""
    d = len(order)
    # The first axis after the outputs is that of the last bit.
    axes = d - np.argsort(order)[::-1]
    return total.reshape(-1, *[2] * d).transpose(0, *axes.tolist()).reshape(total.shape)


def _all_sums(
    start: Float64[np.ndarray, "g k"], steps: Float64[np.ndarray, "g e k"]
) -> Float64[np.ndarray, "g _ k"]:
    """A start and every subset of steps added to it, by code."""
    e = steps.shape[1]
    sums = np.empty((len(start), 1 << e, start.shape[1]))
    sums[:, 0] = start
    for step in range(e):
        np.add(sums[:, : 1 << step], steps[:, step, None], out=sums[:, 1 << step : 2 << step])
    return sums
