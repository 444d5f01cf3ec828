"""From a network and images to nested sets of pixels of given sizes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor
from typing_extensions import override

from onlyif.answers.case import SetQuestion
from onlyif.answers.own import OwnCriterion
from onlyif.answers.sized import KINDS, SizedTask
from onlyif.core.arrays import on_host
from onlyif.core.errors import SettingError
from onlyif.core.labels import Row
from onlyif.core.nouns import counted
from onlyif.core.progress import Meter
from onlyif.criteria.blended import BlendedGaps
from onlyif.criteria.distances import AbsoluteDistance
from onlyif.explanation.explanation import Explanation, Provenance
from onlyif.explanation.layout import number
from onlyif.modalities.images import Images
from onlyif.searches.ranked import COARSE_LOOKS, FINE_LOOKS
from onlyif.searches.sized import SizedSearch, SizedSettings, cause_settings, pixel_settings, region_settings
from onlyif.searches.starts import SearchStart
from onlyif.setup.image_gaps import MOST_SEARCHED, image_gaps, searched_gaps, taken
from onlyif.setup.instances import FilledImages, filled_images
from onlyif.setup.options import Options, criterion_of, distance_of
from onlyif.setup.sized_run import SizedRun, SizedWork, images_at_once
from onlyif.version import __version__

# Sizes that every search asks for, as shares: small and large ones help each other, and smallest sets within
# ε may be of any.
USUAL_SHARES = (0.01, 0.02, 0.05, 0.1, 0.2)


@final
@dataclass(frozen=True, eq=False)
class SizedGaps(SizedWork):
    """Images of which sufficient and necessary sets are looked for.

    Args:
        gaps: The gaps of all images.
        sizes: The sizes in pixels, the smallest first.
        settings: How they are looked for.
        question: What is asked.
        provenance: What was chosen.
        target_labels: The name of each image's explained output.
        titles: What each image is called.
        seed: Of the search.
        begins: What the search begins with; None is all pixels alike.
    """

    gaps: BlendedGaps
    sizes: tuple[int, ...]
    settings: SizedSettings
    question: SetQuestion
    provenance: Provenance
    target_labels: tuple[str, ...]
    titles: tuple[Row, ...]
    seed: int
    begins: SearchStart | None = None

    @override
    def explained(self, numbers: Int64[Tensor, "p"], meter: Meter) -> tuple[Explanation, ...]:
        gaps = taken(self.gaps, numbers)
        searched = searched_gaps(gaps)
        planned = self.settings.rows(len(self.sizes), _sides(self.question.alpha))
        meter.begin(len(numbers), planned * int(searched.fillings.shape[1]) * len(numbers))
        return SizedTask(
            SizedSearch(
                searched, self.sizes, self.settings, self.seed, lambda: meter.left_s > 0, self.begins
            ),
            gaps, self.question, [self.titles[i] for i in numbers.tolist()],
            [self.target_labels[i] for i in numbers.tolist()], self.provenance, lambda: meter.left_s <= 0,
        ).explanations()  # fmt: skip


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
    gaps = image_gaps(model, filled, options, meter)
    n_pixels = math.prod(gaps.plane)
    chosen = sizes_of(size, n_pixels)
    begins = options.search if isinstance(options.search, SearchStart) else None
    if begins is not None:
        begins.check(gaps.x)
    asked = Sought(gaps, filled, options, chosen, all_sizes(chosen, n_pixels), begins)
    causes = criterion_of(options.criterion)
    if causes is not None:
        # What tests causes is imported for it alone.
        setup = import_module("onlyif.setup.sized_causes")
        return _run(asked, setup.sized_causes(asked, causes), setup.ROWS_A_LOOK, meter)
    return _run(asked, _sized_gaps(asked, size), len(KINDS) + 1, meter)


def _run(asked: "Sought", work: SizedWork, n_a_size: int, meter: Meter) -> SizedRun:
    n_sets, gaps = n_a_size * len(asked.sizes), asked.gaps
    at_once = images_at_once(asked.usual_settings, n_sets, gaps.x, gaps.max_rows)
    return SizedRun(work, gaps.x, asked.titles, at_once, meter, asked.begins)


@final
@dataclass(frozen=True, eq=False)
class Sought:
    """Images, and sets that are looked for in them.

    Args:
        gaps: The model, the images, the targets and what hides.
        filled: The same as the user gave it.
        options: All that can be chosen.
        chosen: The sizes that are asked for, in pixels.
        sizes: Those that are looked for.
        begins: What the search begins with.
    """

    gaps: BlendedGaps
    filled: FilledImages
    options: Options
    chosen: tuple[int, ...]
    sizes: tuple[int, ...]
    begins: SearchStart | None

    @property
    def usual_settings(self) -> SizedSettings:
        """How sets are looked for, whatever the budget."""
        images = self.options.modality
        assert isinstance(images, Images)
        usual = pixel_settings() if images.regions == "pixels" else region_settings()
        usual = usual if criterion_of(self.options.criterion) is None else cause_settings(usual)
        return usual if self.begins is None else usual.repair

    @property
    def target_labels(self) -> tuple[str, ...]:
        """The name of each image's explained output."""
        images = self.options.modality
        assert isinstance(images, Images)
        return tuple(images.class_name(i) for i in self.gaps.target.tolist())

    @property
    def titles(self) -> tuple[Row, ...]:
        """What each image is called."""
        images = self.options.modality
        assert isinstance(images, Images)
        return tuple(images.title(i, len(self.gaps)) for i in range(len(self.gaps)))

    def provenance(
        self, criterion: str, settings: SizedSettings, sentences: dict[str, str], values: dict[str, Any]
    ) -> Provenance:
        """Where the explanations come from.

        Args:
            criterion: "sne" or "pns".
            settings: How sets are looked for.
            sentences: What the criterion chose.
            values: Its numbers.
        """
        meaning, options = self.gaps.predictor.meaning, self.options
        start = {} if self.begins is None else {"start": self.begins.sentence}
        return Provenance(
            criterion=criterion,
            predictor=meaning.model,
            output=meaning.output,
            search=settings.sentence,
            seed=options.seed,
            versions=(("onlyif", __version__), ("torch", str(torch.__version__))),
            sentences={**sentences, "sizes": f"{', '.join(map(str, self.sizes))} pixels", **start},
            values={**values, "max_rows": options.max_rows, "budget": options.budget},
        )


