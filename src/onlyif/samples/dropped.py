"""E is the instance and copies of which a few players are dropped: for graphs."""

from dataclasses import dataclass
from math import prod
from typing import final

import numpy as np
from typing_extensions import override

from onlyif.core.arrays import like, namespace
from onlyif.core.errors import SettingError
from onlyif.core.seeds import generator
from onlyif.core.shapes import Instances
from onlyif.samples.base import Sample, SampleRows


@final
@dataclass(frozen=True)
class DroppedSample(Sample):
    """The instance and `n - 1` copies of which each entry is set to 0 with a small probability.

    An entry says whether an edge is there, so that copies are the same graph with some edges missing.
    Instances share what is dropped, entry by entry: it is the same whether an instance stands alone or
    beside longer ones, whose further entries are 0 in it.

    Args:
        n: Size of E, the instance included.
        share: ρ, with which probability an entry is dropped.
        kept: So many entries at the front are never dropped, as a number that says which instance it is.

    Raises:
        SettingError: unless n >= 2, 0 < share < 1 and kept >= 0.

    Example:
        >>> DroppedSample(3, share=0.5).rows(np.ones((1, 4)), seed=0).own[0]
        array([[1., 1., 1., 1.],
               [0., 0., 1., 1.],
               [0., 1., 0., 1.]])

    References:
        [chen2024] section 5.3: E of a graph is its randomly masked adjacency.
    """

    n: int = 20
    share: float = 0.1
    kept: int = 0

    def __post_init__(self) -> None:
        if self.n < 2 or not 0.0 < self.share < 1.0 or self.kept < 0:
            raise SettingError(
                f"copies with dropped entries need n >= 2, a share strictly between 0 and 1 and kept >= 0; "
                f"got {self.n}, {self.share} and {self.kept}"
            )

    @override
    def rows(self, x: Instances, seed: int) -> SampleRows:
        entries = prod(x.shape[1:])
        uniform = generator(seed, "dropped entries").random((entries, self.n - 1)).T
        stays = (uniform >= self.share) | (np.arange(entries) < self.kept)
        copies = x[:, None] * like(stays.reshape(-1, *x.shape[1:]).astype(np.float64), x)
        return SampleRows(namespace(x).concat([x[:, None], copies], axis=1), x[:0])

    @property
    @override
    def sentence(self) -> str:
        return (
            f"the instance itself and {self.n - 1:,} copies whose entries are dropped with "
            f"probability {self.share:g}"
        )
