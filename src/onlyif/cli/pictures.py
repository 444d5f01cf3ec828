"""A picture a row, saved beside the explanations."""

import io
import re
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from onlyif.core.errors import StorageError
from onlyif.core.whole_files import write_whole
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.explanations import Explanations
from onlyif.plots.causes import plot_causes, plot_path
from onlyif.plots.continuum import plot_continuum
from onlyif.plots.tabular import plot_explanation

DPI = 110
_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"\x00\x00\x00\x00IEND\xaeB`\x82"


def save_pictures(found: Explanations, folder: Path, first: int) -> None:
    """The sets of every explanation and its continuum, or the features' PNS, as PNG files.

    Args:
        found: The explanations.
        folder: Where they go.
        first: Number of the first of them in the run; files are numbered.

    Raises:
        StorageError: if one cannot be written.
    """
    for i in range(len(found)):
        _save(found[i], _place(found[i], folder, first + i))


def save_missing_pictures(found: Explanations, folder: Path) -> None:
    """The pictures that a run before did not come to, or that are not whole.

    Args:
        found: All explanations of the run so far.
        folder: Where the pictures are.

    Raises:
        StorageError: if one cannot be written.
    """
    for i in range(len(found)):
        place = _place(found[i], folder, i)
        if not _is_whole(place):
            _save(found[i], place)


def save_figure(figure: Figure, path: Path, dpi: int = DPI) -> None:
    """A figure as a PNG file that is there whole or not at all.

    Raises:
        StorageError: if it cannot be written.
    """
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi, bbox_inches="tight")
    try:
        write_whole(path, drawn.getvalue())
    except OSError as error:
        raise StorageError(f"cannot write the picture {path}: {error}") from error


def _place(item: Explanation, folder: Path, count: int) -> Path:
    label = re.sub(r"[^\w.-]+", "_", str(item.row))[:40]
    return folder / f"row-{count:06d}-{label}.png"


def _is_whole(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(len(_PNG_START))
            file.seek(0, 2)
            file.seek(max(0, file.tell() - len(_PNG_END)))
            return start == _PNG_START and file.read() == _PNG_END
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StorageError(f"cannot read the picture {path}: {error}") from error


def _save(item: Explanation, path: Path) -> None:
    n_shown = min(len(item.names), 20)
    figure = Figure(figsize=(18, 4.5 + 0.35 * n_shown))
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, gridspec_kw={"wspace": 0.4})
    if item.details.singles:
        plot_causes(item, left)
        plot_path(item, right)
    elif item.details.continua is not None:
        plot_explanation(item, left)
        plot_continuum(item, right)
    else:
        plot_explanation(item, left)
        right.set_axis_off()
    save_figure(figure, path)
