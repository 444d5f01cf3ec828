"""The user's own function of (x, keep)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from typing_extensions import override

from onlyif.core.errors import ModelError, SettingError
from onlyif.core.seeds import child_seed
from onlyif.core.shapes import InputKeep, Instances
from onlyif.references.base import Draws, Law, Plan, Reference

Sampler = Callable[[Float[Tensor, "*x"], Bool[Tensor, "*x"], int, int], Float[Tensor, "n *x"]]


@final
@dataclass(frozen=True, eq=False)
class FunctionReference(Reference):
    """Hidden entries are what a function of the user draws, given x and what is kept.

    Choose it for a simulator or a generative model with few subsets to ask: the function is called
    once an instance, subset and chunk of draws. Values it returns for kept entries are ignored.

    Args:
        function: function(x (*x), keep (*x), n, seed) -> n draws (n, *x); equal seeds must give equal draws.
        sentence: One sentence that says what a hidden feature is replaced by; printed with every result.
        chunk: Draws asked from one call, always this many, so that draw i does not depend on how the
            work is split. The most that fit are the fastest.

    Raises:
        SettingError: if the sentence is empty or chunk < 1; from `draw`, if a seed is needed.
        ModelError: from `draw`, if the function raises, returns another shape or a hidden entry that is
            not finite, or answers one seed differently.

    Example:
        >>> def noise(x, keep, n, seed):
        ...     return torch.rand(n, *x.shape, generator=torch.Generator().manual_seed(seed))
        >>> reference = FunctionReference(noise, "Hidden features are uniform noise.", chunk=2)
        >>> x, keep = torch.ones(1, 3), torch.zeros(1, 1, 3, dtype=torch.bool)
        >>> reference.draw(x, keep, Plan(total=5, start=0, stop=5, seed=0)).values.shape
        torch.Size([1, 1, 5, 3])
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
        every = keep.expand(len(x), -1, *x.shape[1:])
        self._check_repeats(x[0], every[0, 0], plan.seed, plan.start // self.chunk)
        values = torch.stack(
            [
                torch.stack([self._part(row, kept, plan, plan.seed) for kept in subsets])
                for row, subsets in zip(x, every, strict=True)
            ]
        )
        n = plan.stop - plan.start
        return Draws(values, torch.full((1, 1, n), 1 / plan.total, dtype=x.dtype, device=x.device))

    def _part(
        self, x: Float[Tensor, "*x"], keep: Bool[Tensor, "*x"], plan: Plan, seed: int
    ) -> Float[Tensor, "n *x"]:
        first, last = plan.start // self.chunk, -(-plan.stop // self.chunk)
        drawn = torch.cat([self._ask(x, keep, seed, i) for i in range(first, last)])
        return drawn[plan.start - first * self.chunk : plan.stop - first * self.chunk]

    def _ask(
        self, x: Float[Tensor, "*x"], keep: Bool[Tensor, "*x"], seed: int, index: int
    ) -> Float[Tensor, "n *x"]:
        """One chunk of draws, checked; the function gets copies, so it cannot change ours."""
        try:
            part = child_seed(seed, "function draws", index)
            drawn = self.function(x.clone(), keep.clone(), self.chunk, part)
        except Exception as error:
            raise ModelError(f"the reference function raised {type(error).__name__}: {error}") from error
        return _checked(drawn, keep, self.chunk).to(x)

    def _check_repeats(self, x: Float[Tensor, "*x"], keep: Bool[Tensor, "*x"], seed: int, index: int) -> None:
        once, again = (torch.where(keep, x, self._ask(x, keep, seed, index)) for _ in range(2))
        if not torch.equal(once, again):
            raise ModelError(
                "the reference function answered one seed with different draws; "
                "take all its random numbers from the seed it is given"
            )

    @property
    @override
    def law(self) -> Law:
        return Law(self.sentence, None, depends_on_x=True)


def _checked(drawn: object, keep: Bool[Tensor, "*x"], n: int) -> Float[Tensor, "n *x"]:
    needed = (n, *keep.shape)
    if not isinstance(drawn, Tensor) or drawn.shape != needed or not drawn.is_floating_point():
        got = f"{drawn.dtype} {tuple(drawn.shape)}" if isinstance(drawn, Tensor) else type(drawn).__name__
        raise ModelError(f"the reference function must return a float tensor of shape {needed}, got {got}")
    wrong = (~drawn.isfinite() & ~keep.to(drawn.device)).sum().item()
    if wrong:
        raise ModelError(
            f"the reference function returned {wrong} hidden entries that are not finite; need numbers"
        )
    return drawn
