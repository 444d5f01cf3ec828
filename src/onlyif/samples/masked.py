"""E is the instance with random players hidden: for what has no other rows like it."""

from dataclasses import dataclass
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
class MaskedSample(Sample):
    """Copies of an instance of which each player is hidden by a toss of a coin, and the instance itself.

    A sentence, a graph or a region of an image has no background rows with the same players. Rows are those
    of `RenderedRows`: the code of an instance that is shown, plus 1 + j where draw j of n hides a player.

    Args:
        n_copies: Copies, at least 1.
        n_draws: n, in how many ways a player is hidden.

    Raises:
        SettingError: unless both are at least 1.

    Example:
        >>> MaskedSample(5, 1).rows(np.zeros((2, 3)), seed=0).count
        6
    """

    n_copies: int
    n_draws: int

    def __post_init__(self) -> None:
        if self.n_copies < 1 or self.n_draws < 1:
            raise SettingError(f"need at least 1 copy and 1 draw, got {self.n_copies} and {self.n_draws}")

    @override
    def rows(self, x: Instances, seed: int) -> SampleRows:
        random = generator(seed, "masked copies")
        shape = (self.n_copies, *x.shape[1:])
        draws = 1.0 + random.integers(0, self.n_draws, shape)
        hidden = like(np.where(random.random(shape) < 0.5, draws, 0.0), x)
        return SampleRows(namespace(x).concat([x[:, None], x[:, None] + hidden], axis=1), x[:0])

    @property
    @override
    def sentence(self) -> str:
        return f"the instance and {self.n_copies:,} copies of it, each player hidden with probability 1/2"
