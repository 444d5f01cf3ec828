"""Images that are explained by sets of pixels, block by block."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Int64
from torch import Tensor
from typing_extensions import override

from onlyif.core.errors import SettingError
from onlyif.core.labels import Row
from onlyif.core.progress import Meter
from onlyif.core.shapes import Instances
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.pixels import picture_of
from onlyif.searches.sized import SizedSettings
from onlyif.searches.starts import SearchStart
from onlyif.setup.forecast import Forecast
from onlyif.setup.run import Run

# Rows of a call whose graph is held, and pixels of proposals that are held at once.
MOST_ROWS, PIXELS_AT_ONCE = 1024, 1 << 24
TRAINED_ON = (
    "this image is one of those that the learned explainer was trained on: how good it is on others it does "
    "not show"
)


class SizedWork(ABC):
    """All images of a call, with what is asked of them."""

    @abstractmethod
    def explained(self, numbers: Int64[Tensor, "p"], meter: Meter) -> tuple[Explanation, ...]:
        """The explanations of some images.

        Args:
            numbers: Which.
            meter: What counts the work, and knows when time is up.
        """


@final
@dataclass(frozen=True, eq=False)
class SizedRun(Run):
    """All images of a call, explained block by block.

    Args:
        work: What is asked of the images.
        images: The images.
        titles: What each image is called.
        at_once: How many images are explained together.
        counted_by: What counts the work.
        begins: What the search begins with; None is all pixels alike.
    """

    work: SizedWork
    images: Instances
    titles: tuple[Row, ...]
    at_once: int
    counted_by: Meter
    begins: SearchStart | None = None

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
    def labels(self) -> tuple[Row, ...]:
        return self.titles

    @override
    def forecast(self) -> Forecast:
        raise SettingError("estimate has no use with sets of pixels; try one image, and look at model_rows")

    @override
    def parts(self, start: int = 0, jobs: int = 1) -> Iterator[Explanations]:
        if jobs != 1:
            raise SettingError(f"n_jobs has no use with sets of pixels, got {jobs}: images share model calls")
        for numbers in torch.split(torch.arange(start, len(self)), self.at_once):
            if int(numbers[0]) > start and self.meter.left_s <= 0:
                return
            yield Explanations(self._block(numbers))

    def _block(self, numbers: Int64[Tensor, "p"]) -> tuple[Explanation, ...]:
        started, meter = time.perf_counter(), self.meter
        items = self.work.explained(numbers, meter)
        meter.end()
        share, rest = divmod(meter.block_rows, len(items))
        seconds = (time.perf_counter() - started) / len(items)
        x = self.images[numbers.to(self.images.device)]
        known = [False] * len(items) if self.begins is None else self.begins.knows(x).tolist()
        return tuple(
            replace(
                item,
                seconds=seconds,
                asked_rows=share + (i < rest),
                check_rows=meter.check_rows,
                notes=(*item.notes, *([TRAINED_ON] if known[i] else ())),
                details=replace(item.details, picture=picture_of(x[i])),
            )
            for i, item in enumerate(items)
        )


def images_at_once(settings: SizedSettings, n_sets: int, images: Instances, max_rows: int) -> int:
    """How many images are explained together: memory bounds them, and a step is to be one model call.

    Args:
        settings: How sets are looked for.
        n_sets: How many sets are looked for in an image: of all sizes and α.
        images: The images.
        max_rows: Most rows of one model call.
    """
    held: int = n_sets * settings.swaps.proposals * math.prod(images.shape[-2:])
    return max(1, min(PIXELS_AT_ONCE // held, max_rows // n_sets))
