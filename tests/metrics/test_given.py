"""Metrics take maps and targets in the forms that users have them, or say what is wrong."""

import jaxtyping
import numpy as np
import pytest
import torch

from onlyif.core.errors import InputError
from onlyif.metrics.curves import threshold_curves
from onlyif.metrics.fidelity import FidelityMinus, FidelityPlus
from onlyif.metrics.fills import MeanFill
from onlyif.metrics.gaps import Hiding, set_gaps
from onlyif.metrics.infidelity import Infidelity
from onlyif.metrics.irof import IROF, grid_segments
from onlyif.metrics.max_sensitivity import MaxSensitivity
from onlyif.metrics.perturbations import MaxNormBall
from onlyif.metrics.sparseness import Sparseness
from onlyif.models.function import FunctionPredictor
from onlyif.references.baseline import BaselineReference

X = torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(0))
MAPS = torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(1))
TARGET = torch.tensor([0, 1, 0])
MODEL = FunctionPredictor(lambda rows: torch.stack([rows.mean((1, 2, 3)), rows.amax((1, 2, 3))], 1))
METRICS = [
    Infidelity(n_draws=4),
    Sparseness(),
    IROF(grid_segments(4, 4, 2)),
    FidelityPlus(MeanFill()),
    FidelityMinus(MeanFill()),
]
each = pytest.mark.parametrize("metric", METRICS, ids=lambda one: type(one).__name__)
FORMS = [
    TARGET.tolist(),
    tuple(TARGET.tolist()),
    TARGET.numpy(),
    TARGET.numpy().astype(np.uint8),
    TARGET.to(torch.uint8),
    TARGET.int(),
    TARGET.double(),
    TARGET.view(3, 1),
]
WRONG = [[0, 1], [0.5, 1, 0], ["0", "1", "0"], None, torch.tensor([0.0, torch.nan, 0.0]), [True, False, True]]


@pytest.fixture(autouse=True)
def untyped():
    """Annotations are checked in tests alone; what users hand over is not."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@each
def test_forms_of_one_target_and_map_have_one_value(metric):
    wanted = metric.measure(MAPS, MODEL, X, TARGET).values
    for target in FORMS:
        assert torch.equal(metric.measure(MAPS, MODEL, X, target).values, wanted)
    for maps in (MAPS.numpy(), MAPS.tolist(), MAPS.requires_grad_(False).numpy().astype(np.float64)):
        torch.testing.assert_close(metric.measure(maps, MODEL, X, TARGET).values, wanted)


@each
@pytest.mark.parametrize("target", WRONG, ids=str)
def test_targets_that_name_no_output_each_are_refused(metric, target):
    with pytest.raises(InputError):
        metric.measure(MAPS, MODEL, X, target)


@each
@pytest.mark.parametrize("maps", [None, "map", [["a"]], MAPS.to(torch.complex64), MAPS[:1], MAPS * torch.nan])
def test_maps_that_are_no_numbers_are_refused(metric, maps):
    with pytest.raises(InputError):
        metric.measure(maps, MODEL, X, TARGET)


def test_instances_that_are_no_tensor_are_refused():
    for metric in METRICS:
        with pytest.raises(InputError, match="need instances as a tensor, got a ndarray"):
            metric.measure(MAPS, MODEL, X.numpy(), TARGET)


def test_explainers_and_curves_too():
    hiding, scores = Hiding(BaselineReference(X[0])), MAPS[:, 0]
    sets = scores.unsqueeze(1) > 0.5
    sensitivity = MaxSensitivity(MaxNormBall(0.1), n_draws=2)
    wanted = (
        sensitivity.measure(lambda rows, target: rows.square(), X, TARGET).values,
        set_gaps(sets, MODEL, X, TARGET, hiding).sufficiency,
        threshold_curves(scores, MODEL, X, TARGET, hiding).sufficiency.values,
    )
    for target in FORMS:
        found = (
            sensitivity.measure(lambda rows, target: rows.square(), X, target).values,
            set_gaps(sets, MODEL, X, target, hiding).sufficiency,
            threshold_curves(scores.numpy(), MODEL, X, target, hiding).sufficiency.values,
        )
        assert all(map(torch.equal, found, wanted))
