"""A trained selector's mask, repaired by a short descent on the image itself: never trusted alone."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import final

from jaxtyping import Float, Int64
from torch import Tensor

from onlyif.amortised.relaxed_lessons import masks_of
from onlyif.amortised.selector import Selector
from onlyif.core.errors import SettingError
from onlyif.core.seeds import child_seed
from onlyif.criteria.soft import SoftErrors, SoftObjective, SoftProblem
from onlyif.engine.soft import with_room
from onlyif.modalities.grids import Grid
from onlyif.restrictions.soft_draws import Relaxation
from onlyif.searches.gradient import Schedule
from onlyif.searches.relaxed import RelaxedSearch
from onlyif.searches.relaxed_settings import RelaxedSettings


def repair_settings(steps: int = 50, rate: float = 0.05, n_draws: int = 4) -> RelaxedSettings:
    """A descent too short to find a mask from nothing, long enough to mend one.

    At its end the empty and the full mask are taken where one of these is better.

    Args:
        steps: Adam steps.
        rate: The first step's learning rate; it falls to a tenth.
        n_draws: Draws a step, in antithetic pairs.
    """
    relaxation = Relaxation(n_draws=n_draws, antithetic=True)
    schedule = Schedule(steps, rate, rate / 10)
    return RelaxedSettings("repair of a learned mask", schedule, relaxation, compare_ends=10)


@final
@dataclass(frozen=True, eq=False)
class Repaired:
    """The masks of some images, as the selector proposed them and after their repair.

    Args:
        numbers: Which images and α of the problem these are.
        proposed: What the selector gave.
        masks: What the repair ended with.
        before: The objective and both gaps of `proposed`, on draws that neither training nor repair saw.
        after: Those of `masks`, on the same draws.
        model_rows: Rows that the repair asked the model for, for each.
    """

    numbers: Int64[Tensor, "b"]
    proposed: Float[Tensor, "b h w"]
    masks: Float[Tensor, "b h w"]
    before: SoftErrors
    after: SoftErrors
    model_rows: Int64[Tensor, "b"]

    @property
    def gain(self) -> Float[Tensor, "b"]:
        """How much lower the repair made the objective; negative where it did harm."""
        return self.before.value.objective - self.after.value.objective


@final
@dataclass(frozen=True, eq=False)
class AmortisedSearch:
    """g_θ(x) as warm start of a short descent on each image, with gaps estimated on fresh draws.

    A selector can be wrong on an image unlike those it was trained on, and its mask can carry what the
    classifier said instead of where it looked. So its mask is only where a descent on the
    image itself begins, and both masks are judged by the model's own answers. Choose it for many images
    like those that the selector was trained on; for a few, or for others, choose `RelaxedSearch`.

    Args:
        selector: The trained network, from `Checkpoint.network`.
        objective: What the repair makes small; the seed of its draws is used for the repair.
        settings: How masks are repaired.
        grid: Who plays in the repair; None makes every pixel a player.
        n_fresh: Draws for the gaps of both masks.

    Raises:
        SettingError: unless n_fresh >= 2.
    """

    selector: Selector
    objective: SoftObjective
    settings: RelaxedSettings = field(default_factory=repair_settings)
    grid: Grid | None = None
    n_fresh: int = 100

    def __post_init__(self) -> None:
        if self.n_fresh < 2:
            raise SettingError(f"need n_fresh >= 2 draws for gaps with errors, got {self.n_fresh}")

    def run(self, problem: SoftProblem) -> Iterator[Repaired]:
        """Finished parts, as many images at once as `max_rows` of the objective holds.

        Args:
            problem: The images and their weights.

        Raises:
            SettingError: if an α is not one that the selector was made for.
            InputError: if the images do not fit the selector.
            LimitError: if memory runs out even for a single row.
            ModelError: if the model gives no or no finite gradients.
        """
        proposed = masks_of(self.selector, problem.images.x, problem.weights.alpha).to(problem.full)
        restriction = self.objective.restriction
        judge = SoftObjective(replace(restriction, seed=child_seed(restriction.seed, "fresh draws of masks")))
        rows = restriction.max_rows
        search = RelaxedSearch(self.objective, self.settings, self.grid)

        def judged(part: SoftProblem, planes: Tensor) -> tuple[SoftErrors, int]:
            masks = planes.flatten(1)
            return with_room(rows, lambda rows: judge.within(rows).estimate(part, masks, self.n_fresh))

        for descent in search.run(problem, proposed):
            part, start = problem.take(descent.numbers), proposed[descent.numbers]
            before, rows = judged(part, start)
            after, rows = judged(part, descent.masks)
            yield Repaired(descent.numbers, start, descent.masks, before, after, descent.model_rows)
