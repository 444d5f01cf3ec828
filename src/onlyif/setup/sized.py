"""From a network and images to nested sets of pixels of given sizes."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor, nn
from typing_extensions import override

from onlyif.answers.case import SetQuestion
from onlyif.answers.sized import COARSE_LOOKS, FINE_LOOKS, KINDS, SizedTask
from onlyif.core.arrays import on_host
from onlyif.core.errors import InputError, SettingError
from onlyif.core.precision import at_least_single
from onlyif.core.progress import Meter
from onlyif.criteria.blended import BlendedGaps, blended_gaps
from onlyif.criteria.distances import AbsoluteDistance
from onlyif.engine.soft import plain_outputs
from onlyif.explanation.explanation import Explanation, Provenance
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.layout import counted, number
from onlyif.modalities.images import Images
from onlyif.models.differentiable import DifferentiablePredictor, differentiable_module
from onlyif.models.outputs import AutoOutput, ProbabilityOutput, ValueOutput
from onlyif.models.probabilities import TRIED, reading_of
from onlyif.searches.sized import SizedSearch, SizedSettings, pixel_settings, region_settings
from onlyif.setup.forecast import Forecast
from onlyif.setup.instances import FilledImages, filled_images
from onlyif.setup.options import Options, distance_of, output_of
from onlyif.setup.run import Run
from onlyif.version import __version__

# Sizes that every search asks for, as shares: small and large ones help each other, and smallest sets within
# ε may be of any.
USUAL_SHARES = (0.01, 0.02, 0.05, 0.1, 0.2)
# Fillings that the search looks at; all of them tell the gaps.
MOST_SEARCHED = 4
# Rows of a call whose graph is held, and pixels of proposals that are held at once.
MOST_ROWS, PIXELS_AT_ONCE = 1024, 1 << 24
SAY = 'output="value"'


@final
@dataclass(frozen=True, eq=False)
class SizedRun(Run):
    """All images of a call.

    Args:
        gaps: The gaps of all images.
        sizes: The sizes in pixels, the smallest first.
        settings: How they are looked for.
        question: What is asked.
        provenance: What was chosen.
        target_labels: The name of each image's explained output.
        counted_by: What counts the work.
        seed: Of the search.
    """

    gaps: BlendedGaps
    sizes: tuple[int, ...]
    settings: SizedSettings
    question: SetQuestion
    provenance: Provenance
    target_labels: tuple[str, ...]
    counted_by: Meter
    seed: int

    noun = "image"

    @property
    @override
    def meter(self) -> Meter:
        return self.counted_by

    @property
    @override
    def backend(self) -> str:
        return ""

    @property
    @override
    def labels(self) -> tuple[int, ...]:
        return tuple(range(len(self.gaps)))

    @override
    def forecast(self) -> Forecast:
        raise SettingError("estimate has no use with sets of pixels; try one image, and look at model_rows")

    @override
    def parts(self, start: int = 0, jobs: int = 1) -> Iterator[Explanations]:
        if jobs != 1:
            raise SettingError(f"n_jobs has no use with sets of pixels, got {jobs}: images share model calls")
        d, z = self.gaps.plane[0] * self.gaps.plane[1], len(self.sizes)
        held = (len(KINDS) + 1) * z * self.settings.swaps.proposals * d
        at_once = max(1, min(PIXELS_AT_ONCE // held, self.gaps.max_rows // (2 * z)))
        for numbers in torch.split(torch.arange(start, len(self)), at_once):
            if int(numbers[0]) > start and self.meter.left_s <= 0:
                return
            yield Explanations(self._block(numbers))

    def _block(self, numbers: Int64[Tensor, "p"]) -> tuple[Explanation, ...]:
        started = time.perf_counter()
        gaps, meter = _taken(self.gaps, numbers), self.meter
        few = np.linspace(0, gaps.fillings.shape[1] - 1, min(MOST_SEARCHED, gaps.fillings.shape[1]))
        searched = replace(gaps, fillings=gaps.fillings[:, few.round().astype(int).tolist()])
        if len(few) < gaps.fillings.shape[1]:
            searched = blended_gaps(gaps.predictor, gaps.x, searched.fillings, gaps.target, gaps.max_rows)
        planned = self.settings.rows(len(self.sizes), _sides(self.question.alpha)) * len(few)
        meter.begin(len(numbers), planned * len(numbers))
        task = SizedTask(
            SizedSearch(searched, self.sizes, self.settings, self.seed, lambda: meter.left_s > 0),
            gaps, self.question, numbers.tolist(), [self.target_labels[i] for i in numbers.tolist()],
            self.provenance, lambda: meter.left_s <= 0,
        )  # fmt: skip
        items = task.explanations()
        meter.end()
        share, rest = divmod(meter.block_rows, len(items))
        seconds = (time.perf_counter() - started) / len(items)
        return tuple(
            replace(item, seconds=seconds, asked_rows=share + (i < rest), check_rows=meter.check_rows)
            for i, item in enumerate(items)
        )


def sized_run(
    model: Any, data: Any, background: Any, options: Options, *, size: Any, meter: Meter
) -> SizedRun:
    """A run over images, with every input checked.

    Args:
        model: A `torch.nn.Module`, a function of torch tensors, or a `DifferentiablePredictor`.
        data: The images.
        background: Images like those the network was trained on; None with a finished reference.
        options: All that can be chosen, with what is asked but for the size.
        size: A size or several, as shares of the pixels or as numbers of pixels; None for the usual ones.
        meter: What counts the work, shows it, and ends it when time is up.

    Raises:
        InputError: if images or background cannot be used as they are.
        SettingError: if an option is out of range, or has no use with sets of pixels.
        ModelError: if the model has no gradient, or fails.
    """
    _check_unused(options)
    filled = filled_images(data, background, options)
    x = _tensor(filled.images)
    predictor = _counted(_predictor(model, options, x), meter)
    x = x.to(at_least_single(x.dtype))
    fillings = _tensor(filled.fillings).to(x)
    predictor.check_gradient(x[:1])
    rows = min(options.max_rows, MOST_ROWS)
    target = _targets(options.target, plain_outputs(predictor, x, rows))
    gaps = blended_gaps(predictor, x, fillings, target.to(x.device), rows)
    height, width = gaps.plane
    chosen = sizes_of(size, height * width)
    usual = sizes_of([share for share in USUAL_SHARES if share * height * width >= 1] or None, height * width)
    sizes = tuple(sorted({*chosen, *usual}))
    settings = _settings(options, len(sizes), options.question.alpha, fillings.shape[1])
    question = replace(options.question, size=None if size is None else chosen[-1])
    made = _provenance(predictor, options, filled, settings, sizes)
    labels = tuple(f"output {i}" for i in target.tolist())
    return SizedRun(gaps, sizes, settings, question, made, labels, meter, options.seed)


def sizes_of(size: Any, n_pixels: int) -> tuple[int, ...]:
    """Sizes in pixels, the smallest first, equal ones once.

    Args:
        size: A share of all pixels above 0 and below 1, a whole number of pixels, or several of these; None
            for the usual shares.
        n_pixels: The number of pixels.

    Raises:
        SettingError: unless each stands for at least one pixel and leaves one out.

    Example:
        >>> sizes_of([0.5, 0.1, 30], 100)
        (10, 30, 50)
    """
    if size is None:
        size = [share for share in USUAL_SHARES if share * n_pixels >= 1] or [1 / n_pixels]
    given = list(np.ravel(on_host(size))) if hasattr(size, "ndim") else size
    several = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given]
    if not several:
        raise SettingError("need at least one size, got none")
    return tuple(sorted({_pixels(one, n_pixels) for one in several}))


def _pixels(size: Any, n_pixels: int) -> int:
    whole = isinstance(size, int | np.integer) and not isinstance(size, bool)
    if not whole and not isinstance(size, float | np.floating):
        raise SettingError(
            f"a size must be a share of the pixels, as 0.05, or a number of pixels; got {size!r}"
        )
    pixels = int(size) if whole else round(float(size) * n_pixels) if 0 < size < 1 else 0
    if not whole and not 0 < size < 1:
        raise SettingError(
            f"a share of the pixels lies between 0 and 1, got {number(float(size))}; a number of pixels is "
            "whole, as 20"
        )
    if not 1 <= pixels < n_pixels:
        what = f"{pixels} pixels" if whole else f"a share of {number(float(size))}, {pixels} pixels"
        raise SettingError(f"a set has 1 to {n_pixels - 1} of {n_pixels} pixels here, got {what}")
    return pixels


def _check_unused(options: Options) -> None:
    """Refuse what has no use with sets of pixels."""
    plain = Options()
    unused = ("groups", "restriction", "search", "keep_table", "tolerate", "stability")
    given = [name for name in unused if getattr(options, name) != getattr(plain, name)]
    given += ["confidence"] * (options.question.confidence is not None)
    if given:
        raise SettingError(
            f"{given[0]} has no use with sets of pixels; leave it out, or take patches: Images(8)"
        )
    if options.constraints.given:
        raise SettingError(
            f"{', '.join(options.constraints.given)} has no use with sets of pixels; take patches: Images(8)"
        )
    if options.criterion != "sne":
        raise SettingError(
            'sets of pixels are found by criterion="sne"; for the probability of being a cause take patches, '
            "Images(8), or `onlyif.searches.ascent.ascend`"
        )
    if not isinstance(distance_of(options.distance), AbsoluteDistance):
        raise SettingError('sets of pixels are compared by distance="absolute"')


def _predictor(model: Any, options: Options, x: Tensor) -> DifferentiablePredictor:
    if isinstance(model, DifferentiablePredictor):
        return model
    output = output_of(options.output)
    if isinstance(model, nn.Module):
        if isinstance(output, AutoOutput | ProbabilityOutput):
            read = reading_of(model, x[:TRIED], SAY).transform
            return differentiable_module(model, read, "probability")
        if isinstance(output, ValueOutput):
            return differentiable_module(model)
        raise SettingError(
            'of a network "probability" (the default) or "value" is explained by sets of pixels'
        )
    if callable(model) and isinstance(output, AutoOutput | ValueOutput):
        return DifferentiablePredictor(model)
    raise SettingError(
        "sets of pixels need a torch.nn.Module or a function of torch tensors, with gradients, got a "
        f"{type(model).__name__} with output {options.output!r}; patches need none: modality=Images(8)"
    )


def _counted(predictor: DifferentiablePredictor, meter: Meter) -> DifferentiablePredictor:
    function: Callable[[Tensor], Tensor] = predictor.function

    def counted_function(batch: Tensor) -> Tensor:
        meter.receive(len(batch))
        meter.count(len(batch))
        return function(batch)

    return replace(predictor, function=counted_function)


def _targets(target: Any, outputs: Tensor) -> Int64[Tensor, "b"]:
    if target is None:
        return outputs.argmax(1).cpu()
    given = np.asarray(on_host(target) if hasattr(target, "ndim") else target)
    if given.dtype.kind not in "iu" or given.ndim > 1 or (given.ndim and len(given) != len(outputs)):
        raise SettingError(
            f"a target is the number of an output, or one an image ({len(outputs)} here); got {target!r}"
        )
    return torch.from_numpy(np.broadcast_to(given, (len(outputs),)).astype(np.int64))


def _settings(options: Options, n_sizes: int, alpha: float, n_fillings: int) -> SizedSettings:
    assert isinstance(options.modality, Images)
    usual = pixel_settings() if options.modality.regions == "pixels" else region_settings()
    looked = 2 * n_fillings * len(KINDS) * (COARSE_LOOKS + FINE_LOOKS)
    return usual.within(
        max(0, options.budget - looked) // min(n_fillings, MOST_SEARCHED), n_sizes, _sides(alpha)
    )


def _sides(alpha: float) -> int:
    """How often each size of an image is asked for: kept, hidden, and both where α lies between."""
    return len(KINDS) + (0 if alpha in KINDS.values() else 2)


def _provenance(
    predictor: DifferentiablePredictor,
    options: Options,
    filled: FilledImages,
    settings: SizedSettings,
    sizes: tuple[int, ...],
) -> Provenance:
    distance = distance_of(options.distance).kind
    return Provenance(
        criterion="sne",
        predictor=predictor.meaning.model,
        output=predictor.meaning.output,
        search=settings.sentence,
        seed=options.seed,
        versions=(("onlyif", __version__), ("torch", str(torch.__version__))),
        sentences={
            "reference": filled.sentence,
            "restriction": f"Mean over all {counted(filled.fillings.shape[1], 'image')} that hide pixels.",
            "distance": distance.name,
            "sizes": f"{', '.join(map(str, sizes))} pixels",
        },
        values={
            "is_metric": distance.is_metric,
            "of_decisions": distance.of_decisions,
            "max_rows": options.max_rows,
            "budget": options.budget,
        },
    )


def _taken(gaps: BlendedGaps, numbers: Tensor) -> BlendedGaps:
    where = numbers.to(gaps.x.device)
    return replace(
        gaps,
        x=gaps.x[where],
        fillings=gaps.fillings[where] if len(gaps.fillings) > 1 else gaps.fillings,
        target=gaps.target[where],
        full=gaps.full[where],
        base=gaps.base[where],
    )


def _tensor(array: Any) -> Tensor:
    if isinstance(array, Tensor):
        return array.detach()
    try:
        return torch.from_numpy(np.require(array, requirements=["C", "W"]))
    except TypeError as error:
        raise InputError(
            f"need images as numpy arrays or torch tensors, got {type(array).__name__}"
        ) from error
