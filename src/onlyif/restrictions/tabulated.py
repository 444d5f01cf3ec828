"""f_S(x) read off a finished table of all subsets."""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from typing_extensions import override

from onlyif.core.errors import SettingError
from onlyif.core.shapes import Instances, Keep
from onlyif.core.subsets import codes_of_keep
from onlyif.models.readouts import Readout
from onlyif.restrictions.base import Estimate, Method, Restriction


@final
@dataclass(frozen=True, eq=False)
class TabulatedRestriction(Restriction):
    """Restricted predictions that are known for all 2^d subsets.

    Choose it for a game of your own, or to ask a finished table again without
    asking the model again.

    Args:
        known: f_S(x) of each instance by bit code, already read out.
        source: How the table was computed.

    Raises:
        SettingError: if the number of subsets is no power of two.

    Example:
        >>> from onlyif.models.readouts import TargetReadout
        >>> f_S, zero = np.array([[0.0, 1.0, 0.5, 1.0]]), np.zeros((1, 4))
        >>> game = TabulatedRestriction(Estimate(f_S, zero, zero, 0.0), Method("given", True, 0))
        >>> keep = np.array([[[False, True]]])
        >>> game.predict(np.zeros((1, 2)), keep, TargetReadout(np.array([0]))).mean
        array([[0.5]])
    """

    known: Estimate
    source: Method

    def __post_init__(self) -> None:
        n_subsets = self.known.mean.shape[1]
        if n_subsets < 1 or n_subsets & (n_subsets - 1):
            raise SettingError(f"a table over all subsets has 2^d entries, got {n_subsets}")

    @override
    def predict(self, x: Instances, keep: Keep, readout: Readout) -> Estimate:
        columns = (self.known.mean, self.known.stderr, self.known.stderr_from_base)
        codes = codes_of_keep(keep)
        mean, stderr, from_base = (np.take_along_axis(column, codes, axis=1) for column in columns)
        return Estimate(mean, stderr, from_base, 0.0)

    @override
    def table(self, x: Instances, readout: Readout) -> Estimate:
        return replace(self.known, model_rows=0.0)

    @property
    @override
    def method(self) -> Method:
        return self.source
