"""What every metric promises, as checks."""

from collections.abc import Callable

import torch
from torch import Tensor

from onlyif.core.errors import InputError
from onlyif.metrics.base import Explainer, ExplainerMetric, MapMetric, Question
from onlyif.metrics.measured import Measured
from onlyif.models.base import Predictor

TOLERANCE = 1e-7


def check_mapmetric(metric: MapMetric, maps: Tensor, predictor: Predictor, x: Tensor, target: Tensor) -> None:
    """The contract of `MapMetric`.

    Args:
        metric: The member, with settings that are shared by all instances.
        maps: Maps that are valid for it, one an instance and not all alike.
        predictor: A model that answers each row by itself, best in float64.
        x: At least two instances.
        target: The explained output of each.

    Raises:
        AssertionError: if the member breaks its contract.

    Example:
        >>> from onlyif.metrics.sparseness import Sparseness
        >>> from onlyif.models.function import FunctionPredictor
        >>> x = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
        >>> total = FunctionPredictor(lambda batch: batch.sum(1))
        >>> check_mapmetric(Sparseness(), x, total, x, torch.tensor([0, 0]))
    """
    _check_question(metric.question)
    before = [each.clone() for each in (maps, x, target)]

    def measured(rows: Tensor) -> Measured:
        return metric.measure(maps[rows], predictor, x[rows], target[rows])

    _check_values(measured, len(x))
    metric.measure(maps, predictor, x, target)
    _need(
        all(torch.equal(one, other) for one, other in zip(before, (maps, x, target), strict=True)),
        "maps, x and target must not be changed",
    )
    _refuses(lambda: metric.measure(maps[:, :1], predictor, x, target), "maps of another shape")
    _refuses(lambda: metric.measure(maps * torch.nan, predictor, x, target), "maps with NaN")
    _refuses(lambda: metric.measure(maps[:0], predictor, x[:0], target[:0]), "no instances")
    _refuses(lambda: metric.measure(maps, predictor, x, target[:1]), "a target too few")


def check_explainermetric(metric: ExplainerMetric, explainer: Explainer, x: Tensor, target: Tensor) -> None:
    """The contract of `ExplainerMetric`.

    Args:
        metric: The member, with settings that are shared by all instances.
        explainer: An explainer that explains each row by itself, best in float64.
        x: At least two instances.
        target: The explained output of each.

    Raises:
        AssertionError: if the member breaks its contract.

    Example:
        >>> from onlyif.metrics.max_sensitivity import MaxSensitivity
        >>> from onlyif.metrics.perturbations import MaxNormBall
        >>> x = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
        >>> square = lambda rows, target: rows.square()
        >>> check_explainermetric(MaxSensitivity(MaxNormBall(0.1)), square, x, torch.tensor([0, 0]))
    """
    _check_question(metric.question)
    before = [each.clone() for each in (x, target)]
    _check_values(lambda rows: metric.measure(explainer, x[rows], target[rows]), len(x))
    metric.measure(explainer, x, target)
    _need(torch.equal(x, before[0]) and torch.equal(target, before[1]), "x and target must not be changed")
    _refuses(lambda: metric.measure(lambda rows, _: rows[:, :1], x, target), "maps of another shape")
    _refuses(lambda: metric.measure(lambda rows, _: rows * torch.nan, x, target), "maps with NaN")
    _refuses(lambda: metric.measure(explainer, x[:0], target[:0]), "no instances")
    _refuses(lambda: metric.measure(explainer, x, target[:1]), "a target too few")


def _check_question(question: Question) -> None:
    _need(question.sentence.endswith("?"), f"a metric asks a question, got {question.sentence!r}")
    _need(bool(question.won_by.strip()), "a metric says which trivial map wins it")


def _check_values(measured: Callable[[Tensor], Measured], b: int) -> None:
    """Values are numbers, repeat, and depend on no other instance."""
    _need(b > 1, "give two instances")
    state = torch.random.get_rng_state()
    everyone = torch.arange(b)
    found = measured(everyone)
    _need(torch.equal(state, torch.random.get_rng_state()), "the global random state must be left alone")
    _need(found.values.shape == (b,), f"need {b} values, got {tuple(found.values.shape)}")
    _need(found.values.dtype == torch.float64, "values are in float64")
    _need(bool(found.values.isfinite().all()), "values must be finite")
    if found.by_draw is not None:
        _need(_same(found.by_draw.mean(1), found.values), "values must be the means over their draws")
    _need(torch.equal(measured(everyone).values, found.values), "values must repeat")
    turned = everyone.flip(0)
    _need(_same(measured(turned).values, found.values[turned]), "the order of instances matters")
    for i in range(b):
        alone = measured(everyone[i : i + 1]).values
        _need(_same(alone, found.values[i : i + 1]), "a value depends on the other instances")


def _refuses(call: Callable[[], Measured], what: str) -> None:
    try:
        call()
    except InputError:
        return
    raise AssertionError(f"{what} must be refused with an InputError")


def _same(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE)


def _need(right: bool, message: str) -> None:
    if not right:
        raise AssertionError(message)
