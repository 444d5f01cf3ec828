"""E is the instance and noisy copies of it."""

from dataclasses import dataclass
from typing import final

from typing_extensions import override

from onlyif.core.arrays import like, namespace
from onlyif.core.errors import SettingError
from onlyif.core.seeds import generator
from onlyif.core.shapes import Instances
from onlyif.samples.base import Sample, SampleRows


@final
@dataclass(frozen=True)
class NoisySample(Sample):
    """The instance and `n - 1` copies with normal noise: for images, where no other image is near.

    All instances share the noise. E is then no sample of P(X), but of the
    instance's own neighbourhood: PNS no longer shrinks as 1 / n.

    Args:
        n: Size of E, the instance included.
        sigma: Standard deviation of the noise, in the units of the input.

    Raises:
        SettingError: unless n >= 2 and sigma > 0.

    Example:
        >>> import numpy as np
        >>> NoisySample(10, sigma=0.1).rows(np.zeros((4, 1, 8, 8)), seed=0).own.shape
        (4, 10, 1, 8, 8)
    """

    n: int = 10
    sigma: float = 0.1

    def __post_init__(self) -> None:
        if self.n < 2 or not self.sigma > 0:
            raise SettingError(f"noisy copies need n >= 2 and sigma > 0, got n={self.n}, sigma={self.sigma}")

    @override
    def rows(self, x: Instances, seed: int) -> SampleRows:
        noise = generator(seed, "noisy copies").standard_normal((self.n - 1, *x.shape[1:]))
        copies = x[:, None] + like(self.sigma * noise, x)
        return SampleRows(namespace(x).concat([x[:, None], copies], axis=1), x[:0])

    @property
    @override
    def sentence(self) -> str:
        return f"the instance itself and {self.n - 1:,} copies with normal noise of {self.sigma:g}"
