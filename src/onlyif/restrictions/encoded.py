"""f_S(x) for rows of the user's table, from a restriction on rows as the model sees them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from jaxtyping import Float64
from typing_extensions import override

from onlyif.core.arrays import Array
from onlyif.core.shapes import Instances, Keep
from onlyif.models.readouts import Readout
from onlyif.restrictions.base import Estimate, GroupedTable, Method, Restriction
from onlyif.restrictions.groups import Groups


@final
@dataclass(frozen=True, eq=False)
class EncodedRestriction(Restriction):
    """A restriction on rows in a model's own encoding, asked for rows of the user's table.

    As exact as the restriction inside, provided that what a column becomes depends on no other
    column. Choose it where a model is opened up behind its encoder, as trees are; a model that is
    only asked needs none, its predictor encodes.

    Args:
        inner: The restriction on encoded rows, with the same players.
        encode: From rows of the table to encoded rows.
        most_players: The number of players up to which a table of all subsets is affordable.
    """

    inner: Restriction
    encode: Callable[[Float64[Array, "b c"]], Float64[Array, "b t"]]
    most_players: int

    @override
    def predict(self, x: Instances, keep: Keep, readout: Readout) -> Estimate:
        return self.inner.predict(self.encode(x), keep, readout)

    @override
    def table(self, x: Instances, readout: Readout) -> Estimate:
        return self.inner.table(self.encode(x), readout)

    @override
    def grouped_table(self, x: Instances, readout: Readout, groups: Groups) -> GroupedTable:
        return self.inner.grouped_table(self.encode(x), readout, groups)

    @property
    @override
    def method(self) -> Method:
        return self.inner.method
