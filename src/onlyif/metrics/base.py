"""Is an explanation any good? Two families of answers.

A metric of an explanation looks at a map; a metric of an explainer runs the explainer again. No number
here is of use alone: every metric is won by some map that explains nothing, and says by which
(`Question.won_by`). Show the trivial maps of `controls.py` beside every result.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, final

from jaxtyping import Float, Int64
from torch import Tensor

from onlyif.core.shapes import Numbers
from onlyif.metrics.measured import Measured
from onlyif.models.base import Predictor

# From rows `(r, *x)` and the explained output of each `(r,)` to one map a row `(r, *x)`.
Explainer: TypeAlias = Callable[[Tensor, Tensor], Tensor]
# `(b, *x)` and `(b,)`: whether they fit x is checked with a message of our own.
Maps: TypeAlias = Float[Tensor, "_ ..."]
Targets: TypeAlias = Int64[Tensor, "_"]


@final
@dataclass(frozen=True)
class Question:
    """What a metric asks.

    Args:
        sentence: One sentence for the reader.
        higher_is_better: Whether a larger value is meant to be better.
        won_by: The trivial map that no explanation beats, or what a comparison needs so that it does not win.
    """

    sentence: str
    higher_is_better: bool
    won_by: str


class MapMetric(ABC):
    """A metric of an explanation: of its map, the model and x.

    A value depends on its own instance, map and target, and on the metric's settings: not on the other
    instances, nor on how the work is split. Instances share draws. Nothing given is changed.
    """

    @abstractmethod
    def measure(self, maps: Maps, predictor: Predictor, x: Numbers, target: Targets) -> Measured:
        """One value an instance.

        Args:
            maps: One attribution an entry of each instance.
            predictor: The model that is explained.
            x: The instances.
            target: Number of the explained output of each instance.

        Raises:
            InputError: if maps, x and target do not fit one another, or a map is not finite.
            ModelError: if the model answers with NaN or infinite values.
        """

    @property
    @abstractmethod
    def question(self) -> Question:
        """What it asks, which direction is better, and which trivial map wins it."""


class ExplainerMetric(ABC):
    """A metric of an explainer, which is run again on other inputs than x.

    A value depends on its own instance and target, and on the metric's settings: not on the other
    instances, nor on how the work is split, if the same is true of the explainer.
    """

    @abstractmethod
    def measure(self, explainer: Explainer, x: Numbers, target: Targets) -> Measured:
        """One value an instance.

        Args:
            explainer: From rows `(r, *x)` and their targets `(r,)` to maps `(r, *x)`.
            x: The instances.
            target: Number of the explained output of each instance; that of its neighbours too.

        Raises:
            InputError: if x and target do not fit one another, or a map is not finite or of another shape.
        """

    @property
    @abstractmethod
    def question(self) -> Question:
        """What it asks, which direction is better, and which trivial map wins it."""
