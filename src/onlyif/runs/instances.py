"""A run over instances that are no rows of a table: pieces whose players have the same names, one by one."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, final

from typing_extensions import override

from onlyif.core.labels import Row
from onlyif.core.progress import Meter
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.pixels import picture_of
from onlyif.modalities.graphs import EdgeModality
from onlyif.modalities.images import ImageModality
from onlyif.modalities.rendered import RenderedRows
from onlyif.runs.rows import explained
from onlyif.setup.forecast import Forecast, forecast_of, joined_forecasts
from onlyif.setup.foundation import Source
from onlyif.setup.instances import pieces_of
from onlyif.setup.options import Options
from onlyif.setup.prepare import prepare
from onlyif.setup.run import Run
from onlyif.setup.work import Work


@final
@dataclass(frozen=True, eq=False)
class InstancesRun(Run):
    """All instances of a call; each piece is prepared when it is its turn.

    Args:
        model: The model.
        pieces: The instances in pieces, with the options of each.
        counted_by: What counts the work.
    """

    model: Any
    pieces: tuple[tuple[RenderedRows, Options], ...]
    counted_by: Meter

    noun = "instance"

    @property
    @override
    def labels(self) -> tuple[Row, ...]:
        return tuple(label for rows, _ in self.pieces for label in rows.labels)

    @property
    @override
    def meter(self) -> Meter:
        return self.counted_by

    @property
    @override
    def backend(self) -> str:
        return ""

    @override
    def parts(self, start: int = 0, jobs: int = 1) -> Iterator[Explanations]:
        first = 0
        for number, (rows, options) in enumerate(self.pieces):
            if number and self.meter.left_s <= 0:
                return
            begun = max(start - first, 0)
            if begun < len(rows):
                for part in explained(self._work(rows, options), begun, jobs):
                    yield _illustrated(part, rows, begun)
                    begun += len(part)
            first += len(rows)

    @override
    def forecast(self) -> Forecast:
        return joined_forecasts([forecast_of(self._work(rows, options)) for rows, options in self.pieces])

    def _work(self, rows: RenderedRows, options: Options) -> Work:
        return prepare(self.model, rows, None, options, self.meter)


def _illustrated(part: Explanations, rows: RenderedRows, first: int) -> Explanations:
    """The same with their images, where instances are images of which each pixel is of one player.

    Args:
        part: Explanations of instances that follow each other.
        rows: All instances of their piece.
        first: The place of the first of them in it.
    """
    modality = rows.modality
    if not (isinstance(modality, ImageModality) and modality.regions.ndim == 3):
        return part
    numbers = rows.instances[first : first + len(part)]
    pictures = (picture_of(modality.images[i], modality.index(i)) for i in numbers)
    items = (
        replace(item, details=replace(item.details, picture=picture))
        for item, picture in zip(part, pictures, strict=True)
    )
    return replace(part, items=tuple(items))


def run_over(data: Any, source: Source, meter: Meter) -> InstancesRun:
    """A run over instances of a modality.

    Args:
        data: The instances.
        source: The model, the background, where the modality takes one, and what is asked, with a modality.
        meter: What counts the work, shows it, and ends it when time is up.

    Raises:
        InputError: if an instance is none of the modality's kind, or has no players.
        SettingError: if an option has no use with the modality.
    """
    pieces = pieces_of(data, source)
    if any(
        isinstance(rows.modality, EdgeModality) and rows.modality.masked is not None for rows, _ in pieces
    ):
        # What needs torch_geometric is imported for masked messages alone.
        pieces = import_module("onlyif.setup.edge_rankings").with_rankings(pieces, source.model, meter)
    return InstancesRun(source.model, tuple(pieces), meter)
