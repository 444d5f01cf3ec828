"""Masks in Captum's convention: `SufficientNecessaryMask(forward_func).attribute(inputs, ...)`."""

from dataclasses import dataclass
from typing import Any, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from typing_extensions import override

from onlyif.core.arguments import Either, Flag, Function, Kind, Made, Number, Whole, settle
from onlyif.core.errors import SettingError
from onlyif.core.extras import missing
from onlyif.interop.captum_forward import Forward, Target, packed, target_numbers
from onlyif.interop.captum_frames import Frame, frame_of
from onlyif.interop.captum_inputs import Baselines, Tensors, alike, like
from onlyif.interop.captum_mask_ways import USUAL_SIZE, BySize, ByWeight, Group, MaskWay, Part
from onlyif.interop.captum_progress import progress
from onlyif.searches.relaxed_settings import RelaxedSettings, recommended_settings

try:
    from captum.attr import PerturbationAttribution
except ImportError as error:
    raise missing("captum", "captum", "attribution in Captum's convention") from error


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
        given = packed(inputs, additional_forward_args, feature_mask, asked.max_rows)
        layout, x, way = given.layout, given.x, asked.way
        ends = layout.baselines((0.0,) * len(layout.shapes) if baselines is None else baselines, len(x))
        frame = frame_of(layout, None if feature_mask is None else given.features)
        shown = Flag().take("show_progress", show_progress)
        planned = len(x) * way.rows(frame, frame.grid(given.features[0]))
        with progress(self.get_name(), planned, shown=shown) as told:
            forward = Forward(self.forward_func, layout, given.further, len(x), asked.max_rows, told)
            task = _Task(way, forward, frame, x, ends, given.features)
            masks, parts = task.masks(target)
        given_back = like(inputs, layout.given_back(masks))
        return (given_back, way.details(parts)) if asked.return_details else given_back


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
    def way(self) -> MaskWay:
        """How masks are found."""
        if self.sizes is not None:
            return BySize(self.alpha, self.sizes, self.seed, self.max_rows)
        how = recommended_settings() if self.settings is None else self.settings
        fresh = self.n_fresh if self.return_details else 0
        return ByWeight(self.alpha, self.size, self.variation, how, self.seed, self.max_rows, fresh)


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

    way: MaskWay
    forward: Forward
    frame: Frame
    x: Float[Tensor, "b entries"]
    ends: Float[Tensor, "b entries"]
    features: Int64[Tensor, "b entries"]

    def masks(self, target: Target) -> tuple[Float[Tensor, "b entries"], list[Part]]:
        """The mask or the ranking of each instance, and what the details are made of."""
        forward = self.forward
        self.way.check_frame(self.frame)
        with forward.left_as_found():
            shape = forward.output_shape(self.x[:1], self.ends[:1])
            chosen = _named(target, shape, len(self.x))
            groups = alike([self.ends, self.features, *forward.keys])
            parts = [self.way.part(self._group(numbers, chosen[numbers])) for numbers in groups]
        self.way.check(parts)
        masks = torch.empty_like(self.x)
        for part in parts:
            masks[part.numbers] = self.frame.entries(part.masks).to(masks)
        return masks, parts

    def _group(self, numbers: Int64[Tensor, "p"], target: Int64[Tensor, "p"]) -> Group:
        first, frame = int(numbers[0]), self.frame
        x, end = self.x[numbers].view(-1, *frame.shape), self.ends[first].view(frame.shape)
        grid = frame.grid(self.features[first])
        return Group(numbers, x, end, target, self.forward.predictor(first), grid, frame)


def _named(target: Target, shape: list[int], b: int) -> Int64[Tensor, "b"]:
    chosen = target_numbers(target, shape, b)
    if chosen is None:
        raise SettingError(f"one row's outputs have shape {tuple(shape)}; need the target that is explained")
    return chosen
