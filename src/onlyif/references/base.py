"""The reference V_S, what a hidden player is replaced by, and settings of one."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Float, Float64
from typing_extensions import override

from onlyif.core.arguments import Kind
from onlyif.core.arrays import Array
from onlyif.core.shapes import InputKeep, Instances
from onlyif.modalities.background import Background


@final
@dataclass(frozen=True, eq=False)
class Draws:
    """Values for hidden entries, with their weights.

    Args:
        values: The draws, in x's library and dtype; only entries that are hidden are read. Size 1 in b or m
            means shared.
        weights: Weight of each draw among all draws of its subset; those of all parts sum to 1.
    """

    values: Float[Array, "#b #m n *x"]
    weights: Float64[np.ndarray, "#b #m n"]


@final
@dataclass(frozen=True)
class Law:
    """What kind of distribution a reference is.

    Args:
        sentence: One sentence that says what a hidden feature is replaced by.
        n_atoms: Number of atoms of a finite law; None when it can only be sampled.
        depends_on_x: Whether the law depends on what is kept.
    """

    sentence: str
    n_atoms: int | None
    depends_on_x: bool


@final
@dataclass(frozen=True)
class Plan:
    """Which draws are wanted.

    Args:
        total: Number of draws a subset over all parts. Equal to the number of atoms
            of a finite law with `seed` None: then the draws are its atoms.
        start: First draw of this part.
        stop: One past the last draw of this part.
        seed: Seed of the draws, or None for the atoms themselves, in order.
    """

    total: int
    start: int
    stop: int
    seed: int | None

    @property
    def equal_weights(self) -> Float64[np.ndarray, "1 1 n"]:
        """1 / total for each draw of this part, in all subsets."""
        return np.full((1, 1, self.stop - self.start), 1 / self.total)


class Reference(ABC):
    """The distribution V_S of what is hidden, given what is kept.

    Draw number i depends on the seed and on x and keep of its own instance and
    subset alone: not on the other instances, the other subsets, the total or
    how the work is split. Subsets and instances share the underlying random
    numbers, so their differences are less noisy than they are.
    """

    @abstractmethod
    def draw(self, x: Instances, keep: InputKeep, plan: Plan) -> Draws:
        """Draws `plan.start` to `plan.stop` for every instance and subset.

        With a seed all draws weigh 1 / total. Without one (finite laws only)
        they are the atoms, with the weights of the law.

        Args:
            x: The instances.
            keep: True where x is kept; size 1 in b means shared by all instances.
            plan: Which draws.

        Raises:
            SettingError: if `plan.seed` is None and the law is not finite.
        """

    @property
    @abstractmethod
    def law(self) -> Law:
        """What kind of distribution this is, with its sentence."""

    def effective_sample_size(self, x: Instances, keep: InputKeep) -> Float64[np.ndarray, "b m"] | None:
        """How many equally weighted atoms the law is worth for each subset, 1 / Σ w².

        None where the law has no weights that could collapse.
        """
        return None


class ReferenceRecipe(ABC):
    """Settings of a reference before it has met a background: what `onlyif.explain(reference=...)` takes.

    The reference is built once the background is read, and with it a second, independent one, on which what
    the search chose is estimated again.
    """

    @abstractmethod
    def build(self, background: Background) -> Reference:
        """The reference."""

    @abstractmethod
    def fresh(self, background: Background) -> Reference | None:
        """An independent reference of the same kind for re-estimating, or None where there is none.

        The reference itself where it can only be sampled: other seeds give other draws.
        """

    def further(self, background: Background) -> Float64[np.ndarray, "rows c"] | None:
        """Many more rows like those of the reference, and none of these, where it took few of them.

        None where the user said how many rows to take, where there are few more, or no rows at all.
        """
        return None

    @property
    def needs_background(self) -> bool:
        """Whether it cannot be built without rows like those the model was trained on."""
        return True

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """What each of its settings may be; they are checked and made plain when it is used."""
        return {}

    @property
    def own_row(self) -> Any:
        """A row of the user's that it holds, whose levels must be known with those of the tables; or None."""
        return None


@final
@dataclass(frozen=True, eq=False)
class Finished(ReferenceRecipe):
    """A finished reference, as it is.

    Args:
        reference: The reference.
    """

    reference: Reference

    @property
    @override
    def needs_background(self) -> bool:
        return False

    @override
    def build(self, background: Background) -> Reference:
        return self.reference

    @override
    def fresh(self, background: Background) -> Reference | None:
        return self.reference if self.reference.law.n_atoms is None else None
