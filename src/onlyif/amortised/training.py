"""Fits a selector to many images: the mean over images of what a search on each would make small.

`fit` is a generator of finished rounds: progress, limits, saving and stopping belong to the caller.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from onlyif.amortised.selector import Selector, SelectorSettings
from onlyif.amortised.training_lessons import Judged, Lessons, PosedLessons, alphas_at, batch_at
from onlyif.amortised.training_state import (
    Checkpoint,
    Round,
    TrainingSettings,
    adam_at,
    digests_of,
    moments_of,
    network_of,
    no_moments,
    weights_of,
)
from onlyif.core.errors import SettingError
from onlyif.engine.soft import slopes, with_room


def fresh(selector: SelectorSettings, training: TrainingSettings, lessons: Lessons) -> Checkpoint:
    """The state before the first step.

    Args:
        selector: The architecture.
        training: How it is to be trained.
        lessons: What it is to learn from.
    """
    weights = weights_of(Selector(selector, training.seed))
    seen = digests_of(lessons.images)
    return Checkpoint(selector, training, lessons.digest, (), weights, no_moments(weights), weights, seen)


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
    network = network_of(start.selector, start.weights).to(lessons.images.device)
    lessons.check(network)
    run = _Run(lessons.posed(start.selector), len(lessons.images), lessons.max_rows)
    adam, checkpoint = adam_at(start, network), start
    while not checkpoint.finished:
        checkpoint = run.round(checkpoint, network, adam)
        yield checkpoint


@final
@dataclass(frozen=True, eq=False)
class _Run:
    """The lessons, with what is known once f(x) and f_0 were asked."""

    lessons: PosedLessons
    n_images: int
    max_rows: int

    def round(self, checkpoint: Checkpoint, network: Selector, adam: torch.optim.Adam) -> Checkpoint:
        """Some steps, then the validation gaps."""
        stop = min(checkpoint.step + checkpoint.training.round_steps, checkpoint.training.n_steps)
        total, rows, steps = 0.0, self.max_rows, range(checkpoint.step, stop)
        with self.lessons.opened() as lessons:
            for step in steps:
                value, rows = self._step(lessons, checkpoint, (network, adam), step, rows)
                total += value
        judged = self.lessons.validated(network, checkpoint.training.batch)
        done = _round_of(judged, total / len(steps), stop)
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
        lessons: PosedLessons,
        checkpoint: Checkpoint,
        learner: tuple[Selector, torch.optim.Adam],
        step: int,
        rows: int,
    ) -> tuple[float, int]:
        (network, adam), given = learner, checkpoint.training
        numbers = batch_at(given, self.n_images, step)
        alpha = alphas_at(checkpoint.selector, given, step)
        masks = lessons.masks(network, numbers, alpha, given, step)
        leaf = masks.detach().flatten(1).requires_grad_()

        def ask(rows: int) -> tuple[float, Tensor]:
            loss = lessons.cost(numbers, alpha, leaf, step, rows)
            return loss.item(), slopes(loss, (leaf,))[0]

        (loss, up), rows = with_room(rows, ask)
        adam.zero_grad()
        torch.autograd.backward(masks, up.view_as(masks))
        adam.step()
        return loss, rows


def _round_of(judged: Judged, training: float, step: int) -> Round:
    each = judged.objective
    stderr = each.std().item() / len(each) ** 0.5 if len(each) > 1 else float("nan")
    return Round(
        step, training, each.mean().item(), stderr, judged.sufficiency, judged.necessity, judged.size
    )
