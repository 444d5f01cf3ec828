"""The user's own function of (x, keep)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from array_api_compat import is_numpy_array, is_torch_array
from jaxtyping import Bool, Float, Float64
from typing_extensions import override

from onlyif.core.arguments import Function, Kind, Text
from onlyif.core.arrays import Array, beside, copied, like, namespace
from onlyif.core.errors import InputError, ModelError, SettingError
from onlyif.core.seeds import child_seed
from onlyif.core.shapes import InputKeep, Instances
from onlyif.modalities.background import Background
from onlyif.references.base import Draws, Law, Plan, Reference, ReferenceRecipe

Sampler = Callable[[Float[Array, "*x"], Bool[Array, "*x"], int, int], Float[Array, "n *x"]]


@final
@dataclass(frozen=True, eq=False)
class ReplacementReference(Reference):
    """Hidden entries are what a function of the user draws, given x and what is kept.

    Choose it for a simulator or a generative model with few subsets to ask: the function is called
    once an instance, subset and chunk of draws. Values it returns for kept entries are ignored.

    Args:
        function: function(x (*x), keep (*x), n, seed) -> n draws (n, *x); equal seeds must give equal draws.
            x and keep are of the library of the instances, the draws of that or of numpy.
        sentence: One sentence that says what a hidden feature is replaced by; printed with every result.
        chunk: Draws asked from one call, always this many, so that draw i does not depend on how the
            work is split. The most that fit are the fastest.

    Raises:
        SettingError: if the sentence is empty or chunk < 1; from `draw`, if a seed is needed.
        ModelError: from `draw`, if the function raises, returns another shape or a hidden entry that is
            not finite, or answers one seed differently.

    Example:
        >>> def noise(x, keep, n, seed):
        ...     return np.random.default_rng(seed).random((n, *x.shape))
        >>> reference = ReplacementReference(noise, "Hidden features are uniform noise.", chunk=2)
        >>> x, keep = np.ones((1, 3)), np.zeros((1, 1, 3), dtype=bool)
        >>> reference.draw(x, keep, Plan(total=5, start=0, stop=5, seed=0)).values.shape
        (1, 1, 5, 3)
    """

    function: Sampler
    sentence: str
    chunk: int = 32

    def __post_init__(self) -> None:
        if not self.sentence.strip():
            raise SettingError("need a sentence that says what hidden features are replaced by, got none")
        if self.chunk < 1:
            raise SettingError(f"need chunk >= 1 draws from one call, got {self.chunk}")

    @override
    def draw(self, x: Instances, keep: InputKeep, plan: Plan) -> Draws:
        if plan.seed is None:
            raise SettingError("a user's function has no finite list of atoms: give a seed to draw from it")
        xp, every = namespace(x), np.broadcast_to(keep, (len(x), *keep.shape[1:]))
        self._check_repeats(x[0], every[0, 0], plan.seed, plan.start // self.chunk)
        drawn = [
            [self._part(one, kept, plan, plan.seed) for kept in subsets]
            for one, subsets in zip(x, every, strict=True)
        ]
        return Draws(xp.stack([xp.stack(subsets) for subsets in drawn]), plan.equal_weights)

    def _part(
        self, x: Float[Array, "*x"], keep: Bool[np.ndarray, "*x"], plan: Plan, seed: int
    ) -> Float[Array, "n *x"]:
        first, last = plan.start // self.chunk, -(-plan.stop // self.chunk)
        drawn = namespace(x).concat([self._ask(x, keep, seed, i) for i in range(first, last)])
        return drawn[plan.start - first * self.chunk : plan.stop - first * self.chunk]

    def _ask(
        self, x: Float[Array, "*x"], keep: Bool[np.ndarray, "*x"], seed: int, index: int
    ) -> Float[Array, "n *x"]:
        """One chunk of draws, checked; the function gets copies, so it cannot change ours."""
        try:
            part = child_seed(seed, "function draws", index)
            drawn = self.function(copied(x), beside(keep.copy(), x), self.chunk, part)
        except Exception as error:
            raise ModelError(f"the reference function raised {type(error).__name__}: {error}") from error
        return like(_checked(drawn, keep, self.chunk), x)

    def _check_repeats(
        self, x: Float[Array, "*x"], keep: Bool[np.ndarray, "*x"], seed: int, index: int
    ) -> None:
        once, again = (self._ask(x, keep, seed, index) for _ in range(2))
        if bool(((once != again) & beside(~keep, x)).any()):
            raise ModelError(
                "the reference function answered one seed with different draws; "
                "take all its random numbers from the seed it is given"
            )

    @property
    @override
    def law(self) -> Law:
        return Law(self.sentence, None, depends_on_x=True)


def _checked(drawn: object, keep: Bool[np.ndarray, "*x"], n: int) -> Float[Array, "n *x"]:
    needed = (n, *keep.shape)
    if not (is_numpy_array(drawn) or is_torch_array(drawn)):
        raise ModelError(
            f"the reference function must return a float array of shape {needed}, got {type(drawn).__name__}"
        )
    values: Array = drawn
    xp = namespace(values)
    if values.shape != needed or not xp.isdtype(values.dtype, "real floating"):
        raise ModelError(
            f"the reference function must return a float array of shape {needed}, "
            f"got {values.dtype} {tuple(values.shape)}"
        )
    wrong = int((~xp.isfinite(values) & beside(~keep, values)).sum())
    if wrong:
        raise ModelError(
            f"the reference function returned {wrong} hidden entries that are not finite; need numbers"
        )
    return values


@final
@dataclass(frozen=True, eq=False)
class Replacement(ReferenceRecipe):
    """Hidden players take the values that your own function returns.

    Args:
        function: function(x, keep, n, seed) -> table of n rows, where x is a table of one row of the
            user's own kind and `keep` an array of booleans, one a column, True where x is kept.
            Equal seeds must give equal rows. What it gives for kept columns is ignored.
        sentence: One sentence that says what a hidden feature is replaced by.
    """

    function: Callable[[Any, Any, int, int], Any]
    sentence: str

    @property
    @override
    def kinds(self) -> Mapping[str, Kind]:
        return {"function": Function(), "sentence": Text()}

    @property
    @override
    def needs_background(self) -> bool:
        return False

    @override
    def build(self, background: Background) -> Reference:
        def draw(
            x: Float64[np.ndarray, "c"], keep: Bool[np.ndarray, "c"], n: int, seed: int
        ) -> Float64[np.ndarray, "n c"]:
            given = self.function(background.decode(x[None]), keep, n, seed)
            try:
                return background.encode(given)
            except InputError as error:
                raise InputError(f"what the replacement function gave cannot be used: {error}") from error

        return ReplacementReference(draw, self.sentence)

    @override
    def fresh(self, background: Background) -> Reference | None:
        return self.build(background)
