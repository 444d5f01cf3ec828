"""f_S(x) exactly, by running through every atom of a finite reference."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

from typing_extensions import override

from onlyif.core.errors import SettingError
from onlyif.core.players import Players
from onlyif.core.shapes import Instances, Keep
from onlyif.engine.engine import Engine
from onlyif.models.base import Predictor
from onlyif.models.readouts import Readout
from onlyif.models.squared import SquaredPredictor
from onlyif.references.base import Plan, Reference
from onlyif.restrictions.base import Estimate, GroupedTable, Method, Restriction, check_table_size
from onlyif.restrictions.blocks import Subsets, Walk
from onlyif.restrictions.groups import Groups


@final
@dataclass(frozen=True, eq=False)
class EnumeratedRestriction(Restriction):
    """The weighted mean of the predictor over all atoms of a finite reference.

    Exact for the stated reference. Choose it where V has few atoms (a baseline,
    some hundred background rows); for a law that can only be sampled, or that
    has more atoms than you can pay for, choose `SampledRestriction`.

    Args:
        predictor: The model f.
        reference: The distribution V of what is hidden; its law must be finite.
        players: How players tile an instance.
        max_rows: Most rows of one model call. Bounds memory and does not change the result.

    Raises:
        SettingError: if the law is not finite, or unless max_rows >= 1.

    References:
        [bharti2024] section 2, the average restricted prediction.
    """

    predictor: Predictor
    reference: Reference
    players: Players
    max_rows: int = 16_384

    def __post_init__(self) -> None:
        if self.reference.law.n_atoms is None:
            raise SettingError(
                "cannot enumerate a reference that can only be sampled; use SampledRestriction"
            )
        if self.max_rows < 1:
            raise SettingError(f"max_rows must be at least 1, got {self.max_rows}")

    @override
    def predict(self, x: Instances, keep: Keep, readout: Readout) -> Estimate:
        return self._walk.run(x, Subsets(keep, self.players.count), readout)

    @override
    def table(self, x: Instances, readout: Readout) -> Estimate:
        check_table_size(len(x), self.players.count)
        return self._walk.run(x, Subsets(None, self.players.count), readout)

    @override
    def grouped_table(self, x: Instances, readout: Readout, groups: Groups) -> GroupedTable:
        if self.reference.law.depends_on_x:
            return super().grouped_table(x, readout, groups)
        check_table_size((1 + len(groups.members)) * len(x), self.players.count)
        return self._walk.grouped_table(x, readout, groups)

    @override
    def with_squares(self) -> Restriction:
        return replace(self, predictor=SquaredPredictor(self.predictor))

    @override
    def distinct_share(self, x: Instances) -> float:
        return self._walk.distinct_share(x)

    @property
    @override
    def method(self) -> Method:
        return Method(
            f"exact mean over all {self._n_atoms} rows of the reference", exact=True, rows=self._n_atoms
        )

    @property
    def _n_atoms(self) -> int:
        return self.reference.law.n_atoms or 0

    @cached_property
    def _walk(self) -> Walk:
        plan = Plan(self._n_atoms, 0, self._n_atoms, None)
        return Walk(Engine(self.predictor, self.players, self.max_rows), self.reference, plan)
