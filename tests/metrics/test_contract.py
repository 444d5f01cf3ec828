"""The contracts of both families of metrics, of fills and perturbations, and that no member is left out."""

import importlib
import pkgutil
from dataclasses import replace

import pytest
import torch

import onlyif.metrics
from onlyif.core.errors import InputError, ModelError, SettingError
from onlyif.metrics.base import ExplainerMetric, MapMetric, Question
from onlyif.metrics.fidelity import FidelityMinus, FidelityPlus
from onlyif.metrics.fills import ConstantFill, Fill, MeanFill
from onlyif.metrics.infidelity import Infidelity
from onlyif.metrics.insertion import Insertion
from onlyif.metrics.irof import IROF, grid_segments
from onlyif.metrics.max_sensitivity import MaxSensitivity
from onlyif.metrics.measured import Measured
from onlyif.metrics.perturbations import (
    EuclideanBall,
    FadePerturbation,
    MaxNormBall,
    NoisyBaselinePerturbation,
    Perturbation,
    SquarePerturbation,
)
from onlyif.metrics.sparseness import Sparseness
from onlyif.models.function import FunctionPredictor
from onlyif.testing.metrics import check_explainermetric, check_mapmetric

ZERO = ConstantFill(torch.zeros(()))
FILLS = [MeanFill(), ZERO]
PERTURBATIONS = [
    FadePerturbation(),
    SquarePerturbation(2, MeanFill()),
    NoisyBaselinePerturbation(ZERO, 0.3),
    MaxNormBall(0.2),
    EuclideanBall(0.2),
]
MAP_METRICS = [
    Sparseness(),
    *(Infidelity(one, n_draws=7) for one in PERTURBATIONS),
    Infidelity(n_draws=7, rescaled=True),
    IROF(grid_segments(6, 5, 2)),
    Insertion(MeanFill(), 5),
    Insertion(ZERO, 5, deleted=True),
    FidelityPlus(MeanFill()),
    FidelityMinus(ZERO),
]
EXPLAINER_METRICS = [
    MaxSensitivity(MaxNormBall(0.2), 7),
    MaxSensitivity(EuclideanBall(0.2), 7, relative=True),
]


def _name(member):
    return type(member).__name__


def _masks(images):
    """Valid for every metric: fidelity needs [0, 1]."""
    return images.maps.sigmoid()


@pytest.mark.parametrize("member", MAP_METRICS, ids=_name)
def test_the_contract_of_metrics_of_maps(member, images):
    check_mapmetric(member, _masks(images), images.predictor, images.x, images.target)


@pytest.mark.parametrize("member", EXPLAINER_METRICS, ids=_name)
def test_the_contract_of_metrics_of_explainers(member, images):
    check_explainermetric(member, _gradient(images), images.x, images.target)


def _gradient(images):
    def explain(rows, target):
        given = rows.detach().requires_grad_()
        with torch.enable_grad():
            outputs = images.function(given).gather(1, target.unsqueeze(1)).sum()
        return torch.autograd.grad(outputs, given)[0]

    return explain


