"""The restricted prediction of a soft mask, with gradients: f_S(x) = E f(m∘x + (1 - m)∘b).

m is drawn from the mask S in [0, 1] and b from the reference. Memory is bounded by `max_rows`: values
and slopes are computed piece by piece, and the answer is a linear function of the masks with the
right value and the right gradient.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from onlyif.core.errors import LimitError, ModelError, SettingError
from onlyif.predictors.differentiable import DifferentiablePredictor
from onlyif.references.base import Plan, Reference
from onlyif.restrictions.soft_draws import Relaxation, uniform_of
from onlyif.restrictions.soft_images import Images, Jobs, SoftEstimate, check_masks, check_target, estimate_of

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
            with _memory(min(self.max_rows, len(images.x))):
                return torch.cat(
                    [
                        opened._targets(images.target[part.to(images.target.device)], images.x[part])
                        for part in parts
                    ]
                )

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
        check_masks(images, masks)
        needs_graph = torch.is_grad_enabled() and masks.requires_grad
        mean, slope = [], []
        with self.opened() as opened:
            for part in jobs.split(max(1, self.max_rows // self.relaxation.n_draws)):
                value, gradient = opened._part(images, masks.detach(), part, step, needs_graph)
                mean.append(value)
                slope.append(gradient)
        if not needs_graph:
            return torch.cat(mean)
        moved = masks[jobs.numbers] - masks[jobs.numbers].detach()
        return torch.cat(mean) + (moved * torch.cat(slope)).sum((1, 2))

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
        # The two of a pair are no independent draws, so errors are estimated without pairs.
        single = replace(self, relaxation=replace(self.relaxation, antithetic=False))
        with single.opened() as opened, torch.no_grad():
            for part in jobs.split(max(1, self.max_rows // self.relaxation.n_draws)):
                drawn = [opened._draws(images, masks, part, step) for step in range(n_steps)]
                pieces.append(torch.cat(drawn, 1))
        return estimate_of(torch.cat(pieces))

    def _base(self, some: Images, plan: Plan) -> SoftEstimate:
        outputs, weights = [], []
        nothing = torch.zeros(1, 1, *some.x.shape[1:], dtype=torch.bool, device=some.x.device)
        for draws in _slices(plan.total, self.max_rows):
            drawn = self.reference.draw(some.x, nothing, replace(plan, start=draws.start, stop=draws.stop))
            values = drawn.values.squeeze(1)
            with _memory(values.shape[0] * values.shape[1]):
                answer = self.predictor.respond(values.flatten(0, 1)).double().to(some.x.device)
            check_target(some.target, answer.shape[1])
            outputs.append(answer.reshape(*values.shape[:2], -1).expand(len(some.x), -1, -1))
            weights.append(drawn.weights.squeeze(1).double())
        column = some.target.to(some.x.device).view(-1, 1, 1).expand(-1, plan.total, 1)
        found = torch.cat(outputs, 1).gather(2, column).squeeze(2)
        mean = (found * torch.cat(weights, 1)).sum(1)
        exact = plan.seed is None
        return SoftEstimate(mean, torch.zeros_like(mean) if exact else found.std(1) / plan.total**0.5)

    def _draws(self, images: Images, masks: Tensor, part: Jobs, step: int) -> Tensor:
        some, uniform = images.take(part.numbers), self._uniform(images, masks, part, step)
        mine = masks[part.numbers]
        slices = _slices(self.relaxation.n_draws, self.max_rows)
        with _memory(min(self.max_rows, len(mine) * self.relaxation.n_draws)):
            return torch.cat([self._rows(some, mine, part, uniform[:, s], (step, s)) for s in slices], 1)

    def _part(
        self, images: Images, masks: Tensor, part: Jobs, step: int, needs_graph: bool
    ) -> tuple[Tensor, Tensor]:
        """Means of some jobs and their slopes in the masks, slice of draws by slice."""
        some, uniform = images.take(part.numbers), self._uniform(images, masks, part, step)
        leaf = masks[part.numbers].requires_grad_(needs_graph)
        total, slope = torch.zeros_like(leaf[:, 0, 0]).detach(), torch.zeros_like(leaf).detach()
        for draws in _slices(self.relaxation.n_draws, self.max_rows):
            with torch.set_grad_enabled(needs_graph), _memory(len(leaf) * (draws.stop - draws.start)):
                outputs = self._rows(some, leaf, part, uniform[:, draws], (step, draws))
                if needs_graph:
                    slope += torch.autograd.grad(_graphed(outputs).sum(), leaf)[0]
            total += outputs.detach().sum(1).to(total)
        if not bool(slope.isfinite().all()):
            raise ModelError(
                f"{self.predictor.meaning.model} gave NaN or infinite gradients; need finite ones"
            )
        n = self.relaxation.n_draws
        return total / n, slope / n

    def _uniform(self, images: Images, masks: Tensor, part: Jobs, step: int) -> Tensor:
        height, width = masks.shape[1:]
        units = torch.arange(height * width).view(height, width) if self.together is None else self.together
        index = images.index[part.numbers.to(images.index.device)]
        return uniform_of(self.relaxation, index, units, self.seed, step).to(masks)

    def _rows(
        self, some: Images, masks: Tensor, part: Jobs, uniform: Tensor, when: tuple[int, slice]
    ) -> Tensor:
        """The target's output for every job and draw, (j, n)."""
        drawn = self.relaxation.draw(masks, uniform)
        hidden = part.hidden.view(-1, 1, 1, 1).to(drawn.device)
        share = torch.where(hidden, 1 - drawn, drawn)
        share = share.view(*share.shape[:2], *[1] * (some.x.dim() - 3), *share.shape[2:])
        values = self._values(some.x, share.detach() > 0.5, when).to(masks.dtype)
        mixed = torch.lerp(values, some.x.unsqueeze(1).to(masks.dtype), share)
        n = share.shape[1]
        target = some.target.repeat_interleave(n)
        return self._targets(target, mixed.flatten(0, 1)).view(len(masks), n)

    def _values(self, x: Tensor, keep: Tensor, when: tuple[int, slice]) -> Tensor:
        """What hidden pixels become, for every job and draw, (j or 1, n or 1, *x)."""
        step, draws = when
        first, n, law = step * self.relaxation.n_draws, self.relaxation.n_draws, self.reference.law
        plan = Plan(first + n, first + draws.start, first + draws.stop, self.seed)
        if law.n_atoms == 1:
            plan = Plan(1, 0, 1, None)
        if law.n_atoms == 1 or not law.depends_on_x:
            nothing = torch.zeros(1, 1, *x.shape[1:], dtype=torch.bool, device=x.device)
            return self.reference.draw(x, nothing, plan).values.squeeze(1)
        keep = keep.expand(*keep.shape[:2], *x.shape[1:])
        single = [replace(plan, start=i, stop=i + 1) for i in range(plan.start, plan.stop)]
        drawn = [self.reference.draw(x, keep[:, i : i + 1], one).values for i, one in enumerate(single)]
        return torch.cat(drawn, 2).squeeze(1)

    def _targets(self, target: Tensor, batch: Tensor) -> Tensor:
        outputs = self.predictor.respond(batch)
        check_target(target, outputs.shape[1])
        if not bool(outputs.isfinite().all()):
            raise ModelError(
                f"{self.predictor.meaning.model} answered with NaN or infinite outputs; need numbers"
            )
        return outputs.gather(1, target.to(outputs.device).unsqueeze(1)).squeeze(1).to(batch.device)


def _graphed(outputs: Tensor) -> Tensor:
    if not outputs.requires_grad:
        raise ModelError(
            "the model gives no gradient with respect to its input; search over superpixels with beam"
        )
    return outputs


@contextmanager
def _memory(rows: int) -> Iterator[None]:
    """Every way to run out of memory becomes one error."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise LimitError(f"out of memory in a model call of {rows} rows") from error
    except RuntimeError as error:
        if "allocate memory" not in str(error):  # the words of torch's CPU allocator
            raise
        raise LimitError(f"out of memory in a model call of {rows} rows") from error


def _slices(total: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, total)) for start in range(0, total, size)]
