"""Pictures of explanations: each takes an Axes and returns it.

The names in `__all__` are public; each is loaded when it is first used.
"""

from typing import TYPE_CHECKING, Any

from onlyif.core.extras import check_installed, public_name

if TYPE_CHECKING:
    from onlyif.plots.beeswarm import plot_beeswarm as plot_beeswarm
    from onlyif.plots.causes import plot_causes as plot_causes
    from onlyif.plots.causes import plot_path as plot_path
    from onlyif.plots.continuum import plot_continuum as plot_continuum
    from onlyif.plots.curves import plot_stability as plot_stability
    from onlyif.plots.graph import plot_edge_mask as plot_edge_mask
    from onlyif.plots.graph import plot_edge_sets as plot_edge_sets
    from onlyif.plots.image import plot_image_sets as plot_image_sets
    from onlyif.plots.image import plot_kept_and_hidden as plot_kept_and_hidden
    from onlyif.plots.image import plot_mask_montage as plot_mask_montage
    from onlyif.plots.image import plot_masks as plot_masks
    from onlyif.plots.plane import plot_plane as plot_plane
    from onlyif.plots.summary import plot_summary as plot_summary
    from onlyif.plots.tabular import plot_explanation as plot_explanation
    from onlyif.plots.threshold_curves import plot_threshold_curves as plot_threshold_curves
    from onlyif.plots.waterfall import plot_waterfall as plot_waterfall

_FILES = {
    "plot_beeswarm": "beeswarm",
    "plot_causes": "causes",
    "plot_continuum": "continuum",
    "plot_edge_mask": "graph",
    "plot_edge_sets": "graph",
    "plot_explanation": "tabular",
    "plot_image_sets": "image",
    "plot_kept_and_hidden": "image",
    "plot_mask_montage": "image",
    "plot_masks": "image",
    "plot_path": "causes",
    "plot_plane": "plane",
    "plot_stability": "curves",
    "plot_summary": "summary",
    "plot_threshold_curves": "threshold_curves",
    "plot_waterfall": "waterfall",
}
__all__ = sorted(_FILES)  # noqa: PLE0605 - one list of names

check_installed("matplotlib", "plots", "drawing explanations")


def __getattr__(name: str) -> Any:
    return public_name(__name__, _FILES, name)


def __dir__() -> list[str]:
    return __all__