@pytest.mark.parametrize("max_rows", [1, 3, 10])
@pytest.mark.parametrize("member", [one for one in MAP_METRICS if not isinstance(one, Sparseness)], ids=_name)
def test_max_rows_bounds_every_call_and_changes_nothing(member, max_rows, images):
    asked = []

    def counted(batch):
        asked.append(len(batch))
        return images.function(batch)

    predictor = replace(images.predictor, function=counted)
    small = replace(member, max_rows=max_rows).measure(_masks(images), predictor, images.x, images.target)
    whole = member.measure(_masks(images), images.predictor, images.x, images.target)
    assert max(asked) <= max_rows
    torch.testing.assert_close(small.values, whole.values, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("member", MAP_METRICS, ids=_name)
def test_a_model_that_spoils_its_batch_changes_nothing(member, images):
    def spoil(batch):
        outputs = images.function(batch)
        batch.fill_(torch.nan)
        return outputs

    masks, x = _masks(images), images.x.clone()
    spoilt = member.measure(masks, replace(images.predictor, function=spoil), x, images.target)
    assert torch.equal(x, images.x)
    right = member.measure(masks, images.predictor, x, images.target)
    torch.testing.assert_close(spoilt.values, right.values)


@pytest.mark.parametrize("max_rows", [1, 3, 10])
@pytest.mark.parametrize("member", EXPLAINER_METRICS, ids=_name)
def test_max_rows_bounds_the_explainer_too(member, max_rows, images):
    asked = []

    def counted(rows, target):
        asked.append(len(rows))
        return _gradient(images)(rows, target)

    small = replace(member, max_rows=max_rows).measure(counted, images.x, images.target)
    assert max(asked) <= max_rows
    whole = member.measure(_gradient(images), images.x, images.target)
    torch.testing.assert_close(small.values, whole.values, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("member", PERTURBATIONS, ids=_name)
def test_a_draw_depends_on_its_number_seed_and_instance_alone(member, images):
    whole = member.draw(images.x, slice(0, 6), 3)
    assert whole.shape == (4, 6, 2, 6, 5)
    torch.testing.assert_close(member.draw(images.x[1:2], slice(2, 5), 3), whole[1:2, 2:5])
    assert not torch.equal(member.draw(images.x, slice(0, 6), 4), whole)
    assert not torch.equal(whole[:, 0], whole[:, 1])


@pytest.mark.parametrize("member", FILLS, ids=_name)
def test_a_fill_depends_on_its_instance_alone(member, images):
    torch.testing.assert_close(member.values(images.x)[2:3], member.values(images.x[2:3]))


@pytest.mark.parametrize(
    ("base", "listed"),
    [
        (MapMetric, MAP_METRICS),
        (ExplainerMetric, EXPLAINER_METRICS),
        (Perturbation, PERTURBATIONS),
        (Fill, FILLS),
    ],
)
def test_no_member_is_left_out(base, listed):
    for found in pkgutil.iter_modules(onlyif.metrics.__path__, "onlyif.metrics."):
        importlib.import_module(found.name)
    members = {one for one in base.__subclasses__() if one.__module__.startswith("onlyif.metrics.")}
    assert members == {type(member) for member in listed}


class _Broken(MapMetric):
    """A mean of each map, with one thing wrong."""

    def __init__(self, wrong=""):
        self.wrong = wrong

    def measure(self, maps, predictor, x, target):
        if self.wrong != "unchecked" and not (len(x) and maps.shape == x.shape and maps.isfinite().all()):
            raise InputError("maps")
        if self.wrong != "unchecked" and len(target) != len(x):
            raise InputError("targets")
        values = maps.double().flatten(1).mean(1)
        if self.wrong == "batch":
            values = values / values.sum()
        if self.wrong == "order":
            values = values + torch.arange(len(x)) * (len(x) > 1)
        if self.wrong == "random":
            values = values + torch.rand(len(x))
        if self.wrong == "nan":
            values = values * torch.nan
        if self.wrong == "changes":
            maps += 0.5
        return Measured(values, values.unsqueeze(1) + 1 if self.wrong == "draws" else None)

    @property
    def question(self):
        return Question(
            "What?" if self.wrong != "question" else "That.", True, "" if self.wrong == "won" else "ones"
        )


SAID = {
    "unchecked": "must be refused",
    "batch": "depends on the other instances",
    "order": "order of instances",
    "random": "global random state",
    "nan": "must be finite",
    "changes": "must repeat|must not be changed",
    "draws": "means over their draws",
    "question": "asks a question",
    "won": "which trivial map wins",
}


@pytest.mark.parametrize("wrong", SAID)
def test_a_broken_metric_is_found_out(wrong, images):
    with pytest.raises(AssertionError, match=SAID[wrong]):
        check_mapmetric(_Broken(wrong), images.maps, images.predictor, images.x, images.target)
    check_mapmetric(_Broken(), images.maps, images.predictor, images.x, images.target)


class _BrokenOfExplainers(ExplainerMetric):
    def __init__(self, checked):
        self.checked = checked

    def measure(self, explainer, x, target):
        if self.checked:
            return MaxSensitivity(MaxNormBall(0.1), 2).measure(explainer, x, target)
        return Measured(
            explainer(x, target).double().flatten(1).sum(1).nan_to_num() if len(x) else torch.zeros(0)
        )

    @property
    def question(self):
        return Question("What?", False, "a fixed map")


def test_a_broken_metric_of_explainers_is_found_out(images):
    check_explainermetric(_BrokenOfExplainers(True), _gradient(images), images.x, images.target)
    with pytest.raises(AssertionError, match="must be refused"):
        check_explainermetric(_BrokenOfExplainers(False), _gradient(images), images.x, images.target)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Infidelity(n_draws=0), "n_draws must be at least 1, got 0"),
        (lambda: Infidelity(max_rows=0), "max_rows must be at least 1, got 0"),
        (lambda: MaxSensitivity(MaxNormBall(1.0), n_draws=0), "n_draws must be at least 1, got 0"),
        (lambda: FidelityPlus(ZERO, max_rows=0), "max_rows must be at least 1, got 0"),
        (lambda: FidelityMinus(ZERO, max_rows=0), "max_rows must be at least 1, got 0"),
        (lambda: IROF(grid_segments(2, 2, 1), max_rows=0), "max_rows must be at least 1, got 0"),
        (lambda: IROF(torch.tensor([[-1, 0]])), "numbered from 0, got -1"),
        (lambda: grid_segments(2, 2, 0), "at least 1, got 2, 2 and 0"),
        (lambda: MaxNormBall(0.0), "radius must be above 0 and finite, got 0.0"),
        (lambda: EuclideanBall(float("nan")), "radius must be above 0 and finite, got nan"),
        (lambda: SquarePerturbation(0, ZERO), "side must be at least 1, got 0"),
        (lambda: NoisyBaselinePerturbation(ZERO, -1.0), "sigma must be finite and at least 0, got -1.0"),
    ],
)
def test_settings_out_of_range_are_refused(make, said):
    with pytest.raises(SettingError, match=said):
        make()


@pytest.mark.parametrize("target", [[0, 1, 3, 1], [0, 1, -1, 1]])
@pytest.mark.parametrize("member", [Infidelity(n_draws=2), IROF(grid_segments(6, 5, 3))], ids=_name)
def test_a_target_out_of_range_is_refused(member, target, images):
    with pytest.raises(InputError, match="targets must lie in 0 to 2, got"):
        member.measure(images.maps, images.predictor, images.x, torch.tensor(target))


@pytest.mark.parametrize("member", [one for one in MAP_METRICS if not isinstance(one, Sparseness)], ids=_name)
def test_nan_of_the_model_is_an_error(member, images):
    broken = FunctionPredictor(lambda batch: images.function(batch) * torch.nan)
    with pytest.raises(ModelError, match="NaN or infinite"):
        member.measure(_masks(images), broken, images.x, images.target)
