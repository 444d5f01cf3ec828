"""Masks in Captum's convention: `SufficientNecessaryMask(forward_func).attribute(inputs, ...)`."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from typing_extensions import override

from onlyif.core.arguments import Either, Flag, Function, Kind, Made, Number, Whole, settle
from onlyif.core.errors import OnlyIfWarning, SettingError
from onlyif.core.extras import missing
from onlyif.core.seeds import child_seed
from onlyif.criteria.blended import BlendedGaps, blended_gaps
from onlyif.criteria.soft import SoftErrors, SoftObjective, SoftProblem
from onlyif.criteria.soft_weights import SoftWeights
from onlyif.interop.captum_forward import Forward, Target, target_numbers
from onlyif.interop.captum_frames import Frame, frame_of
from onlyif.interop.captum_further import further_arguments
from onlyif.interop.captum_inputs import Baselines, Layout, Tensors, alike, as_tuple, layout_of, like
from onlyif.interop.captum_progress import progress
from onlyif.modalities.grids import PixelGrid
from onlyif.references.baseline import BaselineReference
from onlyif.restrictions.soft import SoftRestriction
from onlyif.searches.relaxed import RelaxedSearch
from onlyif.searches.relaxed_settings import RelaxedSettings, recommended_settings
from onlyif.searches.sized import SizedSearch, SizedSets, pixel_settings, region_settings
from onlyif.setup.sized import sizes_of

# λ_1 of the paper, for gaps between probabilities, which are at most 1 (but for rounding).
USUAL_SIZE = 2.0
MOST_OF_PROBABILITIES = 1.001

try:
    from captum.attr import PerturbationAttribution
except ImportError as error:
    raise missing("captum", "captum", "attribution in Captum's convention") from error


@final
@dataclass(frozen=True, eq=False)
class MaskDetails:
    """What belongs to the masks of one call, one number an instance.

    Args:
        sufficiency: Δsuf of the soft mask, estimated on draws that the search did not see.
        sufficiency_stderr: Its standard error.
        necessity: Δnec.
        necessity_stderr: Its standard error.
        objective: What was minimised, on these draws.
        prediction: f(x).
        base: f of the baseline.
        model_rows: Rows that the model was asked for by the search, each forward and back.
    """

    sufficiency: Float[Tensor, "b"]
    sufficiency_stderr: Float[Tensor, "b"]
    necessity: Float[Tensor, "b"]
    necessity_stderr: Float[Tensor, "b"]
    objective: Float[Tensor, "b"]
    prediction: Float[Tensor, "b"]
    base: Float[Tensor, "b"]
    model_rows: Int64[Tensor, "b"]


@final
@dataclass(frozen=True, eq=False)
class SizedDetails:
    """What belongs to the rankings of one call that asked for sizes; gaps are of the hard sets, exact.

    Args:
        sizes: The sizes in players, the smallest first; where feature masks differ, those of the first.
        sufficiency: Δsuf of each instance and size.
        necessity: Δnec likewise.
        prediction: f(x).
        base: f of the baseline.
        felt: Whether the prediction ever moved with a mask; where not, a ranking says nothing.
        model_rows: Rows that the model was asked for by the search.
    """

    sizes: tuple[int, ...]
    sufficiency: Float[Tensor, "b z"]
    necessity: Float[Tensor, "b z"]
    prediction: Float[Tensor, "b"]
    base: Float[Tensor, "b"]
    felt: Bool[Tensor, "b"]
    model_rows: Int64[Tensor, "b"]


@final
class SufficientNecessaryMask(PerturbationAttribution):  # type: ignore[misc]  # untyped base
    """A small mask that is sufficient, necessary or in between: keep it and the prediction stays, hide it
    and the prediction falls back to that of the baseline.

    A `torch.nn.Module` is asked in evaluation mode; any other function is asked as it is. What
    is explained is the function's own output, against which the penalties weigh: explain probabilities, by
    wrapping a classifier in a softmax.

    The function goes from the inputs and further arguments to one row of outputs an instance, with
    gradients; of several outputs a target is explained.

    Example:
        >>> from onlyif.searches.gradient import Schedule
        >>> from onlyif.searches.relaxed_settings import RelaxedSettings
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 3), torch.nn.Softmax(1))
        >>> images, short = torch.rand(2, 3, 4, 4), RelaxedSettings("short", Schedule(5))
        >>> SufficientNecessaryMask(net).attribute(images, target=1, settings=short).shape
        torch.Size([2, 3, 4, 4])

    References:
        [bharti2024] equation 13, appendix A.2.1.
    """

    @classmethod
    @override
    def get_name(cls) -> str:
        return "Sufficient and Necessary Mask"

    @property
    @override
    def multiplies_by_inputs(self) -> bool:
        return False

    @override
    @torch.inference_mode(mode=False)  # whose tensors have no gradients
    def attribute(
        self,
        inputs: Tensors,
        baselines: Baselines | None = None,
        target: Target = None,
        additional_forward_args: Any = None,
        feature_mask: Tensors | None = None,
        alpha: float = 0.5,
        size: float = USUAL_SIZE,
        variation: float | None = None,
        settings: RelaxedSettings | None = None,
        seed: int = 0,
        max_rows: int = 1024,
        n_fresh: int = 100,
        return_details: bool = False,
        show_progress: bool = False,
        sizes: Any = None,
    ) -> Any:
        """Masks of the inputs' shapes, with entries in [0, 1]; those of one feature are equal.

        The mask of one image `(b, channels, height, width)` is shared by its channels and smooth. Tables,
        volumes, videos, images with channels last, tuples of several tensors, and feature masks that differ
        between channels have one number an entry or feature and no neighbours. The masks of a tuple are
        optimised together.

        Args:
            inputs: A tensor or a tuple of tensors, one instance a row.
            baselines: What hidden entries become: numbers or tensors for each input. None takes 0, as
                Captum does; the paper takes the mean training image.
            target: The explained output, as in Captum; may be left out where there is one only.
            additional_forward_args: Further arguments. Tensors have one row an instance and are repeated with
                it; all else is passed on. Instances whose tensors differ share no model call.
            feature_mask: The feature of each entry, for all instances or for each; equal numbers are one
                feature, also across tensors.
            alpha: 1 is sufficiency, 0 necessity.
            size: λ_1, the weight of the mask's mean.
            variation: λ_TV, the weight of its mean difference of neighbours. None takes the paper's for
                images, scaled to their side, and 0 where there are no neighbours.
            settings: How masks are found; None is recommended, `paper_settings()` as printed.
            seed: Seed of all draws; global random states stay as they are.
            max_rows: Most rows of one model call.
            n_fresh: Draws for the details, at least 2.
            return_details: Give `(masks, MaskDetails)`.
            show_progress: Whether a bar says how many of the model rows have been asked for.
            sizes: Sizes of sets, as shares of the entries that play (pixels, or features) or as numbers of
                them. Given these, the answer is a ranking in [0, 1] of which the highest k entries are the
                set of k, for every size k; `size`, `variation`, `settings` and `n_fresh` have no use then.

        Raises:
            InputError: if baselines or masks do not fit the inputs.
            ModelError: if the function raises, has no or no finite gradients, or its rows depend on each
                other.
            SettingError: if no output is named or there is none of that number; if alpha or a weight is out
                of range; if variation is asked for where entries have no neighbours.
        """
        asked = _Asked(
            self.forward_func, alpha, size, variation, settings, seed, max_rows, n_fresh,
            return_details, sizes,
        )  # fmt: skip
        layout = layout_of(inputs)
        x = layout.pack(as_tuple(inputs))
        further = further_arguments(additional_forward_args, len(x), asked.max_rows)
        ends = layout.baselines(_zeros(layout) if baselines is None else baselines, len(x))
        features = layout.features(feature_mask, len(x))
        frame = frame_of(layout, None if feature_mask is None else features)
        with progress(
            self.get_name(), asked.rows(len(x)), shown=Flag().take("show_progress", show_progress)
        ) as told:
            forward = Forward(self.forward_func, layout, further, len(x), asked.max_rows, told)
            task = _Task(asked, forward, frame, x, ends, features)
            masks, details = task.masks(target)
        given_back = like(inputs, layout.given_back(masks))
        return (given_back, details()) if asked.return_details else given_back


@final
@dataclass(frozen=True, eq=False)
class _Asked:
    """The arguments of a call that are no tensors, made plain and checked."""

    forward_func: Any
    alpha: float
    size: float
    variation: float | None
    settings: RelaxedSettings | None
    seed: int
    max_rows: int
    n_fresh: int
    return_details: bool
    sizes: Any

    def __post_init__(self) -> None:
        settle(self, _KINDS)
        unused = {"size": self.size != USUAL_SIZE, "variation": self.variation is not None}
        unused |= {"settings": self.settings is not None}
        for name, there in unused.items():
            if there and self.sizes is not None:
                raise SettingError(
                    f"{name} has no use with sizes, which say how large sets are; leave one out"
                )

    @property
    def how(self) -> RelaxedSettings:
        """How masks are found."""
        return recommended_settings() if self.settings is None else self.settings

    def rows(self, b: int) -> int:
        """About how many rows the model is asked for."""
        sides = 1 if self.alpha in {0.0, 1.0} else 2
        if self.sizes is not None:
            return b * pixel_settings().rows(np.size(self.sizes), sides)
        fresh = 2 * self.n_fresh if self.return_details else 0
        return b * (sides * self.how.rows + fresh)


_KINDS: dict[str, Kind] = {
    "forward_func": Function(),
    "alpha": Number(least=0.0, most=1.0),
    "size": Number(least=0.0),
    "variation": Either((Number(least=0.0), None)),
    "settings": Either((Made((RelaxedSettings,)), None)),
    "seed": Whole(),
    "max_rows": Whole(least=1),
    "n_fresh": Whole(least=2),
    "return_details": Flag(),
}


@final
@dataclass(frozen=True, eq=False)
class _Task:
    """All that is asked of one call."""

    asked: _Asked
    forward: Forward
    frame: Frame
    x: Float[Tensor, "b entries"]
    ends: Float[Tensor, "b entries"]
    features: Int64[Tensor, "b entries"]

    def masks(self, target: Target) -> tuple[Float[Tensor, "b entries"], Callable[[], Any]]:
        """The mask or the ranking of each instance, and what makes the details."""
        sized = self.asked.sizes is not None
        parts: Any = self.sized_parts(target) if sized else self.parts(target)
        if not sized:
            _check_units(parts, self.asked.size)
        details: Callable[[Any], Any] = _sized_details if sized else _details
        masks = torch.empty_like(self.x)
        for part in parts:
            masks[part.numbers] = self.frame.entries(part.masks).to(masks)
        return masks, partial(details, parts)

    def parts(self, target: Target) -> "list[_Part]":
        """The masks of the instances that share model calls, group by group."""
        weigh = self.frame.weigh(self.asked.alpha, self.asked.size, self.asked.variation)
        forward = self.forward
        with forward.left_as_found():
            shape = forward.output_shape(self.x[:1], self.ends[:1])
            chosen = _named(target, shape, len(self.x))
            groups = alike([self.ends, self.features, *forward.keys])
            return [self._part(numbers, chosen[numbers], weigh(len(numbers))) for numbers in groups]

    def sized_parts(self, target: Target) -> "list[_SizedPart]":
        """The rankings of the instances that share model calls, group by group."""
        forward = self.forward
        with forward.left_as_found():
            shape = forward.output_shape(self.x[:1], self.ends[:1])
            chosen = _named(target, shape, len(self.x))
            groups = alike([self.ends, self.features, *forward.keys])
            return [self._sized_part(numbers, chosen[numbers]) for numbers in groups]

    def _sized_part(self, numbers: Tensor, target: Tensor) -> "_SizedPart":
        first, asked, frame = int(numbers[0]), self.asked, self.frame
        predictor, grid = self.forward.predictor(first), frame.grid(self.features[first])
        x = self.x[numbers].view(-1, *frame.shape)
        predictor.check_gradient(x[:1])
        of_pixels = isinstance(grid, PixelGrid)
        end = self.ends[first].view(1, 1, *frame.shape)
        gaps = blended_gaps(
            predictor, x, end, target.to(x.device), asked.max_rows, grid=None if of_pixels else grid
        )
        usual = region_settings() if of_pixels and frame.has_neighbours else pixel_settings()
        sizes = sizes_of(asked.sizes, grid.shape[0])
        every, alpha = torch.arange(len(x)).to(x.device), torch.full((len(x),), asked.alpha).to(x.device)
        found = SizedSearch(gaps, sizes, usual, asked.seed).run(every, alpha)
        suf, nec = gaps.both(every, found.sets.to(gaps.full))
        return _SizedPart(numbers, grid.spread(found.scores), gaps, suf, nec, found, sizes)

    def _part(self, numbers: Tensor, target: Tensor, weights: SoftWeights) -> "_Part":
        first, asked, frame = int(numbers[0]), self.asked, self.frame
        reference = BaselineReference(self.ends[first].view(frame.shape), "the baseline")
        predictor = self.forward.predictor(first)
        restriction = SoftRestriction(predictor, reference, max_rows=asked.max_rows, seed=asked.seed)
        objective = SoftObjective(restriction)
        problem = objective.pose(self.x[numbers].view(-1, *frame.shape), target, weights)
        search = RelaxedSearch(objective, asked.how, frame.grid(self.features[first]), asked.seed)
        return _part(search, numbers, problem, asked.n_fresh if asked.return_details else 0)


@final
@dataclass(frozen=True, eq=False)
class _Part:
    """What came out for instances that were searched together."""

    numbers: Int64[Tensor, "p"]
    masks: Float[Tensor, "p h w"]
    problem: SoftProblem
    fresh: SoftErrors | None
    model_rows: Int64[Tensor, "p"]


@final
@dataclass(frozen=True, eq=False)
class _SizedPart:
    """What came out for instances that were searched together, where sizes were asked for."""

    numbers: Int64[Tensor, "p"]
    masks: Float[Tensor, "p h w"]
    gaps: BlendedGaps
    sufficiency: Float[Tensor, "p z"]
    necessity: Float[Tensor, "p z"]
    found: SizedSets
    sizes: tuple[int, ...]


def _sized_details(parts: list[_SizedPart]) -> SizedDetails:
    order = torch.cat([part.numbers for part in parts]).argsort()
    columns = zip(
        *(
            (
                part.sufficiency,
                part.necessity,
                part.gaps.full,
                part.gaps.base,
                part.found.felt,
                part.found.model_rows,
            )
            for part in parts
        ),
        strict=True,
    )
    return SizedDetails(parts[0].sizes, *(torch.cat(column).cpu()[order] for column in columns))


def _zeros(layout: Layout) -> tuple[float, ...]:
    return (0.0,) * len(layout.shapes)


def _check_units(parts: "list[_Part]", size: float) -> None:
    """Probabilities move by 1 at most, and the usual penalty is meant for them."""
    moved = max(float((part.problem.full - part.problem.base).abs().max()) for part in parts)
    if size == USUAL_SIZE and moved > MOST_OF_PROBABILITIES:
        warnings.warn(
            f"the output moves by {moved:.3g} from x to the baseline, as no probability does: size={size:g} "
            "is weighed against gaps of at most 1. Explain probabilities, by wrapping the classifier in a "
            "softmax, or give a size for these units",
            OnlyIfWarning,
            stacklevel=5,
        )


def _named(target: Target, shape: list[int], b: int) -> Int64[Tensor, "b"]:
    chosen = target_numbers(target, shape, b)
    if chosen is None:
        raise SettingError(f"one row's outputs have shape {tuple(shape)}; need the target that is explained")
    return chosen


def _part(search: RelaxedSearch, numbers: Tensor, problem: SoftProblem, n_fresh: int) -> _Part:
    found = list(search.run(problem))
    masks = torch.cat([one.masks for one in found])
    rows = torch.cat([one.model_rows for one in found])
    if not n_fresh:
        return _Part(numbers, masks, problem, None, rows)
    restriction, grid = search.objective.restriction, search.grid_of(*masks.shape[-2:])
    seed = child_seed(restriction.seed, "fresh draws")
    fresh = SoftObjective(replace(restriction, seed=seed, grid=grid))
    return _Part(numbers, masks, problem, fresh.estimate(problem, grid.gather(masks), n_fresh), rows)


def _details(parts: list[_Part]) -> MaskDetails:
    order = torch.cat([part.numbers for part in parts]).argsort()
    rows: list[tuple[Tensor, ...]] = [
        (
            part.fresh.value.sufficiency,
            part.fresh.sufficiency,
            part.fresh.value.necessity,
            part.fresh.necessity,
            part.fresh.value.objective,
            part.problem.full,
            part.problem.base,
            part.model_rows,
        )
        for part in parts
        if part.fresh is not None
    ]
    return MaskDetails(*(torch.cat(column).cpu()[order] for column in zip(*rows, strict=True)))
