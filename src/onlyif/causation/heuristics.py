"""The heuristics of FANS: the boundary b, the threshold c, and a random baseline x'."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from onlyif.causation.asking import ask, slices
from onlyif.causation.change import Change
from onlyif.core.arrays import on_host
from onlyif.core.errors import ModelError, SettingError
from onlyif.core.precision import at_least_single, doubled
from onlyif.core.shapes import Instances
from onlyif.core.torch_seeds import torch_generator
from onlyif.predictors.base import Predictor

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
    noisy: Bool[Tensor, "*x"] | None = None,
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
    where_ = torch.ones(rows.shape[1:], dtype=torch.bool) if noisy is None else noisy
    largest, seen = 0.0, []
    with predictor.opened() as opened:
        for taken in slices(len(rows), max_rows):
            part = rows[taken].to(at_least_single(rows.dtype))
            # Copies, for an opened predictor may change its batch.
            base = ask(opened, part.clone())
            seen.append(base)
            for noise in _noises(part, taken.start, seed).unbind(1):
                moved = ask(opened, part + sigma * noise * where_.to(part))
                found = change.between(moved[None, None, :, None], base[None])
                largest = max(largest, float(found.max()))
    _check_outputs(torch.cat(seen))
    return max(largest, floor)


def _noises(part: Float[Tensor, "n *x"], first: int, seed: int) -> Float[Tensor, "n repeats *x"]:
    """Standard normal noise that depends on the row's number, not on how rows are split."""
    shape = (N_REPEATS, *part.shape[1:])
    drawn = [
        torch.randn(shape, generator=torch_generator(seed, "threshold noise", first + row), dtype=part.dtype)
        for row in range(len(part))
    ]
    return torch.stack(drawn).to(part.device)


def _check_outputs(outputs: Float[Tensor, "n k"]) -> None:
    """Refuse models for which the rule says nothing."""
    if len(outputs) > 1 and bool((outputs == outputs[0]).all()):
        raise ModelError(
            f"the model gives the same answer to all {len(outputs)} inputs of E: no subset causes anything, "
            "PNS is 0 for all of them; need a model or a sample whose predictions differ"
        )
    if bool(((outputs == 0) | (outputs == 1)).all()):
        raise SettingError(
            "the model's outputs are only 0 and 1, for which the rule of c gives 0 or 1 and nothing between; "
            "give c, say 0.5, or explain the model's probabilities"
        )


def uniform_baseline(
    shape: Sequence[int], *, low: float = 0.0, high: float = 1.0, seed: int = 0
) -> Float[Tensor, "1 *x"]:
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
        torch.Size([1, 1, 8, 8])
    """
    if not low < high:
        raise SettingError(f"need low < high for a uniform baseline, got low={low} and high={high}")
    uniform = torch.rand((1, *shape), generator=torch_generator(seed, "uniform baseline"))
    return low + (high - low) * uniform


def entry_scale(rows: Instances) -> Float[Tensor, "*x"]:
    """The standard deviation of each entry over a background; 1 where it is constant.

    Args:
        rows: The background.
    """
    spread = doubled(rows).std(0, unbiased=False)
    return torch.where(spread > 0, spread, 1.0)


def predicted_targets(predictor: Predictor, x: Instances, max_rows: int = 16_384) -> Int64[Tensor, "b"]:
    """The largest output of each instance.

    Args:
        predictor: The model f.
        x: The instances.
        max_rows: Most rows of one model call.
    """
    return torch.cat(
        [torch.from_numpy(on_host(predictor.predict(part))).argmax(1) for part in torch.split(x, max_rows)]
    )