def all_sizes(chosen: tuple[int, ...], n_pixels: int) -> tuple[int, ...]:
    """The sizes that are asked for and the usual ones.

    Args:
        chosen: Those that are asked for.
        n_pixels: The number of pixels.
    """
    usual = sizes_of([share for share in USUAL_SHARES if share * n_pixels >= 1] or None, n_pixels)
    return tuple(sorted({*chosen, *usual}))


def _sized_gaps(asked: Sought, size: Any) -> SizedGaps:
    options, fillings, kind = asked.options, asked.filled.fillings, distance_of(asked.options.distance).kind
    n_fillings = int(fillings.shape[1])
    settings = _within(options, asked, n_fillings)
    made = asked.provenance(
        "sne",
        settings,
        {
            "reference": asked.filled.sentence,
            "restriction": f"Mean over all {counted(n_fillings, 'image')} that hide pixels.",
            "distance": kind.name,
        },
        {"is_metric": kind.is_metric, "of_decisions": kind.of_decisions},
    )
    question = replace(options.question, size=None if size is None else asked.chosen[-1])
    return SizedGaps(
        asked.gaps, asked.sizes, settings, question, made, asked.target_labels, asked.titles, options.seed,
        asked.begins,
    )  # fmt: skip


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
    unused = ("groups", "restriction", "keep_table", "tolerate", "stability")
    given = [name for name in unused if getattr(options, name) != getattr(plain, name)]
    given += ["search"] * (options.search is not None and not isinstance(options.search, SearchStart))
    given += ["confidence"] * (options.question.confidence is not None)
    if given:
        raise SettingError(
            f"{given[0]} has no use with sets of pixels; leave it out, or take patches: Images(8)"
        )
    if options.constraints.given:
        raise SettingError(
            f"{', '.join(options.constraints.given)} has no use with sets of pixels; take patches: Images(8)"
        )
    if isinstance(options.criterion, OwnCriterion):
        raise SettingError(
            f"the criterion {options.criterion.name!r} has no gradient, which sets of pixels are found by; "
            "take patches: Images(8)"
        )
    if not isinstance(distance_of(options.distance), AbsoluteDistance):
        raise SettingError('sets of pixels are compared by distance="absolute"')


def _within(options: Options, asked: Sought, n_fillings: int) -> SizedSettings:
    n_alphas = len({*KINDS.values(), options.question.alpha})
    # With nothing, with everything, and the unified set's complement.
    n_looked = 3 + n_alphas * len(asked.sizes) + len(KINDS) * (COARSE_LOOKS + FINE_LOOKS)
    looked = 2 * n_fillings * n_looked
    return asked.usual_settings.within(
        max(0, options.budget - looked) // min(n_fillings, MOST_SEARCHED),
        len(asked.sizes),
        _sides(options.question.alpha),
    )


def _sides(alpha: float) -> int:
    """How often each size of an image is asked for: kept, hidden, and both where α lies between."""
    return len(KINDS) + (0 if alpha in KINDS.values() else 2)
