"""f_S(x) as a mean over seeded draws, with standard errors."""

from dataclasses import dataclass
from functools import cached_property
from typing import final

from typing_extensions import override

from onlyif.core.errors import SettingError
from onlyif.core.players import Players
from onlyif.core.shapes import Instances, Keep
from onlyif.engine.engine import Engine
from onlyif.models.base import Predictor
from onlyif.models.readouts import Readout
from onlyif.references.base import Plan, Reference
from onlyif.restrictions.base import Estimate, Method, Restriction, check_table_size
from onlyif.restrictions.blocks import Subsets, Walk

ERROR_TABLES = 14


@final
@dataclass(frozen=True, eq=False)
class SampledRestriction(Restriction):
    """The mean of the predictor over seeded draws from a reference.

    Choose it whenever V can only be sampled; where V has few atoms prefer
    `EnumeratedRestriction`, which has no sampling error. All subsets and
    instances share their draws. With n = `n_draws` equal weights the standard
    error is the draws' standard deviation over sqrt(n); it takes the reference
    as given and says nothing of how well the reference fits the world.

    Args:
        predictor: The model f.
        reference: The distribution V of what is hidden.
        players: How players tile an instance.
        n_draws: Draws a subset, at least 2.
        max_rows: Most rows of one model call. Bounds memory and does not change the result.
        seed: Seed of the draws.

    Raises:
        SettingError: unless n_draws >= 2 and max_rows >= 1.

    References:
        [bharti2024] section 2, the average restricted prediction.
    """

    predictor: Predictor
    reference: Reference
    players: Players
    n_draws: int = 100
    max_rows: int = 16_384
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_draws < 2:
            raise SettingError(f"a sampled restriction needs n_draws >= 2 for its errors, got {self.n_draws}")
        if self.max_rows < 1:
            raise SettingError(f"max_rows must be at least 1, got {self.max_rows}")

    @override
    def predict(self, x: Instances, keep: Keep, readout: Readout) -> Estimate:
        return self._walk.run(x, Subsets(keep, self.players.count), readout)

    @override
    def table(self, x: Instances, readout: Readout) -> Estimate:
        check_table_size(3 * len(x), self.players.count)
        return self._walk.run(x, Subsets(None, self.players.count), readout)

    @override
    def distinct_share(self, x: Instances) -> float:
        return self._walk.distinct_share(x)

    @property
    @override
    def method(self) -> Method:
        sentence = f"mean over {self.n_draws} draws with seed {self.seed}"
        # Two kinds of errors, of f_S(x) and of the gaps, with room to make the latter.
        return Method(sentence, exact=False, rows=self.n_draws, tables=ERROR_TABLES)

    @cached_property
    def _walk(self) -> Walk:
        plan = Plan(self.n_draws, 0, self.n_draws, self.seed)
        return Walk(Engine(self.predictor, self.players, self.max_rows), self.reference, plan)
