"""Fits a selector to many images: the mean over images of what a per-image search minimises.

    E_X [ Δuni(g_θ(X), α) + λ_1 mean|g_θ(X)| + λ_TV TV(g_θ(X)) ]

`fit` is a generator of finished rounds: progress, limits, saving and stopping belong to the caller.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from onlyif.amortised.selector import Selector, SelectorSettings
from onlyif.amortised.training_lessons import Lessons, Penalties, alphas_at, batch_at
from onlyif.amortised.training_state import (
    Checkpoint,
    Round,
    TrainingSettings,
    adam_at,
    moments_of,
    network_of,
    no_moments,
    weights_of,
)
from onlyif.core.errors import SettingError
from onlyif.core.seeds import child_seed
from onlyif.core.shapes import Instances
from onlyif.criteria.soft import SoftObjective, SoftProblem, SoftValue
from onlyif.criteria.soft_weights import equal_weights
from onlyif.engine.soft import slopes, with_room

# Where a selector conditioned on α is validated.
VALIDATION_ALPHAS = (0.0, 0.5, 1.0)


def fresh(selector: SelectorSettings, training: TrainingSettings, lessons: Lessons) -> Checkpoint:
    """The state before the first step.

    Args:
        selector: The architecture.
        training: How it is to be trained.
        lessons: What it is to learn from.
    """
    weights = weights_of(Selector(selector, training.seed))
    return Checkpoint(selector, training, lessons.digest, (), weights, no_moments(weights), weights)


def fit(start: Checkpoint, lessons: Lessons) -> Iterator[Checkpoint]:
    """Train from a checkpoint on; yields the state after each round, until the checkpoint is finished.

    On a CPU it does not matter where a run was interrupted: from any saved round on, the same weights
    come out bit for bit, with the same versions and number of threads.

    Args:
        start: What `fresh` gave, or a checkpoint to go on from.
        lessons: The same as at the start of the run.

    Raises:
        SettingError: if the checkpoint belongs to other lessons.
        InputError: if the images do not fit the network.
        ModelError: if the model has no gradients, or a gradient is NaN or infinite.
    """
    if start.data != lessons.digest:
        raise SettingError(
            f"the checkpoint was trained on other lessons: it has digest {start.data[:12]}, "
            f"these have {lessons.digest[:12]}; go on with the same images, targets, penalties and draws"
        )
    if start.finished:
        return
    lessons.objective.restriction.predictor.check_gradient(lessons.x[:1])
    run = _posed(lessons, start)
    network = network_of(start.selector, start.weights).to(lessons.x.device)
    network.check_images(lessons.x)
    adam, checkpoint = adam_at(start, network), start
    while not checkpoint.finished:
        checkpoint = run.round(checkpoint, network, adam)
        yield checkpoint


def _posed(lessons: Lessons, start: Checkpoint) -> "_Run":
    """f(x) and f_0 of all images are asked once; the α of a step come later."""
    wanted = (start.selector.alpha,) if start.selector.alpha is not None else VALIDATION_ALPHAS
    ask = lessons.objective.pose
    problem = ask(lessons.x, lessons.target, equal_weights(torch.zeros(len(lessons.x))))
    held = ask(lessons.held_x, lessons.held_target, equal_weights(torch.zeros(len(lessons.held_x))))
    n = len(held)
    alpha = torch.tensor(wanted).repeat_interleave(n)
    apart = replace(
        lessons.objective.restriction, seed=child_seed(lessons.objective.restriction.seed, "validation")
    )
    return _Run(
        lessons,
        problem,
        _weighted(held.take(torch.arange(n).repeat(len(wanted))), alpha, lessons.penalties),
        SoftObjective(apart),
    )


@final
@dataclass(frozen=True, eq=False)
class _Run:
    """The lessons, with what is known once f(x) and f_0 were asked."""

    lessons: Lessons
    problem: SoftProblem
    held: SoftProblem
    validation: SoftObjective

    def round(self, checkpoint: Checkpoint, network: Selector, adam: torch.optim.Adam) -> Checkpoint:
        """Some steps, then the validation gaps."""
        stop = min(checkpoint.step + checkpoint.training.round_steps, checkpoint.training.n_steps)
        total, steps = 0.0, range(checkpoint.step, stop)
        with self.lessons.objective.opened() as objective:
            rows = objective.restriction.max_rows
            for step in steps:
                value, rows = self._step(checkpoint, network, adam, objective.within(rows), step)
                total += value
        done = self._validated(network, checkpoint, total / len(steps), stop)
        weights = weights_of(network)
        better = checkpoint.best_round < 0 or (
            done.objective < checkpoint.rounds[checkpoint.best_round].objective
        )
        return replace(
            checkpoint,
            rounds=(*checkpoint.rounds, done),
            weights=weights,
            moments=moments_of(adam, network.named_parameters()),
            best=weights if better else checkpoint.best,
        )

    def _step(
        self,
        checkpoint: Checkpoint,
        network: Selector,
        adam: torch.optim.Adam,
        objective: SoftObjective,
        step: int,
    ) -> tuple[float, int]:
        given = checkpoint.training
        numbers = batch_at(given, len(self.problem), step)
        alpha = alphas_at(checkpoint.selector, given, step)
        problem = _weighted(self.problem.take(numbers), alpha, self.lessons.penalties)
        masks = network(problem.images.x, alpha)
        leaf = masks.detach().flatten(1).requires_grad_()

        def ask(rows: int) -> tuple[float, Tensor]:
            loss = objective.within(rows).value(problem, leaf, step).objective.mean()
            return loss.item(), slopes(loss, (leaf,))[0]

        (loss, up), rows = with_room(objective.restriction.max_rows, ask)
        adam.zero_grad()
        masks.backward(up.view_as(masks))
        adam.step()
        return loss, rows

    def _validated(self, network: Selector, checkpoint: Checkpoint, training: float, step: int) -> Round:
        masks = masks_of(network, self.held.images.x, self.held.weights.alpha, checkpoint.training.batch)
        judge, flat = self.validation, masks.flatten(1)
        with torch.no_grad():
            found, _ = with_room(
                judge.restriction.max_rows,
                lambda rows: judge.within(rows).value(self.held, flat, 0, both=True),
            )
        return _round_of(found, len(self.lessons.held_x), training, step)


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


def _weighted(problem: SoftProblem, alpha: Float[Tensor, "b"], penalties: Penalties) -> SoftProblem:
    side = min(problem.images.x.shape[-2:])
    # Each place of a batch has its own stream: independent draws make the mean over the batch less noisy.
    images = replace(problem.images, index=torch.arange(len(alpha)))
    return replace(problem, images=images, weights=penalties.weights(alpha, side))


def _round_of(found: SoftValue, n_images: int, training: float, step: int) -> Round:
    # An image asked at several α counts once.
    each = found.objective.view(-1, n_images).mean(0).double()
    stderr = each.std().item() / n_images**0.5 if n_images > 1 else float("nan")
    gaps = (part.double().mean().item() for part in (found.sufficiency, found.necessity, found.size))
    return Round(step, training, each.mean().item(), stderr, *gaps)
