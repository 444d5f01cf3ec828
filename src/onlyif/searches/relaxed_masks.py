"""From images to masks with gaps on fresh draws: images times α as one descent."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from onlyif.core.errors import InputError, Interrupted, ModelError, OnlyIfWarning, SettingError
from onlyif.core.seeds import child_seed
from onlyif.core.shapes import Instances
from onlyif.criteria.soft import SoftErrors, SoftObjective, SoftProblem
from onlyif.criteria.soft_weights import SoftWeights
from onlyif.engine.soft import memory_for, with_room
from onlyif.explanation.explanation import Explanation, Provenance
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.pixels import PixelNames
from onlyif.explanation.selection import Measure, gap_selection
from onlyif.references.base import Plan, Reference
from onlyif.restrictions.soft_images import check_images, targeted
from onlyif.searches.relaxed import Descent, RelaxedSearch
from onlyif.searches.relaxed_cuts import Cut, ThresholdCut
from onlyif.version import __version__

# A baseline this many widths outside of the images' range, 0 included, is in other units.
FAR = 1.0
FLAT = 0.02


@final
@dataclass(frozen=True)
class MaskQuestion:
    """What is asked about every image.

    Args:
        alphas: The α's; 1 is sufficiency, 0 necessity.
        size: λ_1.
        variation: λ_TV; see `onlyif.criteria.soft_weights.variation_at`.
        cut: How a set of pixels is cut from each soft mask.
        n_fresh: Draws on which gaps are estimated, at least 2; the search sees none of them.

    Raises:
        SettingError: unless there is an alpha and n_fresh >= 2.
    """

    alphas: tuple[float, ...] = (0.0, 0.5, 1.0)
    size: float = 2.0
    variation: float = 20.0
    cut: Cut = field(default_factory=ThresholdCut)
    n_fresh: int = 100

    def __post_init__(self) -> None:
        if not self.alphas:
            raise SettingError("need at least one alpha, got none")
        if self.n_fresh < 2:
            raise SettingError(f"errors need n_fresh >= 2 draws, got {self.n_fresh}")

    def weights(self, n_images: int) -> SoftWeights:
        """The weights of every image and α, α fastest."""
        alpha = torch.tensor(self.alphas).repeat(n_images)
        size, variation = torch.full_like(alpha, self.size), torch.full_like(alpha, self.variation)
        return SoftWeights(alpha, size, variation)


def mask_parts(
    search: RelaxedSearch,
    x: Instances,
    target: Int64[Tensor, "_"] | int | None = None,
    question: MaskQuestion | None = None,
    start: Float[Tensor, "b h w"] | None = None,
) -> Iterator[Explanations]:
    """The masks of images, in finished parts of a few images and α each.

    Args:
        search: How masks are found, with the objective.
        x: The images.
        target: Number of the explained output, one for all or one each; None takes each image's largest.
        question: What is asked; None takes three α and the paper's weights.
        start: Masks to start from, one for each image and α, α fastest; None draws them.

    Raises:
        InputError: if the images do not fit the model's reference or hold NaN.
        ModelError: if the model has no or no finite gradients, or answers differ from call to call.
        SettingError: if α or a target is out of range.
        LimitError: if memory runs out even for a single row.
    """
    asked = MaskQuestion() if question is None else question
    _check_task(search.objective, x)
    objective = search.objective
    every, rows = with_room(
        objective.restriction.max_rows, lambda rows: _posed(objective.within(rows), x, target, asked)
    )
    roomy = replace(search, objective=objective.within(rows))
    for part in roomy.run(every, start):
        yield Explanations(tuple(_masks(roomy, asked, every.take(part.numbers), part)))


def find_masks(
    search: RelaxedSearch,
    x: Instances,
    target: Int64[Tensor, "_"] | int | None = None,
    question: MaskQuestion | None = None,
    start: Float[Tensor, "b h w"] | None = None,
) -> Explanations:
    """The masks of images for every α: `mask_parts`, gathered.

    Args:
        search: How masks are found, with the objective.
        x: The images.
        target: Number of the explained output, one for all or one each; None takes each image's largest.
        question: What is asked; None takes three α and the paper's weights.
        start: Masks to start from, one for each image and α, α fastest; None draws them.

    Raises:
        Interrupted: on Ctrl-C; its `finished` holds the masks that were whole.
    """
    finished: list[Explanation] = []
    try:
        for part in mask_parts(search, x, target, question, start):
            finished.extend(part.items)
    except KeyboardInterrupt as interrupt:
        raise Interrupted(Explanations(tuple(finished))) from interrupt
    return Explanations(tuple(finished))


def _check_task(objective: SoftObjective, x: Instances) -> None:
    """Refuse images and models that no mask can be found for.

    Args:
        objective: What is to be minimised.
        x: The images.

    Raises:
        InputError: unless the images are there and finite, and of the baseline's shape and range.
        ModelError: if the model gives no or NaN gradients, or answers one image differently twice.
        SettingError: inside `torch.inference_mode`, where there are no gradients.
        LimitError: if memory runs out for a single row.
    """
    if torch.is_inference_mode_enabled():
        raise SettingError("masks are found by gradients; torch.inference_mode switches them off, leave it")
    check_images(x)
    restriction = objective.restriction
    _check_range(restriction.reference, x)
    with restriction.predictor.opened() as predictor, torch.no_grad(), memory_for(1):
        once, again = (predictor.respond(x[:1].clone()) for _ in range(2))
    if not torch.allclose(once, again, rtol=1e-4, atol=1e-6, equal_nan=True):
        raise ModelError(
            f"{predictor.meaning.model} answers one image differently each time, as with dropout left on; "
            "need a model without randomness"
        )
    with memory_for(1):
        restriction.predictor.check_gradient(x[:1])


def _check_range(reference: Reference, x: Instances) -> None:
    """Refuse a reference in other units than the images; warn where units may differ.

    Args:
        reference: What hidden pixels are replaced by.
        x: The images.

    Raises:
        InputError: if its values are not finite or far outside the images' range, or of another shape.
    """
    # A law with few atoms is given without a seed; a mean image has one.
    plan = Plan(1, 0, 1, None) if reference.law.n_atoms == 1 else Plan(1, 0, 1, 0)
    nothing = np.zeros((1, 1, *x.shape[1:]), dtype=bool)
    values = reference.draw(x[:1], nothing, plan).values
    if not bool(values.isfinite().all()):
        raise InputError(
            f"hidden pixels would be NaN or infinite ({reference.law.sentence}); need finite ones"
        )
    least, most = min(x.min().item(), 0.0), max(x.max().item(), 0.0)
    low, high = values.min().item(), values.max().item()
    width = most - least
    if width and (low < least - FAR * width or high > most + FAR * width):
        raise InputError(
            f"hidden pixels would be replaced by values from {low:g} to {high:g}, but the images run from "
            f"{x.min():g} to {x.max():g}; need both in the same units"
        )
    if 0 < high - low < FLAT * width:
        warnings.warn(
            f"hidden pixels are replaced by values from {low:g} to {high:g}, the images run from {x.min():g} "
            f"to {x.max():g}: are both in the same units?",
            OnlyIfWarning,
            stacklevel=2,
        )


def _posed(
    objective: SoftObjective, x: Instances, target: Int64[Tensor, "_"] | int | None, asked: MaskQuestion
) -> SoftProblem:
    numbers = torch.arange(len(x), device=x.device).repeat_interleave(len(asked.alphas))
    targets = objective.restriction.largest(x) if target is None else target
    images = targeted(x, targets).take(numbers)
    return objective.pose(images.x, images.target, asked.weights(len(x)))


def _masks(
    search: RelaxedSearch, asked: MaskQuestion, problem: SoftProblem, part: Descent
) -> Iterator[Explanation]:
    height, width = problem.images.x.shape[-2:]
    players, restriction = search.grid_of(height, width).drawn, search.objective.restriction
    soft = players.gather(part.masks)
    members = asked.cut.members(soft)
    fresh = SoftObjective(
        replace(restriction, seed=child_seed(restriction.seed, "fresh draws"), grid=players)
    )
    rows, again = restriction.max_rows, problem
    if bool(problem.base_stderr.any()):  # the search saw the draws of f_0 too
        images = problem.images
        again, rows = with_room(
            rows,
            lambda rows: fresh.within(rows).pose(images.x, images.target, problem.weights, images.index),
        )
    gaps, rows = with_room(rows, lambda rows: fresh.within(rows).estimate(again, soft, asked.n_fresh))
    cut, _ = with_room(rows, lambda rows: fresh.within(rows).estimate(again, members.to(soft), asked.n_fresh))
    hard = players.spread(members.to(soft)) > 0.5
    provenance, names = _provenance(search, asked), PixelNames(height, width)
    for i, number in enumerate(part.numbers.tolist()):
        alpha = asked.alphas[number % len(asked.alphas)]
        soft_gaps = dict(zip(("soft_sufficiency", "soft_necessity"), _gaps(gaps, i), strict=True))
        inside = tuple(torch.nonzero(hard[i].flatten()).flatten().tolist())
        target = int(problem.images.target[i])
        yield Explanation(
            row=number // len(asked.alphas),
            names=names,
            values=(),
            target=target,
            target_label=f"output {target}",
            prediction=problem.full[i].item(),
            base=again.base[i].item(),
            base_stderr=again.base_stderr[i].item(),
            sets={"unified": gap_selection(inside, names, _gaps(cut, i))},
            provenance=provenance,
            scores={"soft": part.masks[i].detach().cpu().numpy().copy()},
            measures={**soft_gaps, "objective": Measure(gaps.value.objective[i].item())},
            settings={"alpha": alpha, "steps": search.settings.schedule.steps},
            model_rows=int(part.model_rows[i]),
        )


def _gaps(errors: SoftErrors, i: int) -> tuple[Measure, Measure]:
    value = errors.value
    return (
        Measure(value.sufficiency[i].item(), errors.sufficiency[i].item()),
        Measure(value.necessity[i].item(), errors.necessity[i].item()),
    )


def _provenance(search: RelaxedSearch, asked: MaskQuestion) -> Provenance:
    restriction = search.objective.restriction
    meaning = restriction.predictor.meaning
    return Provenance(
        criterion="soft sne",
        predictor=meaning.model,
        output=meaning.output,
        search=f"{search.settings.sentence}; λ_1 = {asked.size:g}, λ_TV = {asked.variation:g}",
        seed=restriction.seed,
        versions=(("onlyif", __version__),),
        sentences={"reference": restriction.reference.law.sentence, "cut": asked.cut.sentence},
        values={"n_fresh": asked.n_fresh},
    )
