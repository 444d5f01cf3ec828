"""Δsuf and Δnec of any number of masks of each image, soft by blending or hard, with their slopes.

    f_S(x) = mean over draws of f(b + S∘(x - b)),    S in [0, 1] for each pixel

A soft mask blends x with what hides it, so that its slope has no noise; for a hard one this is the
definition.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from typing_extensions import override

from onlyif.core.shapes import Instances
from onlyif.criteria.sized import SizedCost
from onlyif.engine.soft import plain_outputs, soft_outputs
from onlyif.modalities.grids import Grid, PixelGrid
from onlyif.models.differentiable import DifferentiablePredictor
from onlyif.restrictions.soft_images import check_target


@final
@dataclass(frozen=True, eq=False)
class BlendedGaps(SizedCost):
    """Both gaps of masks of images, one number a player.

    Args:
        predictor: The model f, with gradients.
        x: The images.
        fillings: What hides their pixels: n images for each, or shared by all.
        target: The number of the explained output of each.
        full: f(x).
        base: f_0, the mean over the fillings.
        max_rows: Most rows of one model call.
        grid: Who plays, each in or out as a whole; None makes every pixel a player.
        plays: Who of these is there in each image; None is all.
    """

    predictor: DifferentiablePredictor
    x: Instances
    fillings: Float[Tensor, "#b n *x"]
    target: Int64[Tensor, "b"]
    full: Float[Tensor, "b"]
    base: Float[Tensor, "b"]
    max_rows: int
    grid: Grid | None = None
    plays: Bool[Tensor, "b d"] | None = None

    def __len__(self) -> int:
        return len(self.x)

    @property
    def plane(self) -> tuple[int, int]:
        """Height and width."""
        return self.x.shape[-2], self.x.shape[-1]

    @property
    @override
    def images(self) -> Instances:
        return self.x

    @property
    @override
    def n_players(self) -> int:
        return self.players.shape[0]

    @property
    @override
    def there(self) -> Bool[Tensor, "b d"]:
        return super().there if self.plays is None else self.plays

    @property
    @override
    def rows_a_call(self) -> int:
        return self.max_rows

    @property
    @override
    def of_pixels(self) -> bool:
        return self.grid is None

    @property
    def players(self) -> Grid:
        """Who plays."""
        return PixelGrid(*self.plane) if self.grid is None else self.grid

    @contextmanager
    @override
    def opened(self) -> Iterator["BlendedGaps"]:
        with self.predictor.opened() as predictor:
            yield replace(self, predictor=predictor)

    @override
    def within(self, max_rows: int) -> "BlendedGaps":
        return replace(self, max_rows=max_rows)

    @override
    def cost(
        self,
        numbers: Int64[Tensor, "p"],
        alpha: Float[Tensor, "p"],
        masks: Float[Tensor, "p m d"],
        look: int,
    ) -> Float[Tensor, "p m"]:
        return self.unified(numbers, alpha, masks)

    @override
    def rows_a_mask(self, alpha: float) -> int:
        return int(self.fillings.shape[1]) * (1 if alpha in {0.0, 1.0} else 2)

    def unified(
        self, numbers: Int64[Tensor, "p"], alpha: Float[Tensor, "p"], masks: Float[Tensor, "p m d"]
    ) -> Float[Tensor, "p m"]:
        """α Δsuf + (1 - α) Δnec; an α of 0 or 1 asks the model for one side alone.

        Args:
            numbers: The image that each row of masks is of.
            alpha: α of each row.
            masks: The masks, one number a player.
        """
        sufficiency, necessity = self.parts(numbers, alpha, masks, 0)
        return sufficiency + necessity

    @override
    def parts(
        self,
        numbers: Int64[Tensor, "p"],
        alpha: Float[Tensor, "p"],
        masks: Float[Tensor, "p m d"],
        look: int,
    ) -> tuple[Float[Tensor, "p m"], Float[Tensor, "p m"]]:
        """α Δsuf and (1 - α) Δnec; what has no weight is 0, and the model is not asked for it."""
        masks = masks.to(self.full)

        def part(weight: Tensor, *, hidden: bool) -> Tensor:
            rows, none = (weight > 0).nonzero().flatten(), masks.new_zeros(masks.shape[:2])
            if not len(rows):
                return none
            gap = self._gap(numbers[rows], masks[rows], hidden=hidden)
            return none.index_add(0, rows, weight[rows, None].to(gap) * gap)

        return part(alpha, hidden=False), part(1 - alpha, hidden=True)

    def both(
        self, numbers: Int64[Tensor, "p"], masks: Float[Tensor, "p m d"]
    ) -> tuple[Float[Tensor, "p m"], Float[Tensor, "p m"]]:
        """Δsuf and Δnec, without a graph.

        Args:
            numbers: The image that each row of masks is of.
            masks: The masks, one number a player.
        """
        with torch.no_grad():
            return self._gap(numbers, masks, hidden=False), self._gap(numbers, masks, hidden=True)

    def _gap(self, numbers: Tensor, masks: Tensor, *, hidden: bool) -> Float[Tensor, "p m"]:
        aimed = (self.base if hidden else self.full)[numbers]
        return (self._answers(numbers, 1 - masks if hidden else masks) - aimed[:, None]).abs()

    def _answers(self, numbers: Tensor, shown: Float[Tensor, "p m d"]) -> Float[Tensor, "p m"]:
        axes = [1] * (self.x.dim() - 3)
        share = self.players.spread(shown).view(*shown.shape[:2], 1, *axes, *self.plane)
        x = self.x[numbers][:, None, None]
        hides = (self.fillings[numbers] if len(self.fillings) > 1 else self.fillings)[:, None]
        outputs = soft_outputs(self.predictor, (hides, x), share, axes=3, max_rows=self.max_rows)
        column = self.target[numbers].to(outputs.device).view(-1, 1, 1, 1)
        answers: Tensor = outputs.gather(3, column.expand(*outputs.shape[:3], 1))
        return answers.squeeze(3).mean(2)


def blended_gaps(
    predictor: DifferentiablePredictor,
    x: Instances,
    fillings: Float[Tensor, "#b n *x"],
    target: Int64[Tensor, "b"],
    max_rows: int = 1024,
    *,
    grid: Grid | None = None,
) -> BlendedGaps:
    """The gaps of some images: asks f(x) and f_0.

    Args:
        predictor: The model f, with gradients.
        x: The images.
        fillings: What hides their pixels: n images for each, or shared by all.
        target: The number of the explained output of each.
        max_rows: Most rows of one model call.
        grid: Who plays; None makes every pixel a player.

    Raises:
        SettingError: if a target is no output.

    Example:
        >>> bright = DifferentiablePredictor(lambda batch: batch.mean((1, 2, 3)))
        >>> x, black = torch.ones(1, 1, 1, 4), torch.zeros(1, 1, 1, 1, 4)
        >>> gaps = blended_gaps(bright, x, black, torch.tensor([0]))
        >>> gaps.both(torch.tensor([0]), torch.tensor([[[1.0, 0.0, 0.0, 0.0]]]))
        (tensor([[0.7500]]), tensor([[0.7500]]))
    """
    outputs = plain_outputs(predictor, x, max_rows)
    check_target(target, outputs.shape[1])
    column = target.to(outputs.device)
    full = outputs.gather(1, column[:, None]).squeeze(1)
    at_fillings = plain_outputs(predictor, fillings.flatten(0, 1), max_rows)
    means = at_fillings.view(*fillings.shape[:2], -1).mean(1).expand(len(x), -1)
    base = means.gather(1, column[:, None]).squeeze(1)
    return BlendedGaps(predictor, x, fillings, target, full, base, max_rows, grid)
