"""v(S): instances and what is read out of each; all that a criterion ever sees."""

from dataclasses import dataclass, replace
from typing import final

from onlyif.core.shapes import Instances, Keep
from onlyif.models.readouts import Readout
from onlyif.restrictions.base import Estimate, GroupedTable, Restriction
from onlyif.restrictions.groups import Groups


@final
@dataclass(frozen=True, eq=False)
class SetFunction:
    """The restricted predictions f_S(x) of b instances, as functions of S.

    Args:
        restriction: How f_S(x) is computed.
        x: The instances.
        readout: Which number of each instance's outputs is explained.
        n_players: d.
    """

    restriction: Restriction
    x: Instances
    readout: Readout
    n_players: int

    def predict(self, keep: Keep) -> Estimate:
        """f_S(x) for given subsets."""
        return self.restriction.predict(self.x, keep, self.readout)

    def table(self) -> Estimate:
        """f_S(x) for all 2^d subsets, by bit code."""
        return self.restriction.table(self.x, self.readout)

    def grouped_table(self, groups: Groups) -> GroupedTable:
        """The same, and over each group of the reference's atoms alone.

        Args:
            groups: The rows of the reference in groups.

        Raises:
            SettingError: if f_S(x) is no exact mean over atoms of equal weight.
        """
        return self.restriction.grouped_table(self.x, self.readout, groups)

    def part(self, instances: slice) -> "SetFunction":
        """The restricted predictions of some of the instances."""
        return replace(self, x=self.x[instances], readout=self.readout.part(instances))
