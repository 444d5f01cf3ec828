"""Lessons by λ: masks of any size, whose size and outline cost something.

E_X [ Δuni(g_θ(X), α) + λ_1 mean|g_θ(X)| + λ_TV TV(g_θ(X)) ]
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from typing_extensions import override

from onlyif.amortised.selector import Selector, SelectorSettings
from onlyif.amortised.training_lessons import Judged, Lessons, PosedLessons, validation_alphas
from onlyif.amortised.training_state import TrainingSettings
from onlyif.core.errors import InputError, SettingError
from onlyif.core.seeds import child_seed
from onlyif.core.shapes import Instances
from onlyif.criteria.soft import SoftObjective, SoftProblem
from onlyif.criteria.soft_weights import SoftWeights, equal_weights, variation_at
from onlyif.engine.soft import with_room


@final
@dataclass(frozen=True)
class Penalties:
    """λ_1 and λ_TV as they depend on α; the defaults are the paper's.

    The paper gives both ends. In between they are interpolated geometrically,
    λ(α) = λ(0)^(1 - α) λ(1)^α, since the ends differ by a factor of ten.

    Args:
        size: λ_1 at α = 0 and at α = 1.
        variation: λ_TV at α = 0 and at α = 1.
        of_side: The side of the images for which λ_TV is meant, 256 in the paper; on images of another
            side it is rescaled by `variation_at`, so that an outline weighs alike.

    Raises:
        SettingError: unless all are at least 0 and of_side >= 1.

    Example:
        >>> Penalties().weights(torch.tensor([0.0, 0.5, 1.0]), side=256).size
        tensor([0.1000, 0.3162, 1.0000])

    References:
        [bharti2024] appendix A.2.2.
    """

    size: tuple[float, float] = (0.1, 1.0)
    variation: tuple[float, float] = (100.0, 10.0)
    of_side: int = 256

    def __post_init__(self) -> None:
        if not all(weight >= 0 for weight in (*self.size, *self.variation)) or self.of_side < 1:
            raise SettingError(
                "penalties need size and variation of at least 0 and of_side >= 1, got "
                f"{self.size}, {self.variation} and {self.of_side}"
            )

    def weights(self, alpha: Float[Tensor, "b"], side: int) -> SoftWeights:
        """The weights of the objective for some images.

        Args:
            alpha: α of each.
            side: The smaller of their height and width.
        """
        scale = variation_at(side, 1.0, self.of_side)
        return SoftWeights(alpha, _between(self.size, alpha), scale * _between(self.variation, alpha))


@final
@dataclass(frozen=True, eq=False)
class RelaxedLessons(Lessons):
    """What a selector of masks of any size learns from.

    Args:
        objective: What masks are judged by; it holds the model, the reference, K and the seed of all draws.
        x: The images to train on.
        target: The explained output of each.
        held_x: Images to validate on, none of which is trained on.
        held_target: The explained output of each.
        penalties: λ_1 and λ_TV.

    Raises:
        InputError: if there is none of either, or the held-out ones have another shape.
    """

    objective: SoftObjective
    x: Instances
    target: Int64[Tensor, "b"]
    held_x: Float[Tensor, "v *held"]
    held_target: Int64[Tensor, "v"]
    penalties: Penalties = Penalties()

    def __post_init__(self) -> None:
        check_images_to_learn_from(self.x, self.held_x)

    @property
    @override
    def digest(self) -> str:
        restriction = self.objective.restriction
        settings = (self.penalties, restriction.relaxation, restriction.seed, restriction.reference.law)
        return digest_of(settings, (self.x, self.target, self.held_x, self.held_target))

    @property
    @override
    def images(self) -> Instances:
        return self.x

    @property
    @override
    def max_rows(self) -> int:
        return self.objective.restriction.max_rows

    @override
    def check(self, network: Selector) -> None:
        self.objective.restriction.predictor.check_gradient(self.x[:1])
        if network.settings.sized:
            raise SettingError("these lessons are for masks of any size, got a selector of given sizes")
        network.check_images(self.x)

    @override
    def posed(self, selector: SelectorSettings) -> "PosedRelaxed":
        ask, wanted = self.objective.pose, validation_alphas(selector)
        problem = ask(self.x, self.target, equal_weights(torch.zeros(len(self.x))))
        held = ask(self.held_x, self.held_target, equal_weights(torch.zeros(len(self.held_x))))
        n = len(held)
        alpha = torch.tensor(wanted).repeat_interleave(n)
        seed = self.objective.restriction.seed
        apart = replace(self.objective.restriction, seed=child_seed(seed, "validation"))
        every = held.take(torch.arange(n).repeat(len(wanted)))
        weighted = _weighted(every, alpha, self.penalties)
        return PosedRelaxed(self.objective, problem, weighted, n, SoftObjective(apart), self.penalties)


@final
@dataclass(frozen=True, eq=False)
class PosedRelaxed(PosedLessons):
    """Such lessons of which f(x) and f_0 are known.

    Args:
        objective: What masks are judged by.
        problem: The images to train on.
        held: Those to validate on, at each α.
        n_held: How many images these are.
        validation: What masks of these are judged by: the same draws each time.
        penalties: λ_1 and λ_TV.
    """

    objective: SoftObjective
    problem: SoftProblem
    held: SoftProblem
    n_held: int
    validation: SoftObjective
    penalties: Penalties

    @contextmanager
    @override
    def opened(self) -> Iterator["PosedRelaxed"]:
        with self.objective.opened() as objective:
            yield replace(self, objective=objective)

    @override
    def masks(
        self, network: Selector, numbers: Tensor, alpha: Tensor, training: TrainingSettings, step: int
    ) -> Float[Tensor, "b h w"]:
        return torch.sigmoid(network(self.problem.images.x[numbers.to(self.problem.images.x.device)], alpha))

    @override
    def cost(self, numbers: Tensor, alpha: Tensor, masks: Tensor, step: int, rows: int) -> Float[Tensor, ""]:
        problem = _weighted(self.problem.take(numbers), alpha, self.penalties)
        return self.objective.within(rows).value(problem, masks, step).objective.mean()

    @override
    def validated(self, network: Selector, at_once: int) -> Judged:
        flat = masks_of(network, self.held.images.x, self.held.weights.alpha, at_once).flatten(1)
        judge = self.validation
        with torch.no_grad():
            found, _ = with_room(
                judge.restriction.max_rows,
                lambda rows: judge.within(rows).value(self.held, flat, 0, both=True),
            )
        means = (part.double().mean().item() for part in (found.sufficiency, found.necessity, found.size))
        # An image asked at several α counts once.
        return Judged(found.objective.view(-1, self.n_held).mean(0).double(), *means)


def masks_of(
    network: Selector, x: Instances, alpha: Float[Tensor, "b"], at_once: int = 32
) -> Float[Tensor, "b h w"]:
    """The network's masks of many images, some at a time.

    Args:
        network: The selector.
        x: The images.
        alpha: α of each.
        at_once: Most images in one forward pass. Bounds memory.
    """
    pairs = zip(torch.split(x, at_once), torch.split(alpha, at_once), strict=True)
    return torch.cat([network.masks(some, wanted) for some, wanted in pairs])


def check_images_to_learn_from(x: Tensor, held_x: Tensor) -> None:
    """Refuse images that nothing can be learnt from.

    Args:
        x: The images to train on.
        held_x: Those to validate on.

    Raises:
        InputError: if there is none of either, or the held-out ones have another shape.
    """
    if not len(x) or not len(held_x) or x.shape[1:] != held_x.shape[1:]:
        raise InputError(
            "training needs images to train and to validate on, of one shape; "
            f"got {tuple(x.shape)} and {tuple(held_x.shape)}"
        )


def digest_of(settings: tuple[object, ...], tensors: tuple[Tensor, ...]) -> str:
    """A digest of settings and tensors.

    Args:
        settings: Whatever has a repr that says it all.
        tensors: The tensors.
    """
    whole = hashlib.sha256()
    whole.update(repr(settings).encode())
    for tensor in tensors:
        whole.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
        whole.update(tensor.cpu().contiguous().numpy().tobytes())
    return whole.hexdigest()


def _weighted(problem: SoftProblem, alpha: Float[Tensor, "b"], penalties: Penalties) -> SoftProblem:
    side = min(problem.images.x.shape[-2:])
    # Each place of a batch has its own stream: independent draws make the mean over the batch less noisy.
    images = replace(problem.images, index=torch.arange(len(alpha)))
    return replace(problem, images=images, weights=penalties.weights(alpha, side))


def _between(ends: tuple[float, float], alpha: Float[Tensor, "b"]) -> Float[Tensor, "b"]:
    first, last = (torch.full_like(alpha, end) for end in ends)
    return first ** (1 - alpha) * last**alpha
