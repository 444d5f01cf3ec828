"""Causes of images by size through `onlyif.explain`."""

import pytest
import torch
from matplotlib import pyplot
from torch import nn

import onlyif
from onlyif import PNS, Images
from onlyif.core.errors import InputError, SettingError
from onlyif.explanation.status import StatusKind
from onlyif.explanation.text import explanation_text
from onlyif.models.differentiable import DifferentiablePredictor
from onlyif.references.baseline import BaselineReference

X = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
LEFT = DifferentiablePredictor(lambda batch: batch[:, 0, 2:6, 1:3].mean((1, 2)).clamp(0, 1))
ASK = {"background": 0.2 * X, "criterion": PNS(c=0.05, n_perturbations=8), "size": [6, 10], "progress": False}


@pytest.fixture(scope="module")
def found():
    return onlyif.explain(
        LEFT, X[:2], modality=Images("pixels", classes=("bright",), titles=("one", "two")), **ASK
    )


def test_the_set_holds_what_the_network_looks_at_and_is_told_like_a_row(found, tmp_path):
    seen = torch.zeros(8, 8, dtype=torch.bool)
    seen[2:6, 1:3] = True
    for item, title in zip(found, ("one", "two"), strict=True):
        assert item.row == title and item.target_label == "bright" and item.size == 10
        assert item.at_size(6).keep.reshape(8, 8)[seen].sum() >= 5
        assert item.cause.pns.value > 0.5 and item.cause == item.at_size(10)
        assert [one.size for one in item.path][-1] >= 10
        assert set(item.at_size(6).players) <= set(item.cause.players)
        assert item.scores["cause"].shape == (8, 8) and item.asked_rows <= item.model_rows * 1.2
        text = explanation_text(item)
        assert "f(x')" in text and "MOST PROBABLE CAUSE of 10 pixels" in text and "feature" not in text
        assert "Perturbed pixels go to the mean of 5 background images." in text
        assert item.base_word == "f(x')" and item.baseline_prediction == item.base
    onlyif.save(found, tmp_path / "causes")
    assert onlyif.load(tmp_path / "causes") == found
    _, ax = pyplot.subplots()
    onlyif.plots.plot_image_sets(X[0], found[0], sizes=(6, 10), ax=ax)
    assert len(ax.child_axes[0].child_axes) == 2
    pyplot.close("all")


def test_probabilities_are_those_of_fresh_perturbations(found):
    # Of six pixels that all count PNS is near 1: perturbing them changes f, perturbing the rest does not.
    inside = [one for one in found[0].path if one.size == 6]
    assert inside[0].pns.stderr >= 0 and 0 < inside[0].effective_pn <= 4.0
    assert not inside[0].exact


def test_what_has_no_slope_or_is_no_cause_is_said():
    flat = DifferentiablePredictor(lambda batch: 0 * batch.mean((1, 2, 3)) + 0.5)
    item = onlyif.explain(flat, X[:1], **ASK)[0]
    kinds = [status.kind for status in item.statuses]
    assert StatusKind.NO_CAUSE in kinds and StatusKind.NO_SLOPE in kinds and item.reason


def test_the_start_of_a_learned_explainer_and_regions_serve_causes_too():
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    learned = onlyif.train_explainer(net, X, background=X, steps=1, batch=2)
    item = onlyif.explain(net, X[:1], search=learned, **{**ASK, "background": X})[0]
    assert "learned" in item.provenance.start and any("trained on" in note for note in item.notes)


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"reference": "marginal", "background": X}, InputError, "image 0 is equal to the baseline"),
        ({"criterion": PNS(baseline=[0.0])}, SettingError, "PNS(baseline=...) has no use"),
        ({"criterion": PNS(sample="nearest")}, SettingError, "copies of it"),
        ({"criterion": PNS(b="scott")}, SettingError, "b of images is a number or None"),
        ({"epsilon": 0.1}, SettingError, "epsilon has no use"),
        ({"background": X[:1]}, InputError, "image 0 is equal to the baseline"),
        ({"budget": 10}, SettingError, "too small for one step"),
    ],
)
def test_bad_input_is_refused(settings, error, said):
    with pytest.raises(error) as refused:
        onlyif.explain(LEFT, X[:1], **{**ASK, **settings})
    assert said in str(refused.value)


def test_several_baselines_are_searched_together_and_told_as_a_mean():
    settings = {**ASK, "reference": "marginal", "background": 0.3 * X[2:]}
    item = onlyif.explain(LEFT, X[:1], modality=Images("pixels"), **settings)[0]
    assert item.provenance.baseline.endswith("PNS is its mean over these 3 images x'.")
    assert "the mean prediction at the 3 images x'" in onlyif.explanation_text(item)
    assert item.cause.pns.value > 0.5 and item.asked_rows <= item.model_rows * 1.2
    # Whatever is asked for in the end is within the budget, too.
    for budget in (5_000, 20_000):
        short = onlyif.explain(LEFT, X[:1], modality=Images("pixels"), budget=budget, **settings)[0]
        assert short.asked_rows <= budget and short.model_rows <= budget
    noisy = onlyif.explain(LEFT, X[:1], modality=Images("pixels"), **{**ASK, "reference": "noise"})[0]
    assert "these 64 images" in noisy.provenance.baseline and not noisy.notes
    # Of few x' it is said that sets of single pixels may hold for these alone.
    assert [note.partition(" images x'")[0] for note in item.notes] == [
        "these sets of single pixels were looked for under 3"
    ]
    regions = onlyif.explain(LEFT, X[:1], modality=Images("regions"), **settings)[0]
    assert not regions.notes
    ends = [{**ASK, "reference": BaselineReference(one, "one")} for one in 0.3 * X[2:]]
    alone = [onlyif.explain(LEFT, X[:1], modality=Images("pixels"), **one)[0] for one in ends]
    same = [tuple(one.at_size(6).players) == tuple(item.at_size(6).players) for one in alone]
    if all(same):
        mean = sum(one.at_size(6).pns.value for one in alone) / 3
        assert item.at_size(6).pns.value == pytest.approx(mean, abs=0.1)


def test_each_image_is_measured_under_its_own_blurred_copy():
    images = torch.cat([X[:2], X[2:4] * 0.5])
    settings = {**ASK, "reference": "blur", "background": None}
    together = onlyif.explain(LEFT, images, modality=Images("pixels"), **settings)
    for i, item in enumerate(together):
        alone = onlyif.explain(LEFT, images[i : i + 1], modality=Images("pixels"), **settings)[0]
        assert item.base == pytest.approx(alone.base, abs=1e-6)
        assert item.at_size(6).pns.value == pytest.approx(alone.at_size(6).pns.value, abs=1e-3)
