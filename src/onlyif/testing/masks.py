"""Small explanations of images by masks with given numbers: for tests, documentation and pictures."""

import numpy as np
from jaxtyping import Float

from onlyif.explanation.explanation import Explanation, Provenance
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.pixels import PixelNames
from onlyif.explanation.selection import Measure, gap_selection

PROVENANCE = Provenance(
    criterion="soft sne",
    predictor="a net",
    output="probability",
    search="relaxed",
    seed=0,
    versions=(("onlyif", "0.1.0"),),
    sentences={"reference": "Black.", "cut": "players with S >= 0.5"},
    values={"n_fresh": 100},
)


def example_mask(soft: Float[np.ndarray, "h w"], alpha: float, row: int = 0) -> Explanation:
    """The explanation of an image whose set is where the soft mask is at least a half.

    Args:
        soft: The soft mask.
        alpha: α.
        row: Number of the image.
    """
    names = PixelNames(*soft.shape)
    players = tuple(np.flatnonzero(soft >= 0.5).tolist())
    gaps = Measure(0.125, 0.01), Measure(0.25, 0.01)
    return Explanation(
        row=row,
        names=names,
        values=(),
        target=2,
        target_label="output 2",
        prediction=0.75,
        base=0.5,
        base_stderr=0.0,
        sets={"unified": gap_selection(players, names, gaps)},
        provenance=PROVENANCE,
        scores={"soft": soft},
        measures={
            "soft_sufficiency": gaps[0],
            "soft_necessity": gaps[1],
            "objective": Measure(0.375),
        },
        settings={"alpha": alpha, "steps": 10},
        model_rows=400,
    )


def example_masks() -> Explanations:
    """One image of 2 x 4 pixels at α = 0, .5 and 1."""
    ramp = np.arange(8.0).reshape(2, 4) / 8
    return Explanations(tuple(example_mask(np.abs(ramp - alpha), alpha) for alpha in (0.0, 0.5, 1.0)))
