"""Images of integers are measured as the same numbers in floating point, or refused; nothing is truncated."""

import pytest
import torch

from onlyif.core.errors import InputError
from onlyif.metrics.controls import sanity_maps
from onlyif.metrics.curves import threshold_curves
from onlyif.metrics.fidelity import FidelityMinus, FidelityPlus
from onlyif.metrics.fills import ConstantFill, MeanFill
from onlyif.metrics.gaps import Hiding, set_gaps
from onlyif.metrics.infidelity import Infidelity
from onlyif.metrics.irof import IROF, grid_segments
from onlyif.metrics.leak import LeakSettings, label_leak
from onlyif.metrics.max_sensitivity import MaxSensitivity
from onlyif.metrics.perturbations import (
    EuclideanBall,
    FadePerturbation,
    MaxNormBall,
    NoisyBaselinePerturbation,
    SquarePerturbation,
)
from onlyif.models.function import FunctionPredictor
from onlyif.references.baseline import BaselineReference

SOURCE = torch.Generator().manual_seed(0)
X = torch.randint(0, 256, (4, 1, 4, 4), generator=SOURCE)
TARGET = torch.tensor([0, 1, 1, 0])
WEIGHTS = torch.randn(16, 2, generator=SOURCE) * 3
MAPS = torch.randn(4, 1, 4, 4, generator=SOURCE)
SHARES = torch.rand(4, 1, 4, 4, generator=SOURCE)
HALF = ConstantFill(torch.tensor(0.5))


def _function(rows):
    return ((rows.float() / 255).flatten(1) @ WEIGHTS).softmax(1)


MODEL = FunctionPredictor(_function)


def _gaps(x):
    hiding = Hiding(BaselineReference(torch.full((1, 4, 4), 0.5)))
    found = set_gaps(SHARES.gt(0.5), MODEL, x, TARGET, hiding)
    return torch.cat([found.sufficiency, found.necessity]).flatten()


def _areas(x):
    hiding = Hiding(BaselineReference(torch.full((1, 4, 4), 0.5)))
    return threshold_curves(SHARES[:, 0], MODEL, x, TARGET, hiding).sufficiency.area.values


def _identity(rows, target):
    return rows.float()


MEASURES = {
    "infidelity": lambda x: Infidelity(n_draws=8).measure(MAPS, MODEL, x, TARGET).values,
    "squares": lambda x: (
        Infidelity(SquarePerturbation(2, HALF), n_draws=8).measure(MAPS, MODEL, x, TARGET).values
    ),
    "noisy": lambda x: (
        Infidelity(NoisyBaselinePerturbation(HALF, 0.3), n_draws=8).measure(MAPS, MODEL, x, TARGET).values
    ),
    "sensitivity": lambda x: MaxSensitivity(MaxNormBall(0.7), 5).measure(_identity, x, TARGET).values,
    "ball": lambda x: MaxSensitivity(EuclideanBall(0.7), 5).measure(_identity, x, TARGET).values,
    "fidelity+": lambda x: FidelityPlus(MeanFill()).measure(SHARES, MODEL, x, TARGET).values,
    "fidelity-": lambda x: FidelityMinus(HALF).measure(SHARES, MODEL, x, TARGET).values,
    "irof": lambda x: IROF(grid_segments(4, 4, 2)).measure(MAPS, MODEL, x, TARGET).values,
    "gaps": _gaps,
    "curves": _areas,
}


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
@pytest.mark.parametrize("name", MEASURES)
def test_integers_are_measured_as_floats(name, dtype):
    wanted = MEASURES[name](X.float())
    torch.testing.assert_close(MEASURES[name](X.to(dtype)), wanted, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    "law",
    [FadePerturbation(), MaxNormBall(0.3), EuclideanBall(0.3), NoisyBaselinePerturbation(HALF, 0.3)],
)
def test_perturbations_of_integers_have_fractions(law):
    z = law.draw(X, slice(0, 3), 0)
    assert z.dtype == torch.float32
    assert torch.equal(z, law.draw(X.float(), slice(0, 3), 0))
    assert law.draw(X.bfloat16(), slice(0, 3), 0).dtype == torch.bfloat16


def test_maps_beside_integers_have_fractions():
    random = sanity_maps(X, seed=0)["random"]
    assert torch.equal(random, sanity_maps(X.float(), seed=0)["random"])
    assert 0 < random.mean() < 1


def test_a_leak_is_read_off_integers_and_doubles_alike():
    masks, x = (torch.arange(16.0).view(1, 4, 4) + X.sum((1, 2, 3)).view(4, 1, 1)) % 2, X
    settings = LeakSettings(folds=2, epochs=1, batch=2, width=1)
    found = [label_leak(masks, one, torch.zeros_like(one), TARGET, settings) for one in (x, x.double())]
    assert found[0] == found[1]


def test_a_model_that_means_something_else_by_floats_is_refused():
    def scaled(rows):  # as transforms of images do
        return (rows / 255 if rows.dtype == torch.uint8 else rows).flatten(1) @ WEIGHTS

    with pytest.raises(InputError, match=r"uint8 otherwise than the same numbers as torch\.float32"):
        Infidelity(n_draws=2).measure(MAPS, FunctionPredictor(scaled), X.to(torch.uint8), TARGET)
    with pytest.raises(InputError, match="the explainer answers"):
        MaxSensitivity(MaxNormBall(1.0), 2).measure(
            lambda rows, _: rows.float() / (1 if rows.is_floating_point() else 255), X, TARGET
        )


def test_a_model_of_whole_numbers_alone_is_refused():
    table = torch.rand(256, 2)
    words = FunctionPredictor(lambda rows: table[rows.flatten(1)].mean(1))
    with pytest.raises(InputError, match=r"int64.*does not take the same numbers as torch\.float32"):
        FidelityMinus(HALF).measure(SHARES, words, X, TARGET)


def test_a_model_of_floats_alone_is_asked_floats():
    strict = FunctionPredictor(lambda rows: torch.sigmoid(rows.flatten(1) @ WEIGHTS / 255))
    got = Infidelity(n_draws=4).measure(MAPS, strict, X, TARGET).values
    torch.testing.assert_close(got, Infidelity(n_draws=4).measure(MAPS, strict, X.float(), TARGET).values)
