"""The restricted prediction of a soft mask, with gradients: f_S(x) = E f(m∘x + (1 - m)∘b).

m is drawn from the mask S in [0, 1] and b from the reference. Memory is bounded by `max_rows`: values
and slopes are computed piece by piece, and the answer is a linear function of the masks with the
right value and the right gradient.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from onlyif.core.errors import ModelError, SettingError
from onlyif.core.precision import doubled_tensor
from onlyif.core.shapes import Instances
from onlyif.models.differentiable import DifferentiablePredictor
from onlyif.references.base import Plan, Reference
from onlyif.restrictions.soft_draws import Relaxation, uniform_of
from onlyif.restrictions.soft_images import Images, Jobs, SoftEstimate, check_masks, check_target, estimate_of
from onlyif.restrictions.soft_memory import memory_for
from onlyif.restrictions.soft_mix import mixed_images, share_shown, slope_in_share

MOST_ATOMS = 10_000
BASE_DRAWS = 1_000


@final
@dataclass(frozen=True, eq=False)
class SoftRestriction:
    """f_S(x) of soft masks, differentiable in the masks.

    Draw i is the same for all instances of one stream, and does not depend on how the work is split.
    A law that depends on what is kept is asked anew for each binary mask.

    Args:
        predictor: The model f, with gradients.
        reference: The distribution V of what is hidden.
        relaxation: How binary masks are drawn.
        together: The unit of each pixel, where pixels are drawn as one; None draws each alone.
        max_rows: Most rows of one model call. Bounds memory and does not change the result.
        seed: Seed of all draws.

    Raises:
        SettingError: unless max_rows >= 1.
    """

    predictor: DifferentiablePredictor
    reference: Reference
    relaxation: Relaxation = field(default_factory=Relaxation)
    together: Int64[Tensor, "h w"] | None = None
    max_rows: int = 1024
    seed: int = 0

    def __post_init__(self) -> None:
        if self.max_rows < 1:
            raise SettingError(f"max_rows must be at least 1, got {self.max_rows}")

    @contextmanager
    def opened(self) -> Iterator["SoftRestriction"]:
        """The same for many calls: the model is made ready once, and put back at the end."""
        with self.predictor.opened() as predictor:
            yield replace(self, predictor=predictor)

    def full(self, images: Images) -> Float[Tensor, "b"]:
        """f(x)."""
        with self.opened() as opened, torch.no_grad():
            parts = torch.split(torch.arange(len(images.x)), self.max_rows)
            with memory_for(min(self.max_rows, len(images.x))):
                return torch.cat(
                    [
                        opened._targets(images.target[part.to(images.target.device)], images.x[part])
                        for part in parts
                    ]
                )

    def largest(self, x: Instances) -> Int64[Tensor, "b"]:
        """The number of the largest output for each image."""
        with self.opened() as opened, torch.no_grad(), memory_for(min(self.max_rows, len(x))):
            parts = [opened._finite(part.clone()).argmax(1) for part in torch.split(x, self.max_rows)]
            return torch.cat(parts).to(x.device)

    def base(self, images: Images) -> SoftEstimate:
        """f_0 = E f(b): exact where the law has at most 10,000 atoms, else from 1,000 draws."""
        law = self.reference.law
        exact = law.n_atoms is not None and law.n_atoms <= MOST_ATOMS
        n = law.n_atoms if exact and law.n_atoms is not None else BASE_DRAWS
        plan, b = Plan(n, 0, n, None if exact else self.seed), len(images.x)
        at_once = max(1, self.max_rows // n) if law.depends_on_x else b
        with self.opened() as opened, torch.no_grad():
            parts = [opened._base(images.take(p), plan) for p in torch.split(torch.arange(b), at_once)]
        return SoftEstimate(torch.cat([p.mean for p in parts]), torch.cat([p.stderr for p in parts]))

    def predict(
        self, images: Images, masks: Float[Tensor, "b h w"], jobs: Jobs, step: int
    ) -> Float[Tensor, "j"]:
        """The mean prediction over the draws of one step, with a graph to the masks if they have one.

        Args:
            images: The images.
            masks: Their soft masks S.
            jobs: Which images are asked, and whether S is kept or hidden.
            step: Number of the step; each has its own draws.

        Raises:
            InputError: if masks and images have different sizes.
            ModelError: if a gradient is not finite.
        """
        if not (torch.is_grad_enabled() and masks.requires_grad):
            return self._parts(images, masks, jobs, step, sloped=False)[0]
        mean, slope = self.slopes(images, masks, jobs, step)
        moved = masks[jobs.numbers] - masks[jobs.numbers].detach()
        return mean + (moved * slope).sum((1, 2))

    def slopes(
        self, images: Images, masks: Float[Tensor, "b h w"], jobs: Jobs, step: int
    ) -> tuple[Float[Tensor, "j"], Float[Tensor, "j h w"]]:
        """`predict` without a graph, and the slope of each answer in its mask.

        Args:
            images: The images.
            masks: Their soft masks S.
            jobs: Which images are asked, and whether S is kept or hidden.
            step: Number of the step; each has its own draws.

        Raises:
            InputError: if masks and images have different sizes.
            ModelError: if a gradient is not finite, or there is none.
        """
        return self._parts(images, masks.detach(), jobs, step, sloped=True)

    def estimate(
        self, images: Images, masks: Float[Tensor, "b h w"], jobs: Jobs, n_steps: int
    ) -> SoftEstimate:
        """The mean prediction over the draws of several steps, with its standard error, without a graph.

        Args:
            images: The images.
            masks: Their soft masks S.
            jobs: Which images are asked, and whether S is kept or hidden.
            n_steps: Steps; each has `relaxation.n_draws` draws.
        """
        check_masks(images, masks)
        pieces = []
        # f_S is about binary draws; the two of a pair are no independent ones, which errors need.
        single = replace(self, relaxation=replace(self.relaxation, antithetic=False, straight_through=True))
        with single.opened() as opened, torch.no_grad():
            for part in jobs.split(max(1, self.max_rows // self.relaxation.n_draws)):
                drawn = [opened._draws(images, masks, part, step) for step in range(n_steps)]
                pieces.append(torch.cat(drawn, 1))
        return estimate_of(torch.cat(pieces))

    def _base(self, some: Images, plan: Plan) -> SoftEstimate:
        outputs, weights = [], []
        nothing = np.zeros((1, 1, *some.x.shape[1:]), dtype=bool)
        for draws in _slices(plan.total, self.max_rows):
            drawn = self.reference.draw(some.x, nothing, replace(plan, start=draws.start, stop=draws.stop))
            values = drawn.values.squeeze(1)
            with memory_for(values.shape[0] * values.shape[1]):
                answer = doubled_tensor(self._finite(values.flatten(0, 1).clone()))
            check_target(some.target, answer.shape[1])
            outputs.append(answer.reshape(*values.shape[:2], -1).expand(len(some.x), -1, -1))
            weights.append(torch.from_numpy(drawn.weights[:, 0]))
        column = some.target.cpu().view(-1, 1, 1).expand(-1, plan.total, 1)
        found = torch.cat(outputs, 1).gather(2, column).squeeze(2)
        mean = (found * torch.cat(weights, 1)).sum(1)
        exact = plan.seed is None
        return SoftEstimate(mean, torch.zeros_like(mean) if exact else found.std(1) / plan.total**0.5)

    def _draws(self, images: Images, masks: Tensor, part: Jobs, step: int) -> Tensor:
        some, uniform = images.take(part.numbers), self._uniform(images, masks, part, step)
        mine, outputs = masks[part.numbers], []
        for draws in _slices(self.relaxation.n_draws, self.max_rows):
            with memory_for(len(mine) * (draws.stop - draws.start)):
                share = share_shown(self.relaxation.draw(mine, uniform[:, draws]), part.hidden)
                mixed, _ = mixed_images(self.reference, self._plan(step, draws), some.x, share)
                outputs.append(self._answers(some, mixed))
        return torch.cat(outputs, 1)

    def _parts(
        self, images: Images, masks: Tensor, jobs: Jobs, step: int, *, sloped: bool
    ) -> tuple[Tensor, Tensor]:
        check_masks(images, masks)
        at_once = max(1, self.max_rows // self.relaxation.n_draws)
        with self.opened() as opened, torch.no_grad():
            found = [opened._part(images, masks, part, step, sloped) for part in jobs.split(at_once)]
        if len(found) == 1:
            return found[0]
        mean, slope = zip(*found, strict=True)
        return torch.cat(mean), torch.cat(slope)

    def _part(
        self, images: Images, masks: Tensor, part: Jobs, step: int, sloped: bool
    ) -> tuple[Tensor, Tensor]:
        """Means of some jobs and their slopes in the masks, slice of draws by slice."""
        some, uniform = images.take(part.numbers), self._uniform(images, masks, part, step)
        mine, n = masks[part.numbers], self.relaxation.n_draws
        total, slope = torch.zeros_like(mine[:, 0, 0]), torch.zeros_like(mine)
        for draws in _slices(n, self.max_rows):
            with memory_for(len(mine) * (draws.stop - draws.start)):
                chances = uniform[:, draws]
                share = share_shown(self.relaxation.draw(mine, chances), part.hidden)
                mixed, change = mixed_images(self.reference, self._plan(step, draws), some.x, share)
                with torch.set_grad_enabled(sloped):
                    outputs = self._answers(some, mixed.requires_grad_(sloped))
                total += outputs.detach().sum(1).to(total)
                if sloped:
                    pixels = slope_in_share(outputs, mixed, change)
                    slope += (pixels * self.relaxation.slope(mine, chances)).sum(1)
        if not bool(slope.isfinite().all()):
            raise ModelError(
                f"{self.predictor.meaning.model} gave NaN or infinite gradients; need finite ones"
            )
        sign = 1.0 - 2.0 * part.hidden.view(-1, 1, 1).to(slope)
        return total / n, slope * sign / n

    def _uniform(self, images: Images, masks: Tensor, part: Jobs, step: int) -> Tensor:
        height, width = masks.shape[1:]
        units = torch.arange(height * width).view(height, width) if self.together is None else self.together
        index = images.index[part.numbers.to(images.index.device)]
        return uniform_of(self.relaxation, index, units, self.seed, step).to(masks)

    def _plan(self, step: int, draws: slice) -> Plan:
        first = step * self.relaxation.n_draws
        return Plan(first + self.relaxation.n_draws, first + draws.start, first + draws.stop, self.seed)

    def _answers(self, some: Images, mixed: Tensor) -> Tensor:
        """The target's output for every job and draw, (j, n)."""
        # A model may write into its batch, which a tensor that gradients are asked for refuses.
        batch = mixed.flatten(0, 1).clone()
        return self._targets(some.target.repeat_interleave(mixed.shape[1]), batch).view(mixed.shape[:2])

    def _targets(self, target: Tensor, batch: Tensor) -> Tensor:
        outputs = self._finite(batch)
        check_target(target, outputs.shape[1])
        return outputs.gather(1, target.to(outputs.device).unsqueeze(1)).squeeze(1).to(batch.device)

    def _finite(self, batch: Tensor) -> Tensor:
        # Without a graph the same function is asked as with one: some modules answer otherwise without.
        asked = self.predictor.respond if torch.is_grad_enabled() else self.predictor.predict
        outputs = asked(batch)
        if not bool(outputs.isfinite().all()):
            raise ModelError(
                f"{self.predictor.meaning.model} answered with NaN or infinite outputs; need numbers"
            )
        return outputs


def _slices(total: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, total)) for start in range(0, total, size)]
