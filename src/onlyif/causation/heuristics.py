"""The heuristics of FANS: the boundary b, the threshold c, and a random baseline x'."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from onlyif.causation.change import Change
from onlyif.core.arrays import doubled, like, namespace, on_host
from onlyif.core.errors import ModelError, SettingError
from onlyif.core.seeds import generator
from onlyif.core.shapes import Instances
from onlyif.engine.engine import outputs_of, slices
from onlyif.models.base import Predictor

N_REPEATS = 4


def scott_boundary(n: int, d: int) -> float:
    """b by Scott's rule, 1.06 · n^(-1 / (4 + d)); the exponent's sign is corrected.

    It is meant for entries of unit spread: scale others by their standard deviations.

    Args:
        n: Size of E.
        d: Entries of an input.

    Raises:
        SettingError: unless n >= 1 and d >= 1.

    Example:
        >>> round(scott_boundary(100, 1), 4)
        0.422

    References:
        [chen2024] section 4.6.
    """
    if n < 1 or d < 1:
        raise SettingError(f"Scott's rule needs n >= 1 and d >= 1, got n={n} and d={d}")
    return float(1.06 * n ** (-1.0 / (4 + d)))


def noise_threshold(
    predictor: Predictor,
    rows: Instances,
    change: Change,
    *,
    sigma: float = 0.001,
    floor: float = 1e-6,
    noisy: Bool[np.ndarray, "*x"] | None = None,
    max_rows: int = 16_384,
    seed: int = 0,
) -> float:
    """c: the largest change of a prediction under noise so weak that nothing should change.

    The larger of the floor and max |f(x) - f(x + ε)| over inputs x and noise ε ~ N(0, σ² I). For a
    model in whose output only large changes matter, give a c of your own instead.

    Args:
        predictor: The model f.
        rows: The inputs.
        change: How a change is read; for one instance, or one for all.
        sigma: σ, in the units of the inputs.
        floor: The least c, above the rounding of the model.
        noisy: Which entries get noise (not the codes of categories); None is all.
        max_rows: Most rows of one model call.
        seed: Seed of the noise.

    Raises:
        SettingError: unless sigma > 0, floor > 0 and max_rows >= 1, without inputs, or if the outputs are
            only ever 0 and 1.
        ModelError: if the model answers the same for all inputs.

    References:
        [chen2024] section 4.6.
    """
    if not len(rows) or max_rows < 1:
        raise SettingError(f"need at least one input and max_rows >= 1, got {len(rows)} and {max_rows}")
    if not sigma > 0 or not floor > 0:
        raise SettingError(f"need sigma > 0 and floor > 0, got sigma={sigma} and floor={floor}")
    where = np.ones(rows.shape[1:]) if noisy is None else noisy
    xp, largest, seen = namespace(rows), 0.0, []
    with predictor.opened() as opened:
        for taken in slices(len(rows), max_rows):
            part = xp.astype(rows[taken], xp.result_type(rows.dtype, xp.float32), copy=False)
            base = outputs_of(opened, part, max_rows)
            seen.append(base)
            for noise in _noises(part.shape, taken.start, seed):
                noisy_part = part + like(sigma * noise * where, part)
                moved = outputs_of(opened, noisy_part, max_rows)
                found = change.between(moved[None, None, :, None], base[None])
                largest = max(largest, float(found.max()))
    _check_outputs(np.concatenate(seen))
    return max(largest, floor)


def _noises(shape: Sequence[int], first: int, seed: int) -> Float64[np.ndarray, "repeats n *x"]:
    """Standard normal noise that depends on the row's number, not on how rows are split."""
    n, *entries = shape
    drawn = [generator(seed, "threshold noise", first + row) for row in range(n)]
    return np.stack([each.standard_normal((N_REPEATS, *entries)) for each in drawn], axis=1)


def _check_outputs(outputs: Float64[np.ndarray, "n k"]) -> None:
    """Refuse models for which the rule says nothing."""
    if len(outputs) > 1 and (outputs == outputs[0]).all():
        raise ModelError(
            f"the model gives the same answer to all {len(outputs)} inputs of E: no subset causes anything, "
            "PNS is 0 for all of them; need a model or a sample whose predictions differ"
        )
    if ((outputs == 0) | (outputs == 1)).all():
        raise SettingError(
            "the model's outputs are only 0 and 1, for which the rule of c gives 0 or 1 and nothing between; "
            "give c, say 0.5, or explain the model's probabilities"
        )


def uniform_baseline(
    shape: Sequence[int], *, low: float = 0.0, high: float = 1.0, seed: int = 0
) -> Float32[np.ndarray, "1 *x"]:
    """x' for images: one draw of uniform noise, shared by all instances.

    Args:
        shape: Of one image.
        low: Smallest value of a raw pixel.
        high: Largest value of a raw pixel, before any normalisation.
        seed: Seed of the draw.

    Raises:
        SettingError: unless low < high.

    Example:
        >>> uniform_baseline((1, 8, 8)).shape
        (1, 1, 8, 8)
    """
    if not low < high:
        raise SettingError(f"need low < high for a uniform baseline, got low={low} and high={high}")
    return generator(seed, "uniform baseline").uniform(low, high, (1, *shape)).astype(np.float32)


def entry_scale(rows: Instances) -> Float64[np.ndarray, "*x"]:
    """The standard deviation of each entry over a background; 1 where it is constant.

    Args:
        rows: The background.
    """
    spread = doubled(rows).std(0)
    return np.where(spread > 0, spread, 1.0)


def predicted_targets(predictor: Predictor, x: Instances, max_rows: int = 16_384) -> Int64[np.ndarray, "b"]:
    """The largest output of each instance.

    Args:
        predictor: The model f.
        x: The instances.
        max_rows: Most rows of one model call.
    """
    outputs = (predictor.predict(x[part]) for part in slices(len(x), max_rows))
    return np.concatenate([on_host(each).argmax(1) for each in outputs])
